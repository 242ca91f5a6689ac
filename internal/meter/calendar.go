package meter

import "time"

// Anchor is where the months of an organization begin: at the start of a date's day of the month, in a time zone. A
// month too short for that day begins on its last one, and the next is back on the day: it never drifts. Months run on
// before the date as after it, so that every moment lies in one.
type Anchor struct {
	// Date is the anniversary. It must be Valid. Its day alone shapes the months.
	Date Date
	// Zone must not be nil. Zones are told apart by their names, so it should come from LoadZone.
	Zone *time.Location
}

// Span is the time from Start, inclusive, to End, exclusive; both are in UTC.
type Span struct {
	Start, End time.Time
}

// Calendar says to which period of an organization a moment belongs. It knows the anchor in force and the one before
// it, which is all that running and coming periods need: what was reserved earlier carries its own period with it.
type Calendar struct {
	// Anchor rules from From on.
	Anchor Anchor
	// From is the instant at which Anchor took over from Prior, or will; zero if Anchor has been in force since ever.
	From time.Time
	// Prior ruled until From. It means nothing while From is zero.
	Prior Anchor
	// PriorFrom is the instant at which Prior itself took over; zero if it had been in force since ever. Of what ruled
	// before it nothing is remembered: those times are answered by the months of Prior.
	PriorFrom time.Time
}

// PeriodAt returns the period that t belongs to: Start <= t < End. Periods follow each other without gap or overlap,
// over a change of anchor too. Its cost does not depend on how far t is from the anchor, and it allocates nothing.
func (c Calendar) PeriodAt(t time.Time) Span {
	if c.rulesAt(t) {
		return c.Anchor.monthAt(t).splitAt(c.From, t)
	}
	return c.Prior.monthAt(t).splitAt(c.PriorFrom, t).splitAt(c.From, t)
}

// WithAnchor returns the calendar after a change of anchor or zone made at now. The change takes effect when the
// period running at now ends, and never cuts it; the period after it ends, early if need be, at the first boundary of
// the new anchor. A change that has not taken effect is replaced by the next one, and cancelled by the next one if that
// sets what is still in force. A change to the anchor already set changes nothing.
func (c Calendar) WithAnchor(a Anchor, now time.Time) Calendar {
	if a.same(c.Anchor) {
		return c
	}
	changed := Calendar{Anchor: a, From: c.PeriodAt(now).End, Prior: c.Anchor, PriorFrom: c.From}
	if !c.rulesAt(now) {
		if a.same(c.Prior) {
			return c.cancelled()
		}
		changed.Prior, changed.PriorFrom = c.Prior, c.PriorFrom
	}
	return changed
}

// rulesAt reports whether Anchor, rather than Prior, is in force at t.
func (c Calendar) rulesAt(t time.Time) bool {
	return c.From.IsZero() || !t.Before(c.From)
}

// cancelled returns the calendar as it stands if Anchor never takes effect. The anchor before Prior is forgotten by
// now, so Prior stands in for it as it did before.
func (c Calendar) cancelled() Calendar {
	if c.PriorFrom.IsZero() {
		return Calendar{Anchor: c.Prior}
	}
	return Calendar{Anchor: c.Prior, From: c.PriorFrom, Prior: c.Prior}
}

// same reports whether a and b are the same date in the same zone.
func (a Anchor) same(b Anchor) bool {
	return a.Date == b.Date && a.Zone.String() == b.Zone.String()
}

// monthAt returns the month of a that t belongs to.
func (a Anchor) monthAt(t time.Time) Span {
	today := DateOf(t, a.Zone)
	year, month := today.Year, today.Month
	if today.Day < a.dayIn(year, month) {
		month--
	}
	start, end := a.boundary(year, month), a.boundary(year, month+1)
	if !t.Before(end) {
		// Clocks were turned back over midnight and show the day before once more; the new month has begun all the same.
		start, end = end, a.boundary(year, month+2)
	}
	return Span{Start: start, End: end}
}

// boundary returns the instant at which the period that begins in this month does so. Months below 1 and above 12 are
// those of the years beside it.
func (a Anchor) boundary(year int, month time.Month) time.Time {
	return Date{Year: year, Month: month, Day: a.dayIn(year, month)}.StartIn(a.Zone)
}

// dayIn returns the day of the month on which the period of this month begins: the anchor's, or the month's last.
func (a Anchor) dayIn(year int, month time.Month) int {
	last := Date{Year: year, Month: month + 1, Day: 0}.midnight().Day()
	return min(a.Date.Day, last)
}

// splitAt returns the part of s that t lies in, if s is cut in two at the moment at. A zero moment cuts nothing.
func (s Span) splitAt(at, t time.Time) Span {
	switch {
	case at.IsZero() || !s.Start.Before(at) || !at.Before(s.End):
		return s
	case t.Before(at):
		s.End = at.UTC()
	default:
		s.Start = at.UTC()
	}
	return s
}
