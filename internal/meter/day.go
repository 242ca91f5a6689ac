package meter

import (
	"slices"
	"time"
)

// Day is one day of an organization, as the clocks of its time zone show it from Start to End.
type Day struct {
	Date Date
	Span
}

// DayAt returns the day that t belongs to: Start <= t < End. Days follow each other without gap or overlap; where the
// zone changes, the change cuts the day in two.
func (c Calendar) DayAt(t time.Time) Day {
	if c.rulesAt(t) {
		day := dayIn(c.Anchor.Zone, t)
		day.Span = day.splitAt(c.From, t)
		return day
	}
	day := dayIn(c.Prior.Zone, t)
	day.Span = day.splitAt(c.PriorFrom, t).splitAt(c.From, t)
	return day
}

// DaysOver returns known with the days added that it lacks to cover from to until, both inclusive. Known days are in order
// of time, and so are those returned. A day that was known stays as it was: what the calendar would say of it today, when
// it no longer remembers the zone of then, gives way.
func (c Calendar) DaysOver(known []Day, from, until time.Time) []Day {
	for t := from; !t.After(until); {
		i, found := slices.BinarySearchFunc(known, t, func(d Day, t time.Time) int {
			switch {
			case !t.Before(d.End):
				return -1
			case t.Before(d.Start):
				return 1
			}
			return 0
		})
		if !found {
			day := c.DayAt(t)
			if i > 0 && day.Start.Before(known[i-1].End) {
				day.Start = known[i-1].End
			}
			if i < len(known) && day.End.After(known[i].Start) {
				day.End = known[i].Start
			}
			known = slices.Insert(known, i, day)
		}
		t = known[i].End
	}
	return known
}

// dayIn returns the day that t belongs to in a zone. Clocks that were turned back over midnight show the day before once
// more; the new day has begun all the same.
func dayIn(zone *time.Location, t time.Time) Day {
	date := DateOf(t, zone)
	for {
		next := date.next()
		span := Span{Start: date.StartIn(zone), End: next.StartIn(zone)}
		if t.Before(span.End) {
			return Day{Date: date, Span: span}
		}
		date = next
	}
}

// next returns the day after d.
func (d Date) next() Date { return DateOf(Date{d.Year, d.Month, d.Day + 1}.midnight(), time.UTC) }
