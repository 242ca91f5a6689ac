package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// holds reserves n turns in one batch, which fall due at the same instant.
func holds(name string, n int, ttl time.Duration) (commands []meter.Command) {
	for i := range n {
		commands = append(commands, reserve(firm, seat(i), fmt.Sprint(name, i), 10, ttl))
	}
	return commands
}

// sweep loads a firm with what is due, gives that back, and tells what it found.
func (l lane) sweep(id string) (loaded int, s *meter.State) {
	l.Helper()
	states, err := l.load(meter.Sweep{OrganizationID: id})
	must(l, err)
	s = states[id]
	loaded = len(s.Reservations.Keys())
	if expired := s.ExpireDue(); expired != loaded {
		l.Errorf("of %d loaded, %d expired", loaded, expired)
	}
	must(l, l.Save(within(l), states))
	return loaded, s
}

func due(t testing.TB, store *postgres.Store) []string {
	t.Helper()
	ids, err := store.DueOrganizations(within(t))
	must(t, err)
	return ids
}

func shift(t testing.TB, store *postgres.Store, by time.Duration) time.Time {
	t.Helper()
	now, err := store.ShiftClock(within(t), by)
	must(t, err)
	return now
}

// TestDueIsLoadedInBoundsNeverBetweenTies has more due than a batch looks at. The bound counts what was settled in time,
// too, and is passed by those that fall due at the instant of the last one.
func TestDueIsLoadedInBoundsNeverBetweenTies(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url, TestClock: true, DueLimit: 3})
	l := found(t, store, firm, "idle")
	settled := holds("settled", 2, time.Minute)
	l.do(settled...)
	l.do(commit(settled[0].(meter.Reserve), 5), release(settled[1].(meter.Reserve), 5))
	l.do(holds("tied", 5, 2*time.Minute)...)
	l.do(holds("last", 2, 3*time.Minute)...)
	if ids := due(t, store); len(ids) != 0 {
		t.Errorf("before anything is due: %s", ids)
	}
	shift(t, store, time.Hour)
	for step, want := range []struct {
		loaded int
		looked bool
		more   bool
		due    []string
	}{
		{5, true, true, []string{firm}}, // Two that were settled and one to the bound of three, with the four it is tied to.
		{2, true, false, nil},
		{0, false, false, nil},
	} {
		loaded, s := l.sweep(firm)
		if loaded != want.loaded || s.MoreDue() != want.more || (s.Due != nil) != want.looked {
			t.Errorf("step %d: loaded %d, due %+v", step, loaded, s.Due)
		}
		if ids := due(t, store); !slices.Equal(ids, want.due) {
			t.Errorf("step %d: due are %s", step, ids)
		}
		o, err := store.Organization(within(t), firm)
		must(t, err)
		if want.looked && !o.NextDue.Equal(s.Due.Next) || !want.looked && !o.NextDue.IsZero() {
			t.Errorf("step %d: kept is %v, found %+v", step, o.NextDue, s.Due)
		}
	}
	audittest.Check(t, url)
}

// TestDueIsToldOfEachOrganization loads one firm with due holds beside one without, in one batch.
func TestDueIsToldOfEachOrganization(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm, "idle")
	l.do(holds("h", 4, time.Minute)...)
	shift(t, store, time.Minute)
	states, err := l.load(meter.Sweep{OrganizationID: "idle"}, meter.Sweep{OrganizationID: firm}, meter.Sweep{OrganizationID: "none"})
	must(t, err)
	l.Abandon()
	for id, want := range map[string]int{"idle": 0, firm: 4, "none": 0} {
		s := states[id]
		if got := len(s.Reservations.Keys()); got != want || (s.Due != nil) != (want > 0) {
			t.Errorf("%s: %d due, found %+v", id, got, s.Due)
		}
		if !s.Now.Equal(states[firm].Now) || s.Now.IsZero() {
			t.Errorf("%s: the time is %v, of the others %v", id, s.Now, states[firm].Now)
		}
	}
}

// TestAnExtendedHoldFallsDueLater extends a hold past a sweep.
func TestAnExtendedHoldFallsDueLater(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm)
	h := reserve(firm, seat(0), "h", 10, time.Minute)
	l.do(append(holds("other", 1, time.Minute), h)...)
	l.do(extend(h, "x", 5))
	shift(t, store, time.Hour)
	if loaded, _ := l.sweep(firm); loaded != 1 {
		t.Errorf("after an hour %d are due", loaded)
	}
	shift(t, store, time.Hour)
	if ids := due(t, store); len(ids) != 1 {
		t.Errorf("after two hours due are %s", ids)
	}
	if loaded, _ := l.sweep(firm); loaded != 1 {
		t.Errorf("after two hours %d are due", loaded)
	}
}

// TestTimeThatGoesBackLosesNoHold sweeps a firm, moves the clock back before that, and makes a hold that falls due
// before what was swept.
func TestTimeThatGoesBackLosesNoHold(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url, TestClock: true})
	l := found(t, store, firm)
	start, err := store.Now(within(t))
	must(t, err)
	l.do(holds("early", 2, time.Minute)...)
	shift(t, store, time.Hour)
	l.sweep(firm)
	back, err := store.SetClock(within(t), start.Add(-time.Hour))
	must(t, err)
	if since := back.Sub(start.Add(-time.Hour)); since < 0 || since > patience {
		t.Errorf("set back to %v, the clock shows %v", start.Add(-time.Hour), back)
	}
	l.do(holds("again", 3, time.Minute)...)
	if ids := due(t, store); len(ids) != 0 {
		t.Errorf("at once due are %s", ids)
	}
	shift(t, store, time.Minute)
	if ids := due(t, store); !slices.Equal(ids, []string{firm}) {
		t.Errorf("a minute later due are %s", ids)
	}
	if loaded, _ := l.sweep(firm); loaded != 3 {
		t.Errorf("a minute later %d were due", loaded)
	}
	o, err := store.Organization(within(t), firm)
	must(t, err)
	if o.Pool.Held != 0 || len(due(t, store)) != 0 {
		t.Errorf("after the sweep the pool is %+v, due are %s", o.Pool, due(t, store))
	}
}

// TestTheTestClockIsShared moves the clock on one store and reads it on another, and on one without.
func TestTheTestClockIsShared(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	a, b := openAt(t, postgres.Config{URL: url, TestClock: true}), openAt(t, postgres.Config{URL: url, TestClock: true})
	plain := openAt(t, postgres.Config{URL: url})
	shift(t, a, 24*time.Hour)
	moved := shift(t, a, 24*time.Hour)
	seen, err := b.Now(within(t))
	must(t, err)
	unmoved, err := plain.Now(within(t))
	must(t, err)
	if seen.Before(moved) || seen.Sub(moved) > patience || moved.Sub(unmoved) < 48*time.Hour-patience || moved.Sub(unmoved) > 48*time.Hour {
		t.Errorf("moved to %v, the other store shows %v, one without the test clock %v", moved, seen, unmoved)
	}
	if _, err := plain.ShiftClock(within(t), time.Hour); err == nil || reasonOf(err) != "" {
		t.Errorf("a store without the test clock moves it: %v", err)
	}
	if _, err := plain.SetClock(within(t), moved); err == nil || reasonOf(err) != "" {
		t.Errorf("a store without the test clock sets it: %v", err)
	}
}
