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
	t := seat{now: now, month: o.Calendar.PeriodAt(now), org: o, plan: plan, member: m}
	return *t.meter()
}

// MemberView is a member as the organization sees it: with what it used in the running period.
type MemberView struct {
	Member
	OrganizationID  string
	AllowancePeriod Micros // The member's own, or else the plan's.
	AllowanceUsed   Micros
	PoolUsedPeriod  Micros
}

// ViewOf is a member's view at now.
func ViewOf(o Organization, plan Plan, m Member, now time.Time) MemberView {
	period, _ := m.RunningPeriod(o.Calendar, now)
	t := seat{org: o, plan: plan, member: m}
	return MemberView{
		Member: m, OrganizationID: o.ID, AllowancePeriod: t.allowance(), AllowanceUsed: period.AllowanceUsed,
		PoolUsedPeriod: period.PoolUsed,
	}
}

// MemberOrder is what a list of members is ordered by; those who are equal in it are in order of id.
type MemberOrder int16

// The orders of members.
const (
	MembersByID            MemberOrder = 1
	MembersByName          MemberOrder = 2 // In small letters or capitals.
	MembersByPoolPeriod    MemberOrder = 3 // Drawn from the pool in the running period, most first.
	MembersByPoolLifetime  MemberOrder = 4 // Drawn from the pool ever, most first.
	MembersByAllowanceUsed MemberOrder = 5 // In the running period, most first.
)

// MemberQuery says which members to list.
type MemberQuery struct {
	OrganizationID string
	Search         string      // Held by the id, the name or the email address, in small letters or capitals; empty: all.
	Order          MemberOrder // 0: by id.
	After          string      // Only those after this member, where that one now stands; empty: from the first.
	Limit          int
}

// ReservationQuery says which reservations to list, newest first.
type ReservationQuery struct {
	OrganizationID string
	MemberID       string           // Empty: every member's.
	State          ReservationState // 0: every state.
	Before         UUID             // Only those made before this one; zero: from the newest.
	Limit          int
}

// ReservationPage is a part of an organization's reservations.
type ReservationPage struct {
	Reservations []Reservation
	Next         UUID // Before which to go on; zero: there are no more.
}
