package replay

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const turnsMade = 210

// made is a trace of 210 turns: every tenth has no session, every seventh of the others failed.
func made(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("trace,row,t_ms,input_tokens,output_tokens,failed,model,session,duration_ms\n")
	for i := range turnsMade {
		session, failed, output := "", "0", 10*i
		if i%10 > 0 {
			session = fmt.Sprintf("s-%d", i%20)
			if i%7 == 0 {
				failed, output = "1", 0
			}
		}
		fmt.Fprintf(&text, "made,%d,%d,%d,%d,%s,m-1,%s,5\n", i, i, 1000+i, output, failed, session)
	}
	return write(t, text.String())
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// options are for a replay of the made trace against a fake that serves until the test ends.
func options(t *testing.T, f *fake) Options {
	t.Helper()
	o := Defaults()
	o.Trace = made(t)
	o.Address, _ = f.serve(t, "")
	o.RetryFor = 20 * time.Second
	o.Allowance = 20_000
	return o
}

func run(t *testing.T, o Options) Report {
	t.Helper()
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// clean fails the test unless the replay was a good one in which every turn ran.
func clean(t *testing.T, report Report) {
	t.Helper()
	if err := report.Problem(); err != nil {
		t.Error(err)
	}
	if report.Turns != turnsMade || report.Completed+report.Failed != turnsMade || report.Failed == 0 {
		t.Errorf("of %d turns %d completed and %d failed", report.Turns, report.Completed, report.Failed)
	}
	if c := report.Charged; c.ActualMicros != report.ExpectedMicros || c.AllowanceMicros == 0 || c.PoolMicros == 0 || c.OverrunMicros != 0 {
		t.Errorf("charged %+v, expected %d", c, report.ExpectedMicros)
	}
	if report.ChargedFailed != (Charge{}) {
		t.Errorf("failed turns were charged %+v", report.ChargedFailed)
	}
}

func TestEveryTurnIsSettled(t *testing.T) {
	f := newFake()
	report := run(t, options(t, f))
	clean(t, report)
	f.audit(t, report)
	if report.Replayed != 0 || report.Trace != "made" || report.Organizations < 2 || report.Seats < report.Organizations {
		t.Errorf("got %+v", report)
	}
	for _, rpc := range report.RPCs {
		if rpc.Name == "Reserve" && (rpc.Answers != turnsMade || rpc.Retries != 0 || rpc.P50Millis <= 0 || rpc.P50Millis > rpc.MaxMillis) {
			t.Errorf("got %+v", rpc)
		}
	}
}

func TestNothingIsLostAndNothingTwiceUnderFaults(t *testing.T) {
	want := run(t, options(t, newFake()))
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.before, f.after = chance(8, seed+1), chance(8, seed+100)
			report := run(t, options(t, f))
			clean(t, report)
			f.audit(t, report)
			if report.Charged.ActualMicros != want.Charged.ActualMicros {
				t.Errorf("charged %+v, without faults %+v", report.Charged, want.Charged)
			}
			if retries(report) == 0 {
				t.Error("no call was sent again")
			}
		})
	}
}

func retries(report Report) (n int64) {
	for _, rpc := range report.RPCs {
		n += rpc.Retries
	}
	return n
}

func TestReplayingAgainChangesNothing(t *testing.T) {
	f := newFake()
	o := options(t, f)
	first := run(t, o)
	events := len(f.order)
	second := run(t, o)
	clean(t, second)
	f.audit(t, second)
	if second.Replayed != turnsMade || second.Charged != first.Charged || len(f.order) != events {
		t.Errorf("%d replayed, charged %+v then %+v, %d events then %d",
			second.Replayed, first.Charged, second.Charged, events, len(f.order))
	}
}

func TestACutReplayIsResumed(t *testing.T) {
	f := newFake()
	o := options(t, f)
	o.Callers = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var settled atomic.Int64
	f.after = func(rpc string) error {
		if strings.HasSuffix(rpc, "/Commit") && settled.Add(1) == 100 {
			cancel()
		}
		return nil
	}
	cut, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !cut.Interrupted || cut.NotStarted == 0 || cut.Problem() == nil {
		t.Errorf("the cut replay reports %+v", cut)
	}
	if got := cut.Completed + cut.Failed + cut.Unsettled + cut.NotStarted; got != turnsMade {
		t.Errorf("%d of %d turns accounted for", got, turnsMade)
	}
	report := run(t, o)
	clean(t, report)
	f.audit(t, report)
	if report.Replayed < cut.Completed+cut.Failed || report.Replayed == turnsMade {
		t.Errorf("%d replayed after %d were settled", report.Replayed, cut.Completed+cut.Failed)
	}
}

func TestAServerThatRestartsIsWaitedFor(t *testing.T) {
	f := newFake()
	o := options(t, newFake())
	address, stop := f.serve(t, "")
	o.Address = address
	half := make(chan struct{})
	var calls atomic.Int64
	f.before = func(rpc string) error {
		if strings.HasPrefix(rpc, "MeteringService/") && calls.Add(1) == turnsMade {
			close(half)
		}
		return nil
	}
	var restarting sync.WaitGroup
	restarting.Go(func() {
		<-half
		stop()
		f.serve(t, address)
	})
	report := run(t, o)
	restarting.Wait()
	clean(t, report)
	f.audit(t, report)
	if retries(report) == 0 {
		t.Error("no call met the restart")
	}
}

