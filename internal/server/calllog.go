package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// callLog writes one line a call, at its end. A call that was answered OK costs nothing unless the level asks for it. Of
// calls that were turned away for being too many one line a second is enough, or writing them down would cost more than
// turning them away.
type callLog struct {
	logger *slog.Logger
	crowds map[string]*crowd // By the reason for which they are turned away.
}

func newCallLog(logger *slog.Logger) callLog {
	return callLog{logger, map[string]*crowd{string(meter.Overloaded): newCrowd(), rpc.ReasonRateLimited: newCrowd()}}
}

func (l callLog) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start, named := time.Now(), &rpc.Call{}
	answer, err := handler(rpc.WithCall(ctx, named), req)
	level := levelOf(err)
	if !l.logger.Enabled(ctx, level) {
		return answer, err
	}
	tell := func(more ...any) {
		l.log(ctx, level, info.FullMethod, start, err, append(more,
			"request_id", named.RequestID, "caller", named.Caller, "organization_id", organizationOf(req))...)
	}
	if c := l.crowds[reasonOf(err)]; c != nil {
		c.tell(tell)
		return answer, err
	}
	tell()
	return answer, err
}

func (l callLog) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	start, ctx := time.Now(), stream.Context()
	err := handler(srv, stream)
	level := levelOf(err)
	if level == slog.LevelInfo {
		level = slog.LevelDebug // Those who watch the health or ask for descriptors go away when they like.
	}
	if l.logger.Enabled(ctx, level) {
		l.log(ctx, level, info.FullMethod, start, err)
	}
	return err
}

func (l callLog) log(ctx context.Context, level slog.Level, method string, start time.Time, err error, more ...any) {
	attributes := append([]any{"method", method, "code", status.Code(err).String(), "duration", time.Since(start)}, more...)
	if reason := reasonOf(err); reason != "" {
		attributes = append(attributes, "reason", reason)
	}
	if cause := causeOf(err); cause != nil {
		attributes = append(attributes, "cause", cause.Error())
	}
	var panicked *panicError
	if errors.As(err, &panicked) {
		attributes = append(attributes, "stack", string(panicked.stack))
	}
	l.logger.Log(ctx, level, "call", attributes...)
}

// crowd are calls that are turned away for one reason.
type crowd struct {
	once   rate.Sometimes
	untold atomic.Int64
}

func newCrowd() *crowd { return &crowd{once: rate.Sometimes{Interval: time.Second}} }

// tell tells one call a second, with how many there were in all since the last that was told.
func (c *crowd) tell(one func(more ...any)) {
	c.untold.Add(1)
	c.once.Do(func() { one("calls", c.untold.Swap(0)) })
}

// levelOf is how much an operator should care. A hard stop is the service doing its work.
func levelOf(err error) slog.Level {
	switch status.Code(err) {
	case codes.OK:
		return slog.LevelDebug
	case codes.Unavailable, codes.DeadlineExceeded:
		return slog.LevelWarn
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// reasonOf is the reason of an answer other than OK; empty for OK and for those of gRPC's own services.
func reasonOf(err error) string {
	if failure := failureOf(err); failure != nil {
		return failure.Reason
	}
	return ""
}

func causeOf(err error) error {
	if failure := failureOf(err); failure != nil {
		return failure.Cause
	}
	return nil
}

func failureOf(err error) *rpc.Failure {
	var failure *rpc.Failure
	if err == nil || !errors.As(err, &failure) {
		return nil
	}
	return failure
}

// organizationOf is the organization that a request names, as far as a log line should hold it.
func organizationOf(req any) string {
	id := ""
	switch req := req.(type) {
	case interface{ GetOrganizationId() string }:
		id = req.GetOrganizationId()
	case *meterv1.PutOrganizationRequest:
		id = req.GetOrganization().GetOrganizationId()
	case *meterv1.PutMemberRequest:
		id = req.GetMember().GetOrganizationId()
	}
	if !loggable(id) {
		return ""
	}
	return id
}

// panicError is a panic as the cause of an INTERNAL answer.
type panicError struct {
	value any
	stack []byte
}

// Error tells the value; the log line tells the stack beside it.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recoverPanic answers a panic as a fault of the service. The caller is told nothing of it.
func recoverPanic(_ context.Context, value any) error {
	return rpc.FailureOf(&panicError{value: value, stack: debug.Stack()})
}
