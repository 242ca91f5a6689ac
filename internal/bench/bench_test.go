package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// brief are the options of a run that only shows that all parts fit together.
func brief() Options {
	o := Defaults()
	o.Meterd, o.Duration, o.Warmup, o.Seats, o.Connections = built, 300*time.Millisecond, 100*time.Millisecond, 3, 2
	return o
}

// untrue counts what does not add up in the whole database: a naive turn must leave the rows as true as any.
const untrue = `SELECT count(*) FROM organization o WHERE
	o.pool_held_micros <> 0
	OR o.ledger_sequence <> (SELECT count(*) FROM ledger_entry l WHERE l.organization_id = o.organization_id)
	OR o.pool_consumed_micros <> (SELECT coalesce(sum(l.amount_micros), 0) FROM ledger_entry l
		WHERE l.organization_id = o.organization_id AND l.kind = 3)
	OR o.pool_consumed_micros <> (SELECT coalesce(sum(r.pool_micros), 0) FROM reservation r
		WHERE r.organization_id = o.organization_id AND r.state = 2)
	OR o.pool_consumed_micros <> (SELECT sum(m.pool_used_micros) FROM member m
		WHERE m.organization_id = o.organization_id AND m.pool_held_micros = 0)
	OR o.pool_balance_micros <> (SELECT l.pool_balance_after_micros FROM ledger_entry l
		WHERE l.organization_id = o.organization_id AND l.sequence = o.ledger_sequence)`

func TestRunOnAGivenDatabase(t *testing.T) {
	o := brief()
	o.DatabaseURL = server.Database(t)
	o.Callers, o.Organizations = []int{1, 70}, []int{1, 3}
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 4 {
		t.Fatalf("got %d rows, want one for each of 2 callers and 2 organizations", len(report.Rows))
	}
	for _, r := range report.Rows {
		for name, figure := range map[string]float64{
			"turns": r.TurnsPerSecond, "naive turns": r.NaiveTurnsPerSecond, "empty calls": r.EmptyCallsPerSecond,
			"turn p50": r.TurnP50, "reserve p50": r.ReserveP50, "commit p99": r.CommitP99, "naive p50": r.NaiveP50,
			"memory": float64(r.PeakResidentBytes), "turns to naive": r.Ratios.TurnsToNaive,
		} {
			if figure <= 0 {
				t.Errorf("%d callers, %d organizations: %s is %v", r.Callers, r.Organizations, name, figure)
			}
		}
		if r.Errors != 0 {
			t.Errorf("%d callers, %d organizations: %d errors", r.Callers, r.Organizations, r.Errors)
		}
	}
	if report.Durability == nil || report.Durability.Fsync != "on" {
		t.Errorf("got durability %+v", report.Durability)
	}
	checkDatabase(t, o.DatabaseURL, 8)
}

// checkDatabase looks for so many organizations, all of them true.
func checkDatabase(t *testing.T, url string, organizations int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var all, wrong int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM organization").Scan(&all); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), untrue).Scan(&wrong); err != nil {
		t.Fatal(err)
	}
	if all != organizations || wrong != 0 {
		t.Errorf("got %d organizations, %d of them untrue; want %d and none", all, wrong, organizations)
	}
}

func TestRunAgainstAServerThatRuns(t *testing.T) {
	m, err := startMeterd(t.Context(), built, "", takeEverybody)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(m.dataDir); !os.IsNotExist(err) {
			t.Errorf("the scratch data is still there: %v", err)
		}
	}()
	o := brief()
	o.Address, o.Callers, o.Rate = m.address, []int{4}, 50
	var said []string
	o.Progress = func(doing string) { said = append(said, doing) }
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if report.TurnsPerSecond <= 0 || report.EmptyCallsPerSecond <= 0 {
		t.Errorf("got %v turns and %v empty calls a second", report.TurnsPerSecond, report.EmptyCallsPerSecond)
	}
	if report.NaiveTurnsPerSecond != 0 || report.Durability != nil || report.PeakResidentBytes != 0 {
		t.Errorf("there are figures of what is not known: %+v", report)
	}
	if len(said) != 3 {
		t.Errorf("got progress %q, want making, warming up, measuring", said)
	}
}

func TestRunWithoutCeilings(t *testing.T) {
	o := brief()
	o.Callers, o.Ceilings = []int{2}, false
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if report.TurnsPerSecond <= 0 || report.Ratios != (Ratios{}) || report.Durability == nil {
		t.Errorf("got %+v", report)
	}
}

func TestStoppedRunHasNoReport(t *testing.T) {
	o := brief()
	o.Callers = []int{2}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(doing string) {
		if strings.HasPrefix(doing, "measuring") {
			cancel()
		}
	}
	if report, err := Run(ctx, o); report != nil || err == nil {
		t.Errorf("got report %v, error %v", report, err)
	}
}

func TestMeterdThatDoesNotStartSaysWhy(t *testing.T) {
	program := filepath.Join(t.TempDir(), "meterd")
	script := "#!/bin/sh\necho not this one\necho first >&2\necho 'the port is taken' >&2\nexit 1\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	o := brief()
	o.Meterd = program
	_, err := Run(t.Context(), o)
	if err == nil || !strings.HasSuffix(err.Error(), "meterd ended before it served: the port is taken") {
		t.Errorf("got %v", err)
	}
}

func TestProcFilesAreRead(t *testing.T) {
	status := "Name:\tmeterd\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n"
	if statusBytes(status, "VmHWM") != 2<<20 || statusBytes(status, "VmRSS") != 1<<20 || statusBytes(status, "VmX") != 0 {
		t.Error("the memory is read wrongly")
	}
	stat := "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0"
	if statTime(stat) != 2*time.Second || statTime("42 (short) S") != 0 {
		t.Errorf("got %s, want 2s", statTime(stat))
	}
	if busy := statBusy("cpu  100 20 30 4000 500 6 44 7\ncpu0 1 2"); busy != 2*time.Second || statBusy("cpu 1") != 0 {
		t.Errorf("got %s, want 2s", busy)
	}
}
