package rpc

import "context"

// Call is what interceptors found out about a call, for its log line and for the record of what it changes.
type Call struct {
	RequestID string // As the answer's header names the call.
	Caller    string // Who calls; empty until that is known.
}

type callKey struct{}

// WithCall is the context of a call, which interceptors further in tell what they find out.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallOf is what is known of a call; never nil.
func CallOf(ctx context.Context) *Call {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c
	}
	return &Call{}
}
