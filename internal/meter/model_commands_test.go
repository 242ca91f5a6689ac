package meter_test

import (
	"fmt"
	"slices"

	"github.com/spillway-metering/spillway/internal/meter"
)

// do decides a command. It answers why it is refused, if it is, and the turn that it is about, if there is one.
func (m *model) do(c meter.Command) (meter.Reason, *modelTurn) {
	switch c := c.(type) {
	case meter.Reserve:
		return m.reserve(c)
	case meter.Commit:
		return m.commit(c)
	case meter.Release:
		return m.release(c)
	case meter.Extend:
		return m.extend(c)
	case meter.TopUp:
		return m.topUp(c), nil
	case meter.Refund:
		return m.refund(c), nil
	case meter.SetAccess:
		return m.setAccess(c), nil
	case meter.PutMember:
		return m.putMember(c), nil
	case meter.RemoveMember:
		return m.removeMember(c), nil
	case meter.PutOrganization:
		m.plan, m.suspended = m.plans[c.PlanID], c.State == meter.OrganizationSuspended
		return "", nil
	case meter.Sweep:
		return "", nil
	default:
		panic(fmt.Sprintf("the model does not know %T", c))
	}
}

func (m *model) reserve(c meter.Reserve) (meter.Reason, *modelTurn) {
	for _, turn := range m.turns {
		if turn.asked.RequestID == c.RequestID {
			if said(turn.asked) != said(c) {
				return meter.RequestIDReused, nil
			}
			return "", turn
		}
	}
	if m.seats[c.MemberID] == nil {
		return meter.MemberNotFound, nil
	}
	if no := m.mayStart(c.MemberID); no != "" {
		return no, nil
	}
	if m.abused(c.MemberID) {
		return meter.AbuseLimitReached, nil
	}
	estimate, least, priced := m.estimate(c)
	if !priced {
		return meter.UnpricedModel, nil
	}
	a, p, no := m.hold(c.MemberID, m.period(), estimate, least)
	if no != "" {
		return no, nil
	}
	turn := &modelTurn{
		asked: c, state: meter.Held, allowance: a, pool: p, estimate: estimate,
		period: m.period(), expires: m.now.Add(c.TimeToLive), version: len(m.rates), seen: m.sight(c.MemberID, m.period()),
	}
	if c.Usage != nil {
		turn.seen.Expected = c.Usage.Tokens
	}
	m.turns = append(m.turns, turn)
	return "", turn
}

// estimate is what a turn is to hold, and the least of it.
func (m *model) estimate(c meter.Reserve) (estimate, least meter.Micros, priced bool) {
	if c.Usage == nil {
		return c.Estimate, c.Minimum, true
	}
	cost, priced := m.price(c.Turn.Model, c.Usage.Tokens, len(m.rates))
	estimate = max(1, cost)
	if c.Minimum == 0 {
		return estimate, estimate, priced
	}
	return estimate, min(c.Minimum, estimate), priced
}

// said is what a retry must repeat.
func said(c meter.Reserve) string {
	words := fmt.Sprint(c.MemberID, c.Estimate, c.Minimum, c.TimeToLive, c.Turn)
	if c.Usage != nil {
		words += fmt.Sprint(c.Usage.Tokens.Input, c.Usage.MaxOutput, c.Usage.Policy)
	}
	return words
}

func (m *model) commit(c meter.Commit) (meter.Reason, *modelTurn) {
	turn := m.turn(c.ReservationID)
	if turn == nil {
		return meter.ReservationNotFound, nil
	}
	actual, basis := m.cost(turn, c.Actual, c.ByTokens, c.Tokens)
	switch {
	case turn.state == meter.Released:
		return meter.AlreadyReleased, nil
	case turn.state == meter.Committed && (turn.charge.Actual != actual || turn.tokens != c.Tokens):
		return meter.AlreadyCommitted, nil
	case turn.state == meter.Committed:
		return "", turn
	}
	member, own := turn.asked.MemberID, meter.Micros(0)
	further := m.poolRoom(member, turn.period)
	a := m.allowanceRoom(member, turn.period)
	if turn.state == meter.Held {
		own = turn.pool
		a = m.allowanceRoomWithout(turn)
	}
	charge := meter.Charge{Actual: actual}
	charge.Allowance = min(actual, a)
	charge.Pool = min(actual-charge.Allowance, own+further)
	charge.Overrun = actual - charge.Allowance - charge.Pool
	turn.basis = basis
	m.settle(turn, meter.Committed, charge, c.Tokens)
	return "", turn
}

