package lane_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// counted counts what a session expires in each transaction.
type counted struct {
	lane.Session
	mu      *sync.Mutex
	expired *[]int
}

func (c counted) Save(ctx context.Context, states map[string]*meter.State) error {
	n := 0
	for _, s := range states {
		s.Reservations.Each(func(_ meter.UUID, _, r *meter.Reservation) {
			if r.State == meter.Expired {
				n++
			}
		})
	}
	if err := c.Session.Save(ctx, states); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if *c.expired = append(*c.expired, n); n == 0 {
		*c.expired = (*c.expired)[:len(*c.expired)-1]
	}
	return nil
}

// TestALapsedHoldNeverBlocksAReserve fills the pool with holds, more than one transaction gives back. When they have
// lapsed, a turn that needs all of the pool is granted before any sweeper came.
func TestALapsedHoldNeverBlocksAReserve(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	var expired []int
	var stats []lane.BatchStats
	p := start(t, postgres.Config{URL: url, TestClock: true, DueLimit: 10}, 1,
		lane.Config{Observe: func(s lane.BatchStats) { stats = append(stats, s) }},
		func(s lane.Session) lane.Session { return counted{s, &sync.Mutex{}, &expired} })
	const turns, hold = 35, 1_000
	p.found(turns * hold)
	p.do(reserve("ada", "allowance", allowance, 24*time.Hour))
	for n := range turns {
		p.do(reserve("ada", fmt.Sprint(n), hold, time.Minute))
	}
	if _, err := p.lanes.Do(within(t), reserve("ada", "early", hold, time.Minute)); reasonOf(err) != meter.PoolEmpty {
		t.Errorf("while the holds stand the answer is %v", err)
	}
	_, err := p.ShiftClock(within(t), time.Hour)
	must(t, err)
	p.do(reserve("ada", "all", turns*hold, time.Minute))
	if !slices.Equal(expired, []int{10, 10, 10, 5}) {
		t.Errorf("given back are %v", expired)
	}
	must(t, p.lanes.Close(within(t)))
	if s := stats[len(stats)-1]; s.Expired != turns || s.Commands != 1 || s.Attempts != 1 {
		t.Errorf("the batch's numbers are %+v", s)
	}
	audittest.Check(t, url)
}

// TestTwoSweepersGiveBackOnce has two processes sweep the same idle organizations at the same time.
func TestTwoSweepersGiveBackOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	var mu sync.Mutex
	var expired []int
	between := func(s lane.Session) lane.Session { return counted{s, &mu, &expired} }
	config := postgres.Config{URL: url, TestClock: true, DueLimit: 7}
	a, b := start(t, config, 2, lane.Config{}, between), start(t, config, 2, lane.Config{}, between)
	a.found(1_000_000)
	const firms, turns = 6, 20
	for n := range firms {
		id := fmt.Sprint("firm", n)
		put, pool := putFirm(id), topUp("first", 1_000_000)
		put.OrganizationID, pool.OrganizationID = id, id
		a.do(put)
		a.do(pool)
		a.do(meter.PutMember{OrganizationID: id, MemberID: "ada", Role: meter.RoleMember})
		var callers errgroup.Group
		for i := range turns {
			r := reserve("ada", fmt.Sprint(i), 50, time.Minute+time.Duration(i)*time.Second) // No two are tied.
			r.OrganizationID = id
			callers.Go(func() error { a.do(r); return nil })
		}
		must(t, callers.Wait())
	}
	_, err := a.ShiftClock(within(t), time.Hour)
	must(t, err)
	var sweeps errgroup.Group
	for _, p := range []process{a, b} {
		sweeper := lane.NewSweeper(p.lanes, p.DueOrganizations, time.Second, slog.New(slog.DiscardHandler))
		sweeps.Go(func() error { return sweeper.SweepOnce(within(t)) })
	}
	must(t, sweeps.Wait())
	sum := 0
	for _, n := range expired {
		if sum += n; n > firms*7 {
			t.Errorf("a transaction gave back %d", n)
		}
	}
	if sum != firms*turns {
		t.Errorf("given back were %d of %d holds: %v", sum, firms*turns, expired)
	}
	if due, err := b.DueOrganizations(within(t)); err != nil || len(due) != 0 {
		t.Errorf("still due are %s, %v", due, err)
	}
	if report := audittest.Check(t, url); report.Reservations.Expired != firms*turns {
		t.Errorf("the audit saw %+v", report.Reservations)
	}
}

// TestOneOrganizationsFailureStopsNoSweep has the first of many due organizations fail for good.
func TestOneOrganizationsFailureStopsNoSweep(t *testing.T) {
	bubble(t, lane.Config{MaxBatch: 1}, func(r *rig) {
		var swept []string
		r.fake.load = func(_ context.Context, states map[string]*meter.State) error {
			for id := range states {
				if id == "a" {
					return errFault
				}
				swept = append(swept, id)
			}
			return nil
		}
		many := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
		sweeper := lane.NewSweeper(r.lanes, func(context.Context) ([]string, error) { return many, nil }, time.Second, nil)
		if err := sweeper.SweepOnce(r.Context()); !errors.Is(err, errFault) {
			r.Errorf("the sweep answers %v", err)
		}
		slices.Sort(swept)
		if !slices.Equal(swept, many[1:]) {
			r.Errorf("swept are %s", swept)
		}
	})
}

// TestASweeperGoesOn runs a sweeper on a database that is away for a while, until it is told to end.
func TestASweeperGoesOn(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		var looks int
		var due []string
		var log strings.Builder
		look := func(context.Context) ([]string, error) {
			looks++
			if looks == 2 || looks == 3 {
				return nil, errDown
			}
			found := due
			due = nil
			return found, nil
		}
		ctx, cancel := context.WithCancel(r.Context())
		ended := make(chan struct{})
		go func() {
			lane.NewSweeper(r.lanes, look, time.Second, slog.New(slog.NewTextHandler(&log, nil))).Run(ctx)
			close(ended)
		}()
		r.pass(time.Second)
		due = []string{firm}
		r.pass(2 * time.Second) // The database is away.
		r.pass(time.Second)
		if len(r.fake.loaded) != 1 || r.fake.loaded[0][0] != firm || looks != 5 {
			r.Errorf("after four ticks and %d looks, swept are %s", looks, r.fake.loaded)
		}
		if strings.Count(log.String(), "sweeps fail;") != 1 || strings.Count(log.String(), "sweeps work again") != 1 {
			r.Errorf("the log says %q", log.String())
		}
		cancel()
		<-ended
	})
}

// TestASweepEndsWithItsContext leaves no goroutine behind when a sweep is cut short.
func TestASweepEndsWithItsContext(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		ctx, cancel := context.WithCancel(r.Context())
		var sweeping atomic.Bool
		sweeping.Store(true)
		go func() {
			sweeper := lane.NewSweeper(r.lanes, func(context.Context) ([]string, error) { return []string{"a", "b"}, nil }, time.Second,
				slog.New(slog.DiscardHandler))
			if err := sweeper.SweepOnce(ctx); !errors.Is(err, context.Canceled) {
				r.Errorf("the sweep answers %v", err)
			}
			sweeping.Store(false)
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if sweeping.Load() {
			r.Error("the sweep goes on")
		}
		release()
		r.committed([]string{"first"})
	})
}
