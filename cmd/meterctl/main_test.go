package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/localpg"
	"github.com/spillway-metering/spillway/internal/replay"
)

// call runs meterctl and is what it wrote.
func call(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, log bytes.Buffer
	err = run(ctx, args, &out, &log)
	return out.String(), log.String(), err
}

func TestHelpAndVersionAreTold(t *testing.T) {
	for flag, want := range map[string]string{"--help": "replay", "--version": "meterctl"} {
		out, _, err := call(t.Context(), flag)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: got %q, %v", flag, out, err)
		}
	}
}

func TestBadFlagsAreOneClearLine(t *testing.T) {
	trace := oneTurn(t)
	for want, args := range map[string][]string{
		"expected one of":        {},
		"no such file":           {"replay", filepath.Join(t.TempDir(), "none.csv")},
		"--speed":                {"replay", trace, "--speed", "0"},
		"--pool":                 {"replay", trace, "--pool", "plenty"},
		"--allowance":            {"replay", trace, "--allowance", "1.0000001"},
		"--price-input":          {"replay", trace, "--price-input", "-1"},
		"--price-output":         {"replay", trace, "--price-output", "1e3"},
		"--access":               {"replay", trace, "--access", "capped"},
		"--time-to-live":         {"replay", trace, "--time-to-live", "25h"},
		"--organizations":        {"replay", trace, "--organizations", "two"},
		"failure rate":           {"replay", trace, "--failure-rate", "2"},
		"unknown flag --databse": {"migrate", "--databse", "x"},
	} {
		_, _, err := call(t.Context(), args...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(oneLine(err), "\n") {
			t.Errorf("%v: got %v, want it to say %q", args, err, want)
		}
	}
}

func TestFlagsBecomeOptions(t *testing.T) {
	trace := oneTurn(t)
	got := parsed(t, trace).options()
	want := replay.Defaults()
	want.Trace, want.Book, want.BookOptional, want.Model = trace, "default", true, "gpt-4o"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("without flags: got %+v, want the defaults %+v", got, want)
	}
	got = parsed(t, trace, "--address", "localhost:1", "--speed", "2.5", "--callers", "3", "--limit", "4",
		"--skew", trace, "--organizations", "one", "--prefix", "p-", "--failure-rate", "0.5", "--time-to-live", "90s",
		"--amounts", "--price-input", "0.15", "--price-output", "0.6", "--output-maximum", "1024", "--setup=false",
		"--model", "gpt-4", "--estimate", "learned",
		"--allowance", "1", "--pool", "0.5", "--access", "capped:7", "--retry-for", "2s").options()
	want = replay.Options{
		Trace: trace, Clients: trace, Address: "localhost:1", Connections: want.Connections, CallTimeout: want.CallTimeout,
		Speed: 2.5, Callers: 3, Limit: 4, Prices: replay.Prices{Input: 150_000, Output: 600_000}, OutputMaximum: 1024,
		TimeToLive: 90 * time.Second, FailureRate: 0.5, SkipSetup: true, Prefix: "p-", OneOrganization: true,
		Allowance: 1_000_000, Pool: 500_000, Access: replay.Access{Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 7},
		RetryFor: 2 * time.Second, Model: "gpt-4", Learned: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestWhatTurnsArePricedBy: a price that is told is meant, and so is a book.
func TestWhatTurnsArePricedBy(t *testing.T) {
	trace := oneTurn(t)
	list := replay.Defaults().Prices
	for _, c := range []struct {
		flags    []string
		book     string
		optional bool
		prices   replay.Prices
	}{
		{nil, "default", true, list},
		{[]string{"--book=default"}, "default", false, list},
		{[]string{"--book=mine"}, "mine", false, list},
		{[]string{"--amounts"}, "", false, list},
		{[]string{"--price-input=2.50"}, "", false, list},
		{[]string{"--price-input=1"}, "", false, replay.Prices{Input: 1_000_000, Output: list.Output}},
		{[]string{"--price-output=0"}, "", false, replay.Prices{Input: list.Input}},
	} {
		got := parsed(t, append(c.flags, trace)...).options()
		if got.Book != c.book || got.BookOptional != c.optional || got.Prices != c.prices {
			t.Errorf("%v: by book %q, optional %t, prices %+v", c.flags, got.Book, got.BookOptional, got.Prices)
		}
	}
	for _, flag := range []string{"--price-input=1", "--price-output=1", "--amounts"} {
		_, _, err := call(t.Context(), "replay", trace, "--book=default", flag)
		name, _, _ := strings.Cut(flag, "=")
		if err == nil || !strings.Contains(err.Error(), "--book and "+name+" can't be used together") {
			t.Errorf("with a book, %s: %v", flag, err)
		}
	}
}

func TestAServerThatIsNotThereIsOneClearLine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	out, log, err := call(t.Context(), "replay", oneTurn(t), "--amounts", "--address", address, "--retry-for", "100ms")
	if err == nil || out != "" || !strings.Contains(err.Error(), "setup: PutPlan: no answer within 100ms") {
		t.Errorf("got %v, stdout %q", err, out)
	}
	if !strings.Contains(log, "setup: 0 of 4") {
		t.Errorf("stderr does not tell the progress: %q", log)
	}
}

var report = replay.Report{
	Trace: "made", Synthetic: []string{"seats"}, Organizations: 2, Seats: 3,
	Turns: 12, Completed: 5, Failed: 1, Refused: map[string]int64{"POOL_EMPTY": 3}, Faulty: map[string]int64{"INTERNAL": 1},
	Unsettled: 1, NotStarted: 1, Replayed: 4, Late: 2,
	Charged:        replay.Charge{ActualMicros: 2_500_001, AllowanceMicros: 500_000, PoolMicros: 2_000_000, OverrunMicros: 1},
	ChargedFailed:  replay.Charge{ActualMicros: 7, AllowanceMicros: 7},
	ExpectedMicros: 2_500_001, Differences: []string{"made:1 of a: odd"},
	RPCs:    []replay.RPC{{Name: "Reserve", Answers: 11, Retries: 2, P50Millis: 1.5, P90Millis: 2, P99Millis: 2.5, MaxMillis: 3}},
	Seconds: 2, TurnsPerSecond: 3, Interrupted: true,
}

func TestTablesTellEverything(t *testing.T) {
	want := `
┌─────────────────────┬────────┐
│ turns of made       │ number │
├─────────────────────┼────────┤
│ completed           │      5 │
│ failed, released    │      1 │
│ refused, POOL_EMPTY │      3 │
│ faulty, INTERNAL    │      1 │
│ unsettled           │      1 │
│ not started         │      1 │
├─────────────────────┼────────┤
│ all                 │     12 │
└─────────────────────┴────────┘
4 of them settled by a replay before, 2 settled late
┌────────────────────────────────┬──────────┬─────────┐
│ charged to completed turns     │    units │  micros │
├────────────────────────────────┼──────────┼─────────┤
│ allowance                      │ 0.500000 │  500000 │
│ pool                           │ 2.000000 │ 2000000 │
│ overrun, nobody                │ 0.000001 │       1 │
├────────────────────────────────┼──────────┼─────────┤
│ charged                        │ 2.500001 │ 2500001 │
│ cost of the trace's rows       │ 2.500001 │ 2500001 │
│ allowance used by failed turns │ 0.000007 │       7 │
└────────────────────────────────┴──────────┴─────────┘
┌─────────┬─────────┬────────────┬────────┬────────┬────────┬────────┐
│ RPC     │ answers │ sent again │ p50 ms │ p90 ms │ p99 ms │ max ms │
├─────────┼─────────┼────────────┼────────┼────────┼────────┼────────┤
│ Reserve │      11 │          2 │   1.50 │   2.00 │   2.50 │   3.00 │
└─────────┴─────────┴────────────┴────────┴────────┴────────┴────────┘
3.0 turns a second settled, in 2.0 s; 2 organizations, 3 seats
synthetic: seats
wrong: made:1 of a: odd
interrupted: run the same command again to go on`
	if got := replayTables(report); got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
}

func TestProgressIsBarsOnATerminal(t *testing.T) {
	var drawn bytes.Buffer
	b := newBars(&drawn)
	b.tell(replay.Progress{Phase: "setup", Done: 1, Total: 2})
	b.tell(replay.Progress{Phase: "setup", Done: 2, Total: 2})
	b.tell(replay.Progress{Phase: "replay", Done: 3, Total: 4})
	b.end()
	if got := drawn.String(); !strings.Contains(got, "setup") || !strings.Contains(got, "replay") {
		t.Errorf("got %q", got)
	}
}

func TestProgressIsLinesElsewhere(t *testing.T) {
	var told bytes.Buffer
	l := showProgress(&told)
	for _, p := range []replay.Progress{{Phase: "setup", Done: 1, Total: 2}, {Phase: "setup", Done: 2, Total: 2}, {Phase: "replay", Done: 3, Total: 4}} {
		l.tell(p)
	}
	l.end()
	if got, want := told.String(), "setup: 2 of 2\nreplay: 3 of 4\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMigrateWorksOnThePrivateDatabaseRunningOrNot(t *testing.T) {
	dir := dataDir(t)
	server, err := localpg.Start(t.Context(), localpg.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			if err := server.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	defer stop()
	for _, args := range [][]string{{"--data-dir", dir}, {"--database-url", server.URL()}} {
		migrate(t, args...)
	}
	stop()
	migrate(t, "--data-dir", dir)
}

func migrate(t *testing.T, args ...string) {
	t.Helper()
	out, log, err := call(t.Context(), append([]string{"migrate"}, args...)...)
	if err != nil || out != "migrated\n" {
		t.Errorf("%v: got %q, %v; it said %q", args, out, err, log)
	}
}

func TestMigrateWithoutADatabaseIsOneClearLine(t *testing.T) {
	empty := t.TempDir()
	for _, args := range [][]string{{"--data-dir", empty}, {"--database-url", "postgres://nobody@127.0.0.1:1/none"}} {
		if out, _, err := call(t.Context(), append([]string{"migrate"}, args...)...); err == nil || out != "" {
			t.Errorf("%v: got %q, %v", args, out, err)
		}
	}
}

// dataDir is a directory that the database's own user can reach, with a path short enough for a socket in it.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "meterctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}

func oneTurn(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace.csv")
	text := "trace,row,t_ms,input_tokens,output_tokens,failed,model,session,duration_ms\nmade,1,0,10,1,0,,,0\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// parsed is the replay command as its flags say.
func parsed(t *testing.T, args ...string) *replayCommand {
	t.Helper()
	var c struct {
		Replay replayCommand `cmd:""`
	}
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"replay"}, args...)); err != nil {
		t.Fatal(err)
	}
	return &c.Replay
}
