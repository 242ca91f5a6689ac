package meter

import (
	"fmt"
	"strings"
	"time"
)

// Story tells a turn in plain sentences, in the order in which things happened, with amounts in the organization's unit and
// times in its zone. What the pool has is told unless that is to be hidden.
func (t TurnRecord) Story(hidePool bool) []string {
	n := narrator{TurnRecord: t, hidePool: hidePool}
	if t.MoreRefusals {
		n.say("Older attempts of the same request were refused too.")
	}
	for _, u := range t.Refusals {
		n.refusal(u)
	}
	if t.Reservation != nil {
		n.estimate(*t.Reservation)
		n.hold(*t.Reservation)
		n.extensions()
		n.end(*t.Reservation)
	}
	return n.sentences
}

// narrator puts a record into sentences.
type narrator struct {
	TurnRecord

	hidePool  bool
	sentences []string
}

func (n *narrator) say(format string, args ...any) {
	n.sentences = append(n.sentences, fmt.Sprintf(format, args...))
}

func (n *narrator) estimate(r Reservation) {
	turn := "a turn"
	if r.Turn.Model != "" {
		turn = "a turn of model " + r.Turn.Model
	}
	n.say("On %s member %s was let run %s.", n.when(r.CreatedAt), n.Member.ID, turn)
	if amount := n.amount(r.Estimate - n.Added); r.Policy == 0 {
		n.say("It was expected to cost %s: the caller named the amount.", amount)
	} else {
		n.say("It was expected to cost %s: %s%s.", amount, n.price(n.expected(r), r.Book), n.lines(n.EstimatePrice))
		n.say("%s", policyWords[r.Policy])
	}
}

// expected are the tokens that the estimate was the price of, as far as that is on record.
func (n *narrator) expected(r Reservation) TokenUsage {
	if r.Seen == nil {
		return TokenUsage{}
	}
	return r.Seen.Expected
}

var policyWords = map[EstimatePolicy]string{
	EstimateMaximum: "The estimate counts as many output tokens as the answer may have.",
	EstimateLearned: "The estimate counts as many output tokens as the organization's late turns on the model needed.",
}

// price says which tokens are priced, and by what.
func (n *narrator) price(tokens TokenUsage, book BookVersion) string {
	if tokens.Total() == 0 {
		return fmt.Sprintf("the price of its tokens by version %d of price book %s", book.Version, book.ID)
	}
	return fmt.Sprintf("the price of %d tokens by version %d of price book %s", tokens.Total(), book.Version, book.ID)
}

