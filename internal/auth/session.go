package auth

import (
	"context"
	"errors"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Session is what is known of a call from the page beside the token it may bring. A caller cannot give it: it comes with
// the context of the request, never with its metadata.
type Session struct {
	// Over says that the page believes itself signed in, and is not any more: its cookie cannot be read or its time has
	// passed. Such a call is nobody's, also where a call without a session would be somebody's.
	Over bool
	// OrganizationID and MemberID are whom the page was told to be, without proof: only Development believes it.
	OrganizationID, MemberID string
}

type sessionKey struct{}

// WithSession is a context of a call from the page.
func WithSession(ctx context.Context, s Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// FromPage says whether a call is made with a session of the page.
func FromPage(ctx context.Context) bool {
	_, ok := ctx.Value(sessionKey{}).(Session)
	return ok
}

// sessionOf is the session of a call; the zero Session if there is none.
func sessionOf(ctx context.Context) Session {
	s, _ := ctx.Value(sessionKey{}).(Session)
	return s
}

// Development takes every caller for an operator, except the page of somebody who chose to be a member: that is the
// member, with the role that the members' table has at the time of the call.
type Development struct {
	Directory Directory // May be nil where nothing calls from a page.
}

// Authenticate fails for a session whose member is not there, or not any more.
func (d Development) Authenticate(ctx context.Context) (Identity, error) {
	s := sessionOf(ctx)
	if s.MemberID == "" {
		return Identity{Subject: "operator", Issuer: developmentIssuer, Role: Operator}, nil
	}
	member, err := d.Directory.Member(ctx, s.OrganizationID, s.MemberID)
	var refusal *meter.Refusal
	switch {
	case errors.As(err, &refusal) && missing(refusal.Reason):
		return Identity{}, Unauthenticated{Cause: err}
	case err != nil:
		return Identity{}, err
	case member.State != meter.MemberActive:
		return Identity{}, Unauthenticated{Cause: errors.New("the member is not active")}
	}
	return Identity{
		Subject: s.MemberID, Issuer: developmentIssuer, Role: roleOfMember(member.Role),
		OrganizationID: s.OrganizationID, MemberID: s.MemberID,
	}, nil
}

// developmentIssuer is the Issuer of identities that nobody has proved.
const developmentIssuer = "dev"

// roleOfMember is what a member is to the service.
func roleOfMember(r meter.Role) Role {
	if r == meter.RoleOwner || r == meter.RoleAdmin {
		return Admin
	}
	return Member
}
