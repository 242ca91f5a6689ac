package meter_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

//go:embed testdata/calendar.txt
var calendarTable string

func TestCalendarTable(t *testing.T) {
	var calendar meter.Calendar
	periods := 0
	for i, line := range strings.Split(calendarTable, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case words[0] == "anchor" && len(words) == 3:
			calendar = meter.Calendar{Anchor: anchorAt(t, words[1], words[2])}
		case words[0] == "change" && len(words) == 4:
			calendar = calendar.WithAnchor(anchorAt(t, words[2], words[3]), moment(t, words[1]))
		case words[0] == "period" && len(words) == 5:
			periods++
			want := meter.Span{Start: moment(t, words[3]), End: moment(t, words[4])}
			if got := calendar.PeriodAt(moment(t, words[1])); got != want {
				t.Errorf("calendar.txt:%d: %s\n got %s", i+1, line, show(got))
			}
		default:
			t.Fatalf("calendar.txt:%d: cannot read %q", i+1, line)
		}
	}
	if periods == 0 {
		t.Error("calendar.txt asks for no period")
	}
}

func TestCancelledChangeLeavesNoTrace(t *testing.T) {
	before := meter.Calendar{Anchor: anchorAt(t, "2026-01-31", "Europe/Paris")}
	changed := before.WithAnchor(anchorAt(t, "2026-01-15", "Asia/Tokyo"), moment(t, "2026-03-01T00:00:00Z"))
	if changed == before {
		t.Fatal("the change changed nothing")
	}
	if after := changed.WithAnchor(before.Anchor, moment(t, "2026-03-02T00:00:00Z")); after != before {
		t.Errorf("after the change was cancelled: %+v, want %+v", after, before)
	}
}

func TestSameAnchorChangesNothing(t *testing.T) {
	settled := meter.Calendar{Anchor: anchorAt(t, "2026-01-31", "Europe/Paris")}
	pending := settled.WithAnchor(anchorAt(t, "2026-01-15", "Asia/Tokyo"), moment(t, "2026-03-01T00:00:00Z"))
	for _, calendar := range []meter.Calendar{settled, pending} {
		for _, now := range []string{"2026-03-02T00:00:00Z", "2026-06-01T00:00:00Z"} {
			if got := calendar.WithAnchor(calendar.Anchor, moment(t, now)); got != calendar {
				t.Errorf("set again at %s: %+v, want %+v", now, got, calendar)
			}
		}
	}
}

func TestPeriodAtDoesNotAllocate(t *testing.T) {
	calendar, now := shortPeriod(t)
	if n := testing.AllocsPerRun(100, func() { calendar.PeriodAt(now) }); n != 0 {
		t.Errorf("PeriodAt allocates %v times, want 0", n)
	}
}

func BenchmarkPeriodAt(b *testing.B) {
	now := moment(b, "2026-11-21T12:00:00Z")
	changed, soon := shortPeriod(b)
	for _, bench := range []struct {
		name     string
		calendar meter.Calendar
		at       time.Time
	}{
		{"utc", meter.Calendar{Anchor: anchorAt(b, "2026-01-31", "UTC")}, now},
		{"paris", meter.Calendar{Anchor: anchorAt(b, "2026-01-31", "Europe/Paris")}, now},
		{"far away", meter.Calendar{Anchor: anchorAt(b, "2026-01-31", "Europe/Paris")}, now.AddDate(7000, 0, 0)},
		{"short period", changed, soon},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.calendar.PeriodAt(bench.at)
			}
		})
	}
}

// Every period that a calendar answers holds the moment asked for, is answered for each of its moments, touches its
// neighbours, and has the length and the ends of a month.
func TestPeriodsTileTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anchor := drawAnchor(t)
		at := drawMoment(t, anchor.Zone)
		calendar := meter.Calendar{Anchor: anchor}
		span := checkTile(t, calendar, at)
		checkStart(t, anchor, span.Start)
		checkStart(t, anchor, span.End)
		checkLength(t, anchor, span)
	})
}

// Whatever is changed and whenever, a calendar answers what a plain model does that lives through the same time.
func TestChangesFollowTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anchors := rapid.SliceOfN(rapid.Custom(drawAnchor), 3, 3).Draw(t, "anchors")
		now := drawMoment(t, anchors[0].Zone)
		calendar := meter.Calendar{Anchor: anchors[0]}
		model := plainModel{inForce: anchors[0], next: anchors[0], running: calendar.PeriodAt(now)}
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			now = now.Add(rapid.SampledFrom(pauses).Draw(t, "pause"))
			model.liveUntil(now)
			next := rapid.SampledFrom(anchors).Draw(t, "next")
			model.next = next
			calendar = checkChange(t, calendar, next, now)
			checkAgainst(t, calendar, model, now)
		}
	})
}

