package meter

// Commit charges a turn that gave its answer. Its outcome is a Reservation and a Meter.
type Commit struct {
	OrganizationID string
	ReservationID  UUID
	Actual         Micros // At least 0, unless ByTokens.
	ByTokens       bool   // Whether the cost is the price of the tokens.
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
	actual, basis := c.Actual, CostAmount
	if c.ByTokens {
		if actual, basis, err = s.costOf(r, t.org.Unit, c.Tokens); err != nil {
			return Outcome{}, err
		}
	}
	switch {
	case r.State == Committed && r.Charge.Actual == actual && r.Tokens == c.Tokens:
		return Outcome{Reservation: &r, Meter: t.meter()}, nil
	case r.State == Committed:
		return Outcome{}, about(AlreadyCommitted, "reservation_id", UUIDString(r.ID))
	case r.State == Released:
		return Outcome{}, about(AlreadyReleased, "reservation_id", UUIDString(r.ID))
	}
	r.Basis = basis
	return s.settle(r, t, Committed, t.charged(r, actual), c.Tokens)
}

// charged says who pays for a turn and gives its hold back: the allowance as it stands, then the pool as far as the turn's
// own hold and any further room go, and nobody the rest. The further room is the one beside all holds, the turn's own
// included, under the access as it is now: an access that was revoked while the turn ran leaves none, so it may use what it
// held and no more; a cap that was lowered leaves what of it is neither used nor held, which is none where those reach it.
func (t *seat) charged(r Reservation, actual Micros) Charge {
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
	Actual         Micros // What the turn had cost; at least 0, unless ByTokens.
	ByTokens       bool   // Whether the cost is the price of the tokens.
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
	actual, basis, err := c.cost(s, r, t)
	if err != nil {
		return Outcome{}, err
	}
	t.giveBack(r)
	r.Reason, r.Basis = c.Reason, basis
	allowance := min(actual, t.allowanceRoom())
	return s.settle(r, t, Released, Charge{Actual: actual, Allowance: allowance, Overrun: actual - allowance}, c.Tokens)
}

// cost is what a failed turn uses of the allowance, as far as there is room, and never of the pool. Under the plan's policy
// FREE it costs nothing.
func (c Release) cost(s *State, r Reservation, t seat) (Micros, CostBasis, error) {
	switch {
	case t.plan.FailedTurns != FailedTurnUseAllowance:
		return 0, CostAmount, nil
	case c.ByTokens:
		return s.costOf(r, t.org.Unit, c.Tokens)
	default:
		return c.Actual, CostAmount, nil
	}
}

// settle closes a reservation whose hold is back: it uses the charge, counts the tokens, and enters what became of it.
func (s *State) settle(r Reservation, t seat, to ReservationState, c Charge, tokens TokenUsage) (Outcome, error) {
	if err := t.charge(c); err != nil {
		return Outcome{}, err
	}
	t.countTokens(tokens)
	r.Late = r.State == Expired
	r.State, r.SettledAt, r.Charge, r.Tokens = to, s.Now, c, tokens
	s.enter(&t, r)
	r.Left = t.remains()
	s.keep(&t)
	s.Reservations.Put(r.ID, r)
	return Outcome{Reservation: &r, Meter: t.meter()}, nil
}

// enter adds one ledger entry for each layer that paid for a turn; if none did, the turn is on record as uncharged. The pool
// is drawn on after the allowance's entry, so that each entry tells the balance after it.
func (s *State) enter(t *seat, r Reservation) {
	entry := Entry{MemberID: r.MemberID, ReservationID: r.ID, RequestID: r.RequestID}
	if r.Charge.Allowance > 0 {
		entry.Kind, entry.Amount = EntryAllowanceCharge, r.Charge.Allowance
		s.record(&t.org, entry)
	}
	if r.Charge.Pool > 0 {
		t.draw(r.Charge.Pool)
		entry.Kind, entry.Amount = EntryPoolCharge, r.Charge.Pool
		s.record(&t.org, entry)
	}
	if r.Charge.Allowance == 0 && r.Charge.Pool == 0 {
		outcome := UnchargedCommitted
		if r.State == Released {
			outcome = UnchargedReleased
		}
		s.uncharge(&t.org, Uncharged{Outcome: outcome, MemberID: r.MemberID, ReservationID: r.ID})
	}
}
