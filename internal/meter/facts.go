package meter

import "time"

// What goes on record of each kind of thing, as JSON objects. The names are those of the contract, enum values without
// their prefix.
type (
	organizationFacts struct {
		DisplayName          string `json:"display_name"`
		PlanID               string `json:"plan_id"`
		Unit                 string `json:"unit"`
		Anniversary          string `json:"anniversary"`
		TimeZone             string `json:"time_zone"`
		State                string `json:"state"`
		PoolVisibleToMembers bool   `json:"pool_visible_to_members"`
		PriceBookID          string `json:"price_book_id,omitempty"`
	}
	memberFacts struct {
		DisplayName     string  `json:"display_name"`
		Email           string  `json:"email"`
		AvatarURL       string  `json:"avatar_url,omitempty"`
		Role            string  `json:"role"`
		State           string  `json:"state"`
		AllowanceMicros *Micros `json:"allowance_micros,omitempty"`
	}
	accessFacts struct {
		Access    string `json:"access"`
		CapMicros Micros `json:"cap_micros,omitempty"`
	}
	poolFacts struct {
		BalanceMicros           Micros         `json:"balance_micros"`
		PurchasedLifetimeMicros Micros         `json:"purchased_lifetime_micros"`
		RefundedLifetimeMicros  Micros         `json:"refunded_lifetime_micros"`
		Entry                   *movementFacts `json:"entry,omitempty"`
	}
	movementFacts struct {
		Sequence       int64  `json:"sequence"`
		AmountMicros   Micros `json:"amount_micros"`
		Reference      string `json:"reference"`
		RequestID      string `json:"request_id"`
		TopUpRequestID string `json:"top_up_request_id,omitempty"`
	}
	planFacts struct {
		PlanID              string `json:"plan_id"`
		Kind                string `json:"kind"`
		SeatAllowanceMicros Micros `json:"seat_allowance_micros"`
		Orchestrators       *int64 `json:"orchestrators,omitempty"`
		Devices             *int64 `json:"devices,omitempty"`
		PrivateProjects     *int64 `json:"private_projects,omitempty"`
		AbuseTokens         int64  `json:"abuse_tokens,omitempty"`
		AbuseWindow         string `json:"abuse_window,omitempty"`
		FailedTurnPolicy    string `json:"failed_turn_policy"`
	}
	bookFacts struct {
		PriceBookID string `json:"price_book_id"`
		Version     int64  `json:"version"`
	}
)

var (
	unitNames              = map[Unit]string{UnitACU: "ACU", UnitUSD: "USD"}
	organizationStateNames = map[OrganizationState]string{OrganizationActive: "ACTIVE", OrganizationSuspended: "SUSPENDED"}
	roleNames              = map[Role]string{RoleOwner: "OWNER", RoleAdmin: "ADMIN", RoleMember: "MEMBER"}
	memberStateNames       = map[MemberState]string{MemberActive: "ACTIVE", MemberRemoved: "REMOVED"}
	accessKindNames        = map[AccessKind]string{AccessNone: "NONE", AccessCapped: "CAPPED", AccessUnlimited: "UNLIMITED"}
	planKindNames          = map[PlanKind]string{
		PlanTeam: "TEAM", PlanEducation: "EDUCATION", PlanEnterprise: "ENTERPRISE", PlanIndividual: "INDIVIDUAL",
	}
	failedTurnNames = map[FailedTurnPolicy]string{FailedTurnFree: "FREE", FailedTurnUseAllowance: "USE_ALLOWANCE"}
)

// Subject is nobody: a pack is the organization's.
func (c TopUp) Subject() string { return "" }

// Facts are the pool, and the entry that the top-up made.
func (c TopUp) Facts(s *State) any { return s.poolFacts(MovementKey{EntryTopUp, c.RequestID}) }

// Subject is nobody: a pack is the organization's.
func (c Refund) Subject() string { return "" }

// Facts are the pool, and the entry that the refund made.
func (c Refund) Facts(s *State) any { return s.poolFacts(MovementKey{EntryRefund, c.RequestID}) }