// A change that is taken back before it took effect leaves every later period as if nothing had been changed.
func TestChangeTakenBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, second, third := drawAnchor(t), drawAnchor(t), drawAnchor(t)
		now := drawMoment(t, first.Zone)
		before := meter.Calendar{Anchor: first}.WithAnchor(second, now)
		now = before.PeriodAt(before.From).Start
		after := before.WithAnchor(third, now).WithAnchor(second, now)
		for range 4 {
			if got, want := after.PeriodAt(now), before.PeriodAt(now); got != want {
				t.Fatalf("at %s: %s, want %s", now, show(got), show(want))
			}
			now = before.PeriodAt(now).End
		}
	})
}

// plainModel is what an organization lives through, period by period. It knows nothing of months but their days.
type plainModel struct {
	inForce, next meter.Anchor
	running       meter.Span
}

// liveUntil lets period after period end, until the running one holds now.
func (m *plainModel) liveUntil(now time.Time) {
	for !now.Before(m.running.End) {
		m.inForce = m.next
		m.running = meter.Span{Start: m.running.End, End: firstBoundaryAfter(m.inForce, m.running.End)}
	}
}

// firstBoundaryAfter looks at one day after the other.
func firstBoundaryAfter(anchor meter.Anchor, after time.Time) time.Time {
	day := after.AddDate(0, 0, -3)
	for {
		day = day.AddDate(0, 0, 1)
		lastOfMonth := day.AddDate(0, 0, 1).Day() == 1
		if day.Day() != anchor.Date.Day && !(lastOfMonth && day.Day() < anchor.Date.Day) {
			continue
		}
		if start := meter.DateOf(day, time.UTC).StartIn(anchor.Zone); start.After(after) {
			return start
		}
	}
}

// checkChange makes a change and checks that it cut nothing that is running.
func checkChange(t *rapid.T, before meter.Calendar, next meter.Anchor, now time.Time) meter.Calendar {
	after := before.WithAnchor(next, now)
	if got, want := after.PeriodAt(now), before.PeriodAt(now); got != want {
		t.Fatalf("a change at %s made the running period %s, was %s", now, show(got), show(want))
	}
	return after
}

// checkAgainst compares the running period and the next two with the model's, and that they tile.
func checkAgainst(t *rapid.T, calendar meter.Calendar, model plainModel, now time.Time) {
	for range 3 {
		if got := checkTile(t, calendar, now); got != model.running {
			t.Fatalf("at %s: %s, want %s", now, show(got), show(model.running))
		}
		now = model.running.End
		model.liveUntil(now)
	}
	checkTile(t, calendar, calendar.From)
	checkTile(t, calendar, calendar.PriorFrom)
}

// checkTile checks the period at a moment against the moments in it and its neighbours.
func checkTile(t *rapid.T, calendar meter.Calendar, at time.Time) meter.Span {
	span := calendar.PeriodAt(at)
	if at.Before(span.Start) || !at.Before(span.End) {
		t.Fatalf("%s is not in its period %s", at, show(span))
	}
	within := rapid.Int64Range(0, int64(span.End.Sub(span.Start))-1).Draw(t, "within")
	for _, inside := range []time.Time{span.Start, span.Start.Add(time.Duration(within)), span.End.Add(-1)} {
		if got := calendar.PeriodAt(inside); got != span {
			t.Fatalf("at %s: %s, but at %s: %s", inside, show(got), at, show(span))
		}
	}
	if next := calendar.PeriodAt(span.End); next.Start != span.End {
		t.Fatalf("%s is followed by %s", show(span), show(next))
	}
	if last := calendar.PeriodAt(span.Start.Add(-1)); last.End != span.Start {
		t.Fatalf("%s comes after %s", show(span), show(last))
	}
	return span
}

// checkStart checks that a period starts at the first instant at which clocks show its anchor's day, or the day after if
// they skipped that one.
func checkStart(t *rapid.T, anchor meter.Anchor, start time.Time) {
	day := onTheWall(start, anchor.Zone).Truncate(24 * time.Hour)
	if !isAnchorsDay(anchor, day) {
		day = day.AddDate(0, 0, -1)
	}
	if !isAnchorsDay(anchor, day) {
		t.Fatalf("%s is no day on which a month of %s begins", start.In(anchor.Zone), anchor.Date)
	}
	for back := time.Nanosecond; back < 50*time.Hour; back += time.Minute {
		if !onTheWall(start.Add(-back), anchor.Zone).Before(day) {
			t.Fatalf("clocks showed %s already %s before %s", day, back, start.In(anchor.Zone))
		}
	}
}

