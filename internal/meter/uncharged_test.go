package meter_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// toldReasons are the reasons for which a turn of a known member is refused, and on record as such.
var toldReasons = map[meter.Reason]bool{
	meter.OrganizationSuspendedReason: true, meter.MemberRemovedReason: true, meter.AbuseLimitReached: true,
	meter.ExtraUsageNotEnabled: true, meter.PoolEmpty: true, meter.MemberCapReached: true, meter.IndividualExhausted: true,
}

// checkTold holds a refused command to what it may leave behind: a turn that was not let run is on record, once for each
// attempt, and nothing else is.
func checkTold(
	t rapid.TB, s *meter.State, c meter.Command, reason meter.Reason, known map[meter.UUID]bool, told []meter.Uncharged,
) {
	t.Helper()
	turn, begins := c.(meter.Reserve)
	if !begins || !toldReasons[reason] || known[turn.ReservationID] {
		if len(told) > 0 {
			t.Fatalf("%+v was refused with %s and left %+v", c, reason, told)
		}
		return
	}
	o, _ := s.Organization.Get(s.ID)
	if len(told) != 1 || told[0].Refused == nil || told[0].Sequence != o.UnchargedSequence {
		t.Fatalf("%+v was refused with %s and left %+v after %d", c, reason, told, o.UnchargedSequence)
	}
	u, r := told[0], told[0].Refused
	if u.Outcome != meter.UnchargedRefused || u.MemberID != turn.MemberID || !u.At.Equal(s.Now) || r.Reason != reason ||
		r.AttemptID != turn.ReservationID || r.RequestID != turn.RequestID || (turn.Usage == nil && r.Estimate != turn.Estimate) {
		t.Fatalf("%+v was refused with %s and is on record as %+v %+v", turn, reason, u, r)
	}
	checkRooms(t, s, u)
}

// checkRooms holds a refusal on record to the state that it was decided on.
func checkRooms(t rapid.TB, s *meter.State, u meter.Uncharged) {
	t.Helper()
	o, _ := s.Organization.Get(s.ID)
	m, _ := s.Members.Get(u.MemberID)
	now := meter.MeterOf(o, s.Plans[o.PlanID], m, s.Now)
	limit := max(0, now.Access.Cap-now.Period.PoolUsed-now.Period.PoolHeld)
	if r := u.Refused; r.AllowanceRoom != now.Remaining || r.PoolAvailable != o.Pool.Available() || r.Access != now.Access.Kind ||
		r.CapRoom != limit || !r.ResetsAt.Equal(now.Span.End) || !r.PeriodStart.Equal(now.Period.Start) ||
		(r.Reason == meter.AbuseLimitReached) != r.WindowClosesAt.After(s.Now) {
		t.Fatalf("a refusal tells %+v of the meter %+v and the pool %+v", *r, now, o.Pool)
	}
}

// loadRefused tells which attempts are on record as refused.
func (f *firm) loadRefused(s *meter.State, n meter.Needs) {
	for _, u := range f.uncharged {
		for _, a := range n.Attempts {
			if a.OrganizationID == s.ID && u.Refused != nil && u.Refused.AttemptID == a.ID {
				s.RefusedBefore[a.ID] = true
			}
		}
	}
}

// auditUncharged checks that the turns without an entry are on record without a gap, each once for each way in which it
// ended, and that no other turn is.
func auditUncharged(t rapid.TB, f *firm) {
	t.Helper()
	type end struct {
		turn    meter.UUID
		outcome meter.UnchargedOutcome
	}
	told, want := map[end]int{}, map[end]int{}
	for i, u := range f.uncharged {
		if _, member := f.members[u.MemberID]; !member || u.Sequence != int64(i+1) {
			t.Fatalf("uncharged turn %d is %+v", i+1, u)
		}
		if at := (end{u.ReservationID, u.Outcome}); u.Refused == nil {
			told[at]++
		} else if at.turn = u.Refused.AttemptID; told[at] > 0 {
			t.Fatalf("the refusal %+v is told again", *u.Refused)
		} else {
			told[at]++
			want[at]++
		}
	}
	for id, r := range f.reservations {
		if r.State == meter.Expired || r.Late {
			want[end{id, meter.UnchargedExpired}] = 1
		}
		if r.Basis != 0 && r.Charge.Allowance == 0 && r.Charge.Pool == 0 {
			want[end{id, map[meter.ReservationState]meter.UnchargedOutcome{
				meter.Committed: meter.UnchargedCommitted, meter.Released: meter.UnchargedReleased,
			}[r.State]}] = 1
		}
	}
	if len(told) != len(want) {
		t.Fatalf("uncharged are %v, should be %v", told, want)
	}
	for at, n := range want {
		if told[at] != n {
			t.Fatalf("%+v is told %d times", at, told[at])
		}
	}
	for _, o := range f.organization {
		if o.UnchargedSequence != int64(len(f.uncharged)) {
			t.Fatalf("the organization counts %d uncharged turns of %d", o.UnchargedSequence, len(f.uncharged))
		}
	}
}

// TestOnlyACarriedBatchAsksForRefusals: the usual one pays nothing for what it does not need.
func TestOnlyACarriedBatchAsksForRefusals(t *testing.T) {
	turn := meter.Reserve{OrganizationID: "acme", ReservationID: meter.UUID{1}, RequestID: "r1", TimeToLive: time.Minute}
	var first meter.Needs
	again := meter.Needs{Again: true}
	turn.Need(&first)
	turn.Need(&again)
	want := meter.Attempt{OrganizationID: "acme", RequestID: "r1", ID: meter.UUID{1}}
	if len(first.Attempts) != 0 || len(again.Attempts) != 1 || again.Attempts[0] != want {
		t.Errorf("the first try asks for %v, the next for %v", first.Attempts, again.Attempts)
	}
}