func (s *State) poolFacts(key MovementKey) any {
	o, exists := s.Organization.Get(s.ID)
	if !exists {
		return nil
	}
	facts := &poolFacts{
		BalanceMicros: o.Pool.Balance, PurchasedLifetimeMicros: o.Pool.Purchased, RefundedLifetimeMicros: o.Pool.Refunded,
	}
	if e, made := s.Movements.Get(key); made {
		facts.Entry = &movementFacts{
			Sequence: e.Sequence, AmountMicros: e.Amount, Reference: e.Reference, RequestID: e.RequestID,
			TopUpRequestID: e.TopUpRequestID,
		}
	}
	return facts
}

// Subject is the member.
func (c SetAccess) Subject() string { return c.MemberID }

// Facts are the member's access.
func (c SetAccess) Facts(s *State) any {
	m, exists := s.Members.Get(c.MemberID)
	if !exists {
		return nil
	}
	return &accessFacts{Access: accessKindNames[m.Access.Kind], CapMicros: m.Access.Cap}
}

// Subject is the member.
func (c PutMember) Subject() string { return c.MemberID }

// Facts are the member's profile.
func (c PutMember) Facts(s *State) any { return s.memberFacts(c.MemberID) }

// Subject is the member.
func (c RemoveMember) Subject() string { return c.MemberID }

// Facts are the member's profile.
func (c RemoveMember) Facts(s *State) any { return s.memberFacts(c.MemberID) }

func (s *State) memberFacts(id string) any {
	m, exists := s.Members.Get(id)
	if !exists {
		return nil
	}
	return &memberFacts{
		DisplayName: m.DisplayName, Email: m.Email, AvatarURL: m.AvatarURL, Role: roleNames[m.Role],
		State: memberStateNames[m.State], AllowanceMicros: m.Allowance,
	}
}

// Subject is nobody: it is the organization's own profile.
func (c PutOrganization) Subject() string { return "" }

// Facts are the organization's profile. A changed anniversary is told at once, though the running period is not cut.
func (c PutOrganization) Facts(s *State) any {
	o, exists := s.Organization.Get(c.OrganizationID)
	if !exists {
		return nil
	}
	return &organizationFacts{
		DisplayName: o.DisplayName, PlanID: o.PlanID, Unit: unitNames[o.Unit], Anniversary: o.Calendar.Anchor.Date.String(),
		TimeZone: o.Calendar.Anchor.Zone.String(), State: organizationStateNames[o.State],
		PoolVisibleToMembers: o.PoolVisibleToMembers, PriceBookID: o.PriceBookID,
	}
}

// PlanRecord is a change of a plan, from none if before is nil, for the service's record; false: nothing changed.
func PlanRecord(by Actor, at time.Time, before *Plan, after Plan) (AuditEntry, bool, error) {
	var was any
	if before != nil {
		was = factsOfPlan(*before)
	}
	return serviceRecord(by, at, was, factsOfPlan(after))
}

// PriceBookRecord is a new version of a price book, for the service's record. What it says is in the version itself,
// which never changes.
func PriceBookRecord(by Actor, at time.Time, id string, before, after int64) (AuditEntry, bool, error) {
	var was any
	if before > 0 {
		was = bookFacts{id, before}
	}
	return serviceRecord(by, at, was, bookFacts{id, after})
}

func serviceRecord(by Actor, at time.Time, before, after any) (e AuditEntry, changed bool, err error) {
	e = AuditEntry{At: at, Actor: by, Outcome: AuditApplied}
	if e.Before, err = factsOf(before); err != nil {
		return e, false, err
	}
	e.After, err = factsOf(after)
	return e, e.Before != e.After, err
}

func factsOfPlan(p Plan) planFacts {
	facts := planFacts{
		PlanID: p.ID, Kind: planKindNames[p.Kind], SeatAllowanceMicros: p.SeatAllowance,
		Orchestrators: p.Limits.Orchestrators, Devices: p.Limits.Devices, PrivateProjects: p.Limits.PrivateProjects,
		AbuseTokens: p.Abuse.Tokens, FailedTurnPolicy: failedTurnNames[p.FailedTurns],
	}
	if p.Abuse.Tokens > 0 {
		facts.AbuseWindow = p.Abuse.Window.String()
	}
	return facts
}
