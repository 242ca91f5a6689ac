package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/spillway-metering/spillway/internal/audit"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/replay"
)

// TestReplayedTwice sends the same turns under the same ids again, through the tool that an operator uses.
func TestReplayedTwice(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	server := start(t, "--database-url="+url)
	c, args := dial(t, server.address), []string{"--limit=200", "--failure-rate=0.1", "--allowance=0.001", "--amounts"}
	first := meterctlReplay(t, server, args...)
	books := c.books(t)
	if first.Completed+first.Failed != 200 || first.Failed == 0 || first.Replayed != 0 || books.pool == 0 {
		t.Fatalf("the first time: %+v, %+v", first, books)
	}
	second := meterctlReplay(t, server, args...)
	if second.Replayed != 200 || second.Charged != first.Charged {
		t.Errorf("the second time: %+v", second)
	}
	if again := c.books(t); again != books {
		t.Errorf("the books were %+v and are %+v", books, again)
	}
	verify(t, "--database-url="+url)
}

// meterctlReplay replays the trace with meterctl, which must find nothing wrong.
func meterctlReplay(t *testing.T, server *meterd, args ...string) (report replay.Report) {
	t.Helper()
	meterctl(t, &report, append([]string{"replay", trace, "--address=" + server.address}, args...)...)
	return report
}

// verify audits a database with meterctl, which must find that every promise is kept.
func verify(t *testing.T, database string) (report audit.Report) {
	t.Helper()
	meterctl(t, &report, "verify", database)
	return report
}

// meterctl runs a command that must end well, and reads the report that it prints.
func meterctl(t *testing.T, report any, args ...string) {
	t.Helper()
	tool := launch(t, meterctlProgram(), append(args, "--json")...)
	if code := tool.wait(t); code != 0 {
		t.Fatalf("meterctl %v: exit code %d: %s%s", args, code, tool.stdout, tool.stderr)
	}
	if err := json.Unmarshal([]byte(tool.stdout.String()), report); err != nil {
		t.Fatalf("meterctl %v: %v in %s", args, err, tool.stdout)
	}
}

// TestReplayedPastWhatThereIs lets each kind of bound run out, and sees each turn refused for that reason alone.
func TestReplayedPastWhatThereIs(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	server := start(t, "--database-url="+url)
	c := dial(t, server.address)
	for reason, args := range map[string][]string{
		"POOL_EMPTY":              {"--allowance=0.002", "--pool=0.50", "--access=unlimited"},
		"MEMBER_CAP_REACHED":      {"--allowance=0.01", "--pool=ample", "--access=capped:60000"},
		"EXTRA_USAGE_NOT_ENABLED": {"--allowance=0.10", "--pool=ample", "--access=none"},
	} {
		args = append(args, "--amounts", "--limit=200", "--organizations=one", "--prefix="+reason+".")
		report := meterctlReplay(t, server, args...)
		reasons := slices.Collect(maps.Keys(report.Refused))
		if !slices.Equal(reasons, []string{reason}) || report.Completed == 0 ||
			report.Completed+report.Refused[reason] != report.Turns {
			t.Errorf("wanted %s alone: %d completed, refused: %v, faulty: %v",
				reason, report.Completed, report.Refused, report.Faulty)
		}
	}
	books := c.books(t)
	if books.pool == 0 || books.balance < 0 || books.held != 0 {
		t.Errorf("the books say %+v", books)
	}
	if left := c.pool(t, "POOL_EMPTY.all").GetBalanceMicros(); left < 0 || left >= 500_000 {
		t.Errorf("%d micros are left of 500000", left)
	}
	audittest.Check(t, url)
}
