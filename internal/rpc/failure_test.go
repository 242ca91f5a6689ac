package rpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

// documentedCodes reads from error_reason.proto which code each reason is documented with: it is the first word of the
// reason's comment.
func documentedCodes(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../proto/meter/v1/error_reason.proto")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	comment := regexp.MustCompile(`(?m)^  // ([A-Z_]+)[.,] (?:[^\n]*\n  //)*[^\n]*\n  ERROR_REASON_([A-Z_]+) = \d+;`)
	for _, found := range comment.FindAllStringSubmatch(string(text), -1) {
		documented[found[2]] = found[1]
	}
	return documented
}

// causes are errors of every reason that is not the rules' own.
var causes = map[string]error{
	ReasonInvalidField:     invalidField("member_id", requireID),
	ReasonDeadlineExceeded: fmt.Errorf("wait: %w", context.DeadlineExceeded),
	ReasonCancelled:        fmt.Errorf("wait: %w", context.Canceled),
	ReasonInternal:         errors.New("SQLSTATE 42601 at /some/path"),
	ReasonUnauthenticated:  fmt.Errorf("wait: %w", auth.Unauthenticated{Cause: context.DeadlineExceeded}),
	ReasonPermissionDenied: auth.Denied{Cause: &meter.Refusal{Reason: meter.MemberNotFound}},
	ReasonRateLimited:      RateLimited(time.Second),
}

// TestEveryReason holds the map to the contract: each reason of the enum is answered, with the code documented there.
func TestEveryReason(t *testing.T) {
	documented := documentedCodes(t)
	values := meterv1.ErrorReason(0).Descriptor().Values()
	known := Reasons()
	for i := 1; i < values.Len(); i++ {
		reason := strings.TrimPrefix(string(values.Get(i).Name()), "ERROR_REASON_")
		cause, ok := causes[reason]
		if !ok {
			cause = fmt.Errorf("carried: %w", &meter.Refusal{Reason: meter.Reason(reason), Facts: map[string]string{"a_fact": "7"}})
		}
		var code codes.Code
		if err := code.UnmarshalJSON([]byte(`"` + documented[reason] + `"`)); err != nil {
			t.Errorf("%s: its comment names no code: %v", reason, err)
		}
		failure := FailureOf(cause)
		wantFailure(t, failure, code, reason)
		if ok == (infoOf(failure).GetMetadata()["a_fact"] == "7") {
			t.Errorf("%s: got facts %v", reason, infoOf(failure).GetMetadata())
		}
		if message := failure.GRPCStatus().Message(); message == "" || strings.Contains(message, "%!") {
			t.Errorf("%s: says %q", reason, message)
		}
		if !slices.Contains(known, reason) {
			t.Errorf("Reasons() lacks %s", reason)
		}
	}
	if len(known) != values.Len()-1 {
		t.Errorf("Reasons() has %d, the contract %d", len(known), values.Len()-1)
	}
}

// TestDetails shows what stands beside the ErrorInfo.
func TestDetails(t *testing.T) {
	hardStop := FailureOf(&meter.Refusal{Reason: meter.PoolEmpty, ResetsOn: "1 May 2026"})
	people := detail[*errdetails.LocalizedMessage](hardStop)
	if people.GetLocale() != "en-US" || !strings.Contains(people.GetMessage(), "1 May 2026") {
		t.Errorf("a hard stop says %v", people)
	}
	if retry := detail[*errdetails.RetryInfo](hardStop); retry != nil {
		t.Errorf("a hard stop says to retry in %v", retry)
	}
	abuse := FailureOf(&meter.Refusal{Reason: meter.AbuseLimitReached, RetryAfter: 90 * time.Minute})
	if wait := detail[*errdetails.RetryInfo](abuse).GetRetryDelay().AsDuration(); wait != 90*time.Minute {
		t.Errorf("abuse protection says to retry in %v", wait)
	}
	if detail[*errdetails.LocalizedMessage](abuse) == nil {
		t.Error("abuse protection has no message for people")
	}
	for range 100 {
		for _, reason := range []meter.Reason{meter.Overloaded, meter.Unavailable} {
			busy := FailureOf(&meter.Refusal{Reason: reason, Cause: errors.New("secret")})
			wait := detail[*errdetails.RetryInfo](busy).GetRetryDelay().AsDuration()
			if wait < 100*time.Millisecond || wait > time.Second {
				t.Errorf("%s says to retry in %v", reason, wait)
			}
			if strings.Contains(busy.GRPCStatus().String(), "secret") || busy.Cause == nil {
				t.Errorf("%s: cause %v, status %v", reason, busy.Cause, busy.GRPCStatus())
			}
		}
	}
}