// allowanceRoomWithout is the allowance room were a turn's own hold given back.
func (m *model) allowanceRoomWithout(turn *modelTurn) meter.Micros {
	state := turn.state
	turn.state = meter.Released
	defer func() { turn.state = state }()
	return m.allowanceRoom(turn.asked.MemberID, turn.period)
}

func (m *model) release(c meter.Release) (meter.Reason, *modelTurn) {
	turn := m.turn(c.ReservationID)
	switch {
	case turn == nil:
		return meter.ReservationNotFound, nil
	case turn.state == meter.Committed:
		return meter.AlreadyCommitted, nil
	case turn.state == meter.Released:
		return "", turn
	}
	var charge meter.Charge
	turn.basis = meter.CostAmount
	if m.plan.FailedTurns == meter.FailedTurnUseAllowance {
		charge.Actual, turn.basis = m.cost(turn, c.Actual, c.ByTokens, c.Tokens)
		charge.Allowance = min(charge.Actual, m.allowanceRoomWithout(turn))
		charge.Overrun = charge.Actual - charge.Allowance
	}
	m.settle(turn, meter.Released, charge, c.Tokens)
	return "", turn
}

func (m *model) extend(c meter.Extend) (meter.Reason, *modelTurn) {
	turn := m.turn(c.ReservationID)
	for _, done := range m.extensions {
		if done.RequestID == c.RequestID {
			if done != c {
				return meter.RequestIDReused, nil
			}
			return "", turn
		}
	}
	if turn == nil {
		return meter.ReservationNotFound, nil
	}
	closed := map[meter.ReservationState]meter.Reason{
		meter.Committed: meter.AlreadyCommitted, meter.Released: meter.AlreadyReleased, meter.Expired: meter.ReservationExpired,
	}
	if no := closed[turn.state]; no != "" {
		return no, nil
	}
	if no := m.mayStart(turn.asked.MemberID); no != "" {
		return no, nil
	}
	a, p, no := m.hold(turn.asked.MemberID, turn.period, c.Additional, c.Additional)
	if no != "" {
		return no, nil
	}
	turn.allowance += a
	turn.pool += p
	turn.estimate += c.Additional
	if until := m.now.Add(c.TimeToLive); until.After(turn.expires) {
		turn.expires = until
	}
	m.extensions = append(m.extensions, c)
	return "", turn
}

func (m *model) topUp(c meter.TopUp) meter.Reason {
	for _, done := range m.topUps {
		if done.RequestID == c.RequestID {
			if done != c {
				return meter.RequestIDReused
			}
			return ""
		}
	}
	m.topUps = append(m.topUps, c)
	return ""
}

func (m *model) refund(c meter.Refund) meter.Reason {
	var left meter.Micros
	for _, bought := range m.topUps {
		if bought.RequestID == c.TopUpRequestID {
			left = bought.Amount
		}
	}
	for _, done := range m.refunds {
		if done.RequestID == c.RequestID {
			if done != c {
				return meter.RequestIDReused
			}
			return ""
		}
		if done.TopUpRequestID == c.TopUpRequestID {
			left -= done.Amount
		}
	}
	switch {
	case !slices.ContainsFunc(m.topUps, func(b meter.TopUp) bool { return b.RequestID == c.TopUpRequestID }):
		return meter.TopUpNotFound
	case c.Amount > left:
		return meter.RefundExceedsTopUp
	case c.Amount > m.available():
		return meter.RefundExceedsBalance
	}
	m.refunds = append(m.refunds, c)
	return ""
}

func (m *model) setAccess(c meter.SetAccess) meter.Reason {
	seat := m.seats[c.MemberID]
	if seat == nil {
		return meter.MemberNotFound
	}
	if !m.changes[c.ChangeID] {
		seat.access, m.changes[c.ChangeID] = c.Access, true
	}
	return ""
}

func (m *model) putMember(c meter.PutMember) meter.Reason {
	if m.seats[c.MemberID] == nil {
		m.seats[c.MemberID] = &modelSeat{access: meter.Access{Kind: meter.AccessNone}}
	}
	m.seats[c.MemberID].own, m.seats[c.MemberID].removed = c.Allowance, false
	return ""
}

func (m *model) removeMember(c meter.RemoveMember) meter.Reason {
	if m.seats[c.MemberID] == nil {
		return meter.MemberNotFound
	}
	m.seats[c.MemberID].removed = true
	return ""
}
