package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// tokenSkew is how far the clocks of an issuer and of this server may be apart.
	tokenSkew = 30 * time.Second
	// maxTokenBytes bounds what is looked at: a token of an issuer that tells all of a person's groups has some kilobytes.
	maxTokenBytes = 16 << 10
	// maxVerifiedTokens bounds how many tokens are known to be good. Checking a signature costs twice what the rest of a
	// call does.
	maxVerifiedTokens = 10_000
)

// algorithms are those that a token may be signed by. None of them works with a secret that both sides share, so no
// public key can be passed off as one; and "none" is none of them.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// tokenRoles are the values of meter_role.
var tokenRoles = map[string]Role{
	"orchestrator": Orchestrator, "billing": Billing, "operator": Operator, "owner": Admin, "admin": Admin, "member": Member,
}

// tokenSubject is printable ASCII, as the standard has it; a record and a line of log can hold it.
var tokenSubject = regexp.MustCompile(`^[\x21-\x7E]{1,255}$`)

// tokenClaims are those of this service, beside the standard's.
type tokenClaims struct {
	Role           string `json:"meter_role"`
	OrganizationID string `json:"meter_organization_id,omitempty"`
	MemberID       string `json:"meter_member_id,omitempty"`
}

// KeySource knows an issuer's keys.
type KeySource interface {
	// Current are the keys that count now. As long as they do not change they are the same pointer.
	Current() *Keys
	// Renewed are the keys after they have been asked for once more, because somebody brought one that is not among
	// them. When they cannot be had it answers those that are known. The error is the context's.
	Renewed(ctx context.Context) (*Keys, error)
}

// Tokens verifies the tokens of one issuer. One that was verified is remembered until its time is over, or until the keys
// change: a key that its issuer took back is good for no call from then on.
type Tokens struct {
	issuer, audience string
	keys             KeySource
	verified         *remembered[[sha256.Size]byte, verifiedToken]
	now              func() time.Time
}

// verifiedToken is what is remembered of a token.
type verifiedToken struct {
	identity Identity
	keys     *Keys     // Those by which it was good.
	until    time.Time // When its time is over, skew included.
}

// NewTokens verifies tokens that the issuer made for the audience, signed by one of the keys.
func NewTokens(issuer, audience string, keys KeySource) *Tokens {
	return &Tokens{
		issuer: issuer, audience: audience, keys: keys, now: time.Now,
		verified: newRemembered[[sha256.Size]byte, verifiedToken](maxVerifiedTokens),
	}
}

// Verify is who a token says its bearer is. The error tells nothing of the token that its bearer could not read in it.
func (t *Tokens) Verify(ctx context.Context, token string) (Identity, error) {
	id, _, err := t.Until(ctx, token)
	return id, err
}

// Until is Verify, and until when the token says so.
func (t *Tokens) Until(ctx context.Context, token string) (Identity, time.Time, error) {
	if len(token) > maxTokenBytes {
		return Identity{}, time.Time{}, Unauthenticated{Cause: fmt.Errorf("the token has %d bytes, more than %d", len(token), maxTokenBytes)}
	}
	digest := sha256.Sum256([]byte(token))
	known, ok := t.verified.get(digest)
	if !ok || known.keys != t.keys.Current() {
		var err error
		if known, err = t.verify(ctx, token); err != nil {
			return Identity{}, time.Time{}, err
		}
		t.verified.put(digest, known, func(v verifiedToken) bool { return t.now().After(v.until) })
	}
	if t.now().After(known.until) {
		return Identity{}, time.Time{}, Unauthenticated{Expired: true, Cause: errors.New("the token has expired")}
	}
	return known.identity, known.until.Add(-tokenSkew), nil
}

// verify does so without looking at what is remembered.
func (t *Tokens) verify(ctx context.Context, token string) (verifiedToken, error) {
	signed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return verifiedToken{}, Unauthenticated{Cause: unreadable(err)}
	}
	header := signed.Headers[0]
	if _, critical := header.ExtraHeaders["crit"]; critical {
		return verifiedToken{}, Unauthenticated{Cause: errors.New("the token demands that an extension is understood, and none is")}
	}
	keys := t.keys.Current()
	if len(keys.named(header.KeyID)) == 0 {
		if keys, err = t.keys.Renewed(ctx); err != nil {
			return verifiedToken{}, err
		}
	}
	var standard jwt.Claims
	var own tokenClaims
	if err := claimsBy(keys.named(header.KeyID), signed, &standard, &own); err != nil {
		return verifiedToken{}, Unauthenticated{Cause: err}
	}
	if err := t.check(standard); err != nil {
		return verifiedToken{}, Unauthenticated{Cause: err, Expired: errors.Is(err, jwt.ErrExpired)}
	}
	id, err := own.identity(standard.Subject, t.issuer)
	if err != nil {
		return verifiedToken{}, Unauthenticated{Cause: err}
	}
	return verifiedToken{id, keys, standard.Expiry.Time().Add(tokenSkew)}, nil
}

// claimsBy reads the claims if one of the keys, which is nearly always one, has signed them.
func claimsBy(keys []jose.JSONWebKey, signed *jwt.JSONWebToken, claims ...any) error {
	if len(keys) == 0 {
		return fmt.Errorf("the token's key %.64q is not among the issuer's", signed.Headers[0].KeyID)
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != signed.Headers[0].Algorithm {
			continue
		}
		if err := signed.Claims(key.Key, claims...); err == nil {
			return nil
		}
	}
	return errors.New("the token's signature is not of its key, or its claims cannot be read")
}

// check holds the standard claims to what is asked of them.
func (t *Tokens) check(c jwt.Claims) error {
	if c.Expiry == nil {
		return errors.New("the token has no exp")
	}
	expected := jwt.Expected{Issuer: t.issuer, AnyAudience: jwt.Audience{t.audience}, Time: t.now()}
	return c.ValidateWithLeeway(expected, tokenSkew)
}

// identity is whom the claims name.
func (c tokenClaims) identity(sub, issuer string) (Identity, error) {
	role, ok := tokenRoles[c.Role]
	switch {
	case !tokenSubject.MatchString(sub):
		return Identity{}, errors.New("sub must be 1 to 255 characters of printable ASCII without blanks")
	case !ok:
		return Identity{}, errors.New("meter_role must be orchestrator, billing, operator, owner, admin or member")
	case role.Bound() && (!subject.MatchString(c.OrganizationID) || !subject.MatchString(c.MemberID)):
		return Identity{}, fmt.Errorf("role %s needs meter_organization_id and meter_member_id", c.Role)
	case !role.Bound() && (c.OrganizationID != "" || c.MemberID != ""):
		return Identity{}, fmt.Errorf("role %s belongs to no organization and no member", c.Role)
	}
	return Identity{Subject: sub, Issuer: issuer, Role: role, OrganizationID: c.OrganizationID, MemberID: c.MemberID}, nil
}

// unreadable says why a token could not be read, without a word of it.
func unreadable(err error) error {
	var other *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &other) {
		return fmt.Errorf("the token is signed by %.16q, which is not allowed", string(other.Got))
	}
	return errors.New("the token is no signed JWT")
}