// TestWhatToSendAgainMayBeARead: what is answered to reads too says to send it again, and nothing of applying it.
func TestWhatToSendAgainMayBeARead(t *testing.T) {
	for _, cause := range []error{
		context.DeadlineExceeded, &meter.Refusal{Reason: meter.Unavailable}, &meter.Refusal{Reason: meter.Overloaded},
	} {
		says := FailureOf(cause).GRPCStatus().Message()
		if !strings.Contains(says, "send the same request again") || strings.Contains(says, "appl") {
			t.Errorf("%v says %q", cause, says)
		}
	}
}

// TestCallers: a caller who is turned away is told neither why nor what there is; the log is.
func TestCallers(t *testing.T) {
	secret := &meter.Refusal{Reason: meter.MemberNotFound, Facts: map[string]string{"member_id": "secret"}}
	for _, cause := range []error{
		auth.Unauthenticated{Cause: secret},
		auth.Unauthenticated{Cause: secret, Expired: true},
		auth.Denied{Cause: secret, Caller: auth.Identity{Subject: "secret", Role: auth.Admin, OrganizationID: "secret"}},
	} {
		failure := FailureOf(cause)
		if strings.Contains(failure.GRPCStatus().String(), "secret") || strings.Contains(failure.GRPCStatus().String(), "MEMBER") {
			t.Errorf("the caller is told %v", failure.GRPCStatus())
		}
		if !errors.Is(failure, secret) || !strings.Contains(failure.Error(), "secret") {
			t.Errorf("the log is not told of %v", cause)
		}
		var expired auth.Unauthenticated
		if told := strings.Contains(failure.GRPCStatus().Message(), "expired"); told != (errors.As(cause, &expired) && expired.Expired) {
			t.Errorf("the caller of %#v is told %q", cause, failure.GRPCStatus().Message())
		}
	}
	limited := detail[*errdetails.RetryInfo](RateLimited(3 * time.Second))
	if wait := limited.GetRetryDelay().AsDuration(); wait != 3*time.Second {
		t.Errorf("a caller who sends too much is told to wait %v", wait)
	}
}

// TestNothingInternalLeaks: what no case of the map knows is told to the log alone.
func TestNothingInternalLeaks(t *testing.T) {
	for _, cause := range []error{
		errors.New("pq: relation \"secret\" does not exist"),
		&meter.Refusal{Reason: "NEW_REASON", Facts: map[string]string{"secret": "secret"}},
	} {
		failure := FailureOf(cause)
		wantFailure(t, failure, codes.Internal, ReasonInternal)
		if strings.Contains(failure.GRPCStatus().String(), "secret") {
			t.Errorf("the caller is told %v", failure.GRPCStatus())
		}
		if !errors.Is(failure, cause) {
			t.Errorf("the log is not told of %v", cause)
		}
	}
}

// TestTranslateErrors: an error is mapped once, and a status of gRPC's own services is left alone.
func TestTranslateErrors(t *testing.T) {
	answering := func(err error) error {
		_, translated := TranslateErrors(t.Context(), nil, nil, func(context.Context, any) (any, error) { return nil, err })
		return translated
	}
	foreign := status.Error(codes.NotFound, "unknown service")
	if got := answering(foreign); !errors.Is(got, foreign) {
		t.Errorf("got %v", got)
	}
	mapped := FailureOf(errors.New("x"))
	if got := answering(mapped); got != error(mapped) { //nolint:errorlint // The very same is wanted.
		t.Errorf("got %v", got)
	}
	wantField(t, answering(auth.SubjectError{Key: auth.ActorKey, Requirement: requireID}), auth.ActorKey)
	if got := answering(nil); got != nil {
		t.Errorf("got %v", got)
	}
}

// BenchmarkRefusal is what a hard stop costs beyond an answer.
func BenchmarkRefusal(b *testing.B) {
	refusal := &meter.Refusal{Reason: meter.PoolEmpty, ResetsOn: "1 May 2026", Facts: map[string]string{"needed_micros": "7"}}
	for b.Loop() {
		_, _ = TranslateErrors(b.Context(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) {
			return nil, refusal
		})
	}
}
