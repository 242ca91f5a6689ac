package meter

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Reason is why a command was refused. The contract's error_reason.proto documents each under the same name.
type Reason string

// The reasons, in the order in which a turn meets them.
const (
	OrganizationNotFound        Reason = "ORGANIZATION_NOT_FOUND"
	MemberNotFound              Reason = "MEMBER_NOT_FOUND"
	PlanNotFound                Reason = "PLAN_NOT_FOUND"
	ReservationNotFound         Reason = "RESERVATION_NOT_FOUND"
	TopUpNotFound               Reason = "TOP_UP_NOT_FOUND"
	RequestIDReused             Reason = "REQUEST_ID_REUSED"
	OrganizationSuspendedReason Reason = "ORGANIZATION_SUSPENDED"
	MemberRemovedReason         Reason = "MEMBER_REMOVED"
	AbuseLimitReached           Reason = "ABUSE_LIMIT"
	ExtraUsageNotEnabled        Reason = "EXTRA_USAGE_NOT_ENABLED"
	PoolEmpty                   Reason = "POOL_EMPTY"
	MemberCapReached            Reason = "MEMBER_CAP_REACHED"
	IndividualExhausted         Reason = "INDIVIDUAL_EXHAUSTED"
	AlreadyCommitted            Reason = "ALREADY_COMMITTED"
	AlreadyReleased             Reason = "ALREADY_RELEASED"
	ReservationExpired          Reason = "RESERVATION_EXPIRED"
	RefundExceedsTopUp          Reason = "REFUND_EXCEEDS_TOP_UP"
	RefundExceedsBalance        Reason = "REFUND_EXCEEDS_BALANCE"
	IndividualNeedsNoGrant      Reason = "INDIVIDUAL_NEEDS_NO_GRANT"
	IndividualHasOneMember      Reason = "INDIVIDUAL_HAS_ONE_MEMBER"
	UnitImmutable               Reason = "UNIT_IMMUTABLE"
	AmountOutOfRange            Reason = "AMOUNT_OUT_OF_RANGE"
	PriceBookNotFound           Reason = "PRICE_BOOK_NOT_FOUND"
	UnpricedModel               Reason = "UNPRICED_MODEL"
	PriceBookChanged            Reason = "PRICE_BOOK_CHANGED"
	ResourceNotFound            Reason = "RESOURCE_NOT_FOUND"
	PlanLimitReached            Reason = "PLAN_LIMIT_REACHED"

	// The transient reasons, given by those who carry a command rather than by the rules: the same request may be sent
	// again, and will be applied once.
	Overloaded  Reason = "OVERLOADED"  // Not applied: more waits than is queued.
	Unavailable Reason = "UNAVAILABLE" // Applied or not: the database could not be reached, or the service is stopping.
)

// Refusal is a command's no. It changed nothing, unless its reason is Unavailable; a turn that was refused is on record
// (uncharged.go).
type Refusal struct {
	Reason     Reason
	Facts      map[string]string // What a program may want to know, by the names that error_reason.proto shows.
	RetryAfter time.Duration     // When trying again may help; 0: not by waiting.
	Cause      error             // Of a transient one, for the log; never for the caller.
	ResetsOn   string            // Of a hard stop: the date, in the organization's zone, on which the next period starts.
	says       string            // In place of the reason's own message; empty: that one.
}

// ErrLocked is the cause of a refusal where somebody else held an organization for too long. Others may succeed without it.
var ErrLocked = errors.New("an organization is locked by somebody else")

// ErrStale is the cause of a refusal where what a batch was decided by had changed. Nothing was written; tried again, the
// batch is decided by what there is.
var ErrStale = errors.New("what the batch was decided by has changed")

// Error names the reason and the facts.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return fmt.Sprintf("%s: %v", r.Reason, r.Cause)
	}
	return fmt.Sprintf("%s %v", r.Reason, r.Facts)
}

// Unwrap is the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// about refuses with one fact.
func about(reason Reason, name, value string) error {
	return &Refusal{Reason: reason, Facts: map[string]string{name: value}}
}

func tooMuch(reason Reason, amount Micros, bound string, most Micros) error {
	return &Refusal{Reason: reason, Facts: map[string]string{"amount_micros": amount.String(), bound: most.String()}}
}

func abuseRefusal(w AbuseWindow, l AbuseLimit, now time.Time) error {
	closes := w.closesAt(l)
	return &Refusal{
		Reason: AbuseLimitReached, RetryAfter: closes.Sub(now),
		Facts: map[string]string{
			"tokens":           strconv.FormatInt(w.Tokens, 10),
			"limit_tokens":     strconv.FormatInt(l.Tokens, 10),
			"window_closes_at": closes.UTC().Format(time.RFC3339Nano),
		},
	}
}

// hardStop refuses a turn that neither layer can pay, and says which of them bound. The room in the pool is a fact of
// the refusal only where it tells nothing of the pool's balance, or who runs the turn may see that: a solo individual, and
// the members of an organization that shows it. A turn stays in its period, so one of a period that ended is not told to wait.
func (t *seat) hardStop(needed Micros) error {
	_, span := t.member.periodIn(t.month, t.org.Calendar)
	reason := t.boundBy()
	facts := map[string]string{
		"needed_micros":         needed.String(),
		"allowance_room_micros": t.allowanceRoom().String(),
		"resets_at":             span.End.UTC().Format(time.RFC3339),
	}
	if t.org.PoolVisibleToMembers || reason != PoolEmpty {
		facts["pool_room_micros"] = t.poolRoom().String()
	}
	resets := span.End.In(t.org.Calendar.Anchor.Zone).Format("2 January 2006")
	stop := &Refusal{Reason: reason, Facts: facts, ResetsOn: resets}
	if t.period.Start.Before(span.Start) {
		stop.says = withoutWaiting(reason)
	}
	return stop
}

// boundBy is the layer that stood in the way. The smaller of the cap's room and the pool's names it; at a tie, the pool.
func (t *seat) boundBy() Reason {
	switch access := t.access(); {
	case t.plan.Kind == PlanIndividual:
		return IndividualExhausted
	case access.Kind == AccessNone:
		return ExtraUsageNotEnabled
	case access.Kind == AccessCapped && t.capRoom() < t.org.Pool.Available():
		return MemberCapReached
	default:
		return PoolEmpty
	}
}

// String is the amount as a decimal number of micros.
func (m Micros) String() string { return strconv.FormatInt(int64(m), 10) }

// UUIDString is the usual form of a UUID.
func UUIDString(id UUID) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