// lines are the parts of a price, in parentheses.
func (n *narrator) lines(lines []PriceLine) string {
	var parts []string
	for _, l := range lines {
		parts = append(parts, fmt.Sprintf("%d %s at %s a million", l.Tokens, strings.ReplaceAll(l.Class, "_", " "), l.Rate))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// hold says what was held of which layer, and why.
func (n *narrator) hold(r Reservation) {
	first := n.FirstHold()
	if first.Bound == 0 {
		n.say("It held %s; what Reserve saw is not on record.", n.layers(r.HeldAllowance, r.HeldPool))
		return
	}
	if first.Bound == BoundByNothing {
		n.say("All of it was held of the monthly allowance, which had room for %s.", n.amount(r.Seen.AllowanceRoom))
	} else {
		n.allowanceHold(first.Allowance)
		n.say("%s", n.poolHold(*r.Seen, first))
	}
	if held := first.Allowance + first.Pool; held < first.Estimate {
		n.say("With %s held in all, less than expected, the turn could begin because the caller asked for no more than that.", n.amount(held))
	}
}

// allowanceHold says what of a hold the allowance could not cover alone was held of it: all that it had.
func (n *narrator) allowanceHold(held Micros) {
	if held == 0 {
		n.say("The monthly allowance had no room.")
	} else {
		n.say("The monthly allowance had room for %s, which was held.", n.amount(held))
	}
}

// poolHold says what the pool had to do with a hold.
func (n *narrator) poolHold(s Sight, first FirstHold) string {
	held := n.amount(first.Pool) + " was held of the organization's pool"
	room := " (" + n.poolWords(s.PoolAvailable) + n.accessWords(s.Access, s.CapUsed) + ")"
	switch first.Bound {
	case BoundByAccess:
		return "Nothing was held of the organization's pool, to which the member had no access."
	case BoundByCap:
		return held + ": so much the member's monthly limit left" + room + "."
	case BoundByPool:
		if n.hidePool {
			return held + "."
		}
		return held + ": so much it had" + room + "."
	default:
		return held + room + "."
	}
}

// poolWords say what was available in the pool, where that may be told.
func (n *narrator) poolWords(available Micros) string {
	if n.hidePool {
		return ""
	}
	return n.amount(available) + " was available; "
}

// accessWords say how far access went.
func (n *narrator) accessWords(a Access, used Micros) string {
	switch a.Kind {
	case AccessCapped:
		return fmt.Sprintf("the member's monthly limit was %s, of which %s was used or held", n.amount(a.Cap), n.amount(used))
	case AccessUnlimited:
		return "the member had no limit"
	default:
		return "the member had no access to it"
	}
}

func (n *narrator) extensions() {
	for _, x := range n.Extensions {
		if x.Additional > 0 {
			n.say("On %s it was extended by %s, to expire on %s.", n.when(x.At), n.amount(x.Additional), n.when(x.ExpiresAt))
		} else {
			n.say("On %s its time was extended, to expire on %s.", n.when(x.At), n.when(x.ExpiresAt))
		}
	}
	if n.MoreExtensions {
		n.say("It was extended more often than is told here, by %s in all.", n.amount(n.Added))
	}
}

// end says how the turn ended, if it has.
func (n *narrator) end(r Reservation) {
	switch r.State {
	case Held:
		n.say("It is still open, and holds %s until %s.", n.layers(r.HeldAllowance, r.HeldPool), n.when(r.ExpiresAt))
	case Expired:
		n.say("On %s it expired, because nobody had settled it by %s: its hold went back, and nothing was charged. It can still be settled, late.",
			n.when(r.SettledAt), n.when(r.ExpiresAt))
	case Committed, Released:
		n.settlement(r)
	}
}

func (n *narrator) settlement(r Reservation) {
	late := ""
	if r.Late {
		late = ", late"
		n.say("It expired on %s, because nobody had settled it: its hold went back.", n.when(n.expired(r)))
	}
	if r.State == Committed {
		n.say("On %s it gave its answer%s, and cost %s: %s.", n.when(r.SettledAt), late, n.amount(r.Charge.Actual), n.basis(r))
	} else {
		n.say("On %s it failed%s%s.", n.when(r.SettledAt), late, reasonWords(r.Reason))
	}
	n.payers(r)
	n.remains(r)
}

// layers say how much is held of which.
func (n *narrator) layers(allowance, pool Micros) string {
	switch {
	case pool == 0:
		return n.amount(allowance) + " of the allowance"
	case allowance == 0:
		return n.amount(pool) + " of the pool"
	default:
		return n.amount(allowance) + " of the allowance and " + n.amount(pool) + " of the pool"
	}
}

func reasonWords(reason string) string {
	if reason == "" {
		return ""
	}
	return ", in the caller's words: “" + reason + "”"
}

// expired is when a late turn had expired, or else when it was due to.
func (n *narrator) expired(r Reservation) time.Time {
	if n.ExpiredAt.IsZero() {
		return r.ExpiresAt
	}
	return n.ExpiredAt
}

// basis says where the cost comes from.
func (n *narrator) basis(r Reservation) string {
	switch r.Basis {
	case CostTokens:
		return n.price(r.Tokens, r.Book) + n.lines(n.SettledPrice)
	case CostHeld:
		return fmt.Sprintf("what it held, because its %d tokens have no price", r.Tokens.Total())
	default:
		return "the caller named the amount"
	}
}

// payers say who paid.
func (n *narrator) payers(r Reservation) {
	c := r.Charge
	switch {
	case c.Actual == 0:
		n.say("Nothing was charged.")
		return
	case c.Allowance > 0 && c.Pool > 0:
		n.say("The allowance paid %s, and the pool %s.", n.amount(c.Allowance), n.amount(c.Pool))
	case c.Pool > 0:
		n.say("The pool paid %s.", n.amount(c.Pool))
	case c.Allowance > 0:
		n.say("The allowance paid %s.", n.amount(c.Allowance))
	}
	if c.Overrun > 0 {
		n.say("There was no room for %s more: that is an overrun, and nobody is charged for it.", n.amount(c.Overrun))
	}
}

// remains says what the settlement left of pool and cap.
func (n *narrator) remains(r Reservation) {
	if e, drawn := n.PoolCharge(); drawn && !n.hidePool {
		n.say("The pool then had a balance of %s.", n.amount(e.BalanceAfter))
	}
	if r.Left != nil && r.Left.Access.Kind == AccessCapped {
		n.say("Of the member's monthly limit of %s, %s was then used or held.", n.amount(r.Left.Access.Cap), n.amount(r.Left.CapUsed))
	}
}

var unitWords = map[Unit]string{UnitACU: "ACU", UnitUSD: "USD"}

// amount is micros as an exact decimal number of the organization's unit.
func (n *narrator) amount(m Micros) string { return m.In(n.Organization.Unit) }

// In is the amount as an exact decimal number of a unit, such as "0.25 USD".
func (m Micros) In(u Unit) string {
	const one = 1_000_000
	whole, part := m/one, m%one
	sign := ""
	if m < 0 {
		sign, whole, part = "-", -whole, -part
	}
	text := strings.TrimRight(fmt.Sprintf("%d.%06d", whole, part), "0")
	return sign + strings.TrimSuffix(text, ".") + " " + unitWords[u]
}

// when is a time as the clocks of the organization show it.
func (n *narrator) when(at time.Time) string {
	return at.In(n.Organization.Calendar.Anchor.Zone).Format("2 January 2006 at 15:04:05 MST")
}
