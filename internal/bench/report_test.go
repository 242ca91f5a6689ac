package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

func sampleReport() *Report {
	row := Row{
		Callers: 256, Organizations: 1, Seats: 64, TurnsPerSecond: 8000, RPCsPerSecond: 16000, TurnP50: 30, Errors: 0,
		IdentityTurnsPerSecond: 7600, IdentityTurnP50: 31,
		NaiveTurnsPerSecond: 500, NaiveP50: 600, EmptyCallsPerSecond: 40000, PeakResidentBytes: 96 << 20,
	}
	row.Ratios = row.ratios()
	second := row
	second.Callers = 1024
	return &Report{
		Row: row, Rows: []Row{row, second}, CPUs: 2, Connections: 4, DurationSeconds: 10,
		Durability: &Durability{Fsync: "on", SynchronousCommit: "on", FullPageWrites: "on", Version: "15.1"},
	}
}

func keysOf(t *testing.T, report *Report) map[string]any {
	t.Helper()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestJSONHasWhatTheContractNames(t *testing.T) {
	keys := keysOf(t, sampleReport())
	for _, name := range []string{
		"turns_per_second", "rpcs_per_second", "reserve_p50_ms", "reserve_p99_ms", "commit_p50_ms", "commit_p99_ms", "errors",
		"naive_turns_per_second", "naive_p50_ms", "empty_calls_per_second", "turn_p50_ms", "ratios", "peak_resident_bytes",
		"identity_turns_per_second", "identity_turn_p50_ms", "durability", "runs",
	} {
		if _, ok := keys[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	runs, ok := keys["runs"].([]any)
	if !ok || len(runs) != 2 {
		t.Fatalf("got runs %v, want two", keys["runs"])
	}
	if first := runs[0].(map[string]any); first["turns_per_second"] != keys["turns_per_second"] {
		t.Errorf("the figures at the top are not those of the first run")
	}
}

func TestRatios(t *testing.T) {
	row := sampleReport().Row
	if want := (Ratios{TurnsToNaive: 16, RPCsToEmpty: 0.4, TurnP50ToNaive: 0.05, IdentityToTurns: 0.95}); row.ratios() != want {
		t.Errorf("got %+v, want %+v", row.ratios(), want)
	}
	row.Rate = 100
	if got := row.ratios(); got.TurnsToNaive != 0 || got.RPCsToEmpty != 0 || got.IdentityToTurns != 0 || got.TurnP50ToNaive != 0.05 {
		t.Errorf("a fixed rate is compared with a ceiling: %+v", got)
	}
	if got := (Row{TurnsPerSecond: 5, TurnP50: 1}).ratios(); got != (Ratios{}) {
		t.Errorf("ceilings that were not measured are compared with: %+v", got)
	}
}

func TestWhatWasNotMeasuredIsAbsent(t *testing.T) {
	keys := keysOf(t, &Report{Row: Row{Callers: 1}})
	for _, name := range []string{
		"naive_turns_per_second", "naive_p50_ms", "empty_calls_per_second", "resident_bytes", "durability", "rate",
		"identity_turns_per_second", "identity_meterd_cpu_us_per_rpc",
	} {
		if value, ok := keys[name]; ok {
			t.Errorf("%s is %v", name, value)
		}
	}
}

func TestTableHasALineForEachRow(t *testing.T) {
	var out bytes.Buffer
	report := sampleReport()
	report.WriteTable(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 10 { // Frame, head of two lines, rule, two rows, frame, three notes.
		t.Fatalf("got %d lines:\n%s", len(lines), out.String())
	}
	for _, figure := range []string{"256", "8000", "16000", "500", "40000", "16.00", "0.40", "0.05", "7600", "0.95", "96"} {
		if !slices.Contains(strings.Split(lines[4], "│"), strings.Repeat(" ", cell(lines[4], figure))+figure) {
			t.Errorf("%s is not in the first row: %s", figure, lines[4])
		}
	}
	if !strings.Contains(lines[9], "TLS 1.3") {
		t.Errorf("the last note is %q", lines[9])
	}
	if !strings.Contains(lines[8], "fsync on, synchronous_commit on") {
		t.Errorf("the note before it is %q", lines[8])
	}
}

// cell is by how many blanks a figure is set off in its cell of a line.
func cell(line, figure string) int {
	for c := range strings.SplitSeq(line, "│") {
		if strings.TrimSpace(c) == figure {
			return len(c) - len(figure)
		}
	}
	return 0
}

func TestTableSaysWhatIsMissing(t *testing.T) {
	var out bytes.Buffer
	report := Report{Row: Row{Rate: 50}, Rows: []Row{{Callers: 1, Rate: 50, Missed: 12}}}
	report.WriteTable(&out)
	for _, want := range []string{"durability is unknown", "open loop: 50 turns/s", "12 turns could not be begun"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not said:\n%s", want, out.String())
		}
	}
}

func TestDurabilityIsChecked(t *testing.T) {
	for _, c := range []struct {
		fsync, commit string
		durable       bool
	}{{"on", "on", true}, {"on", "remote_apply", true}, {"off", "on", false}, {"on", "off", false}} {
		err := (&Durability{Fsync: c.fsync, SynchronousCommit: c.commit}).check()
		if (err == nil) != c.durable {
			t.Errorf("fsync %s, synchronous_commit %s: got %v", c.fsync, c.commit, err)
		}
	}
	if err := (*Durability)(nil).check(); err != nil {
		t.Error(err)
	}
}

// fakePool answers every GetPool alike, and fails every other call.
type fakePool struct {
	grpc.ClientConnInterface
	consumed, held int64
}

var errNoServer = errors.New("no server")

func (f fakePool) Invoke(_ context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	answer, ok := reply.(*meterv1.GetPoolResponse)
	if !ok || method != meterv1.PoolService_GetPool_FullMethodName {
		return errNoServer
	}
	answer.Pool = &meterv1.Pool{ConsumedLifetimeMicros: f.consumed, HeldMicros: f.held}
	return nil
}

func TestPoolsMustAddUp(t *testing.T) {
	p := newPopulation("p", 2, 1)
	for name, c := range map[string]struct {
		done, failed, consumed, held int64 // consumed and held are of each of the two pools.
		right                        bool
	}{
		"all charged":                     {done: 4, consumed: 2 * turnCost, right: true},
		"one too few":                     {done: 5, consumed: 2 * turnCost},
		"one too many":                    {done: 3, consumed: 2 * turnCost},
		"an open hold":                    {done: 4, consumed: 2 * turnCost, held: 1},
		"a failed turn that was charged":  {done: 3, failed: 1, consumed: 2 * turnCost, right: true},
		"a failed turn that was not":      {done: 4, failed: 1, consumed: 2 * turnCost, right: true},
		"more charged than was tried":     {done: 2, failed: 1, consumed: 2 * turnCost},
		"a failed turn that still holds":  {done: 4, failed: 2, consumed: 2 * turnCost, held: turnEstimate, right: true},
		"more holds than turns that fail": {done: 4, failed: 1, consumed: 2 * turnCost, held: turnEstimate},
	} {
		callers := &contestant{callers: []*caller{{done: c.done, errors: c.failed}}}
		r := &run{rows: []*row{{organizations: 2, turns: callers}}}
		conn := fakePool{consumed: c.consumed, held: c.held}
		err := r.checkPool(t.Context(), conn, "turns", p, 2, func(row *row) []*contestant { return []*contestant{row.turns} })
		if (err == nil) != c.right {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFailedTurnsSayWhy(t *testing.T) {
	r := &run{Options: Defaults()}
	turns := newContestant(1, r.server.busy, func(int) work { return newTurns(fakePool{}, newPopulation("p", 1, 1), "c") })
	turns.callers[0].run(t.Context(), &pace{began: time.Now(), length: errorPause})
	f, err := r.figures(&row{callers: 1, organizations: 1, turns: turns})
	if f.Errors != 1 || !errors.Is(err, errNoServer) || !strings.Contains(err.Error(), "reserving") {
		t.Errorf("got %d errors, first %v", f.Errors, err)
	}
}
