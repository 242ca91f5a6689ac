package rpc

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

// Domain is the google.rpc.ErrorInfo.domain of every error of this service.
const Domain = "meter.v1"

// The reasons that are not the rules' own. The contract's error_reason.proto documents them with the others.
const (
	ReasonInvalidField     = "INVALID_FIELD"
	ReasonDeadlineExceeded = "DEADLINE_EXCEEDED"
	ReasonCancelled        = "CANCELLED"
	ReasonInternal         = "INTERNAL"
	ReasonUnauthenticated  = "UNAUTHENTICATED"
	ReasonPermissionDenied = "PERMISSION_DENIED"
	ReasonRateLimited      = "RATE_LIMITED"
)

// codeOf says with which code each of the rules' reasons is answered. A test holds it to error_reason.proto.
var codeOf = map[meter.Reason]codes.Code{
	meter.OrganizationNotFound:        codes.NotFound,
	meter.MemberNotFound:              codes.NotFound,
	meter.PlanNotFound:                codes.NotFound,
	meter.ReservationNotFound:         codes.NotFound,
	meter.TopUpNotFound:               codes.NotFound,
	meter.RequestIDReused:             codes.AlreadyExists,
	meter.OrganizationSuspendedReason: codes.FailedPrecondition,
	meter.MemberRemovedReason:         codes.FailedPrecondition,
	meter.AbuseLimitReached:           codes.ResourceExhausted,
	meter.ExtraUsageNotEnabled:        codes.ResourceExhausted,
	meter.PoolEmpty:                   codes.ResourceExhausted,
	meter.MemberCapReached:            codes.ResourceExhausted,
	meter.IndividualExhausted:         codes.ResourceExhausted,
	meter.AlreadyCommitted:            codes.FailedPrecondition,
	meter.AlreadyReleased:             codes.FailedPrecondition,
	meter.ReservationExpired:          codes.FailedPrecondition,
	meter.RefundExceedsTopUp:          codes.FailedPrecondition,
	meter.RefundExceedsBalance:        codes.FailedPrecondition,
	meter.IndividualNeedsNoGrant:      codes.FailedPrecondition,
	meter.IndividualHasOneMember:      codes.FailedPrecondition,
	meter.UnitImmutable:               codes.FailedPrecondition,
	meter.AmountOutOfRange:            codes.OutOfRange,
	meter.PriceBookNotFound:           codes.NotFound,
	meter.UnpricedModel:               codes.FailedPrecondition,
	meter.PriceBookChanged:            codes.FailedPrecondition,
	meter.ResourceNotFound:            codes.NotFound,
	meter.PlanLimitReached:            codes.ResourceExhausted,
	meter.Overloaded:                  codes.Unavailable,
	meter.Unavailable:                 codes.Unavailable,
}

// Reasons are all reasons that an answer may have.
func Reasons() []string {
	reasons := []string{
		ReasonInvalidField, ReasonDeadlineExceeded, ReasonCancelled, ReasonInternal,
		ReasonUnauthenticated, ReasonPermissionDenied, ReasonRateLimited,
	}
	for reason := range codeOf {
		reasons = append(reasons, string(reason))
	}
	return reasons
}

// Failure is an answer other than OK: the status that the caller gets, and the cause that only the log may tell.
type Failure struct {
	Reason string // Of error_reason.proto, without the prefix.
	Cause  error  // What went wrong inside; nil if the caller is told everything.
	status *status.Status
}

// FailureOf is the one map from errors to statuses. What it does not know is INTERNAL, and tells the caller nothing. Those
// of auth come before the others: what lies below them, such as a missing member, is for the log.
func FailureOf(err error) *Failure {
	var (
		failure *Failure
		refusal *meter.Refusal
		fields  *FieldError
		subject auth.SubjectError
		unknown auth.Unauthenticated
		denied  auth.Denied
	)
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.As(err, &unknown):
		return unauthenticated(unknown)
	case errors.As(err, &denied):
		return causedBy(denied, codes.PermissionDenied, ReasonPermissionDenied, "The caller may not do this.")
	case errors.As(err, &refusal):
		return refused(refusal)
	case errors.As(err, &fields):
		return invalid(fields)
	case errors.As(err, &subject):
		return invalid(&FieldError{fields: []field{{path: subject.Key, requirement: subject.Requirement}}})
	case errors.Is(err, context.DeadlineExceeded):
		return failed(codes.DeadlineExceeded, ReasonDeadlineExceeded,
			"The deadline passed before the answer was known: send the same request again, which is safe to do.", nil)
	case errors.Is(err, context.Canceled):
		return failed(codes.Canceled, ReasonCancelled, "The caller went away before the answer was known.", nil)
	default:
		return internal(err)
	}
}

