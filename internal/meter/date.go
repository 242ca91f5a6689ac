package meter

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Date is a day of the Gregorian calendar, without a time of day and without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day that a calendar on the wall in zone shows at t.
func DateOf(t time.Time, zone *time.Location) Date {
	year, month, day := t.In(zone).Date()
	return Date{Year: year, Month: month, Day: day}
}

// Valid reports whether d is a day that exists, in the years 1 to 9999.
func (d Date) Valid() bool {
	return d.Year >= 1 && d.Year <= 9999 && DateOf(d.midnight(), time.UTC) == d
}

// String writes d as in 2026-01-31.
func (d Date) String() string {
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// StartIn returns the first instant, in UTC, at which the clocks of zone show d or a later day. As a rule that is
// midnight. Where clocks skip midnight it is the instant at which they land, where they skip the whole day it is the
// start of the next, and where they show midnight twice it is the first of the two. time.Date promises none of this.
func (d Date) StartIn(zone *time.Location) time.Time {
	wall := d.midnight()
	// Zones are walked forward, from a moment too early for any clock to show d, up to the first clock that does.
	t := wall.Add(-farthestOffset).In(zone)
	for {
		_, offset := t.Zone()
		midnight := wall.Add(-time.Duration(offset) * time.Second)
		if !midnight.After(t) {
			return t.UTC()
		}
		next := nextChange(t)
		if next.IsZero() || midnight.Before(next) {
			return midnight
		}
		t = next
	}
}

// midnight returns the start of d in UTC. A month or day out of range runs over into its neighbours.
func (d Date) midnight() time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// farthestOffset is farther from UTC than any clock: a file of zones holds offsets below 26 hours (RFC 8536).
const farthestOffset = 26 * time.Hour

// nextChange returns an instant after t up to which the clocks of t's zone run on unchanged, zero if they always do.
func nextChange(t time.Time) time.Time {
	_, end := t.ZoneBounds()
	if end.IsZero() || end.After(t) {
		return end
	}
	// For years that only a zone's closing rule covers, Go ends every year after 365 days: on 31 December of a leap
	// year the end is past already. No rule turns the clock on that day.
	return t.Add(time.Hour)
}

// zones holds each *time.Location that LoadZone found, by its name: reading one from disk takes far longer than a turn.
var zones sync.Map

// LoadZone returns the IANA time zone of that name, for example "Europe/Paris" or "UTC". It refuses an unknown name, and
// the names by which a machine calls its own zone ("" and "Local" among them): the months of an organization must not
// depend on where the service runs. A zone is read once; the same name gives the same location ever after.
func LoadZone(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	switch name {
	case "":
		return nil, errors.New("time zone is empty")
	case "Local", "localtime", "posixrules":
		return nil, fmt.Errorf("time zone %q is not an IANA name but the machine's own", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is unknown: %w", name, err)
	}
	kept, _ := zones.LoadOrStore(name, zone)
	return kept.(*time.Location), nil
}
