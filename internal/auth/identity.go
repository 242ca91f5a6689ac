// Package auth says who a caller is, and what it may do. A caller shows itself by the certificate of its connection or
// by a token in its call; under --dev everybody is an operator.
package auth

import (
	"context"
	"fmt"
	"regexp"
)

// ActorKey is the metadata by which a caller that acts for others names the person it acts for, so that the record of
// what it changes does.
const ActorKey = "x-meter-actor"

// Role is what a caller is to the service; zero is nobody.
type Role int

// The roles of a caller.
const (
	Orchestrator Role = iota + 1 // Runs turns.
	Billing                      // Sells: top-ups, plans, organizations, prices.
	Operator                     // May do everything.
	Admin                        // Owner or admin of one organization.
	Member                       // A seat of one organization.
)

var roleNames = map[Role]string{
	Orchestrator: "orchestrator", Billing: "billing", Operator: "operator", Admin: "admin", Member: "member",
}

// String is the role as settings and logs name it; of nobody's it is "none".
func (r Role) String() string {
	if name, ok := roleNames[r]; ok {
		return name
	}
	return "none"
}

// Bound says whether callers of the role belong to one organization, and to one member in it.
func (r Role) Bound() bool { return r == Admin || r == Member }

// Identity is who calls.
type Identity struct {
	Subject   string // Who, as records name it: a token's subject, or the name in a certificate.
	Issuer    string // Who says so: the token's issuer, "mtls", or "dev".
	ActingFor string // Whom the caller says it acts for; empty: nobody.
	Role      Role
	// OrganizationID and MemberID are what the token binds an Admin or a Member to; empty for every other role.
	OrganizationID, MemberID string
}

// SubjectError says that a person named in a call's metadata cannot be acted for.
type SubjectError struct {
	Key         string // Of the metadata.
	Requirement string // What it must be.
}

// Error names the metadata and what it must be.
func (e SubjectError) Error() string { return fmt.Sprintf("metadata %s %s", e.Key, e.Requirement) }

type identityKey struct{}

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
