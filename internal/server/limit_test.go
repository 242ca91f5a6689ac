package server

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spillway-metering/spillway/internal/auth"
)

func as(t *testing.T, subject string) context.Context {
	t.Helper()
	return auth.NewContext(t.Context(), auth.Identity{Subject: subject, Issuer: "test", Role: auth.Orchestrator})
}

func fine(context.Context, any) (any, error) { return "fine", nil }

func limited(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var answer interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &answer) || answer.GRPCStatus().Code() != codes.ResourceExhausted || len(answer.GRPCStatus().Details()) < 2 {
		t.Errorf("refused with %v, without RetryInfo", err)
	}
	return true
}

// TestRateIsPerCaller spends one caller's calls of a second; another's are untouched, and so are calls without a caller.
func TestRateIsPerCaller(t *testing.T) {
	l := newCallerLimits(CallerLimits{Rate: 3})
	for n := range 5 {
		_, err := l.unary(as(t, "greedy"), nil, nil, fine)
		if limited(t, err) != (n >= 3) {
			t.Errorf("call %d: %v", n, err)
		}
	}
	for _, ctx := range []context.Context{as(t, "modest"), t.Context()} {
		if _, err := l.unary(ctx, nil, nil, fine); err != nil {
			t.Errorf("another caller: %v", err)
		}
	}
}

// TestMembersHaveARateOfTheirOwn sends the same calls as each role, under one name: those who belong to an organization are
// bound more closely, unless nothing is said of them, and nobody's calls count for another role.
func TestMembersHaveARateOfTheirOwn(t *testing.T) {
	all := []auth.Role{auth.Member, auth.Admin, auth.Orchestrator, auth.Billing, auth.Operator}
	for _, limits := range []CallerLimits{{Rate: 4, MemberRate: 2}, {Rate: 4}, {MemberRate: 2}} {
		l := newCallerLimits(limits)
		for _, role := range all {
			want := limits.Rate
			if limits.MemberRate > 0 && (role == auth.Member || role == auth.Admin) {
				want = limits.MemberRate
			}
			ctx := auth.NewContext(t.Context(), auth.Identity{Subject: "ann", Issuer: "test", Role: role})
			for n := range 6 {
				if _, err := l.unary(ctx, nil, nil, fine); limited(t, err) != (want > 0 && n >= want) {
					t.Errorf("%+v: call %d of %s: %v", limits, n, role, err)
				}
			}
		}
	}
}

// TestConcurrencyIsPerCaller has two calls under way, refuses a third, and takes it once one has ended.
func TestConcurrencyIsPerCaller(t *testing.T) {
	l := newCallerLimits(CallerLimits{Concurrency: 2})
	inside := func(next func()) func(context.Context, any) (any, error) {
		return func(context.Context, any) (any, error) { next(); return "fine", nil }
	}
	call := func(next func()) error {
		_, err := l.unary(as(t, "busy"), nil, nil, inside(next))
		return err
	}
	err := call(func() {
		err := call(func() {
			if err := call(func() {}); !limited(t, err) {
				t.Errorf("a third call at a time: %v", err)
			}
		})
		if err != nil {
			t.Errorf("a second call: %v", err)
		}
		if err := call(func() {}); err != nil {
			t.Errorf("a call after the second ended: %v", err)
		}
	})
	if err != nil {
		t.Errorf("the first call: %v", err)
	}
}

// TestIdleCallersAreForgotten keeps memory bounded, and those who are calling known.
func TestIdleCallersAreForgotten(t *testing.T) {
	l := newCallerLimits(CallerLimits{Rate: 1, Concurrency: 1})
	busy, _ := l.enter(callerKey{subject: "busy"})
	for n := range 2 * callersKept {
		if use, _ := l.enter(callerKey{subject: fmt.Sprint("c", n)}); use == nil {
			t.Fatalf("caller %d is refused", n)
		} else {
			l.leave(use)
		}
	}
	if len(l.callers) > callersKept {
		t.Errorf("%d callers are kept", len(l.callers))
	}
	if use, _ := l.enter(callerKey{subject: "busy"}); use != nil {
		t.Error("a caller with a call under way was forgotten")
	}
	l.leave(busy)
}
