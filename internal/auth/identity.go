// Package auth says who a caller is. Until the service can tell callers apart it takes every caller for an operator, who
// may name the person it acts for.
package auth

import (
	"context"
	"fmt"
	"regexp"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// ActorKey is the metadata by which an operator names the person it acts for, so that the record of what it changes does.
const ActorKey = "x-meter-actor"

// Role is what a caller is to the service.
type Role int

// The roles of a caller.
const (
	Operator Role = 1 // May do everything.
)

// Identity is who calls.
type Identity struct {
	Subject string // Who, as the record of changes names it.
	Role    Role
}

// SubjectError says that the subject in a call's metadata is none.
type SubjectError struct {
	Key         string // Of the metadata.
	Requirement string // What it must be.
}

// Error names the metadata and what it must be.
func (e SubjectError) Error() string { return fmt.Sprintf("metadata %s %s", e.Key, e.Requirement) }

type identityKey struct{}

// anonymous is the operator who names nobody.
var anonymous = Identity{Subject: "operator", Role: Operator}

// subject is the form of an id that a caller chooses.
var subject = regexp.MustCompile(`^[A-Za-z0-9._:@-]{1,128}$`)

// NewContext is a context of a call by id.
func NewContext(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// FromContext is who calls; the zero Identity if nobody was told apart.
func FromContext(ctx context.Context) Identity {
	id, _ := ctx.Value(identityKey{}).(Identity)
	return id
}

// Unary is the interceptor that tells who calls.
func Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id, err := identify(ctx)
	if err != nil {
		return nil, err
	}
	return handler(NewContext(ctx, id), req)
}

func identify(ctx context.Context) (Identity, error) {
	named := metadata.ValueFromIncomingContext(ctx, ActorKey)
	if len(named) == 0 {
		return anonymous, nil
	}
	if len(named) > 1 || !subject.MatchString(named[0]) {
		return Identity{}, SubjectError{ActorKey, "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, once"}
	}
	return Identity{Subject: named[0], Role: Operator}, nil
}
