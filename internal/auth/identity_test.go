package auth

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// caller is an authenticator that always finds the same one.
type caller struct {
	Identity
	err error
}

func (c caller) Authenticate(context.Context) (Identity, error) { return c.Identity, c.err }

// TestActingFor names the person that the metadata names, and refuses a name that is no id, and one from a caller who
// acts for nobody else.
func TestActingFor(t *testing.T) {
	service, person := Identity{Subject: "svc", Role: Billing}, Identity{Subject: "ada", Role: Admin}
	for _, c := range []struct {
		caller Identity
		named  []string
		want   string // The actor; empty: refused.
	}{
		{service, nil, "svc"},
		{service, []string{"ada@acme"}, "ada@acme"},
		{service, []string{strings.Repeat("x", 128)}, strings.Repeat("x", 128)},
		{service, []string{strings.Repeat("x", 129)}, ""},
		{service, []string{""}, ""},
		{service, []string{"two words"}, ""},
		{service, []string{"line\n"}, ""},
		{service, []string{"ada", "ben"}, ""},
		{person, nil, "ada"},
		{person, []string{"ben"}, ""},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{ActorKey: c.named})
		answer, err := Unary(caller{Identity: c.caller})(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/meter.v1.PoolService/TopUp"},
			func(ctx context.Context, _ any) (any, error) { return FromContext(ctx), nil })
		got, _ := answer.(Identity)
		var wrong SubjectError
		switch {
		case c.want == "" && (!errors.As(err, &wrong) || wrong.Key != ActorKey || !strings.HasPrefix(wrong.Requirement, "must ")):
			t.Errorf("%v %q: got %v, %v", c.caller, c.named, got, err)
		case c.want != "" && (err != nil || cmp.Or(got.ActingFor, got.Subject) != c.want || got.Subject != c.caller.Subject || got.Role != c.caller.Role):
			t.Errorf("%v %q: got %v, %v", c.caller, c.named, got, err)
		}
	}
}

// TestNobody: a context that no interceptor saw has no identity, and so no role.
func TestNobody(t *testing.T) {
	if id := FromContext(t.Context()); id != (Identity{}) || id.Role.String() != "none" {
		t.Errorf("got %v", id)
	}
}

// TestOpenToAll: only the health is answered to nobody.
func TestOpenToAll(t *testing.T) {
	refuses := caller{err: Unauthenticated{}}
	for method, open := range map[string]bool{
		"/grpc.health.v1.Health/Check":                                   true,
		"/grpc.health.v1.Health/Watch":                                   true,
		"/grpc.health.v1.HealthX/Check":                                  false,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      false,
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": false,
		"/meter.v1.PoolService/TopUp":                                    false,
	} {
		_, unary := Unary(refuses)(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: method},
			func(context.Context, any) (any, error) { return nil, nil })
		stream := Stream(refuses)(nil, quietStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: method},
			func(any, grpc.ServerStream) error { return nil })
		if (unary == nil) != open || (stream == nil) != open {
			t.Errorf("%s: %v, %v", method, unary, stream)
		}
	}
}

// TestStreamTellsWhoCalls as a call does.
func TestStreamTellsWhoCalls(t *testing.T) {
	var got Identity
	err := Stream(Development{})(nil, quietStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/x/y"},
		func(_ any, stream grpc.ServerStream) error { got = FromContext(stream.Context()); return nil })
	if want := (Identity{Subject: "operator", Issuer: "dev", Role: Operator}); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
}

// quietStream has a context, and nothing else is asked of it.
type quietStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s quietStream) Context() context.Context { return s.ctx }

// TestRememberedIsBounded: it forgets what is over before what is not, and is never above its bound.
func TestRememberedIsBounded(t *testing.T) {
	r := newRemembered[int, bool](100)
	over := func(v bool) bool { return v }
	for i := range 1000 {
		r.put(i, i < 50, over)
		if len(r.values) > 100 {
			t.Fatalf("it holds %d", len(r.values))
		}
		if _, ok := r.get(i); !ok {
			t.Fatalf("%d is forgotten at once", i)
		}
		if _, ok := r.get(99); i == 100 && !ok {
			t.Error("one is forgotten that was not over, while fifty were")
		}
	}
}
