package meter

import (
	"bytes"
	"cmp"
	"slices"
)

// Sweep gives back what is due in an organization and does nothing else: every batch begins by doing so. Its outcome is
// empty.
type Sweep struct{ OrganizationID string }

// Organization is the one to sweep.
func (c Sweep) Organization() string { return c.OrganizationID }

// Need is that the organization is loaded, not remembered: what is due is loaded with it.
func (c Sweep) Need(n *Needs) { n.Lapsed = append(n.Lapsed, c.OrganizationID) }

// Apply has nothing left to do.
func (c Sweep) Apply(*State) (Outcome, error) { return Outcome{}, nil }

// ExpireDue gives back every loaded hold that has lapsed, in the order in which they did, and answers how many. It runs
// before a batch's commands, so that a lapsed hold never stands in the way of a turn. An expiry is a release without tokens,
// made by the service.
func (s *State) ExpireDue() int {
	var due []Reservation
	for _, id := range s.Reservations.Keys() {
		if r, _ := s.Reservations.Get(id); r.due(s.Now) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b Reservation) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	for _, r := range due {
		s.expire(r)
	}
	s.noteDue()
	return len(due)
}

func (s *State) expire(r Reservation) {
	_, t, err := s.turn(r.ID)
	if err != nil {
		return
	}
	t.giveBack(r)
	r.State, r.SettledAt, r.Left = Expired, s.Now, t.remains()
	s.uncharge(&t.org, Uncharged{Outcome: UnchargedExpired, MemberID: r.MemberID, ReservationID: r.ID})
	s.keep(&t)
	s.Reservations.Put(r.ID, r)
}

// noteDue remembers when to look for lapsed holds again.
func (s *State) noteDue() {
	if s.Due == nil {
		return
	}
	if o, ok := s.Organization.Get(s.ID); ok {
		o.NextDue = s.Due.Next
		s.Organization.Put(o.ID, o)
	}
}

// MoreDue says whether more holds are due than were loaded.
func (s *State) MoreDue() bool { return s.Due != nil && s.Due.More }

// noteHold sees to it that a new hold is looked for when it expires.
func (o *Organization) noteHold(r Reservation) {
	if o.NextDue.IsZero() || r.ExpiresAt.Before(o.NextDue) {
		o.NextDue = r.ExpiresAt
	}
}
