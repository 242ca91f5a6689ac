package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestWhatAnotherServerWroteIsLoaded has a session remember a firm, and another server change each thing that it remembers.
func TestWhatAnotherServerWroteIsLoaded(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	here, there := openAt(t, postgres.Config{URL: url}), openAt(t, postgres.Config{URL: url})
	tap := tapOf(here)
	l := found(t, here, firm)
	other := newLane(t, there)
	theTurn := turn("a", 1)
	l.do(theTurn) // Its statements are prepared now.
	l.do(commit(theTurn, 1))
	if _, err := l.try(reserve(firm, seat(1), newRequest(), 1e12, time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		there meter.Command
		here  meter.Command
		want  func(answer) bool
	}{
		{
			"a turn is extended", extend(theTurn, "longer", 11), commit(theTurn, 9),
			func(a answer) bool { return a.Outcome.Reservation.Estimate == 111 },
		},
		{
			"a turn is settled", commit(theTurn, 7), commit(theTurn, 8),
			func(a answer) bool { return reasonOf(a.Err) == meter.AlreadyCommitted },
		},
		{
			"a turn is settled alike", commit(theTurn, 7), commit(theTurn, 7),
			func(a answer) bool { return a.Outcome.Reservation.Charge.Actual == 7 },
		},
		{
			"a seat is used", commit(theTurn, 99), reserve(firm, seat(1), newRequest(), 1, time.Hour),
			func(a answer) bool { return a.Outcome.Meter.Period.AllowanceUsed+a.Outcome.Meter.Period.PoolUsed >= 99 },
		},
		{
			"a seat's access is revoked", access(firm, seat(1), meter.Access{Kind: meter.AccessNone}),
			reserve(firm, seat(1), newRequest(), 1e12, time.Hour),
			func(a answer) bool { return reasonOf(a.Err) == meter.ExtraUsageNotEnabled },
		},
	} {
		for _, ahead := range []bool{false, true} {
			l.do(access(firm, seat(1), meter.Access{Kind: meter.AccessUnlimited}))
			for range postgres.StrangeFor + 1 { // Nobody else writes for a while,
				l.do(reserve(firm, seat(1), newRequest(), 1, time.Hour))
			}
			theTurn.RequestID, theTurn.ReservationID = newRequest(), newID()
			l.do(theTurn) // so that this is remembered.
			if a, err := other.try(of(c.there, theTurn)); err != nil || a[0].Err != nil {
				t.Fatal(c.what, err, a)
			}
			l.Trust(ahead)
			var answers []answer
			var err error
			n := tap.during(func() { answers, err = l.try(of(c.here, theTurn)) })
			if err != nil || !c.want(answers[0]) || !ahead && n != 3 || ahead && (n < 4 || l.Trusts()) {
				t.Errorf("%s by another server, then %T: %+v, %v, in %d round trips", c.what, c.here, answers, err, n)
			}
			other.do(topUp(firm, newRequest(), 1))
			n = tap.during(func() { l.do(reserve(firm, seat(2), newRequest(), 1, time.Hour)) })
			if !ahead && n != 2 {
				t.Errorf("where another server writes, too, a batch takes %d round trips", n)
			}
		}
	}
}

// of is a command about another turn.
func of(c meter.Command, r meter.Reserve) meter.Command {
	switch c := c.(type) {
	case meter.Extend:
		c.ReservationID, c.RequestID = r.ReservationID, newRequest()
		return c
	case meter.Commit:
		c.ReservationID = r.ReservationID
		return c
	case meter.SetAccess:
		c.ChangeID = newID()
		return c
	case meter.Reserve:
		c.ReservationID, c.RequestID = newID(), newRequest()
		return c
	default:
		return c
	}
}

// TestMemoryEndsWithItsConnection: behind a new one there may be another database, which numbers its transactions alike.
func TestMemoryEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm)
	l.do(reserve(firm, seat(1), "one", 1, time.Hour))
	remembered := l.Remembered()
	l.Session.Close()
	l.do(topUp(firm, "other", 1))
	if after := l.Remembered(); remembered < 3*512 || after != 512 {
		t.Errorf("%d bytes are remembered, and %d on a new connection: more than the organization", remembered, after)
	}
}

// TestMemoryIsBounded by bytes, however large or many what it remembers is.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t).NewSession()
	most := 0
	for n := range 40 {
		id := fmt.Sprint("firm", n)
		state := meter.NewState(id, time.Now())
		state.Organization.Put(id, meter.Organization{ID: id})
		for m := range 500 {
			state.Members.Put(fmt.Sprint(m), meter.Member{ID: fmt.Sprint(m), AvatarURL: strings.Repeat("x", 2_000)})
		}
		for range 500 {
			r := meter.Reservation{ID: newID(), MemberID: seat(0), State: meter.Held}
			r.Turn.Labels = map[string]string{"project": strings.Repeat("x", 1_000)}
			state.Reservations.Put(r.ID, r)
		}
		for range 3 { // What is remembered already counts once.
			s.Remember(map[string]*meter.State{id: state})
		}
		most = max(most, s.Remembered())
	}
	if one := 2_100_000; most > postgres.MostRemembered+one || most < postgres.MostRemembered-one {
		t.Errorf("%d bytes are remembered at most, of %d that may be", most, postgres.MostRemembered)
	}
}

// TestSettledTurnsAreForgotten, so that what is remembered does not grow with what was done.
func TestSettledTurnsAreForgotten(t *testing.T) {
	t.Parallel()
	l := found(t, open(t), firm)
	l.do(reserve(firm, seat(1), "first", 1, time.Hour))
	before := l.Remembered()
	for n := range 20 {
		r, failed := turn("ok", n), turn("failed", n)
		r.MemberID, failed.MemberID = seat(1), seat(1)
		l.do(r, failed)
		if n == 0 && l.Remembered() <= before {
			t.Error("an open turn is not remembered")
		}
		l.do(commit(r, 1), release(failed, 1))
	}
	if after := l.Remembered(); after != before {
		t.Errorf("%d bytes are remembered after 40 turns, %d before", after, before)
	}
}

func newRequest() string { return fmt.Sprintf("%x", newID()) }
