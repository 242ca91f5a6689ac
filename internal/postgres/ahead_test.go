package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestMemoryIsConfirmed changes, behind a session's back, each thing that it decides a turn by.
func TestMemoryIsConfirmed(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url, TestClock: true})
	l := found(t, store, firm)
	other := newLane(t, store)
	first := reserve(firm, seat(0), "first", 1, time.Hour)
	l.do(first)
	again := first
	again.ReservationID = newID()
	greedy := reserve(firm, seat(0), newRequest(), 1e12, time.Hour)
	plan := teamPlan()
	plan.SeatAllowance = 2_000
	var ahead time.Time
	for _, c := range []struct {
		what   string
		change func()
		turn   meter.Reserve
		want   func(answer) bool
	}{
		{
			"nothing", func() {}, reserve(firm, seat(0), newRequest(), 1, time.Hour),
			func(a answer) bool { return a.Err == nil },
		},
		{
			"a plan", func() { must(t, store.PutPlan(within(t), plan, meter.Actor{})) },
			reserve(firm, seat(0), newRequest(), 1, time.Hour),
			func(a answer) bool { return a.Outcome.Meter.Allowance == 2_000 },
		},
		{
			"a price book", func() { putBook(t, store, listBook(5)) }, reserveUsage(firm, seat(0), newRequest(), usage),
			func(a answer) bool { return a.Outcome.Reservation.Estimate == 100 },
		},
		{
			"the clock", func() { ahead = shift(t, store, time.Hour) }, reserve(firm, seat(0), newRequest(), 1, time.Hour),
			func(a answer) bool { return !a.Outcome.Reservation.CreatedAt.Before(ahead) },
		},
		{
			"the clock, back", func() { ahead = shift(t, store, -time.Hour) }, reserve(firm, seat(0), newRequest(), 1, time.Hour),
			func(a answer) bool { return a.Outcome.Reservation.CreatedAt.Before(ahead.Add(time.Minute)) },
		},
		{
			"the firm", func() { other.do(topUp(firm, newRequest(), 1)) }, reserve(firm, seat(0), newRequest(), 1, time.Hour),
			func(a answer) bool { return a.Err == nil },
		},
		{
			"nothing, but the turn is sent again", func() {}, again,
			func(a answer) bool { return a.Outcome.Reservation.ID == first.ReservationID },
		},
		{
			"nothing, and there is no money", func() {}, greedy,
			func(a answer) bool {
				return reasonOf(a.Err) == meter.PoolEmpty || reasonOf(a.Err) == meter.ExtraUsageNotEnabled
			},
		},
	} {
		for range postgres.StrangeFor + 1 {
			l.do(reserve(firm, seat(0), newRequest(), 1, time.Hour))
		}
		l.Trust(true)
		c.change()
		answers, err := l.try(c.turn)
		if err != nil || !c.want(answers[0]) {
			t.Errorf("%s has changed: %+v, %v", c.what, answers, err)
		}
		confirmed := c.what == "nothing" || c.what == "nothing, and there is no money"
		if l.Ahead() != confirmed || l.Trusts() != confirmed {
			t.Errorf("%s has changed: decided by memory %t, and so from now on %t", c.what, l.Ahead(), l.Trusts())
		}
	}
	audittest.Check(t, url)
}

// TestATurnThatWasMadeIsNotRefused sends a turn again, which was granted, when the firm is suspended: the answer is the turn, as
// it would be without memory.
func TestATurnThatWasMadeIsNotRefused(t *testing.T) {
	t.Parallel()
	l := found(t, open(t), firm)
	r := reserve(firm, seat(0), "first", 1, time.Hour)
	l.do(r)
	suspended := organization(t, firm)
	suspended.State = meter.OrganizationSuspended
	l.do(suspended)
	r.ReservationID = newID()
	l.Trust(true)
	answers, err := l.try(r, reserve(firm, seat(0), "second", 1, time.Hour))
	if err != nil || answers[0].Err != nil || answers[0].Outcome.Reservation.ID == r.ReservationID || l.Trusts() {
		t.Errorf("the turn is answered %+v, %v", answers, err)
	}
	mustBe(t, answers[1].Err, meter.OrganizationSuspendedReason)
}

// TestALapsedHoldIsLookedFor, whatever the session remembers: without a sweeper, a hold that nobody settles is given back by
// whoever needs it.
func TestALapsedHoldIsLookedFor(t *testing.T) {
	t.Parallel()
	l := found(t, openAt(t, postgres.Config{URL: server.Database(t)}), firm)
	l.do(access(firm, seat(0), meter.Access{Kind: meter.AccessUnlimited}))
	all := firstTopUp + allowance
	l.do(reserve(firm, seat(0), "held", all, time.Second))
	turn := reserve(firm, seat(0), "waits", all, time.Hour)
	turn.Minimum = all
	refused := 0
	eventually(t, "the hold is given back", func() bool {
		turn.RequestID, turn.ReservationID = newRequest(), newID()
		l.Trust(true)
		answers, err := l.try(turn)
		must(t, err)
		if answers[0].Err != nil && l.Ahead() {
			refused++
		}
		return answers[0].Err == nil
	})
	if refused == 0 {
		t.Error("while it was held, nothing was decided by memory")
	}
}

