package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// TestCrowdIsToldOnceASecond turns calls away by the hundred: each reason gets a line a second that counts its calls, and
// what else goes wrong meanwhile gets a line each.
func TestCrowdIsToldOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := &log{}
		calls := newCallLog(slog.New(slog.NewTextHandler(written, nil)))
		fail := func(times int, err error) {
			for range times {
				_, _ = calls.unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/m"},
					func(context.Context, any) (any, error) { return nil, rpc.FailureOf(err) })
			}
		}
		told := func(what string, want ...string) {
			t.Helper()
			lines := strings.Split(strings.TrimSpace(written.String()), "\n")
			written.text.Reset()
			if len(lines) != len(want) {
				t.Fatalf("%s: got %d lines: %q", what, len(lines), lines)
			}
			for i, part := range want {
				if !strings.Contains(lines[i], part) {
					t.Errorf("%s: line %d lacks %q: %s", what, i, part, lines[i])
				}
			}
		}
		overloaded := &meter.Refusal{Reason: meter.Overloaded, Cause: errors.New("the lane's queue is full")}

		fail(100, overloaded)
		told("the first", "calls=1 ")
		fail(100, rpc.RateLimited(time.Second))
		told("another reason", "reason=RATE_LIMITED")
		fail(3, &meter.Refusal{Reason: meter.Unavailable})
		told("not for being too many", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE")
		<-time.After(time.Second)
		fail(50, overloaded)
		told("a second later", "calls=100 ")
	})
}
