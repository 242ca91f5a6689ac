package meter_test

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// model is a plain reading of the semantics for one firm. It keeps what was said and decided, as lists, and adds up all
// figures anew whenever it needs one.
type model struct {
	now        time.Time
	calendar   meter.Calendar
	plans      map[string]meter.Plan
	plan       meter.Plan
	rates      []meter.Micros // What a token of "small" costs, version by version of the price book.
	suspended  bool
	seats      map[string]*modelSeat
	turns      []*modelTurn
	topUps     []meter.TopUp
	refunds    []meter.Refund
	extensions []meter.Extend
	changes    map[meter.UUID]bool
}

type modelSeat struct {
	removed bool
	own     *meter.Micros
	access  meter.Access
	tokens  []modelTokens // In the order in which their turns were settled.
}

type modelTokens struct {
	at    time.Time
	count int64
}

// modelTurn is a turn that was let run.
type modelTurn struct {
	asked           meter.Reserve
	state           meter.ReservationState
	allowance, pool meter.Micros // Held.
	estimate        meter.Micros
	period, expires time.Time
	charge          meter.Charge
	tokens          meter.TokenUsage
	late            bool
	version         int // Of the price book, counting from 1.
	basis           meter.CostBasis
	seen            *meter.Sight
	left            *meter.Remains
}

// expire ends the turns whose time to live is over, in the order in which it was.
func (m *model) expire() {
	lapsed := slices.DeleteFunc(slices.Clone(m.turns), func(turn *modelTurn) bool {
		return turn.state != meter.Held || turn.expires.After(m.now)
	})
	slices.SortFunc(lapsed, func(a, b *modelTurn) int {
		return cmp.Or(a.expires.Compare(b.expires), bytes.Compare(a.asked.ReservationID[:], b.asked.ReservationID[:]))
	})
	for _, turn := range lapsed {
		turn.state = meter.Expired
		turn.left = m.remains(turn)
	}
}

// sight is what stands open to a seat.
func (m *model) sight(member string, period time.Time) *meter.Sight {
	use := m.use(member, period)
	return &meter.Sight{
		AllowanceRoom: m.allowanceRoom(member, period), PoolAvailable: m.available(), Access: m.seats[member].access,
		CapUsed: use.PoolUsed + use.PoolHeld,
	}
}

// remains is what a turn left that was ended just now.
func (m *model) remains(turn *modelTurn) *meter.Remains {
	use := m.use(turn.asked.MemberID, turn.period)
	return &meter.Remains{Access: m.seats[turn.asked.MemberID].access, CapUsed: use.PoolUsed + use.PoolHeld}
}

func (m *model) period() time.Time { return m.calendar.PeriodAt(m.now).Start }

func (m *model) turn(id meter.UUID) *modelTurn {
	for _, turn := range m.turns {
		if turn.asked.ReservationID == id {
			return turn
		}
	}
	return nil
}

// balance is top-ups less refunds less charges.
func (m *model) balance() (sum meter.Micros) {
	for _, c := range m.topUps {
		sum += c.Amount
	}
	for _, c := range m.refunds {
		sum -= c.Amount
	}
	for _, turn := range m.turns {
		sum -= turn.charge.Pool
	}
	return sum
}

// available is the balance less what open turns hold of it.
func (m *model) available() meter.Micros {
	sum := m.balance()
	for _, turn := range m.turns {
		if turn.state == meter.Held {
			sum -= turn.pool
		}
	}
	return sum
}

// use adds up a seat's turns of a period.
func (m *model) use(member string, period time.Time) (p meter.Period) {
	p.Start = period
	for _, turn := range m.turns {
		if turn.asked.MemberID != member || !turn.period.Equal(period) {
			continue
		}
		p.AllowanceUsed += turn.charge.Allowance
		p.PoolUsed += turn.charge.Pool
		p.Overrun += turn.charge.Overrun
		if turn.state == meter.Held {
			p.AllowanceHeld += turn.allowance
			p.PoolHeld += turn.pool
		}
	}
	return p
}

