package meter

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// RunwaySeats bounds how many seats a Runway tells of.
const RunwaySeats = 100

// RunwayBasis is what an estimate rests on: what was used in a span.
type RunwayBasis struct {
	Span
	Days  int
	Turns int64
	Pool  Micros    // What the pool paid.
	Daily Micros    // The same per 24 hours, rounded down.
	At    time.Time // When the estimate is made.
}

// SeatUse is a seat as it stands, and what its turns cost in the basis' span.
type SeatUse struct {
	Meter       Meter
	DisplayName string
	Cost        Micros
}

// Runway is an estimate of how long an organization's pool and allowances last at the pace of a span.
type Runway struct {
	OrganizationID string
	Unit           Unit
	Zone           *time.Location
	Basis          RunwayBasis
	Balance        Micros
	EmptyAt        time.Time // When the pool is empty; zero: never.
	ResetsAt       time.Time
	Stopped        int          // How many seats are stopped before ResetsAt.
	Seats          []SeatRunway // The first of them.
	Drawing        int          // How many others use up their allowance before ResetsAt, and then draw on the pool.
	DrawingSeats   []SeatRunway // The first of them.
}

// SeatRunway is when a seat's allowance is used, and when the seat is stopped.
type SeatRunway struct {
	MemberID     string
	DisplayName  string
	Access       Access
	Daily        Micros    // What its turns cost per 24 hours, rounded down.
	Remaining    Micros    // Of its allowance.
	AllowanceAt  time.Time // When that is used.
	CapRemaining Micros    // Of its cap, if it is capped.
	CapAt        time.Time // When that is used too; zero: not before the period ends, or it is not capped.
	StoppedAt    time.Time // Zero: not before the period ends, where the seat is one of DrawingSeats.
	StoppedBy    Reason
}

// RunwaySpan returns the span that an estimate made at now looks at, and how many days it has: the whole days before this
// one, at most as many as asked for, and none before the organization's first entry. Where that was made today, it is today
// until now.
func RunwaySpan(c Calendar, now time.Time, days int, first time.Time) (Span, int) {
	today := c.DayAt(now)
	if !first.Before(today.Start) {
		return Span{Start: today.Start, End: now}, 1
	}
	span, n := Span{Start: today.Start, End: today.Start}, 0
	for n < days && (n == 0 || first.Before(span.Start)) {
		span.Start = c.DayAt(span.Start.Add(-time.Microsecond)).Start
		n++
	}
	return span, n
}

// EstimateRunway estimates from a basis, whose Daily it fills in. Its seats are the active ones, also those whose turns cost
// nothing then: a seat that is stopped now has no turns.
func EstimateRunway(o Organization, plan Plan, basis RunwayBasis, seats []SeatUse) Runway {
	pace := pace{cost: basis.Pool, over: basis.Span}
	basis.Daily = pace.daily()
	r := Runway{
		OrganizationID: o.ID, Unit: o.Unit, Zone: o.Calendar.Anchor.Zone, Basis: basis, Balance: o.Pool.Balance,
		EmptyAt: pace.spends(o.Pool.Balance, basis.At), ResetsAt: o.Calendar.PeriodAt(basis.At).End,
	}
	for _, use := range seats {
		switch s := r.seat(o, plan, use); {
		case r.comes(s.StoppedAt):
			r.Seats = append(r.Seats, s)
		case r.comes(s.AllowanceAt):
			s.StoppedAt, s.StoppedBy = time.Time{}, ""
			r.DrawingSeats = append(r.DrawingSeats, s)
		}
	}
	r.Seats, r.Stopped = firstSeats(r.Seats, func(s SeatRunway) time.Time { return s.StoppedAt })
	r.DrawingSeats, r.Drawing = firstSeats(r.DrawingSeats, func(s SeatRunway) time.Time { return s.AllowanceAt })
	return r
}

// comes says whether a moment comes at all, and before the running period ends.
func (r Runway) comes(at time.Time) bool { return !at.IsZero() && at.Before(r.ResetsAt) }

