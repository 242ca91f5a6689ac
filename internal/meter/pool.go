package meter

import "strconv"

// TopUp adds a bought pack to the pool. Its outcome is a Pool and an Entry.
type TopUp struct {
	OrganizationID string
	RequestID      string
	Amount         Micros // At least 1.
	Reference      string
}

// Organization is the one that bought it.
func (c TopUp) Organization() string { return c.OrganizationID }

// Need names the entry that an earlier try may have made.
func (c TopUp) Need(n *Needs) { n.TopUps = append(n.TopUps, Key{c.OrganizationID, c.RequestID}) }

// Apply adds to the balance and to the lifetime purchased, once per request id. A suspended organization can be topped up.
func (c TopUp) Apply(s *State) (Outcome, error) {
	o, err := s.organization()
	if err != nil {
		return Outcome{}, err
	}
	entry := Entry{
		Kind: EntryTopUp, Amount: c.Amount, Reference: c.Reference, RequestID: c.RequestID,
		Fingerprint: fingerprint(strconv.FormatInt(int64(c.Amount), 10), c.Reference),
	}
	if done, err := s.moved(o, entry); done != nil || err != nil {
		return done.orNone(), err
	}
	if o.Pool.Purchased, err = add(o.Pool.Purchased, c.Amount); err != nil {
		return Outcome{}, err
	}
	o.Pool.Balance += c.Amount
	return s.move(o, entry), nil
}

// Refund takes balance back out against one earlier top-up. Its outcome is a Pool and an Entry.
type Refund struct {
	OrganizationID string
	RequestID      string
	TopUpRequestID string
	Amount         Micros // At least 1.
	Reference      string
}

// Organization is the one that is refunded.
func (c Refund) Organization() string { return c.OrganizationID }

// Need names the top-up, and the entry that an earlier try may have made.
func (c Refund) Need(n *Needs) {
	n.TopUps = append(n.TopUps, Key{c.OrganizationID, c.TopUpRequestID})
	n.Refunds = append(n.Refunds, Key{c.OrganizationID, c.RequestID})
}

// Apply takes at most what of the top-up is not yet refunded, and not more than the balance that no turn holds.
func (c Refund) Apply(s *State) (Outcome, error) {
	o, err := s.organization()
	if err != nil {
		return Outcome{}, err
	}
	entry := Entry{
		Kind: EntryRefund, Amount: c.Amount, Reference: c.Reference, RequestID: c.RequestID, TopUpRequestID: c.TopUpRequestID,
		Fingerprint: fingerprint(strconv.FormatInt(int64(c.Amount), 10), c.Reference, c.TopUpRequestID),
	}
	if done, err := s.moved(o, entry); done != nil || err != nil {
		return done.orNone(), err
	}
	topUp, ok := s.Movements.Get(MovementKey{EntryTopUp, c.TopUpRequestID})
	if !ok {
		return Outcome{}, about(TopUpNotFound, "top_up_request_id", c.TopUpRequestID)
	}
	if left := topUp.Amount - s.RefundedOf[c.TopUpRequestID]; c.Amount > left {
		return Outcome{}, tooMuch(RefundExceedsTopUp, c.Amount, "refundable_micros", left)
	}
	if c.Amount > o.Pool.Available() {
		return Outcome{}, tooMuch(RefundExceedsBalance, c.Amount, "available_micros", o.Pool.Available())
	}
	o.Pool.Balance -= c.Amount
	o.Pool.Refunded += c.Amount
	s.RefundedOf[c.TopUpRequestID] += c.Amount
	return s.move(o, entry), nil
}

// moved answers a top-up or a refund whose request id was seen before: a retry gets the entry it made; nil: it is new.
func (s *State) moved(o Organization, e Entry) (*Outcome, error) {
	done, seen := s.Movements.Get(MovementKey{e.Kind, e.RequestID})
	switch {
	case !seen:
		return nil, nil
	case done.Fingerprint != e.Fingerprint:
		return nil, about(RequestIDReused, "request_id", e.RequestID)
	default:
		return &Outcome{Pool: &o.Pool, Entry: &done, Organization: &o}, nil
	}
}

// move records a movement of the pool.
func (s *State) move(o Organization, e Entry) Outcome {
	e = s.record(&o, e)
	s.Movements.Put(MovementKey{e.Kind, e.RequestID}, e)
	s.Organization.Put(o.ID, o)
	return Outcome{Pool: &o.Pool, Entry: &e, Organization: &o}
}

func (o *Outcome) orNone() Outcome {
	if o == nil {
		return Outcome{}
	}
	return *o
}
