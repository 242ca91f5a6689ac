package meter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func in(t testing.TB, zone string) Anchor {
	t.Helper()
	location, err := LoadZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	return Anchor{Date: Date{Year: 2026, Month: time.January, Day: 1}, Zone: location}
}

// TestDays names the day of moments: one of 23 hours, one of 25, one whose midnight does not exist, one that does not exist
// at all, and one that is shown twice.
func TestDays(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(`
UTC               2026-03-01T12:00:00Z 2026-03-01 2026-03-01T00:00:00Z 2026-03-02T00:00:00Z
Europe/Berlin     2026-03-29T12:00:00Z 2026-03-29 2026-03-28T23:00:00Z 2026-03-29T22:00:00Z
Europe/Berlin     2026-10-25T12:00:00Z 2026-10-25 2026-10-24T22:00:00Z 2026-10-25T23:00:00Z
Africa/Cairo      2026-04-24T12:00:00Z 2026-04-24 2026-04-23T22:00:00Z 2026-04-24T21:00:00Z
Pacific/Apia      2011-12-30T08:00:00Z 2011-12-29 2011-12-29T10:00:00Z 2011-12-30T10:00:00Z
Pacific/Apia      2011-12-30T10:00:00Z 2011-12-31 2011-12-30T10:00:00Z 2011-12-31T10:00:00Z
America/Havana    2026-11-01T04:30:00Z 2026-11-01 2026-11-01T04:00:00Z 2026-11-02T05:00:00Z
America/Sao_Paulo 2018-11-04T12:00:00Z 2018-11-04 2018-11-04T03:00:00Z 2018-11-05T02:00:00Z
America/Scoresbysund 2023-10-29T00:30:00Z 2023-10-29 2023-10-29T00:00:00Z 2023-10-30T01:00:00Z
America/Scoresbysund 2023-10-29T01:30:00Z 2023-10-29 2023-10-29T00:00:00Z 2023-10-30T01:00:00Z
`), "\n") {
		f := strings.Fields(line)
		day := Calendar{Anchor: in(t, f[0])}.DayAt(at(t, f[1]))
		if got := fmt.Sprint(day.Date, day.Start.Format(" "+time.RFC3339), day.End.Format(" "+time.RFC3339)); got != strings.Join(f[2:], " ") {
			t.Errorf("%s: got %s", line, got)
		}
	}
}

// TestDaysOverAChangeOfZone cuts the day in which the zone changes in two.
func TestDaysOverAChangeOfZone(t *testing.T) {
	c := Calendar{Anchor: in(t, "UTC")}.WithAnchor(in(t, "Asia/Tokyo"), at(t, "2026-03-10T00:00:00Z"))
	days := c.DaysOver(nil, at(t, "2026-03-31T12:00:00Z"), at(t, "2026-04-02T00:00:00Z"))
	var got []string
	for _, d := range days {
		got = append(got, fmt.Sprint(d.Date, d.Start.Format(" 02T15"), d.End.Format(" 02T15")))
	}
	if want := []string{"2026-03-31 31T00 01T00", "2026-04-01 01T00 01T15", "2026-04-02 01T15 02T15"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDaysOver holds days to covering what they should without overlap, whatever days of other zones were known before.
func TestDaysOver(t *testing.T) {
	zones := []string{"UTC", "Asia/Tokyo", "America/Havana", "Pacific/Apia", "America/Scoresbysund"}
	rapid.Check(t, func(rt *rapid.T) {
		start := at(t, "2011-12-01T00:00:00Z").Add(time.Duration(rapid.IntRange(0, 15*365*24).Draw(rt, "start")) * time.Hour)
		var days []Day
		for range rapid.IntRange(1, 5).Draw(rt, "spans") {
			c := Calendar{Anchor: in(t, rapid.SampledFrom(zones).Draw(rt, "zone"))}
			known := slices.Clone(days)
			from := start.Add(time.Duration(rapid.IntRange(0, 200).Draw(rt, "from")) * time.Hour)
			until := from.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "until")) * time.Hour)
			days = c.DaysOver(days, from, until)
			covered := from
			for i, d := range days {
				if !d.Start.Before(d.End) || i > 0 && d.Start.Before(days[i-1].End) {
					rt.Fatalf("%v overlaps, or is none: %v", d, days)
				}
				if !d.Start.After(covered) && covered.Before(d.End) {
					covered = d.End
				}
			}
			if !covered.After(until) {
				rt.Fatalf("covered until %v of %v: %v", covered, until, days)
			}
			for _, k := range known {
				if !slices.Contains(days, k) {
					rt.Fatalf("%v is gone from %v", k, days)
				}
			}
		}
	})
}
