package meter

import "time"

// Meter is what one seat has used in the running period and what is left. It never tells the pool's balance.
type Meter struct {
	OrganizationID string
	MemberID       string
	Unit           Unit
	Span           Span
	Allowance      Micros
	Remaining      Micros
	Access         Access
	Period         Period
}

// MeterOf is a seat's meter at now.
func MeterOf(o Organization, plan Plan, m Member, now time.Time) Meter {
	period, span := m.RunningPeriod(o.Calendar, now)
	t := seat{now: now, org: o, plan: plan, member: m, period: period}
	return Meter{
		OrganizationID: o.ID, MemberID: m.ID, Unit: o.Unit, Span: span,
		Allowance: t.allowance(), Remaining: t.allowanceRoom(), Access: t.access(), Period: period,
	}
}

// MemberView is a member as the organization sees it: with what it drew from the pool in the running period.
type MemberView struct {
	Member
	OrganizationID string
	PoolUsedPeriod Micros
}

// ViewOf is a member's view at now.
func ViewOf(o Organization, m Member, now time.Time) MemberView {
	period, _ := m.RunningPeriod(o.Calendar, now)
	return MemberView{Member: m, OrganizationID: o.ID, PoolUsedPeriod: period.PoolUsed}
}

// ReservationQuery says which reservations to list, newest first.
type ReservationQuery struct {
	OrganizationID string
	MemberID       string           // Empty: every member's.
	State          ReservationState // 0: every state.
	Before         UUID             // Only those made before this one; zero: from the newest.
	Limit          int
}
