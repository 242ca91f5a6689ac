package meter

import (
	"math"
	"time"
)

// Role is what a member may do in the organization.
type Role int16

// The roles of a member.
const (
	RoleOwner  Role = 1 // May do all that an admin may.
	RoleAdmin  Role = 2 // Grants and revokes access, sees the pool.
	RoleMember Role = 3 // Runs turns, sees the own meter.
)

// MemberState says whether a member is still part of the organization.
type MemberState int16

// The states of a member.
const (
	MemberActive  MemberState = 1 // The seat may start turns.
	MemberRemoved MemberState = 2 // The seat starts no new turn and settles those that run.
)

// Member is a seat of an organization.
type Member struct {
	ID               string
	DisplayName      string
	Email            string
	AvatarURL        string
	Role             Role
	State            MemberState
	Allowance        *Micros // The seat's own allowance per period; nil: the plan's.
	Access           Access
	PoolUsedLifetime Micros
	Abuse            AbuseWindow

	// Period is the running period as of the seat's last use. It may have ended since: RunningPeriod tells.
	Period Period
}

// RunningPeriod is the seat's use in the period that runs at now, and that period's bounds. A new period starts with
// nothing used; no job makes it so. A seat's period never moves back: should now lie before the seat's last period, as a
// test clock or a standby's clock may make it, that period goes on.
func (m Member) RunningPeriod(c Calendar, now time.Time) (Period, Span) {
	return m.periodIn(c.PeriodAt(now), c)
}

// periodIn is RunningPeriod where the organization's month that runs is known.
func (m Member) periodIn(month Span, c Calendar) (Period, Span) {
	switch {
	case m.Period.Start.After(month.Start):
		return m.Period, c.PeriodAt(m.Period.Start)
	case m.Period.Start.Equal(month.Start):
		return m.Period, month
	default:
		return Period{Start: month.Start}, month
	}
}

// Period is what one seat used and holds in one month of the organization.
type Period struct {
	Start         time.Time
	AllowanceUsed Micros
	AllowanceHeld Micros
	PoolUsed      Micros // Counts against a cap.
	PoolHeld      Micros // Counts against a cap.
	Overrun       Micros // Cost that neither layer had room for.
}

// Empty says whether nothing was used or is held in it.
func (p Period) Empty() bool { return p == Period{Start: p.Start} }

// AccessKind says how far a member's right to the pool goes.
type AccessKind int16

// The kinds of access.
const (
	AccessNone      AccessKind = 1 // No draw on the pool.
	AccessCapped    AccessKind = 2 // Up to a cap per period.
	AccessUnlimited AccessKind = 3 // Up to the pool's balance.
)

// Access is a member's right to draw on the pool. Cap is 0 unless the kind is AccessCapped.
type Access struct {
	Kind AccessKind
	Cap  Micros
}

// AccessChange is the record of one change of a member's access.
type AccessChange struct {
	ID       UUID
	MemberID string
	At       time.Time
	Actor    string
	Before   Access
	After    Access
}

// AbuseWindow counts the tokens of a seat's settled turns since OpenedAt. Zero: no window is open.
type AbuseWindow struct {
	Tokens   int64
	OpenedAt time.Time
}

// closesAt is when the window closes under a limit; the zero time if none is open.
func (w AbuseWindow) closesAt(l AbuseLimit) time.Time {
	if w.OpenedAt.IsZero() {
		return time.Time{}
	}
	return w.OpenedAt.Add(l.Window)
}

// with counts tokens in the window that is open at now, or in a new one that opens with them. Without a limit there is
// no window to count in. The count stops at the type's range, far above any limit.
func (w AbuseWindow) with(tokens int64, l AbuseLimit, now time.Time) AbuseWindow {
	if tokens == 0 || l.Tokens == 0 {
		return w
	}
	if !now.Before(w.closesAt(l)) {
		return AbuseWindow{Tokens: tokens, OpenedAt: now}
	}
	w.Tokens += min(tokens, math.MaxInt64-w.Tokens)
	return w
}
