package e2e

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/grpc"

	"github.com/spillway-metering/spillway/internal/replay"
)

// trace holds turns of real users.
const trace = "testdata/azure2023_conv.csv.gz"

const (
	turns = 2000
	// kills is how many times the server is killed in one replay.
	kills = 4
	// failureRate makes some turns of the trace fail, which does not say of any that it did.
	failureRate = 0.1
)

// TestKilledInTheMiddleOfAReplay kills the server at full load again and again, each time with its PostgreSQL, and starts
// it again on what is left, while the replay's callers send what was not answered once more.
func TestKilledInTheMiddleOfAReplay(t *testing.T) {
	t.Parallel()
	dir, told := dataDir(t), newRecorder()
	// Not on a port: while nobody listens there, somebody else may take it, even a caller that looks for the server.
	socket := "--listen=unix:" + filepath.Join(dataDir(t), "socket")
	server := start(t, "--data-dir="+dir, socket)
	options := replayOptions(server.address)
	options.DialOptions = []grpc.DialOption{grpc.WithUnaryInterceptor(told.intercept)}
	due, at := make(chan int, kills), moments()
	told.onSettled = func(n int) {
		if slices.Contains(at, n) {
			due <- n
		}
	}
	ended := replayInBackground(t.Context(), options)
	for i := range kills {
		select {
		case settled := <-due:
			server.kill(t)
			t.Logf("kill %d: %d turns had been acknowledged as settled", i+1, settled)
			server = start(t, "--data-dir="+dir, socket)
		case result := <-ended:
			t.Fatalf("the replay ended after %d of %d kills: %v, %+v", i, kills, result.err, result.report)
		}
	}
	result := <-ended
	if result.err != nil || result.report.Problem() != nil || len(result.report.Refused) > 0 {
		t.Errorf("%v, %v, refused: %v", result.err, result.report.Problem(), result.report.Refused)
	}
	for _, rpc := range result.report.RPCs {
		t.Logf("%s: %d answers, %d calls sent again", rpc.Name, rpc.Answers, rpc.Retries)
	}
	checkAll(t, server, dir, told, result.report)
}

// checkAll holds the database to all that was acknowledged.
func checkAll(t *testing.T, server *meterd, dir string, told *recorder, report replay.Report) {
	t.Helper()
	c := dial(t, server.address)
	told.check(t, c)
	allowance, pool, entries := told.charged()
	if report.Charged.AllowanceMicros != allowance || report.Charged.PoolMicros != pool {
		t.Errorf("the replay added up %+v, its answers %d and %d", report.Charged, allowance, pool)
	}
	books := c.books(t)
	topUps := len(c.organizations(t))
	if books.allowance != allowance || books.pool != pool || books.entries != entries+topUps || books.held != 0 {
		t.Errorf("acknowledged were %d and %d micros in %d entries, and %d top-ups; the books say %+v",
			allowance, pool, entries, topUps, books)
	}
	audited := verify(t, "--data-dir="+dir)
	if settled := audited.Reservations.Committed + audited.Reservations.Released; settled != report.Turns {
		t.Errorf("%d turns are settled instead of %d", settled, report.Turns)
	}
}

// moments are how many turns are settled when the server is to be killed: anywhere in the replay, but not too near to its
// end or to each other for a replay that goes on.
func moments() (at []int) {
	for i := range kills {
		at = append(at, 150+400*i+rand.N(350))
	}
	return at
}

// replayOptions replay turns of which some fail, with small allowances that send most of their cost to the pool.
func replayOptions(address string) replay.Options {
	options := replay.Defaults()
	options.Trace, options.Address, options.Limit = trace, address, turns
	options.FailureRate, options.Allowance = failureRate, 10_000
	return options
}

// replayed is how a replay ended.
type replayed struct {
	report replay.Report
	err    error
}

func replayInBackground(ctx context.Context, options replay.Options) <-chan replayed {
	ended := make(chan replayed, 1)
	go func() {
		report, err := replay.Run(ctx, options)
		ended <- replayed{report, err}
	}()
	return ended
}
