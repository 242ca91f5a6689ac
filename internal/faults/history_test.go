package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// began is the origin of the run's moments.
var began = time.Now()

// moment is a time of this machine in microseconds, read from a clock that never steps.
func moment() int64 { return began.UnixMicro() + time.Since(began).Microseconds() }

// attempt is one request that was sent once, and what came of it.
type attempt struct {
	caller    int
	call, ret int64 // Moments.
	request   proto.Message
	answer    proto.Message     // Nil unless OK.
	reason    string            // Of a refusal.
	facts     map[string]string // Of a refusal.
	code      codes.Code
}

// fate is what a caller knows of an attempt.
type fate int

const (
	answered fate = iota // OK.
	refused              // It changed nothing.
	unknown              // It took effect, or will, or never does.
	wrong                // An answer that no fault excuses.
)

func (a *attempt) fate() fate {
	switch a.code {
	case codes.OK:
		return answered
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.Canceled:
		return unknown
	case codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.ResourceExhausted:
		if a.reason != "" {
			return refused
		}
		return unknown // The client's own word for a connection that broke.
	default:
		if a.reason != "" {
			return wrong
		}
		return unknown
	}
}

// possible says whether the attempt may have had its effect at a moment.
func (a *attempt) possible(at, tolerance int64) bool {
	switch a.fate() {
	case answered:
		return a.call-tolerance <= at && at <= a.ret+tolerance
	case unknown, wrong:
		return a.call-tolerance <= at
	default:
		return false
	}
}

func (a *attempt) String() string {
	if a.answer != nil {
		return fmt.Sprintf("caller %d: %T{%v} -> {%v}", a.caller, a.request, a.request, a.answer)
	}
	return fmt.Sprintf("caller %d: %T{%v} -> %v %s %v", a.caller, a.request, a.request, a.code, a.reason, a.facts)
}

// history is all that was sent concerning one organization.
type history struct {
	mu       sync.Mutex
	attempts []*attempt
}

func (h *history) add(a *attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attempts = append(h.attempts, a)
}

// all are the attempts in order of their calls.
func (h *history) all() []*attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	sorted := slices.Clone(h.attempts)
	slices.SortStableFunc(sorted, func(a, b *attempt) int { return int(a.call - b.call) })
	return sorted
}

// send makes one attempt and records it.
func send[Q, A proto.Message](
	ctx context.Context, h *history, caller int, request Q, call func(context.Context, Q) (A, error),
) *attempt {
	ctx, cancel := context.WithTimeout(ctx, attemptPatience)
	defer cancel()
	a := &attempt{caller: caller, request: request, call: moment()}
	answer, err := call(ctx, request)
	a.ret = moment()
	a.code = status.Code(err)
	if err == nil {
		a.answer = answer
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			a.reason, a.facts = info.GetReason(), info.GetMetadata()
		}
	}
	h.add(a)
	return a
}
