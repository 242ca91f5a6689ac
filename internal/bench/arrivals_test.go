package bench

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// fakeServer answers each request after a while, or as the test says.
type fakeServer struct {
	grpc.ClientConnInterface
	takes    time.Duration
	refuse   func(method string, n int64) error // Of the n-th call; nil: nothing is refused.
	calls    atomic.Int64
	underWay atomic.Int64
	most     atomic.Int64 // Under way at a time.
}

func (f *fakeServer) Invoke(ctx context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	n := f.calls.Add(1)
	if f.refuse != nil {
		if err := f.refuse(method, n); err != nil {
			return err
		}
	}
	now := f.underWay.Add(1)
	defer f.underWay.Add(-1)
	for most := f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); {
		most = f.most.Load()
	}
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if answer, ok := reply.(*meterv1.CommitResponse); ok {
		answer.Reservation = &meterv1.Reservation{Charge: &meterv1.Charge{PoolMicros: turnCost}}
	}
	return nil
}

// arriving is a load of one flow on a fake server.
func arriving(server *fakeServer, phases ...phase) *arrivals {
	connect := func(int) grpc.ClientConnInterface { return server }
	return newArrivals(&target{}, connect, []*flow{{population: newPopulation("p", 1, 1), name: "f"}}, phases)
}

// turnedAway is a refusal with the reason and the wait, if there are any.
func turnedAway(reason string, wait time.Duration) error {
	var details []protoadapt.MessageV1
	if reason != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: reason, Domain: "meter.v1"})
	}
	if wait > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	}
	answer, err := status.New(codes.Unavailable, "busy").WithDetails(details...)
	if err != nil {
		panic(err)
	}
	return answer.Err()
}

func TestArrivalsDoNotWaitForTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{takes: 200 * time.Millisecond}
		a := arriving(server, phase{time.Second, []float64{100}}, phase{time.Second, []float64{50}})
		if err := a.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var intended []time.Duration
		a.each(func(_ int, e event) {
			intended = append(intended, e.intended)
			if took := e.ended - e.intended; e.kind != settled || took < 400*time.Millisecond || took > 402*time.Millisecond {
				t.Errorf("a turn at %v took %v", e.intended, took)
			}
		})
		slices.Sort(intended)
		if len(intended) != 150 || intended[1] != 10*time.Millisecond || intended[101]-intended[100] != 20*time.Millisecond {
			t.Errorf("got %d turns, at %v", len(intended), intended)
		}
		if most := server.most.Load(); most < 40 || most > 42 {
			t.Errorf("%d calls at a time, want 40", most)
		}
	})
}

func TestARefusedTurnIsOverAndARefusedCommitIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits int
		server := &fakeServer{refuse: func(method string, n int64) error {
			switch {
			case n == 1:
				return turnedAway("OVERLOADED", time.Hour)
			case method == meterv1.MeteringService_Commit_FullMethodName:
				commits++
				if commits < 3 {
					return turnedAway("OVERLOADED", 300*time.Millisecond)
				}
			}
			return nil
		}}
		a := arriving(server, phase{time.Second, []float64{2}})
		if err := a.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		done, failures, _ := a.flows[0].totals()
		row := a.row(0)
		if done != 1 || failures != 0 || row.Refused != 1 || row.CommitsRefused != 2 || row.Bare != 0 || row.Errors != 0 {
			t.Errorf("got %d done, %d failed, %+v", done, failures, row)
		}
		if row.Offered != 2 || row.TurnP50 < 600 || row.TurnP50 > 602 {
			t.Errorf("got %v offered, and a turn of %v ms, want 2 and 600", row.Offered, row.TurnP50)
		}
	})
}

func TestWhatIsNotARefusalIsAnError(t *testing.T) {
	for _, c := range []struct {
		err      error
		ok, said bool
		again    time.Duration
	}{
		{turnedAway("OVERLOADED", time.Second), true, true, time.Second},
		{turnedAway("OVERLOADED", 0), true, false, retryUnsaid},
		{turnedAway("UNAVAILABLE", time.Second), true, false, time.Second},
		{turnedAway("", 0), false, false, 0},
		{status.Error(codes.ResourceExhausted, "no"), false, false, 0},
		{errors.New("no server"), false, false, 0},
	} {
		if again, said, ok := overloaded(c.err); ok != c.ok || said != c.said || again != c.again {
			t.Errorf("%v: got %v, %t, %t", c.err, again, said, ok)
		}
	}
}

func TestFailedTurnsAreCountedAndSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{refuse: func(string, int64) error { return errNoServer }}
		a := arriving(server, phase{time.Second, []float64{4}})
		if err := a.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, failures, first := a.flows[0].totals()
		if row := a.row(0); failures != 4 || !errors.Is(first, errNoServer) || row.Errors != 4 || row.Refused != 0 {
			t.Errorf("got %d failures, first %v, %+v", failures, first, row)
		}
	})
}

func TestTooManyUnderWayAreNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeServer{takes: 10 * time.Second}
		a := arriving(server, phase{100 * time.Millisecond, []float64{(mostInFlight + 50) * 10}})
		if err := a.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if done, _, _ := a.flows[0].totals(); done != mostInFlight || a.row(0).Missed != 50 {
			t.Errorf("got %d done and %d missed", done, a.row(0).Missed)
		}
	})
}

func TestCancelEndsArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := arriving(&fakeServer{takes: time.Hour}, phase{time.Hour, []float64{100}}).run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}
