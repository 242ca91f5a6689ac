package meter_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

//go:embed testdata/anniversary_dates.jsonl
var anniversaryCases []byte

// notOurRule lists the cases of other billing systems that Spillway does not follow, and why.
var notOurRule = map[string]string{
	"ad-4aabd4a4": "periods begin at the anchor's time of day (15:00), ours at local midnight",
	"ad-dd4aab55": "periods begin at the anchor's time of day (15:00), ours at local midnight",
	"ad-d7abfede": "periods begin at the anchor's time of day (15:00), ours at local midnight",
	"ad-72483fb7": "the first period is cut at the moment of a change (15:00); ours never cuts the running period",
	"ad-3f5159af": "periods of three months, ours have one",
	"ad-ac911101": "periods of three months, ours have one",
	"ad-c5769dd8": "periods of three months, ours have one",
}

// anniversaryCase is one line of anniversary_dates.jsonl. Which fields are set depends on the kind.
type anniversaryCase struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Input struct {
		Anchor       time.Time `json:"anchor"`
		AnchorDate   string    `json:"anchor_date"`
		At           time.Time `json:"at"`
		BillingDay   int       `json:"billing_day"`
		Date         string    `json:"date"`
		From         string    `json:"from"`
		Months       int       `json:"months"`
		Start        string    `json:"start"`
		SubscribedAt time.Time `json:"subscribed_at"`
		To           string    `json:"to"`
		Zone         string    `json:"tz"`
	} `json:"input"`
	Expect struct {
		Consecutive bool     `json:"consecutive"`
		Count       int      `json:"count"`
		Date        string   `json:"date"`
		Day         int      `json:"day"`
		End         string   `json:"end"`
		Hours       int      `json:"hours"`
		ResetDay    bool     `json:"reset_day"`
		ResetDates  []string `json:"reset_dates"`
		Start       string   `json:"start"`
	} `json:"expect"`
}

// anniversaryKinds says how each kind of case is asked of a calendar.
var anniversaryKinds = map[string]func(*testing.T, anniversaryCase){
	"add_months":              runAddMonths,
	"anchor_day_of_month":     runAnchorDayOfMonth,
	"first_reset_on_or_after": runFirstResetOnOrAfter,
	"is_reset_day":            runIsResetDay,
	"local_day_window":        runLocalDayWindow,
	"next_reset_after":        runNextResetAfter,
	"period_containing":       runPeriodContaining,
	"reset_sequence":          runResetSequence,
	"whole_periods_between":   runWholePeriodsBetween,
}

func TestAnniversaryCases(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range bytes.Split(bytes.TrimSpace(anniversaryCases), []byte("\n")) {
		var c anniversaryCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		seen[c.ID] = true
		if notOurRule[c.ID] != "" {
			continue
		}
		t.Run(c.Kind+"/"+c.ID, func(t *testing.T) {
			run := anniversaryKinds[c.Kind]
			if run == nil {
				t.Fatal("neither run nor listed")
			}
			run(t, c)
		})
	}
	if len(seen) != 62 {
		t.Errorf("%d cases, want 62", len(seen))
	}
	for id := range notOurRule {
		if !seen[id] {
			t.Errorf("%s is listed, but there is no such case", id)
		}
	}
}

// The n-th reset is n months from the anchor's date.
func runAddMonths(t *testing.T, c anniversaryCase) {
	calendar := calendarFrom(t, c.Input.Date, "UTC")
	reset := calendar.PeriodAt(moment(t, c.Input.Date+"T00:00:00Z")).Start
	for range c.Input.Months {
		reset = calendar.PeriodAt(reset).End
	}
	for range -c.Input.Months {
		reset = calendar.PeriodAt(reset.Add(-1)).Start
	}
	wantDay(t, reset, "UTC", c.Expect.Date)
}

func runAnchorDayOfMonth(t *testing.T, c anniversaryCase) {
	anchor := meter.Anchor{Zone: zoneOf(t, c.Input.Zone)}
	anchor.Date = meter.DateOf(c.Input.SubscribedAt, anchor.Zone)
	start := meter.Calendar{Anchor: anchor}.PeriodAt(c.Input.SubscribedAt).Start
	if day := meter.DateOf(start, anchor.Zone).Day; day != c.Expect.Day {
		t.Errorf("day %d, want %d", day, c.Expect.Day)
	}
}

func runFirstResetOnOrAfter(t *testing.T, c anniversaryCase) {
	start := moment(t, c.Input.Start+"T00:00:00Z")
	lastMoment := start.Add(-1)
	wantDay(t, calendarOn(c.Input.BillingDay).PeriodAt(lastMoment).End, "UTC", c.Expect.Date)
}

