package bench

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What became of a request of an open loop.
const (
	settled        = iota // A turn was reserved and committed.
	reserveRefused        // A turn was turned away.
	commitRefused         // The end of a turn was, which then is to be sent again.
	failed                // Any other answer but OK, which ends the turn.
)

// event is something that became of a turn. Moments count from when the arrivals began.
type event struct {
	kind     uint8
	bare     bool          // A refusal without its reason, or without saying when to come again.
	intended time.Duration // When the turn should have begun.
	sent     time.Duration // When the request that was refused was.
	ended    time.Duration
}

// asker asks for one turn at a time, in the way that the contract asks of callers: a turn that was turned away is not
// for this run, one that was accepted is settled, however often it takes.
type asker struct {
	turns  *turns
	events []event
	first  error // The first answer other than OK that was not for there being too many.
}

// turn runs a turn that should have begun at a moment after the arrivals did.
func (a *asker) turn(ctx context.Context, began time.Time, intended time.Duration) {
	e := event{kind: reserveRefused, intended: intended, sent: time.Since(began)}
	if err := a.turns.begin(ctx); err != nil {
		a.refused(e, began, err)
		return
	}
	for {
		e.kind, e.sent = commitRefused, time.Since(began)
		err := a.turns.settle(ctx)
		if err == nil {
			e.kind, e.ended = settled, time.Since(began)
			a.events = append(a.events, e)
			return
		}
		again, ok := a.refused(e, began, err)
		if !ok || !pause(ctx, again) {
			return
		}
	}
}

// refused notes an answer other than OK, and says when to send the request again; false: it was an error.
func (a *asker) refused(e event, began time.Time, err error) (again time.Duration, ok bool) {
	e.ended = time.Since(began)
	again, said, ok := overloaded(err)
	e.bare = ok && !said
	if !ok {
		e.kind = failed
		if a.first == nil {
			a.first = err
		}
	}
	a.events = append(a.events, e)
	return again, ok
}

const (
	// overloadedReason is how the contract calls it that too many requests wait.
	overloadedReason = "OVERLOADED"
	// retryUnsaid is when a request is sent again that was refused without saying when.
	retryUnsaid = 500 * time.Millisecond
)

// overloaded says whether a request was refused since there are too many, and when to send it again. said is whether the
// refusal has all that the contract promises: its reason, and that moment.
func overloaded(err error) (again time.Duration, said, ok bool) {
	var answer interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &answer) || answer.GRPCStatus().Code() != codes.Unavailable {
		return 0, false, false
	}
	reason := ""
	for _, d := range answer.GRPCStatus().Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason()
		case *errdetails.RetryInfo:
			again = d.GetRetryDelay().AsDuration()
		}
	}
	if reason == "" { // Of gRPC itself: the server is away.
		return 0, false, false
	}
	said = reason == overloadedReason && again > 0
	if again <= 0 {
		again = retryUnsaid
	}
	return again, said, true
}

// pause says whether the time has passed before the context ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	return wait(ctx, timer, d)
}