// isAnchorsDay reports whether day is the anchor's day of the month, or the last day of a month too short for it.
func isAnchorsDay(anchor meter.Anchor, day time.Time) bool {
	lastOfMonth := day.AddDate(0, 0, 1).Day() == 1
	return day.Day() == anchor.Date.Day || lastOfMonth && day.Day() < anchor.Date.Day
}

// onTheWall returns what clocks in zone show at t, as if it were a time in UTC.
func onTheWall(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// checkLength checks that a period is no longer than a long month with its clocks turned back.
func checkLength(t *rapid.T, anchor meter.Anchor, span meter.Span) {
	longest := 31*24*time.Hour + 2*time.Hour
	turnedBack := onTheWall(span.Start, anchor.Zone).Sub(span.Start) - onTheWall(span.End, anchor.Zone).Sub(span.End)
	if turnedBack > 12*time.Hour {
		longest += 24 * time.Hour // The date line moved, and a day was lived twice.
	}
	if length := span.End.Sub(span.Start); length < 26*24*time.Hour || length > longest {
		t.Fatalf("%s lasts %s", show(span), length)
	}
}

// pauses between changes: within a period, to about its end, and over several.
var pauses = []time.Duration{
	0, time.Nanosecond, time.Hour, 24 * time.Hour, 20 * 24 * time.Hour, 31 * 24 * time.Hour, 100 * 24 * time.Hour,
}

// unrulyZones have skipped midnights, skipped days, lived through hours or days twice, or are far from UTC.
var unrulyZones = []string{
	"Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Havana", "America/Juneau", "America/Nuuk",
	"America/Santiago", "America/Sao_Paulo", "America/Scoresbysund", "America/St_Johns", "Antarctica/Troll", "Asia/Amman",
	"Asia/Beirut", "Asia/Gaza", "Asia/Kathmandu", "Asia/Manila", "Asia/Tehran", "Atlantic/Azores",
	"Australia/Lord_Howe", "Europe/Dublin", "Europe/Paris", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati",
	"Pacific/Kwajalein", "UTC",
}

func drawAnchor(t *rapid.T) meter.Anchor {
	date := meter.Date{Year: rapid.IntRange(1, 9999).Draw(t, "year"), Month: time.January, Day: drawDay(t)}
	if rapid.IntRange(0, 4).Draw(t, "fixed zone") == 0 {
		offset := rapid.IntRange(-16*3600, 16*3600).Draw(t, "offset")
		return meter.Anchor{Date: date, Zone: time.FixedZone(fmt.Sprintf("%+ds", offset), offset)}
	}
	zone, err := meter.LoadZone(rapid.SampledFrom(unrulyZones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return meter.Anchor{Date: date, Zone: zone}
}

func drawDay(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(1, 31), rapid.SampledFrom([]int{1, 28, 29, 30, 31})).Draw(t, "day")
}

// drawMoment draws a moment of any year, or one near a change of the zone's clocks.
func drawMoment(t *rapid.T, zone *time.Location) time.Time {
	years := rapid.SampledFrom([][2]int{{1840, 2040}, {1970, 2040}, {2, 9998}}).Draw(t, "years")
	from, to := time.Date(years[0], 1, 1, 0, 0, 0, 0, time.UTC), time.Date(years[1], 1, 1, 0, 0, 0, 0, time.UTC)
	at := time.Unix(rapid.Int64Range(from.Unix(), to.Unix()).Draw(t, "second"), 0)
	if _, change := at.In(zone).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "near a change") {
		at = change.Add(time.Duration(rapid.IntRange(-48, 48).Draw(t, "half hours")) * 30 * time.Minute)
	}
	return at.UTC()
}

// shortPeriod returns a calendar with two changes behind it, and a moment in the costliest place to ask for.
func shortPeriod(t testing.TB) (meter.Calendar, time.Time) {
	calendar := meter.Calendar{Anchor: anchorAt(t, "2026-01-31", "Europe/Paris")}
	calendar = calendar.WithAnchor(anchorAt(t, "2026-01-15", "America/Havana"), moment(t, "2046-03-01T00:00:00Z"))
	calendar = calendar.WithAnchor(anchorAt(t, "2026-01-20", "Africa/Cairo"), calendar.From)
	return calendar, calendar.PriorFrom.Add(time.Hour)
}

func anchorAt(t testing.TB, date, zone string) meter.Anchor {
	t.Helper()
	location, err := meter.LoadZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	return meter.Anchor{Date: dateFrom(t, date), Zone: location}
}

func dateFrom(t testing.TB, text string) meter.Date {
	t.Helper()
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return meter.DateOf(day, time.UTC)
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func show(s meter.Span) string {
	return s.Start.Format(time.RFC3339Nano) + " " + s.End.Format(time.RFC3339Nano)
}