// turnsOf begins a turn in each firm.
func turnsOf(firms []string) (turns []meter.Command) {
	for _, id := range firms {
		turns = append(turns, reserve(id, seat(0), newRequest(), 1, time.Hour))
	}
	return turns
}

// TestOrganizationsAreConfirmedTogether in whatever order they come, and each of them is.
func TestOrganizationsAreConfirmedTogether(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	firms := []string{"b", "_c", "B", "a:1", "a", "Z"}
	other := found(t, store, firms...)
	for _, id := range firms {
		l := newLane(t, store)
		l.do(turnsOf(firms)...)
		for _, turn := range turnsOf(firms) {
			l.do(turn) // Each organization was then written by a transaction of its own.
		}
		l.Trust(true)
		l.do(turnsOf(firms)...)
		if !l.Ahead() || !l.Trusts() {
			t.Errorf("before %s is written, decided by memory: %t, and rightly: %t", id, l.Ahead(), l.Trusts())
		}
		other.do(topUp(id, newRequest(), 1))
		l.Trust(true)
		l.do(turnsOf(firms)...)
		if l.Ahead() || l.Trusts() {
			t.Errorf("after another server wrote %s nothing was amiss", id)
		}
	}
}

// TestWhatIsBeingWrittenIsWaitedFor has another server be at an organization when a batch that was decided by memory comes to
// write it: if that one writes it, nothing is saved, and if it gives up, everything is.
func TestWhatIsBeingWrittenIsWaitedFor(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url})
	other := found(t, store, firm)
	for _, writes := range []bool{false, true} {
		l := newLane(t, store)
		l.do(reserve(firm, seat(0), newRequest(), 1, time.Hour))
		theirs, err := other.load(topUp(firm, newRequest(), 1))
		must(t, err)
		turn := reserve(firm, seat(0), newRequest(), 1, time.Hour)
		saved := l.decide(turn)
		waiting(t, store, 1)
		if writes {
			applyAll(theirs, []meter.Command{topUp(firm, newRequest(), 1)})
			must(t, other.Save(within(t), theirs))
		} else {
			other.Abandon()
		}
		if err := <-saved; errors.Is(err, meter.ErrStale) != writes || !writes && err != nil {
			t.Errorf("the other writes, %t: saved with %v", writes, err)
		}
		made := one[int](t, connect(t, store), `SELECT count(*) FROM reservation WHERE reservation_id = $1`, turn.ReservationID)
		if (made == 1) == writes {
			t.Errorf("the other writes, %t: the turn was made %d times", writes, made)
		}
	}
	audittest.Check(t, url)
}

// decide sends a batch that is decided by memory, and tells how it was saved.
func (l lane) decide(commands ...meter.Command) (saved chan error) {
	l.Helper()
	l.Trust(true)
	states, err := l.load(commands...)
	must(l, err)
	if !l.Ahead() {
		l.Fatal("the batch is not decided by memory")
	}
	applyAll(states, commands)
	saved = make(chan error, 1)
	ctx := within(l)
	go func() { saved <- l.Save(ctx, states) }()
	return saved
}

// waiting returns once so many of a store's connections wait for a lock.
func waiting(t testing.TB, store *postgres.Store, n int) {
	t.Helper()
	conn := connect(t, store)
	eventually(t, "the batch waits", func() bool {
		return one[int](t, conn, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == n
	})
}

// TestRememberedOrganizationsNeverDeadlock has two servers who remember the same organizations write them at once, when the
// first has got at some of them only.
func TestRememberedOrganizationsNeverDeadlock(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	firms := []string{"a", "b", "c", "d", "e", "f"}
	found(t, store, firms...)
	holder := connect(t, store)
	for range 3 {
		lanes := []lane{newLane(t, store), newLane(t, store)}
		for _, l := range lanes { // Who only looks remembers, too.
			states, err := l.load(turnsOf(firms)...)
			must(t, err)
			must(t, l.Save(within(t), states))
		}
		var saved []chan error
		exec(t, holder, "BEGIN")
		exec(t, holder, "SELECT FROM organization WHERE organization_id = 'c' FOR SHARE")
		for n, l := range lanes {
			saved = append(saved, l.decide(turnsOf(firms)...))
			waiting(t, store, n+1)
		}
		exec(t, holder, "COMMIT")
		if err := <-saved[0]; err != nil {
			t.Errorf("the first is saved with %v", err)
		}
		if err := <-saved[1]; !errors.Is(err, meter.ErrStale) {
			t.Errorf("the second is saved with %v", err)
		}
	}
	if n := deadlocks(t, store); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}
