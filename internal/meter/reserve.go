package meter

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Bounds and default of a hold's time to live.
const (
	DefaultTimeToLive = 10 * time.Minute
	MinTimeToLive     = time.Second
	MaxTimeToLive     = 24 * time.Hour
)

// Reserve asks whether a turn may run. Its outcome is a Reservation and a Meter.
type Reserve struct {
	OrganizationID string
	ReservationID  UUID // Made by the server before the first try, so that a second try makes the same reservation.
	MemberID       string
	RequestID      string
	Estimate       Micros // At least 1.
	Minimum        Micros // 1 to Estimate.
	TimeToLive     time.Duration
	Turn           Turn
}

// Organization is the one whose turn it is.
func (c Reserve) Organization() string { return c.OrganizationID }

// Need names the seat, and the reservation that an earlier try may have made.
func (c Reserve) Need(n *Needs) {
	n.Members = append(n.Members, Key{c.OrganizationID, c.MemberID})
	n.ReserveRequests = append(n.ReserveRequests, Key{c.OrganizationID, c.RequestID})
}

// Apply is "Reserve: before a turn" of the semantics, in its order.
func (c Reserve) Apply(s *State) (Outcome, error) {
	if id, seen := s.Requests[c.RequestID]; seen {
		return c.again(s, id)
	}
	t, err := s.seat(c.MemberID)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.mayStart(); err != nil {
		return Outcome{}, err
	}
	if err := t.abused(); err != nil {
		return Outcome{}, err
	}
	allowance, pool := t.split(c.Estimate)
	if allowance+pool < c.Minimum {
		return Outcome{}, t.hardStop(c.Minimum)
	}
	t.hold(allowance, pool)
	r := c.reservation(t, allowance, pool)
	t.org.noteHold(r)
	s.keep(&t)
	s.Reservations.Put(r.ID, r)
	s.Requests[r.RequestID] = r.ID
	return Outcome{Reservation: &r, Meter: t.meter()}, nil
}

// again answers a request id that was seen before: a retry gets the reservation as it now stands.
func (c Reserve) again(s *State, id UUID) (Outcome, error) {
	r, t, err := s.turn(id)
	if err != nil {
		return Outcome{}, err
	}
	if r.Fingerprint != c.fingerprint() {
		return Outcome{}, about(RequestIDReused, "request_id", c.RequestID)
	}
	return Outcome{Reservation: &r, Meter: t.meter()}, nil
}

func (c Reserve) reservation(t seat, allowance, pool Micros) Reservation {
	return Reservation{
		ID: c.ReservationID, MemberID: c.MemberID, RequestID: c.RequestID, Fingerprint: c.fingerprint(),
		State: Held, Estimate: c.Estimate, HeldAllowance: allowance, HeldPool: pool,
		PeriodStart: t.period.Start, CreatedAt: t.now, ExpiresAt: expiry(t.now, c.TimeToLive), Turn: c.Turn,
	}
}

// expiry is when a time to live that begins now is over, to the microsecond, which is as fine as the store keeps time.
func expiry(now time.Time, ttl time.Duration) time.Time {
	return now.Add(ttl).Truncate(time.Microsecond)
}

// fingerprint covers all that a retry must repeat.
func (c Reserve) fingerprint() Fingerprint {
	parts := []string{
		c.MemberID, strconv.FormatInt(int64(c.Estimate), 10), strconv.FormatInt(int64(c.Minimum), 10),
		c.TimeToLive.String(), c.Turn.Model, c.Turn.ConversationID, c.Turn.TurnID,
	}
	labels := make([]string, 0, len(c.Turn.Labels))
	for name, value := range c.Turn.Labels {
		labels = append(labels, fmt.Sprintf("%q=%q", name, value))
	}
	slices.Sort(labels)
	return fingerprint(append(parts, labels...)...)
}
