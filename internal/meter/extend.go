package meter

import (
	"strconv"
	"time"
)

// Extend raises an open hold, its time to live, or both. Its outcome is a Reservation.
type Extend struct {
	OrganizationID string
	ReservationID  UUID
	RequestID      string
	Additional     Micros        // At least 0.
	TimeToLive     time.Duration // From now; 0: as before.
}

// Organization is the one whose turn it is.
func (c Extend) Organization() string { return c.OrganizationID }

// Need names the reservation, and what an earlier try may have left.
func (c Extend) Need(n *Needs) {
	n.Reservations = append(n.Reservations, IDKey{c.OrganizationID, c.ReservationID})
	n.Extensions = append(n.Extensions, Key{c.OrganizationID, c.RequestID})
}

// Apply is "Extend" of the semantics: the rule of Reserve for what is added, all or nothing. Abuse protection has no say:
// it never cuts a turn that is running.
func (c Extend) Apply(s *State) (Outcome, error) {
	if done, seen := s.Extensions.Get(c.RequestID); seen && done.Fingerprint != c.fingerprint() {
		return Outcome{}, about(RequestIDReused, "request_id", c.RequestID)
	}
	r, t, err := s.turn(c.ReservationID)
	if err != nil {
		return Outcome{}, err
	}
	if _, seen := s.Extensions.Get(c.RequestID); seen {
		return Outcome{Reservation: &r}, nil
	}
	if err := r.mayExtend(); err != nil {
		return Outcome{}, err
	}
	if err := t.mayStart(); err != nil {
		return Outcome{}, err
	}
	if r.Estimate, err = add(r.Estimate, c.Additional); err != nil {
		return Outcome{}, err
	}
	allowance, pool := t.split(c.Additional)
	if allowance+pool < c.Additional {
		return Outcome{}, t.hardStop(c.Additional)
	}
	t.hold(allowance, pool)
	r.HeldAllowance += allowance
	r.HeldPool += pool
	if until := expiry(s.Now, c.TimeToLive); until.After(r.ExpiresAt) {
		r.ExpiresAt = until
	}
	s.keep(&t)
	s.Reservations.Put(r.ID, r)
	s.Extensions.Put(c.RequestID, c.extension(r, s.Now))
	return Outcome{Reservation: &r}, nil
}

// mayExtend refuses a reservation that is no longer open.
func (r Reservation) mayExtend() error {
	switch r.State {
	case Committed:
		return about(AlreadyCommitted, "reservation_id", UUIDString(r.ID))
	case Released:
		return about(AlreadyReleased, "reservation_id", UUIDString(r.ID))
	case Expired:
		return about(ReservationExpired, "reservation_id", UUIDString(r.ID))
	default:
		return nil
	}
}

func (c Extend) extension(r Reservation, now time.Time) Extension {
	return Extension{
		RequestID: c.RequestID, Fingerprint: c.fingerprint(), ReservationID: r.ID,
		At: now, Additional: c.Additional, ExpiresAt: r.ExpiresAt,
	}
}

func (c Extend) fingerprint() Fingerprint {
	return fingerprint(UUIDString(c.ReservationID), strconv.FormatInt(int64(c.Additional), 10), c.TimeToLive.String())
}
