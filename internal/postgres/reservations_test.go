package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestReservationsAreNarrowed lists the turns of every state, of all members and of one, after each part of a firm's life: by a
// store whose pages look at few turns, and by one whose pages look at all of them.
func TestReservationsAreNarrowed(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	few := openAt(t, postgres.Config{URL: url, TestClock: true, EntriesLooked: 7})
	many := openAt(t, postgres.Config{URL: url, TestClock: true})
	l := found(t, few, firm)
	start, err := few.Now(within(t))
	must(t, err)
	check := func(when string) {
		sameByState(t, few, when+", few at a time")
		sameByState(t, many, when+", all at once")
	}
	check("before the first turn")
	old := reserve(firm, seat(0), "old", 10, time.Minute)
	l.do(old)
	for n := range 20 {
		r := reserve(firm, seat(n), fmt.Sprint("early", n), 10, time.Minute)
		l.do(r)
		switch n % 4 {
		case 0:
			l.do(commit(r, 5))
		case 1:
			l.do(release(r, 5))
		}
	}
	l.do(extend(old, "longer", 5))
	check("within the time to live")
	shift(t, few, 2*time.Minute)
	check("after it, before anybody looked")
	l.sweep(firm)
	check("swept")
	page := turnPage(t, few, meter.ReservationQuery{State: meter.Held, Limit: 5})
	if len(page.Reservations) != 1 || page.Reservations[0].RequestID != "old" || page.Next != (meter.UUID{}) {
		t.Errorf("the open one of many settled ones is not found at once: %+v", page)
	}
	l.do(holds("late", 10, time.Hour)...)
	check("with more open ones than a page looks at")
	_, err = few.SetClock(within(t), start.Add(-time.Hour))
	must(t, err)
	l.do(holds("back", 3, time.Minute)...)
	check("with the clock set back")
	shift(t, few, 48*time.Hour)
	l.sweep(firm)
	check("with nothing open")
}

// TestReservationsByStateAreBounded: a page that looks at few turns ends at the last of them, whether or not it found one.
func TestReservationsByStateAreBounded(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t), TestClock: true, EntriesLooked: 4})
	l := found(t, store, firm)
	l.do(holds("h", 9, time.Minute)...)
	all := turnPage(t, store, meter.ReservationQuery{Limit: 100}).Reservations
	q := meter.ReservationQuery{State: meter.Committed, Limit: 100}
	for _, want := range []meter.UUID{all[3].ID, all[7].ID, {}} {
		page := turnPage(t, store, q)
		if len(page.Reservations) != 0 || page.Next != want {
			t.Errorf("before %x: %d found, go on before %x, not %x", q.Before, len(page.Reservations), page.Next, want)
		}
		q.Before = page.Next
	}
	if page := turnPage(t, store, meter.ReservationQuery{State: meter.Held, Limit: 100}); len(page.Reservations) != 4 ||
		page.Next != all[3].ID {
		t.Errorf("of nine open ones %d are found, go on before %x", len(page.Reservations), page.Next)
	}
	for _, state := range []meter.ReservationState{0, meter.Held, meter.Committed} {
		q := meter.ReservationQuery{OrganizationID: "nobody", State: state, Limit: 1}
		if _, err := store.Reservations(within(t), q); reasonOf(err) != meter.OrganizationNotFound {
			t.Errorf("of nobody, in state %d: %v", state, err)
		}
	}
}

// sameByState compares what is listed of each state with those in it of all that are listed.
func sameByState(t testing.TB, store *postgres.Store, when string) {
	t.Helper()
	for _, member := range []string{"", seat(0)} {
		all := everyPage(t, store, meter.ReservationQuery{MemberID: member})
		for _, state := range []meter.ReservationState{meter.Held, meter.Committed, meter.Released, meter.Expired} {
			var want []meter.Reservation
			for _, r := range all {
				if r.State == state {
					want = append(want, r)
				}
			}
			got := everyPage(t, store, meter.ReservationQuery{MemberID: member, State: state})
			same(t, fmt.Sprintf("%s: of %q in state %d", when, member, state), got, want)
		}
	}
}

// everyPage reads a list in small pages to its end.
func everyPage(t testing.TB, store *postgres.Store, q meter.ReservationQuery) (all []meter.Reservation) {
	t.Helper()
	q.Limit = 3
	for {
		page := turnPage(t, store, q)
		if len(page.Reservations) > q.Limit {
			t.Fatalf("a page of %d holds %d", q.Limit, len(page.Reservations))
		}
		if all = append(all, page.Reservations...); page.Next == (meter.UUID{}) {
			return all
		}
		q.Before = page.Next
	}
}

// turnPage is a page of the firm's reservations.
func turnPage(t testing.TB, store *postgres.Store, q meter.ReservationQuery) meter.ReservationPage {
	t.Helper()
	q.OrganizationID = firm
	page, err := store.Reservations(within(t), q)
	must(t, err)
	return page
}
