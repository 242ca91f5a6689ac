package lane_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// ledger is what callers were told, added up.
type ledger struct {
	mu       sync.Mutex
	bought   meter.Micros
	charged  map[string]meter.Charge // By member.
	settled  int
	stopped  map[meter.Reason]int
	abandons int // Turns that were reserved and never settled.
	refused  int // Reserves that were refused.
}

func (l *ledger) add(member string, c meter.Charge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.charged[member]
	sum.Actual += c.Actual
	sum.Allowance += c.Allowance
	sum.Pool += c.Pool
	sum.Overrun += c.Overrun
	l.charged[member] = sum
	l.settled++
}

func (l *ledger) note(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// caller runs turns on two processes as an orchestrator does: what is transient it sends again, to either.
type caller struct {
	testing.TB
	name      string
	processes []process
	random    *rand.Rand
	ledger    *ledger
}

// send sends a command until it is answered for good, and at times once more, or to both processes at once.
func (c *caller) send(command func() meter.Command) (meter.Outcome, error) {
	var outcome meter.Outcome
	var err error
	var twins sync.WaitGroup
	defer twins.Wait()
	for range 50 {
		if c.random.IntN(8) == 0 {
			twins.Go(func() { _, _ = c.carry(command()) })
		}
		if outcome, err = c.carry(command()); !transient(err) {
			return outcome, err
		}
	}
	c.Errorf("%+v: never answered: %v", command(), err)
	return outcome, err
}

func (c *caller) carry(command meter.Command) (meter.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := c.processes[rand.IntN(len(c.processes))]
	outcome, err := p.lanes.Do(ctx, command)
	if err != nil && reasonOf(err) == "" {
		c.Errorf("%+v: %v", command, err)
	}
	return outcome, err
}

func transient(err error) bool {
	reason := reasonOf(err)
	return reason == meter.Unavailable || reason == meter.Overloaded
}

// turn reserves, and then settles, extends or leaves the turn, with retries of each under its request id.
func (c *caller) turn(n int) {
	member := []string{"ada", "ben", "cy"}[c.random.IntN(3)]
	estimate := meter.Micros(1 + c.random.IntN(200))
	made := reserve(member, fmt.Sprint(c.name, ".", n), estimate, time.Hour)
	outcome, err := c.send(func() meter.Command {
		try := made
		try.ReservationID = newID() // The server names each try anew; only the first one counts.
		return try
	})
	if err != nil {
		c.ledger.note(func() { c.ledger.stopped[reasonOf(err)]++; c.ledger.refused++ })
		return
	}
	id := outcome.Reservation.ID
	again, err := c.send(func() meter.Command { return made })
	if err != nil || again.Reservation.ID != id {
		c.Errorf("%s was made as %s, and again as %+v, %v", made.RequestID, meter.UUIDString(id), again.Reservation, err)
		return
	}
	var settle meter.Command
	switch actual := meter.Micros(c.random.IntN(250)); c.random.IntN(10) {
	case 0:
		c.ledger.note(func() { c.ledger.abandons++ })
		return
	case 1, 2:
		settle = meter.Release{OrganizationID: firm, ReservationID: id, Reason: "it failed", Actual: actual}
	case 3:
		_, err := c.send(func() meter.Command {
			return meter.Extend{OrganizationID: firm, ReservationID: id, RequestID: made.RequestID, Additional: 20}
		})
		if err != nil {
			c.ledger.note(func() { c.ledger.stopped[reasonOf(err)]++ })
		}
		settle = commit(id, actual)
	default:
		settle = commit(id, actual)
	}
	done, err := c.send(func() meter.Command { return settle })
	if err != nil {
		c.Errorf("%+v: %v", settle, err)
		return
	}
	c.ledger.add(member, done.Reservation.Charge)
}

// buy tops the pool up.
func (c *caller) buy(n int) {
	outcome, err := c.send(func() meter.Command { return topUp(fmt.Sprint(c.name, ".", n), 100) })
	if err != nil || outcome.Entry.Amount != 100 {
		c.Errorf("a top-up answers %+v, %v", outcome.Entry, err)
	}
	c.ledger.note(func() { c.ledger.bought += 100 })
}

// TestTwoProcessesOneHotOrganization has many callers run turns on one firm through two processes, whose database forgets
// to answer every tenth COMMIT. What they were told must be what is on disk, to the last micro.
func TestTwoProcessesOneHotOrganization(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	every := func(n int) func(lane.Session) lane.Session {
		return func(s lane.Session) lane.Session {
			saves := 0
			return forgetful{s, func() bool { saves++; return saves%n == 0 }}
		}
	}
	config := postgres.Config{URL: url, TestClock: true, DueLimit: 25}
	processes := []process{
		start(t, config, 2, lane.Config{MaxBatch: 40, Attempts: 2}, every(10)),
		start(t, config, 2, lane.Config{QueueLength: 24}, every(7)),
	}
	const pool, callers, turns = 20_000, 40, 16
	processes[0].found(pool)
	told := &ledger{bought: pool, charged: map[string]meter.Charge{}, stopped: map[meter.Reason]int{}}
	var running sync.WaitGroup
	for n := range callers {
		c := &caller{t, fmt.Sprint("c", n), processes, rand.New(rand.NewPCG(7, uint64(n))), told}
		running.Go(func() {
			for n := range turns {
				c.turn(n)
			}
			c.buy(turns)
		})
	}
	running.Wait()
	_, err := processes[0].ShiftClock(within(t), 2*time.Hour)
	must(t, err)
	for _, p := range processes {
		p.sweep()
	}
	told.compare(processes[1])
	// A refusal is not remembered, so the twin of a Reserve that was refused may have been granted, and left, a moment later.
	left, perhaps := int64(told.abandons), int64(told.refused)
	if expired := audittest.Check(t, url).Reservations.Expired; expired < left || expired > left+perhaps {
		t.Errorf("%d turns were left and %d refused once, the audit saw %d expired", left, perhaps, expired)
	}
	for _, reason := range []meter.Reason{meter.PoolEmpty, meter.MemberCapReached, meter.ExtraUsageNotEnabled} {
		if told.stopped[reason] == 0 {
			t.Errorf("no turn was stopped by %s: %v", reason, told.stopped)
		}
	}
}

// sweep gives back what is due, however often the database forgets to say that it did.
func (p process) sweep() {
	p.Helper()
	sweeper := lane.NewSweeper(p.lanes, p.DueOrganizations, time.Second, slog.New(slog.DiscardHandler))
	for range 50 {
		err := sweeper.SweepOnce(within(p))
		if err == nil {
			return
		}
		if !transient(err) {
			p.Error(err)
			return
		}
	}
	p.Error("the sweep never ends")
}

// compare holds what is on disk to what callers were told.
func (l *ledger) compare(p process) {
	p.Helper()
	o, err := p.Organization(within(p), firm)
	must(p, err)
	var consumed meter.Micros
	for member, charged := range l.charged {
		m, err := p.Member(within(p), firm, member)
		must(p, err)
		consumed += charged.Pool
		want := meter.Period{
			Start: m.Period.Start, AllowanceUsed: charged.Allowance, PoolUsed: charged.Pool, Overrun: charged.Overrun,
		}
		if m.Period != want {
			p.Errorf("%s has %+v, callers were told %+v", member, m.Period, charged)
		}
		if member == "ben" && m.Period.PoolUsed > benCap || m.Period.AllowanceUsed > allowance {
			p.Errorf("%s passed a limit: %+v", member, m.Period)
		}
	}
	want := meter.Pool{Balance: l.bought - consumed, Purchased: l.bought, Consumed: consumed}
	if o.Pool != want || want.Balance < 0 {
		p.Errorf("the pool is %+v, callers were told %+v", o.Pool, want)
	}
	if l.settled == 0 {
		p.Error("nothing was settled")
	}
}