func runNextResetAfter(t *testing.T, c anniversaryCase) {
	start := moment(t, c.Input.Start+"T00:00:00Z")
	wantDay(t, calendarOn(c.Input.BillingDay).PeriodAt(start).End, "UTC", c.Expect.Date)
}

func runIsResetDay(t *testing.T, c anniversaryCase) {
	zone := zoneOf(t, c.Input.Zone)
	start := calendarFrom(t, c.Input.AnchorDate, c.Input.Zone).PeriodAt(c.Input.At).Start
	if got := meter.DateOf(start, zone) == meter.DateOf(c.Input.At, zone); got != c.Expect.ResetDay {
		t.Errorf("reset day %t, want %t: the period starts at %s", got, c.Expect.ResetDay, start.In(zone))
	}
}

// A day begins where a period anchored on it does, and ends where the next day begins.
func runLocalDayWindow(t *testing.T, c anniversaryCase) {
	zone := zoneOf(t, c.Input.Zone)
	day := dateFrom(t, c.Input.Date)
	next := meter.Date{Year: day.Year, Month: day.Month, Day: day.Day + 1}
	got := meter.Span{Start: day.StartIn(zone), End: next.StartIn(zone)}
	wantSpan(t, got, c)
	if hours := int(got.End.Sub(got.Start).Hours()); hours != c.Expect.Hours {
		t.Errorf("the day has %d hours, want %d", hours, c.Expect.Hours)
	}
	if start := calendarFrom(t, c.Input.Date, c.Input.Zone).PeriodAt(got.End).Start; start != got.Start {
		t.Errorf("a period starts at %s, want %s", start, got.Start)
	}
}

func runPeriodContaining(t *testing.T, c anniversaryCase) {
	anchor := meter.Anchor{Zone: zoneOf(t, c.Input.Zone)}
	anchor.Date = meter.DateOf(c.Input.Anchor, anchor.Zone)
	wantSpan(t, meter.Calendar{Anchor: anchor}.PeriodAt(c.Input.At), c)
}

// Each date is one on which a period starts. If they are consecutive, they follow the anchor one by one.
func runResetSequence(t *testing.T, c anniversaryCase) {
	zone := zoneOf(t, c.Input.Zone)
	calendar := calendarFrom(t, c.Input.AnchorDate, c.Input.Zone)
	last := dateFrom(t, c.Input.AnchorDate).StartIn(zone)
	for _, date := range c.Expect.ResetDates {
		day := dateFrom(t, date)
		noon := time.Date(day.Year, day.Month, day.Day, 12, 0, 0, 0, zone)
		start := calendar.PeriodAt(noon).Start
		wantDay(t, start, c.Input.Zone, date)
		if c.Expect.Consecutive && calendar.PeriodAt(last).End != start {
			t.Errorf("%s does not follow on %s", date, last.In(zone))
		}
		last = start
	}
}

func runWholePeriodsBetween(t *testing.T, c anniversaryCase) {
	calendar := calendarFrom(t, c.Input.From, "UTC")
	if c.Input.BillingDay != 0 {
		calendar = calendarOn(c.Input.BillingDay)
	}
	from, to := moment(t, c.Input.From+"T00:00:00Z"), moment(t, c.Input.To+"T00:00:00Z")
	count := 0
	for end := calendar.PeriodAt(from).End; !end.After(to); end = calendar.PeriodAt(end).End {
		count++
	}
	if count != c.Expect.Count {
		t.Errorf("%d whole periods, want %d", count, c.Expect.Count)
	}
}

func calendarFrom(t *testing.T, date, zone string) meter.Calendar {
	return meter.Calendar{Anchor: anchorAt(t, date, zone)}
}

// calendarOn returns a calendar in UTC whose months begin on a day of the month.
func calendarOn(day int) meter.Calendar {
	return meter.Calendar{Anchor: meter.Anchor{Date: meter.Date{Year: 2000, Month: time.January, Day: day}, Zone: time.UTC}}
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := meter.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func wantDay(t *testing.T, start time.Time, zone, want string) {
	t.Helper()
	if got := meter.DateOf(start, zoneOf(t, zone)).String(); got != want {
		t.Errorf("a period starts on %s, want %s", got, want)
	}
}

func wantSpan(t *testing.T, got meter.Span, c anniversaryCase) {
	t.Helper()
	want := meter.Span{Start: moment(t, c.Expect.Start), End: moment(t, c.Expect.End)}
	if got != want {
		t.Errorf("%s, want %s", show(got), show(want))
	}
}
