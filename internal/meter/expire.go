package meter

import "time"

// Sweep gives back what is due in an organization and does nothing else: every batch begins by doing so. Its outcome is
// empty.
type Sweep struct{ OrganizationID string }

// Organization is the one to sweep.
func (c Sweep) Organization() string { return c.OrganizationID }

// Need is nothing: what is due is loaded with every organization.
func (c Sweep) Need(*Needs) {}

// Apply has nothing left to do.
func (c Sweep) Apply(*State) (Outcome, error) { return Outcome{}, nil }

// ExpireDue gives back every loaded hold that has lapsed, and answers how many. It runs before a batch's commands, so
// that a lapsed hold never stands in the way of a turn. An expiry is a release without tokens, made by the service.
func (s *State) ExpireDue() int {
	expired := 0
	for _, id := range s.Reservations.Keys() {
		if r, _ := s.Reservations.Get(id); r.due(s.Now) {
			s.expire(r)
			expired++
		}
	}
	s.noteSwept()
	return expired
}

func (s *State) expire(r Reservation) {
	_, t, err := s.turn(r.ID)
	if err != nil {
		return
	}
	t.giveBack(r)
	r.State, r.SettledAt = Expired, s.Now
	s.keep(&t)
	s.Reservations.Put(r.ID, r)
}

// noteSwept remembers up to when everything due has been given back, so that it is not looked for again.
func (s *State) noteSwept() {
	until := s.SweptUntil
	if until.After(s.Now) {
		until = s.Now
	}
	if o, ok := s.Organization.Get(s.ID); ok && until.After(o.SweptUntil) {
		o.SweptUntil = until
		s.Organization.Put(o.ID, o)
	}
}

// noteHold keeps the promise of SweptUntil when time went back, as a test clock may make it: a hold that expires before
// what was swept must still be found.
func (o *Organization) noteHold(r Reservation) {
	if !r.ExpiresAt.After(o.SweptUntil) {
		o.SweptUntil = r.ExpiresAt.Add(-time.Microsecond)
	}
}