// firstSeats are the first seats by a moment of each, and how many there are in all.
func firstSeats(seats []SeatRunway, by func(SeatRunway) time.Time) ([]SeatRunway, int) {
	slices.SortFunc(seats, func(a, b SeatRunway) int {
		return cmp.Or(by(a).Compare(by(b)), cmp.Compare(a.MemberID, b.MemberID))
	})
	return seats[:min(len(seats), RunwaySeats)], len(seats)
}

// seat estimates when one seat is stopped: now if it has no room, and else once its allowance is used, and then what it may
// draw of the pool. At a tie of cap and pool it is the pool, as in Reserve.
func (r Runway) seat(o Organization, plan Plan, use SeatUse) SeatRunway {
	pace := pace{cost: use.Cost, over: r.Basis.Span}
	s := SeatRunway{
		MemberID: use.Meter.MemberID, DisplayName: use.DisplayName, Access: use.Meter.Access, Daily: pace.daily(),
		Remaining: use.Meter.Remaining, AllowanceAt: pace.spends(use.Meter.Remaining, r.Basis.At),
	}
	rooms := seat{org: o, plan: plan, member: Member{Access: s.Access}, period: use.Meter.Period}
	if s.Access.Kind == AccessCapped {
		s.CapRemaining = rooms.capRoom()
	}
	switch {
	case s.AllowanceAt.IsZero():
		return s
	case s.Remaining == 0 && rooms.poolRoom() == 0:
		s.StoppedAt, s.StoppedBy = r.Basis.At, rooms.boundBy()
	case s.Access.Kind == AccessNone && plan.Kind != PlanIndividual:
		s.StoppedAt, s.StoppedBy = s.AllowanceAt, ExtraUsageNotEnabled
	default:
		s.StoppedAt, s.StoppedBy = later(r.EmptyAt, s.AllowanceAt), PoolEmpty
		if plan.Kind == PlanIndividual {
			s.StoppedBy = IndividualExhausted
		}
	}
	if s.Access.Kind != AccessCapped {
		return s
	}
	if s.CapAt = pace.spends(s.CapRemaining, s.AllowanceAt); !s.CapAt.Before(r.ResetsAt) {
		s.CapAt = time.Time{}
	}
	if !s.CapAt.IsZero() && (s.StoppedAt.IsZero() || s.CapAt.Before(s.StoppedAt)) {
		s.StoppedAt, s.StoppedBy = s.CapAt, MemberCapReached
	}
	return s
}

// later is the later one of a moment that never comes if it is zero, and one that does.
func later(a, b time.Time) time.Time {
	if a.IsZero() || a.After(b) {
		return a
	}
	return b
}

// pace is what was spent over a span.
type pace struct {
	cost Micros
	over Span
}

// daily is what is spent per 24 hours, rounded down. It is exact in 128 bits; what passes an amount's range is cut to it.
func (p pace) daily() Micros {
	const day = uint64(24 * time.Hour / time.Microsecond)
	return Micros(min(mulDiv(unsigned(p.cost), day, p.micros(), 0), 1<<63-1))
}

// lastMoment is the last that an estimate tells.
var lastMoment = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC).UnixMicro()

// spends is when an amount has been spent that there is at a moment; zero: never, or after lastMoment.
func (p pace) spends(amount Micros, from time.Time) time.Time {
	if amount == 0 {
		return from
	}
	if p.cost == 0 {
		return time.Time{}
	}
	takes := mulDiv(unsigned(amount), p.micros(), unsigned(p.cost), unsigned(p.cost)-1)
	if takes > unsigned(lastMoment-from.UnixMicro()) {
		return time.Time{}
	}
	return time.UnixMicro(from.UnixMicro() + int64(takes)).UTC() //nolint:gosec // Before lastMoment.
}

// micros is the length of the span, at least 1.
func (p pace) micros() uint64 { return unsigned(max(1, p.over.End.Sub(p.over.Start).Microseconds())) }

// unsigned is a number that is not negative.
func unsigned[N ~int64](n N) uint64 { return uint64(max(0, n)) }

// mulDiv is (a*b + more) / by, or the greatest number if it is greater.
func mulDiv(a, b, by, more uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	lo, carry := bits.Add64(lo, more, 0)
	if hi += carry; hi >= by {
		return 1<<64 - 1
	}
	quotient, _ := bits.Div64(hi, lo, by)
	return quotient
}
