package meter

import "time"

// Unit is what an organization's amounts count. The numbers are those of the contract.
type Unit int16

// The units of the contract.
const (
	UnitACU Unit = 1 // Agent compute units.
	UnitUSD Unit = 2 // United States dollars.
)

// OrganizationState says whether an organization may start turns.
type OrganizationState int16

// The states of an organization.
const (
	OrganizationActive    OrganizationState = 1 // It may.
	OrganizationSuspended OrganizationState = 2 // It starts no new turn, settles those that run, and can be topped up.
)

// Organization is a firm, or one solo individual. Its row orders all writes that concern it.
type Organization struct {
	ID                   string
	DisplayName          string
	PlanID               string
	Unit                 Unit
	Calendar             Calendar
	State                OrganizationState
	PoolVisibleToMembers bool
	PriceBookID          string
	Pool                 Pool
	LedgerSequence       int64 // Number of the ledger's last entry; 0 while it has none.
	UnchargedSequence    int64 // Number of the last turn that ended without an entry; 0 while there is none.

	// NextDue is when to look for holds that fell due: no open one expires before it. Zero: none is open.
	NextDue time.Time
}

// Pool is an organization's prepaid balance: Balance = Purchased - Refunded - Consumed, at all times at least Held.
type Pool struct {
	Balance   Micros
	Held      Micros // Sum of the pool's part of all open holds.
	Purchased Micros // Sum of all top-ups ever.
	Refunded  Micros // Sum of all refunds ever.
	Consumed  Micros // Sum of all charges ever.
}

// Available is what new turns could hold of the pool.
func (p Pool) Available() Micros { return p.Balance - p.Held }

// PlanKind is the sort of customer a plan is for.
type PlanKind int16

// The kinds of plan.
const (
	PlanTeam       PlanKind = 1 // A firm.
	PlanEducation  PlanKind = 2 // A school or university.
	PlanEnterprise PlanKind = 3 // A firm with terms of its own.
	PlanIndividual PlanKind = 4 // One person, who draws on the pool without a grant.
)

// FailedTurnPolicy says whether the cost of a released turn uses allowance.
type FailedTurnPolicy int16

// The policies for failed turns.
const (
	FailedTurnFree         FailedTurnPolicy = 1 // A failed turn costs nothing.
	FailedTurnUseAllowance FailedTurnPolicy = 2 // A failed turn uses the seat's allowance, as far as there is room.
)

// Plan is a tier that organizations are on.
type Plan struct {
	ID            string
	Kind          PlanKind
	SeatAllowance Micros
	Limits        PlanLimits
	Abuse         AbuseLimit
	FailedTurns   FailedTurnPolicy
}

// Replace refuses to put a plan in the place of one of another kind where it would become individual: organizations with
// several members may be on that, and each would draw on the pool without a grant. No count of members could allow it,
// since lanes add members under a plan that they read without a lock. Nil: there is no such plan yet.
func (p Plan) Replace(before *Plan) error {
	if p.Kind != PlanIndividual || before == nil || before.Kind == PlanIndividual {
		return nil
	}
	return &Refusal{Reason: IndividualHasOneMember, Facts: map[string]string{"plan_id": p.ID}, says: becomesIndividual}
}

// PlanLimits bounds what an organization may register; nil is unlimited.
type PlanLimits struct {
	Orchestrators, Devices, PrivateProjects *int64
}

// AbuseLimit stops a seat that used too many tokens in a window. Tokens 0 is no limit.
type AbuseLimit struct {
	Tokens int64
	Window time.Duration
}