func TestAServerThatIsGoneEndsTheReplay(t *testing.T) {
	f := newFake()
	o := options(t, f)
	o.RetryFor, o.Callers = 300*time.Millisecond, 5
	var reserves atomic.Int64
	f.before = func(rpc string) error {
		if strings.HasPrefix(rpc, "MeteringService/") && reserves.Add(1) > 100 {
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	}
	report := run(t, o)
	f.audit(t, report)
	if report.Unsettled == 0 || report.Unsettled > 10 || report.NotStarted == 0 || report.Interrupted {
		t.Errorf("%d unsettled, %d not started", report.Unsettled, report.NotStarted)
	}
	if err := report.Problem(); err == nil || !strings.Contains(err.Error(), "unsettled") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("got %v", err)
	}
}

func TestASlowAnswerIsAskedForAgain(t *testing.T) {
	f := newFake()
	o := options(t, f)
	o.CallTimeout = 100 * time.Millisecond
	release := make(chan struct{})
	var calls atomic.Int64
	f.after = func(rpc string) error {
		if strings.HasPrefix(rpc, "MeteringService/") && calls.Add(1)%50 == 0 {
			<-release
		}
		return nil
	}
	defer close(release)
	report := run(t, o)
	clean(t, report)
	f.audit(t, report)
	if retries(report) == 0 {
		t.Error("no call was sent again")
	}
}

func TestRefusalsAreCountedByReason(t *testing.T) {
	for reason, change := range map[string]func(*Options){
		"POOL_EMPTY":              func(o *Options) { o.Pool = 20_000 },
		"EXTRA_USAGE_NOT_ENABLED": func(o *Options) { o.Access = Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE} },
	} {
		f := newFake()
		o := options(t, f)
		o.Allowance = 100_000
		change(&o)
		report := run(t, o)
		f.audit(t, report)
		if report.Refused[reason] == 0 || len(report.Refused) != 1 || report.Completed == 0 {
			t.Errorf("%s: refused %v, %d completed", reason, report.Refused, report.Completed)
		}
		if report.Refused[reason]+report.Completed+report.Failed != turnsMade {
			t.Errorf("%s: %+v does not add up", reason, report)
		}
		if err := report.Problem(); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestAWrongChargeIsAProblem(t *testing.T) {
	for want, falsify := range map[string]func(*meterv1.Charge){
		"the trace's rows cost": func(c *meterv1.Charge) { c.ActualMicros++; c.OverrunMicros++ },
		"the layers do not add": func(c *meterv1.Charge) { c.PoolMicros++ },
		"charged to the pool":   func(c *meterv1.Charge) { c.ActualMicros++; c.PoolMicros++ },
		"instead of":            func(c *meterv1.Charge) { c.ActualMicros++ },
		"its layers":            func(c *meterv1.Charge) { c.OverrunMicros++ },
		"wrong or missing answ": func(c *meterv1.Charge) { c.AllowanceMicros-- },
	} {
		f := newFake()
		f.charge = falsify
		o := options(t, f)
		o.Limit = 30
		report := run(t, o)
		problem := report.Problem()
		if problem == nil || !strings.Contains(problem.Error()+strings.Join(report.Differences, ""), want) {
			t.Errorf("got %v, %v, want it to say %q", problem, report.Differences, want)
		}
	}
}

func TestATurnThatCannotRunIsAProblem(t *testing.T) {
	f := newFake()
	o := options(t, f)
	o.SkipSetup = true
	report := run(t, o)
	if report.Faulty["ORGANIZATION_NOT_FOUND"] != turnsMade || report.Problem() == nil || len(report.Refused) != 0 {
		t.Errorf("got %v, %v", report.Faulty, report.Problem())
	}
	if len(report.Differences) != mostDifferences {
		t.Errorf("%d turns described, want %d", len(report.Differences), mostDifferences)
	}
}

func TestArrivalsAndDurationsAreKeptAtASpeed(t *testing.T) {
	f := newFake()
	o := options(t, f)
	o.Speed = 2
	o.Trace = write(t, "trace,row,t_ms,input_tokens,output_tokens,failed,model,session,duration_ms\n"+
		"made,1,1000,1,1,0,,s,400\nmade,2,1100,1,1,0,,s,0\nmade,3,1300,1,1,0,,,0\n")
	began := time.Now()
	report := run(t, o)
	if err := report.Problem(); err != nil || report.Completed != 3 {
		t.Errorf("%+v: %v", report, err)
	}
	for event, after := range map[string]time.Duration{
		"settle made:1":  200 * time.Millisecond,
		"reserve made:2": 200 * time.Millisecond, // It waits for the one before in its session.
		"reserve made:3": 150 * time.Millisecond,
	} {
		if got := f.at[event].Sub(began); got < after {
			t.Errorf("%s after %v, want at least %v", event, got, after)
		}
	}
	if at := f.at; !at["reserve made:3"].Before(at["settle made:1"]) {
		t.Error("an arrival waited for the end of another turn")
	}
}

func TestProgressIsTold(t *testing.T) {
	o := options(t, newFake())
	last := map[string]Progress{}
	o.Progress = func(p Progress) { last[p.Phase] = p }
	report := run(t, o)
	if p := last["replay"]; p.Done != turnsMade || p.Total != turnsMade {
		t.Errorf("the replay ended with %+v", p)
	}
	want := int64(1 + 2*report.Organizations + report.Seats)
	if p := last["setup"]; p.Done != want || p.Total != want {
		t.Errorf("the setup ended with %+v, want %d", p, want)
	}
}