func (m *model) allowance(member string) meter.Micros {
	if own := m.seats[member].own; own != nil {
		return *own
	}
	return m.plan.SeatAllowance
}

func (m *model) allowanceRoom(member string, period time.Time) meter.Micros {
	use := m.use(member, period)
	return max(0, m.allowance(member)-use.AllowanceUsed-use.AllowanceHeld)
}

func (m *model) poolRoom(member string, period time.Time) meter.Micros {
	use, access := m.use(member, period), m.seats[member].access
	switch access.Kind {
	case meter.AccessNone:
		return 0
	case meter.AccessCapped:
		return max(0, min(m.available(), access.Cap-use.PoolUsed-use.PoolHeld))
	default:
		return m.available()
	}
}

// hold says what a hold would be made of, and why there is none if the least that is needed cannot be held.
func (m *model) hold(member string, period time.Time, amount, least meter.Micros) (a, p meter.Micros, no meter.Reason) {
	a = min(amount, m.allowanceRoom(member, period))
	p = min(amount-a, m.poolRoom(member, period))
	if a+p >= least {
		return a, p, ""
	}
	use, access := m.use(member, period), m.seats[member].access
	switch {
	case access.Kind == meter.AccessNone:
		return 0, 0, meter.ExtraUsageNotEnabled
	case access.Kind == meter.AccessCapped && max(0, access.Cap-use.PoolUsed-use.PoolHeld) < m.available():
		return 0, 0, meter.MemberCapReached
	default:
		return 0, 0, meter.PoolEmpty
	}
}

// mayStart says why a seat may not start a turn.
func (m *model) mayStart(member string) meter.Reason {
	switch {
	case m.suspended:
		return meter.OrganizationSuspendedReason
	case m.seats[member].removed:
		return meter.MemberRemovedReason
	default:
		return ""
	}
}

// abused lives through a seat's tokens once more and says whether the window that is open now is full.
func (m *model) abused(member string) bool {
	var opened time.Time
	var sum int64
	for _, tokens := range m.seats[member].tokens {
		if opened.IsZero() || !tokens.at.Before(opened.Add(m.plan.Abuse.Window)) {
			opened, sum = tokens.at, 0
		}
		sum += tokens.count
	}
	return sum >= m.plan.Abuse.Tokens && m.now.Before(opened.Add(m.plan.Abuse.Window))
}

// price is what tokens cost by a version of the book, which knows one model.
func (m *model) price(name string, tokens meter.TokenUsage, version int) (cost meter.Micros, ok bool) {
	if version == 0 || name != "small" {
		return 0, false
	}
	return meter.Micros(tokens.Total()) * m.rates[version-1], true
}

// cost is what a turn is said to have cost, or what its tokens do, or what it held if that has no price.
func (m *model) cost(turn *modelTurn, told meter.Micros, byTokens bool, tokens meter.TokenUsage) (meter.Micros, meter.CostBasis) {
	if !byTokens {
		return told, meter.CostAmount
	}
	if cost, ok := m.price(turn.asked.Turn.Model, tokens, turn.version); ok {
		return cost, meter.CostTokens
	}
	return turn.allowance + turn.pool, meter.CostHeld
}

// settle ends a turn with its charge, which was worked out with the turn's own hold given back.
func (m *model) settle(turn *modelTurn, to meter.ReservationState, c meter.Charge, tokens meter.TokenUsage) {
	turn.late = turn.state == meter.Expired
	turn.state, turn.charge, turn.tokens = to, c, tokens
	turn.left = m.remains(turn)
	if n := tokens.Total(); n > 0 {
		seat := m.seats[turn.asked.MemberID]
		seat.tokens = append(seat.tokens, modelTokens{m.now, n})
	}
}
