package meter

// Commit charges a turn that gave its answer. Its outcome is a Reservation and a Meter.
type Commit struct {
	OrganizationID string
	ReservationID  UUID
	Actual         Micros // At least 0.
	Tokens         TokenUsage
}

// Organization is the one whose turn it was.
func (c Commit) Organization() string { return c.OrganizationID }

// Need names the reservation.
func (c Commit) Need(n *Needs) {
	n.Reservations = append(n.Reservations, IDKey{c.OrganizationID, c.ReservationID})
}

// Apply is "Commit: the turn gave its answer" of the semantics.
func (c Commit) Apply(s *State) (Outcome, error) {
	r, t, err := s.turn(c.ReservationID)
	if err != nil {
		return Outcome{}, err
	}
	switch {
	case r.State == Committed && r.Charge.Actual == c.Actual && r.Tokens == c.Tokens:
		return Outcome{Reservation: &r, Meter: t.meter()}, nil
	case r.State == Committed:
		return Outcome{}, about(AlreadyCommitted, "reservation_id", UUIDString(r.ID))
	case r.State == Released:
		return Outcome{}, about(AlreadyReleased, "reservation_id", UUIDString(r.ID))
	}
	charge := t.price(r, c.Actual)
	return s.settle(r, t, Committed, charge, c.Tokens)
}

// price says who pays for a turn and gives its hold back: the allowance as it stands, then the pool as far as the turn's
// own hold and any further room go, and nobody the rest. Under an access revoked or a cap lowered while the turn ran
// there is no further room, so it may use what it held and no more.
func (t *seat) price(r Reservation, actual Micros) Charge {
	further := t.poolRoom()
	own := t.giveBack(r)
	allowance := min(actual, t.allowanceRoom())
	pool := min(actual-allowance, own+further)
	return Charge{Actual: actual, Allowance: allowance, Pool: pool, Overrun: actual - allowance - pool}
}

// Release gives a failed turn's hold back. Its outcome is a Reservation and a Meter.
type Release struct {
	OrganizationID string
	ReservationID  UUID
	Reason         string
	Actual         Micros // What the turn had cost; at least 0.
	Tokens         TokenUsage
}

// Organization is the one whose turn it was.
func (c Release) Organization() string { return c.OrganizationID }

// Need names the reservation.
func (c Release) Need(n *Needs) {
	n.Reservations = append(n.Reservations, IDKey{c.OrganizationID, c.ReservationID})
}

// Apply is "Release: the turn failed" of the semantics. A release that comes after the expiry still counts its tokens.
func (c Release) Apply(s *State) (Outcome, error) {
	r, t, err := s.turn(c.ReservationID)
	if err != nil {
		return Outcome{}, err
	}
	switch r.State {
	case Released:
		return Outcome{Reservation: &r, Meter: t.meter()}, nil
	case Committed:
		return Outcome{}, about(AlreadyCommitted, "reservation_id", UUIDString(r.ID))
	case Held, Expired:
	}
	t.giveBack(r)
	r.Reason = c.Reason
	return s.settle(r, t, Released, t.failedCharge(c.Actual), c.Tokens)
}

// failedCharge is what a failed turn uses of the allowance under the plan's policy: never anything of the pool.
func (t *seat) failedCharge(actual Micros) Charge {
	if t.plan.FailedTurns != FailedTurnUseAllowance {
		return Charge{}
	}
	allowance := min(actual, t.allowanceRoom())
	return Charge{Actual: actual, Allowance: allowance, Overrun: actual - allowance}
}

// settle closes a reservation whose hold is back: it uses the charge, counts the tokens, and adds one ledger entry for
// each layer that paid. The pool is drawn on after the allowance's entry, so that each entry tells the balance after it.
func (s *State) settle(r Reservation, t seat, to ReservationState, c Charge, tokens TokenUsage) (Outcome, error) {
	if err := t.charge(c); err != nil {
		return Outcome{}, err
	}
	t.countTokens(tokens)
	r.Late = r.State == Expired
	r.State, r.SettledAt, r.Charge, r.Tokens = to, s.Now, c, tokens
	entry := Entry{MemberID: r.MemberID, ReservationID: r.ID, RequestID: r.RequestID}
	if c.Allowance > 0 {
		entry.Kind, entry.Amount = EntryAllowanceCharge, c.Allowance
		s.record(&t.org, entry)
	}
	if c.Pool > 0 {
		t.draw(c.Pool)
		entry.Kind, entry.Amount = EntryPoolCharge, c.Pool
		s.record(&t.org, entry)
	}
	s.keep(&t)
	s.Reservations.Put(r.ID, r)
	return Outcome{Reservation: &r, Meter: t.meter()}, nil
}
