package meter

import (
	"fmt"
	"strings"
)

// messages say to a person what happened and what to do. Those of the hard stops take the date of the next period.
var messages = map[Reason]string{
	OrganizationNotFound:        "There is no such organization.",
	MemberNotFound:              "The organization has no such member.",
	PlanNotFound:                "There is no such plan: put the plan first.",
	ReservationNotFound:         "The organization has no such reservation.",
	TopUpNotFound:               "The organization has no top-up of that request id.",
	RequestIDReused:             "This request id was used before with other content: use a new one.",
	OrganizationSuspendedReason: "Your organization is suspended and starts no new turn. Ask your firm's admin to have it made active again.",
	MemberRemovedReason:         "You were removed from the organization and start no new turn. Ask your firm's admin to add you again.",
	AbuseLimitReached:           "Too many tokens were used in a short time. Please wait and try again.",
	ExtraUsageNotEnabled: "Your monthly allowance is used. Ask your firm's admin to enable additional usage for you, " +
		"or wait until it resets on %s.",
	PoolEmpty: "Your monthly allowance is used, and your firm's additional usage has run out. Ask your firm's admin to " +
		"purchase more, or wait until your allowance resets on %s.",
	MemberCapReached: "Your limit on additional usage for this month is reached. Ask your firm's admin to raise it, " +
		"or wait until it resets on %s.",
	IndividualExhausted: "You have no usage remaining. Purchase additional usage from your account settings, " +
		"or wait until your allowance resets on %s.",
	AlreadyCommitted:       "The reservation was committed already, and keeps the charge that it has.",
	AlreadyReleased:        "The reservation was released already.",
	ReservationExpired:     "The reservation expired, so it has no hold to extend. It can still be committed, late.",
	RefundExceedsTopUp:     "The refund is larger than what of the top-up is not yet refunded.",
	RefundExceedsBalance:   "The refund is larger than the balance that no open turn holds.",
	IndividualNeedsNoGrant: "A solo individual draws on its own pool without a grant.",
	IndividualHasOneMember: "An organization on an individual plan has one active member: remove that one first.",
	UnitImmutable:          "An organization's unit cannot be changed.",
	AmountOutOfRange:       "The sum would pass the range of an amount.",
	PriceBookNotFound:      "There is no such price book, or no such version of it.",
	UnpricedModel:          "The price book has no price for these tokens of this model: put a price, or tell the amount.",
	PriceBookChanged:       "The price book was changed meanwhile: read its current version, and decide anew.",
	ResourceNotFound:       "The organization has no such resource.",
	PlanLimitReached: "Your firm's plan allows no more of these. Ask your firm's admin to remove one that is not needed, or to " +
		"choose a larger plan.",
	Overloaded:  "The service is busy and did not take the request: send the same request again.",
	Unavailable: "The service is unavailable: send the same request again, which is safe to do.",
}

// becomesIndividual is what IndividualHasOneMember says of a plan that is put, rather than of an organization on it.
const becomesIndividual = "A plan of another kind cannot become individual, since organizations with several members may " +
	"be on it: make an individual plan of its own, and move the organization to it with PutOrganization."

// soloMessages are those that name a firm's admin, as a solo individual is told them, who has none.
var soloMessages = map[Reason]string{
	OrganizationSuspendedReason: "Your account is suspended and starts no new turn. See your account settings.",
	PlanLimitReached: "Your plan allows no more of these. Remove one that is not needed, or choose a larger plan in your account " +
		"settings.",
}

// soloMessage is what a refusal says in place of its reason's own message; empty: that one.
func soloMessage(p Plan, reason Reason) string {
	if p.Kind != PlanIndividual {
		return ""
	}
	return soloMessages[reason]
}

// withoutWaiting is a hard stop's message without the advice to wait for the next period.
func withoutWaiting(reason Reason) string {
	advice, _, _ := strings.Cut(messages[reason], ", or wait until")
	return advice + "."
}

// Message says to the person in front of the screen what happened and what to do. It never tells the pool's balance.
func (r *Refusal) Message() string {
	switch {
	case r.says != "":
		return r.says
	case r.ResetsOn != "":
		return fmt.Sprintf(messages[r.Reason], r.ResetsOn)
	default:
		return messages[r.Reason]
	}
}

// ForPeople says whether the message is for the person who runs the turn, rather than for the one who wrote the caller.
func (r *Refusal) ForPeople() bool {
	switch r.Reason {
	case OrganizationSuspendedReason, MemberRemovedReason, AbuseLimitReached, PlanLimitReached:
		return true
	default:
		return r.ResetsOn != ""
	}
}
