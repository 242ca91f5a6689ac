package bench

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRunNoisy(t *testing.T) {
	o := shortLoad(t)
	o.Lanes, o.Quiet = []int{1, 2}, 3
	report, err := RunNoisy(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 2 || report.Rows[1].Lanes != 2 || report.Durability == nil {
		t.Fatalf("got %+v", report)
	}
	for _, r := range report.Rows {
		for name, figure := range map[string]float64{
			"capacity": r.Capacity, "without": r.Without.P99, "with": r.With.P99, "p50": r.P50, "p99": r.P99, "spread": r.Spread.P99, "noise": r.Noise,
			"memory": float64(r.ResidentBytes), "asked for by the noisy one": r.Accepted + r.Refused,
		} {
			if figure <= 0 {
				t.Errorf("%d lanes: %s is %v", r.Lanes, name, figure)
			}
		}
		if r.Quiet != 3 || r.Errors != 0 || r.Share != quietLoad*r.Capacity/3 || r.P99 != r.With.P99/r.Without.P99 {
			t.Errorf("got %+v", r)
		}
	}
	var table bytes.Buffer
	report.WriteTable(&table)
	if lines := strings.Count(table.String(), "\n"); lines != 10 || !strings.Contains(table.String(), "20 times") {
		t.Errorf("got %d lines:\n%s", lines, &table)
	}
	hasKeys(t, report, "runs", "quiet_p99_with_to_without", "quiet_p50_with_to_without", "quiet_p99_with_to_spread", "spread", "with", "without", "errors",
		"noisy_accepted_per_second", "noisy_refused_per_second", "capacity_turns_per_second", "durability")
}

func TestSlicesAlternateInEitherOrder(t *testing.T) {
	phases, kinds := noisyPhases(NoisyRow{Quiet: 4, Share: 10}, 2*sliceLength)
	if want := []int{quietFlow, noisyFlow, spreadFlow, spreadFlow, noisyFlow, quietFlow}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
	for i, p := range phases {
		want := [][]float64{{40, 0, 0}, {40, 200, 0}, {40, 0, 200}}[kinds[i]]
		if p.length != sliceLength || !slices.Equal(p.rates, want) {
			t.Errorf("slice %d is %+v", i, p)
		}
	}
}

func TestQuietOnesAreComparedWithThemselves(t *testing.T) {
	a := happened(3,
		event{kind: settled, intended: 100 * ms, ended: 900 * ms}, // Not yet settled.
		event{kind: settled, intended: 300 * ms, ended: 320 * ms},
		event{kind: settled, intended: 1300 * ms, ended: 1330 * ms},
		event{kind: commitRefused, intended: 1400 * ms, sent: 1400 * ms, ended: 1401 * ms},
		event{kind: failed, intended: 1500 * ms, ended: 1501 * ms},
		event{kind: settled, intended: 2500 * ms, ended: 2520 * ms},
	)
	a.flows[1].askers = []*asker{{events: []event{
		{kind: settled, intended: 1300 * ms, ended: 1900 * ms},
		{kind: reserveRefused, intended: 1500 * ms, ended: 1501 * ms},
		{kind: reserveRefused, intended: 1600 * ms, ended: 1601 * ms},
	}}}
	a.missed[1] = 3
	var r NoisyRow
	a.noisyFigures(&r, []int{quietFlow, noisyFlow, spreadFlow})
	if r.P50 < 1.49 || r.P50 > 1.51 || r.P99 != r.P50 || r.Noise != r.P50 || r.With.Refused != 1 || r.Without.Refused != 0 || r.Errors != 1 ||
		r.Missed != 3 {
		t.Errorf("got %+v", r)
	}
	seconds := time.Second - settling
	if r.Accepted != 1/seconds.Seconds() || r.Refused != 2/seconds.Seconds() || r.With.Accepted != 1/seconds.Seconds() {
		t.Errorf("got %v accepted and %v refused of the noisy one, %v of the quiet ones", r.Accepted, r.Refused, r.With.Accepted)
	}
}
