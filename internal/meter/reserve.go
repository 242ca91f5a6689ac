package meter

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Default and upper bound of a hold's time to live.
const (
	DefaultTimeToLive = 10 * time.Minute
	MaxTimeToLive     = 24 * time.Hour
)

// Reserve asks whether a turn may run. Its outcome is a Reservation and a Meter.
type Reserve struct {
	OrganizationID string
	ReservationID  UUID // Made by the server before the first try, so that a second try makes the same reservation.
	MemberID       string
	RequestID      string
	Estimate       Micros         // At least 1, unless Usage is to be priced.
	Usage          *EstimateUsage // Nil: Estimate is told.
	Minimum        Micros         // 1 to Estimate; of a usage at most its price is asked, and 0 asks for the whole.
	TimeToLive     time.Duration
	Turn           Turn
}

// Organization is the one whose turn it is.
func (c Reserve) Organization() string { return c.OrganizationID }

// Need names the seat, and the reservation that an earlier try may have made.
func (c Reserve) Need(n *Needs) {
	n.Members = append(n.Members, Key{c.OrganizationID, c.MemberID})
	n.ReserveRequests = append(n.ReserveRequests, Key{c.OrganizationID, c.RequestID})
	if n.Again {
		n.Attempts = append(n.Attempts, Attempt{c.OrganizationID, c.RequestID, c.ReservationID})
	}
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
		return c.refused(s, t, err)
	}
	if err := t.abused(); err != nil {
		return c.refused(s, t, err)
	}
	r, minimum, err := c.reservation(s, t)
	if err != nil {
		return Outcome{}, err
	}
	r.HeldAllowance, r.HeldPool = t.split(r.Estimate)
	if r.HeldAllowance+r.HeldPool < minimum {
		return c.refused(s, t, t.hardStop(minimum))
	}
	t.hold(r.HeldAllowance, r.HeldPool)
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

// reservation is what is to be held, and the least of it with which the turn may run. Where its usage is priced, it holds
// at least one micro, though the model may be free.
func (c Reserve) reservation(s *State, t seat) (r Reservation, minimum Micros, err error) {
	r = Reservation{
		ID: c.ReservationID, MemberID: c.MemberID, RequestID: c.RequestID, Fingerprint: c.fingerprint(),
		State: Held, Estimate: c.Estimate, Book: s.currentBook(t.org), Turn: c.Turn,
		PeriodStart: t.period.Start, CreatedAt: t.now, ExpiresAt: expiry(t.now, c.TimeToLive), Seen: t.sight(),
	}
	if c.Usage == nil {
		return r, c.Minimum, nil
	}
	price, err := s.price(r.Book, c.Turn.Model, c.Usage.Tokens, t.now, t.org.Unit)
	if err != nil {
		return r, 0, err
	}
	r.Estimate, r.Policy, r.Seen.Expected = max(1, price), c.Usage.Policy, c.Usage.Tokens
	if c.Minimum == 0 {
		return r, r.Estimate, nil
	}
	return r, min(c.Minimum, r.Estimate), nil
}

// expiry is when a time to live that begins now is over, to the microsecond, which is as fine as the store keeps time.
func expiry(now time.Time, ttl time.Duration) time.Time {
	return now.Add(ttl).Truncate(time.Microsecond)
}

// asked is what a retry must repeat of a usage: the most output it may have, for what is expected of it may be another at
// the retry. It is written out, field by field, so that no change of a type makes another turn of a retry.
func (u EstimateUsage) asked() string {
	return fmt.Sprintf("{Input:%d CachedInput:%d CacheWrite:%d Output:%d Reasoning:%d} %d", u.Tokens.Input, u.Tokens.CachedInput,
		u.Tokens.CacheWrite, u.MaxOutput, u.Tokens.Reasoning, u.Policy)
}

// fingerprint covers all that a retry must repeat. It is kept with the reservation: the same content must have the same one
// for ever, or else a retry across an upgrade of the service is refused.
func (c Reserve) fingerprint() Fingerprint {
	parts := []string{
		c.MemberID, strconv.FormatInt(int64(c.Estimate), 10), strconv.FormatInt(int64(c.Minimum), 10),
		c.TimeToLive.String(), c.Turn.Model, c.Turn.ConversationID, c.Turn.TurnID,
	}
	if u := c.Usage; u != nil {
		parts = append(parts, u.asked())
	}
	labels := make([]string, 0, len(c.Turn.Labels))
	for name, value := range c.Turn.Labels {
		labels = append(labels, fmt.Sprintf("%q=%q", name, value))
	}
	slices.Sort(labels)
	return fingerprint(append(parts, labels...)...)
}