// TranslateErrors is the interceptor that answers errors as FailureOf says. Statuses that gRPC's own services answer,
// such as health, pass as they are.
func TranslateErrors(
	ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	answer, err := handler(ctx, req)
	if err == nil {
		return answer, nil
	}
	if _, ok := status.FromError(err); ok {
		return nil, err
	}
	return nil, FailureOf(err)
}

// Error is for the log.
func (f *Failure) Error() string {
	if f.Cause != nil {
		return f.Reason + ": " + f.Cause.Error()
	}
	return f.Reason + ": " + f.status.Message()
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// GRPCStatus is what the caller gets.
func (f *Failure) GRPCStatus() *status.Status { return f.status }

// refused answers a command's no.
func refused(r *meter.Refusal) *Failure {
	code, known := codeOf[r.Reason]
	if !known {
		return internal(r)
	}
	var details []protoadapt.MessageV1
	if r.ForPeople() {
		details = append(details, &errdetails.LocalizedMessage{Locale: "en-US", Message: r.Message()})
	}
	if wait := retryAfter(r, code); wait > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	}
	f := failed(code, string(r.Reason), r.Message(), r.Facts, details...)
	f.Cause = r.Cause
	return f
}

// retryAfter is when to send the request again; 0: waiting does not help. Those who were turned away together are spread
// over the best part of a second, so that they do not come back together.
func retryAfter(r *meter.Refusal, code codes.Code) time.Duration {
	if r.RetryAfter > 0 || code != codes.Unavailable {
		return r.RetryAfter
	}
	return 100*time.Millisecond + rand.N(900*time.Millisecond)
}

// invalid answers a request that breaks a rule of the contract.
func invalid(e *FieldError) *Failure {
	details := &errdetails.BadRequest{}
	for _, f := range e.fields {
		details.FieldViolations = append(details.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: f.path, Description: f.requirement,
		})
	}
	return failed(codes.InvalidArgument, ReasonInvalidField, e.Error(), nil, details)
}

// Unreadable answers a request that is no message of the contract, in whatever language it was made; requirement says what
// it must be.
func Unreadable(requirement string) *Failure { return FailureOf(invalidField("request", requirement)) }

// unauthenticated answers a caller whom nobody knows. Which of the checks failed would only help one who tries them out.
func unauthenticated(e auth.Unauthenticated) *Failure {
	message := "The call needs credentials, a bearer token or a client certificate, and brought none that is valid."
	if e.Expired {
		message = "The credentials have expired: get new ones, then send the same request again."
	}
	return causedBy(e.Cause, codes.Unauthenticated, ReasonUnauthenticated, message)
}

// RateLimited answers a caller who asks for more than one caller may; the call may come again after the wait.
func RateLimited(wait time.Duration) *Failure {
	return failed(codes.ResourceExhausted, ReasonRateLimited,
		"This caller asks for more at a time than one caller may: send the same request again, later.", nil,
		&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
}

// internal answers a fault of the service.
func internal(cause error) *Failure {
	return causedBy(cause, codes.Internal, ReasonInternal,
		"The service failed. Its log has the cause under the x-request-id of this answer.")
}

// causedBy makes a failure whose cause is for the log alone.
func causedBy(
	cause error, code codes.Code, reason, message string, details ...protoadapt.MessageV1,
) *Failure {
	f := failed(code, reason, message, nil, details...)
	f.Cause = cause
	return f
}

// failed makes a failure whose first detail is the ErrorInfo. A status that cannot hold its details, which no status
// here is, goes without.
func failed(
	code codes.Code, reason, message string, facts map[string]string, details ...protoadapt.MessageV1,
) *Failure {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: Domain, Metadata: facts}
	bare := status.New(code, message)
	detailed, err := bare.WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return &Failure{Reason: reason, Cause: err, status: bare}
	}
	return &Failure{Reason: reason, status: detailed}
}
