package server

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// unary are what every call passes, in the order of the house: metrics, logging, request id, deadline, identity, policy,
// validation, recovery. Errors become statuses right inside logging, so that whatever answers them, they are mapped once
// and seen by metrics and log as the caller sees them.
func (e *Edge) unary(fallback time.Duration) []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{
		e.door.unary,
		e.metrics.Calls().UnaryServerInterceptor(),
		e.countRefusals,
		e.callLog.unary,
		rpc.TranslateErrors,
		withRequestID,
		deadline(fallback).unary,
		auth.Unary(e.callers),
		noteCaller,
		e.limits.unary,
		e.authorize,
		e.validator.Unary,
		recovery.UnaryServerInterceptor(recovery.WithRecoveryHandlerContext(recoverPanic)),
	}
}

// stream are what streams pass: those of health, open to all, and of reflection, for which it is enough to be known.
// There are no others.
func (e *Edge) stream() []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		e.metrics.Calls().StreamServerInterceptor(),
		e.callLog.stream,
		translateStreamErrors,
		e.endWhenDraining,
		auth.Stream(e.callers),
		recovery.StreamServerInterceptor(recovery.WithRecoveryHandlerContext(recoverPanic)),
	}
}

// translateStreamErrors answers the errors of our own interceptors as those of calls are answered.
func translateStreamErrors(
	srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	err := handler(srv, stream)
	if _, ok := status.FromError(err); ok {
		return err
	}
	return rpc.FailureOf(err)
}

// noteCaller tells the call's log line who calls.
func noteCaller(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	rpc.CallOf(ctx).Caller = auth.FromContext(ctx).Subject
	return handler(ctx, req)
}

// authorize lets through what the caller may do, and puts on record what it may not, where doing it would be recorded.
func (e *Edge) authorize(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := e.authorizer.Unary(ctx, req, info, handler)
	var denied auth.Denied
	if err == nil || !errors.As(err, &denied) {
		return answer, err
	}
	if named, recorded := e.authorizer.Recorded(info.FullMethod, req); recorded {
		if !loggable(named) {
			named = ""
		}
		e.denials.record(ctx, info.FullMethod, named, denied)
	}
	return nil, err
}

// countRefusals counts answers other than OK by their reason.
func (e *Edge) countRefusals(
	ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	answer, err := handler(ctx, req)
	if reason := reasonOf(err); reason != "" {
		e.metrics.Refused(reason)
	}
	return answer, err
}

// requestIDKey is the metadata by which a caller names a call, and under which the answer tells the name.
const requestIDKey = "x-request-id"

// withRequestID names the call in its log line and in the answer's header. A name that the caller gave is kept if a log
// can hold it; it is no reason to refuse a call.
func withRequestID(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := requestID(ctx)
	rpc.CallOf(ctx).RequestID = id
	// It fails only where the answer has begun, which is later than this.
	_ = grpc.SetHeader(ctx, metadata.MD{requestIDKey: {id}})
	return handler(ctx, req)
}

func requestID(ctx context.Context) string {
	if given := metadata.ValueFromIncomingContext(ctx, requestIDKey); len(given) == 1 && loggable(given[0]) {
		return given[0]
	}
	return uuid.Must(uuid.NewV7()).String()
}

// loggable says whether a text is short and of printable ASCII.
func loggable(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// deadline is how long a call may take if the caller does not say.
type deadline time.Duration

// maxMargin is the most of a caller's time that is kept to carry the answer.
const maxMargin = 50 * time.Millisecond

// unary gives every call a deadline. A caller's own is brought forward a little: an answer that says what became of the
// call must reach a caller who still listens.
func (d deadline) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	due, given := ctx.Deadline()
	if given {
		due = due.Add(-min(maxMargin, time.Until(due)/20))
	} else {
		due = time.Now().Add(time.Duration(d))
	}
	ctx, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	return handler(ctx, req)
}
