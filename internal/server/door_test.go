package server

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// doorAt is a door with a clock of its own.
type doorAt struct {
	*door
	now     time.Time
	refused int
}

func newDoorAt() *doorAt {
	d := &doorAt{now: time.Now().Add(time.Hour)} // Ahead of the clock that tap reads, however slow the test is.
	d.door = newDoor(func(string) { d.refused++ }, slog.New(slog.DiscardHandler))
	return d
}

// pass lets calls start for a while, each of which waited so long.
func (d *doorAt) pass(length, waited time.Duration) {
	for end := d.now.Add(length); d.now.Before(end); d.now = d.now.Add(time.Millisecond) {
		d.started(d.now, waited)
	}
}

// let is how many of so many turns that would begin now are let in.
func (d *doorAt) let(turns int) (in int) {
	for range turns {
		if !d.turnAway(d.now) {
			in++
		}
	}
	return in
}

func (d *doorAt) want(t *testing.T, open bool) {
	t.Helper()
	const turns = 10 * stillLet
	want := turns / stillLet
	if open {
		want = turns
	}
	if got := d.let(turns); got != want {
		t.Errorf("of %d turns %d were let in, want %d", turns, got, want)
	}
}

// The door is shut while calls start late, not for a burst, and opens once they start in time.
func TestDoor(t *testing.T) {
	const late, between, soon = 2 * slowStart, 2 * slowAgain, slowAgain / 2
	d := newDoorAt()
	d.want(t, true)
	d.pass(10*slowFor, between)
	d.want(t, true)
	d.pass(slowFor/2, late)
	d.want(t, true)
	d.pass(slowFor, soon)
	d.pass(slowFor/2, late)
	d.want(t, true)
	d.pass(slowFor, late)
	d.want(t, false)
	d.pass(10*slowFor, late)
	d.want(t, false)
	d.pass(10*slowFor, between)
	d.want(t, false)
	d.pass(2*lookFor, soon)
	d.want(t, true)
	d.pass(3*lookFor, late) // It is wary still.
	d.want(t, false)
	d.pass(2*lookFor+wary, soon)
	d.pass(3*lookFor, late)
	d.want(t, true)
}

// A door that hears of no more calls opens by itself, and a few late ones do not shut it, however late.
func TestDoorOfFew(t *testing.T) {
	d := newDoorAt()
	d.pass(2*slowFor, 2*slowStart)
	d.want(t, false)
	d.now = d.now.Add(2 * lookFor)
	d.want(t, true)
	d = newDoorAt()
	for range lookLeast - 1 {
		d.started(d.now, time.Hour)
		d.now = d.now.Add(slowFor)
	}
	d.want(t, true)
}

// Only turns that would begin are turned away, with all that the contract promises of a refusal; the rest is timed.
func TestDoorRefuses(t *testing.T) {
	d := newDoorAt()
	d.pass(2*slowFor, 2*slowStart)
	_, err := d.tap(t.Context(), &tap.Info{FullMethodName: meterv1.MeteringService_Reserve_FullMethodName})
	s := status.Convert(err)
	if s.Code() != codes.Unavailable || len(s.Details()) < 2 || d.refused != 1 {
		t.Fatalf("refused %d, last with %v", d.refused, s)
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetReason() != "OVERLOADED" {
			t.Errorf("the reason is %s", info.GetReason())
		}
		if retry, ok := detail.(*errdetails.RetryInfo); ok && retry.GetRetryDelay().AsDuration() <= 0 {
			t.Error("it does not say when to come again")
		}
	}
	ctx, err := d.tap(t.Context(), &tap.Info{FullMethodName: meterv1.MeteringService_Commit_FullMethodName})
	if err != nil {
		t.Fatalf("the end of a turn was turned away: %v", err)
	}
	all := d.all
	if _, err := d.unary(ctx, nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	if d.all != all+1 {
		t.Error("a call that came in was not timed")
	}
}
