package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

// TestUnary names the caller as the metadata does, and refuses a name that is no id.
func TestUnary(t *testing.T) {
	for _, c := range []struct {
		named []string
		want  string // Empty: refused.
	}{
		{nil, "operator"},
		{[]string{"ada@acme"}, "ada@acme"},
		{[]string{strings.Repeat("x", 128)}, strings.Repeat("x", 128)},
		{[]string{strings.Repeat("x", 129)}, ""},
		{[]string{""}, ""},
		{[]string{"two words"}, ""},
		{[]string{"line\n"}, ""},
		{[]string{"ada", "ben"}, ""},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{ActorKey: c.named})
		called, err := Unary(ctx, nil, nil, func(ctx context.Context, _ any) (any, error) { return FromContext(ctx), nil })
		var wrong SubjectError
		switch {
		case c.want == "" && (!errors.As(err, &wrong) || wrong.Key != ActorKey || !strings.HasPrefix(wrong.Requirement, "must ")):
			t.Errorf("%q: got %v, %v", c.named, called, err)
		case c.want != "" && (err != nil || called != Identity{Subject: c.want, Role: Operator}):
			t.Errorf("%q: got %v, %v", c.named, called, err)
		}
	}
}

// TestNobody: a context that no interceptor saw has no identity, and so no role.
func TestNobody(t *testing.T) {
	if id := FromContext(t.Context()); id != (Identity{}) {
		t.Errorf("got %v", id)
	}
}
