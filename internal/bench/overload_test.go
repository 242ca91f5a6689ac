package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// shortLoad are the options of a load that only shows that all parts fit together.
func shortLoad(t *testing.T) Options {
	o := brief()
	o.DatabaseURL = server.Database(t)
	return o
}

func TestRunOverload(t *testing.T) {
	o := shortLoad(t)
	o.Lanes = []int{1, 2}
	report, err := RunOverload(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Runs) != 2 || report.Runs[1].Lanes != 2 || report.Durability == nil {
		t.Fatalf("got %+v", report)
	}
	for _, run := range report.Runs {
		if len(run.Rows) != len(overloads) || run.Capacity.Accepted <= 0 || run.Capacity.TurnP99 <= 0 {
			t.Fatalf("got %+v", run)
		}
		for i, row := range run.Rows {
			if row.Load != overloads[i] || row.Called != overloads[i]*run.Capacity.Accepted || row.Offered <= 0 ||
				row.Errors != 0 || row.Bare != 0 || row.ResidentBytes <= 0 {
				t.Errorf("got %+v", row)
			}
		}
		if got, want := run.Ratios.AcceptedAt5, run.Rows[fivefold].Accepted/run.Capacity.Accepted; got != want {
			t.Errorf("got a ratio of %v, want %v", got, want)
		}
	}
	var table bytes.Buffer
	report.WriteTable(&table)
	if lines := strings.Count(table.String(), "\n"); lines != 20 || !strings.Contains(table.String(), "fsync on") {
		t.Errorf("got %d lines:\n%s", lines, &table) // Frame, head of two, rule, ten rows, frame, two of ratios, three notes.
	}
	hasKeys(t, report, "capacity", "rows", "ratios", "runs", "durability", "cpus")
	hasKeys(t, report.Rows[0], "load", "called_per_second", "offered_per_second", "accepted_per_second", "refused_per_second",
		"accepted_p50_ms", "accepted_p99_ms", "refusal_p50_ms", "refusal_p99_ms", "bare_refusals", "errors", "missed_turns",
		"resident_bytes", "meterd_cpus", "generator_cpus", "other_cpus")
	hasKeys(t, report.Ratios, "accepted_at_2_to_capacity", "accepted_at_5_to_capacity", "accepted_p99_at_5_to_capacity",
		"recovery_seconds")
}

func hasKeys(t *testing.T, of any, names ...string) {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, ok := keys[name]; !ok {
			t.Errorf("%s is missing: %s", name, text)
		}
	}
}

// happened are arrivals of phases of a second each, in which the given came to pass.
func happened(phases int, events ...event) *arrivals {
	a := newArrivals(&target{}, nil, []*flow{{askers: []*asker{{events: events}}}, {}}, make([]phase, phases))
	for i := range a.phases {
		a.phases[i] = phase{time.Second, []float64{10, 0}}
	}
	for i := range a.marks {
		a.marks[i].at = time.Duration(i) * time.Second
	}
	return a
}

const ms = time.Millisecond

func TestARowCountsByPhase(t *testing.T) {
	a := happened(2,
		event{kind: settled, intended: 100 * ms, ended: 200 * ms},
		event{kind: settled, intended: 900 * ms, ended: 1900 * ms}, // Settled in the next phase.
		event{kind: reserveRefused, intended: 300 * ms, sent: 310 * ms, ended: 312 * ms},
		event{kind: commitRefused, intended: 900 * ms, sent: 950 * ms, ended: 954 * ms, bare: true},
		event{kind: failed, intended: 500 * ms, ended: 1500 * ms},
	)
	want := OverloadRow{
		Load: 0.5, Called: 10, Offered: 4, Accepted: 1, Refused: 1, CommitsRefused: 1, Bare: 1, Errors: 1,
		TurnP50: 100, TurnP99: 1000, RefuseP50: 2, RefuseP99: 4,
	}
	got := a.row(0)
	got.TurnP50, got.TurnP99 = float64(int(got.TurnP50)), float64(int(got.TurnP99)) // A histogram keeps three digits.
	got.RefuseP50, got.RefuseP99 = float64(int(got.RefuseP50)), float64(int(got.RefuseP99))
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if next := a.row(1); next.Accepted != 1 || next.Offered != 0 {
		t.Errorf("got %+v", next)
	}
}

func TestRecoveryIsTheFirstGoodSecond(t *testing.T) {
	a := happened(2,
		event{kind: settled, intended: 500 * ms, ended: 510 * ms},
		event{kind: settled, intended: 1100 * ms, ended: 1400 * ms},
		event{kind: settled, intended: 2100 * ms, ended: 2119 * ms},
		event{kind: reserveRefused, intended: 3100 * ms, ended: 3200 * ms},
	)
	a.marks[2].at = 4 * time.Second
	for p99, want := range map[float64]string{
		151:  "after 0 s",
		10:   "after 1 s",
		9:    "not recovered",
		9.51: "after 1 s",
	} {
		if got := (OverloadRatios{RecoveryAfter: a.recovery(1, p99)}).String(); !strings.HasSuffix(got, want) {
			t.Errorf("with %v ms before: got %q, want %s", p99, got, want)
		}
	}
}

func TestOverloadRatios(t *testing.T) {
	o := Overload{Capacity: OverloadRow{Accepted: 100, TurnP99: 20}, Rows: []OverloadRow{
		{}, {Accepted: 95}, {Accepted: 80, TurnP99: 50}, {},
	}}
	if got, want := o.ratios(nil), (OverloadRatios{AcceptedAt2: 0.95, AcceptedAt5: 0.8, P99At5: 2.5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLoadsStartWhatTheyOverload(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"an address": func(o *Options) { o.Address = "127.0.0.1:1" },
		"a rate":     func(o *Options) { o.Rate = 5 },
		"identity":   func(o *Options) { o.Identity = true },
		"tokens":     func(o *Options) { o.Tokens = true },
		"no lanes":   func(o *Options) { o.Lanes = []int{0} },
		"quiet":      func(o *Options) { o.Quiet = -1 },
		"no meterd":  func(o *Options) { o.Meterd = "/does/not/exist" },
	} {
		o := brief()
		change(&o)
		overload, err := RunOverload(t.Context(), o)
		noisy, again := RunNoisy(t.Context(), o)
		if err == nil || again == nil || strings.Contains(err.Error(), "\n") || overload != nil || noisy != nil {
			t.Errorf("%s: got %v and %v", name, err, again)
		}
	}
}
