package meter

import "time"

// TurnQuery says which turn to explain: by its reservation or, if that is zero, by the request id of its Reserve.
type TurnQuery struct {
	OrganizationID string
	MemberID       string // Whose turn it must be; empty: anybody's.
	ReservationID  UUID
	RequestID      string
	Limit          int // Of refusals, and of extensions.
}

// TurnRecord is all that is on record of a turn, and what its seat is like now. Without a reservation it is a turn that
// never ran: then there are refusals.
type TurnRecord struct {
	Now            time.Time
	Organization   Organization
	Plan           Plan
	Member         Member
	Reservation    *Reservation
	ExpiredAt      time.Time // Of a turn that expired and was settled late; zero: it is not on record.
	Entries        []Entry   // Its charges in the ledger.
	Extensions     []Extension
	MoreExtensions bool
	Added          Micros      // By all extensions.
	Refusals       []Uncharged // Attempts of the same request id and member, the oldest first.
	MoreRefusals   bool        // Whether there are older ones.
	EstimatePrice  []PriceLine // How the estimate's tokens made its price; empty: it was told as an amount, or that is not on record.
	SettledPrice   []PriceLine // The same of the tokens that it used.
}

// PriceLine is what the tokens of one class cost.
type PriceLine struct {
	Class  string
	Tokens int64
	Rate   string // Per million tokens, in the unit of the book.
	Amount string // In the organization's unit, exactly.
}

// Bound is the room that bound a turn's hold.
type Bound int16

// The rooms that bind a hold, in the order in which a hold meets them.
const (
	BoundByNothing   Bound = 1 // The allowance had room for all of it.
	BoundByAllowance Bound = 2 // The allowance had room for a part, or none; the pool for the rest.
	BoundByAccess    Bound = 3 // Less than the estimate is held: the member had no access to the pool.
	BoundByCap       Bound = 4 // Less than the estimate is held: so much the cap left.
	BoundByPool      Bound = 5 // Less than the estimate is held: so much was in the pool.
)

// FirstHold is what a turn began with, before any extension. Bound 0: what was seen then is not on record.
type FirstHold struct {
	Estimate, Allowance, Pool Micros
	Bound                     Bound
}

// PoolRoom is what could have been held of the pool.
func (s Sight) PoolRoom() Micros { return s.seat().poolRoom() }

// CapRoom is what the cap left; 0 unless the access is capped.
func (s Sight) CapRoom() Micros { return s.seat().capRoom() }

// seat is one to which the same stands open, so that its rooms are worked out in one place.
func (s Sight) seat() *seat {
	return &seat{
		org: Organization{Pool: Pool{Balance: s.PoolAvailable}}, member: Member{Access: s.Access},
		period: Period{PoolUsed: s.CapUsed},
	}
}

// FirstHold works out from what Reserve saw how the hold was made up.
func (t TurnRecord) FirstHold() FirstHold {
	r := t.Reservation
	h := FirstHold{Estimate: r.Estimate - t.Added}
	if r.Seen == nil {
		return h
	}
	h.Allowance = min(h.Estimate, r.Seen.AllowanceRoom)
	h.Pool = min(h.Estimate-h.Allowance, r.Seen.PoolRoom())
	switch {
	case h.Allowance == h.Estimate:
		h.Bound = BoundByNothing
	case h.Allowance+h.Pool == h.Estimate:
		h.Bound = BoundByAllowance
	case r.Seen.Access.Kind == AccessNone:
		h.Bound = BoundByAccess
	case r.Seen.Access.Kind == AccessCapped && r.Seen.CapRoom() < r.Seen.PoolAvailable:
		h.Bound = BoundByCap
	default:
		h.Bound = BoundByPool
	}
	return h
}

// PoolCharge is the turn's entry in the ledger that drew on the pool, if it did.
func (t TurnRecord) PoolCharge() (e Entry, drawn bool) {
	for _, e := range t.Entries {
		if e.Kind == EntryPoolCharge {
			return e, true
		}
	}
	return Entry{}, false
}

// HidesPool says whether the organization hides its pool from members who are no more than that. A solo individual's is
// that one member's own.
func (t TurnRecord) HidesPool() bool {
	return !t.Organization.PoolVisibleToMembers && t.Plan.Kind != PlanIndividual
}

// seatNow is the member's seat as a new turn would find it.
func (t TurnRecord) seatNow() seat {
	month := t.Organization.Calendar.PeriodAt(t.Now)
	period, _ := t.Member.periodIn(month, t.Organization.Calendar)
	return seat{now: t.Now, month: month, org: t.Organization, plan: t.Plan, member: t.Member, period: period}
}

// Remedy is what became, or could become, of a turn that was refused.
type Remedy struct {
	// Healed says that the same attempt would pass now, or that a later one did.
	Healed bool
	// Reason is why it would be refused now; empty if it would not.
	Reason Reason
	// Says it in a sentence.
	Says string
}

// Remedy looks at a refusal from now.
func (t TurnRecord) Remedy(u Uncharged) Remedy {
	if t.Reservation != nil {
		return Remedy{Healed: true, Says: "A later attempt of the same request was let run."}
	}
	now := t.seatNow()
	switch reason := now.wouldRefuse(u.Refused.Minimum); {
	case reason != "":
		return Remedy{Reason: reason, Says: t.wayOut(reason, *u.Refused)}
	case u.Refused.Minimum == 0:
		return Remedy{Says: "Whether it would pass now cannot be said, because its usage has no price."}
	default:
		return Remedy{Healed: true, Says: "It would be let run now: " + t.since(*u.Refused) + "."}
	}
}

// wouldRefuse is why a turn that needs an amount would be refused; empty: it would run.
func (t *seat) wouldRefuse(needed Micros) Reason {
	switch {
	case t.org.State == OrganizationSuspended:
		return OrganizationSuspendedReason
	case t.member.State == MemberRemoved:
		return MemberRemovedReason
	case t.abused() != nil:
		return AbuseLimitReached
	}
	if allowance, pool := t.split(needed); allowance+pool < needed {
		return t.boundBy()
	}
	return ""
}
