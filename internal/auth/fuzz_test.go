package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const fuzzIssuer, fuzzAudience = "https://issuer.test", "meter"

// fuzzNow is when all fuzzed tokens are looked at: inputs that were kept stay good.
var fuzzNow = time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC)

// fuzzIssued is an issuer with a key of each kind, always the same, and the tokens it made.
type fuzzIssued struct {
	keys   map[string]*SigningKey // By the alg of their tokens.
	public *Keys
	// bearers are the identities in its tokens, by the part of the token that is signed.
	bearers map[string]Identity
}

func (i *fuzzIssued) Current() *Keys                         { return i.public }
func (i *fuzzIssued) Renewed(context.Context) (*Keys, error) { return i.public, nil }

func (i *fuzzIssued) verifier() *Tokens {
	t := NewTokens(fuzzIssuer, fuzzAudience, i)
	t.now = func() time.Time { return fuzzNow }
	return t
}

func newFuzzIssued(f *testing.F) *fuzzIssued {
	f.Helper()
	seed := sha256.Sum256([]byte("a key for tests only"))
	curve, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		f.Fatal(err)
	}
	i := &fuzzIssued{keys: map[string]*SigningKey{}, bearers: map[string]Identity{}}
	var set []byte
	for alg, private := range map[string]any{"EdDSA": ed25519.NewKeyFromSeed(seed[:]), "ES256": curve} {
		key, err := signingKey(private)
		if err != nil {
			f.Fatal(err)
		}
		i.keys[alg] = key
		if set, err = key.KeySet(set); err != nil {
			f.Fatal(err)
		}
	}
	if i.public, err = ParseKeys(set); err != nil {
		f.Fatal(err)
	}
	return i
}

// mint makes a token, and keeps whose it is.
func (i *fuzzIssued) mint(f *testing.F, alg string, id Identity, role string) string {
	f.Helper()
	token, err := i.keys[alg].Mint(Grant{
		Issuer: fuzzIssuer, Audience: fuzzAudience, Subject: id.Subject, Role: role,
		OrganizationID: id.OrganizationID, MemberID: id.MemberID, NotBefore: fuzzNow.Add(-time.Minute), Expires: fuzzNow.Add(time.Hour),
	})
	if err != nil {
		f.Fatal(err)
	}
	id.Issuer, id.Role = fuzzIssuer, tokenRoles[role]
	i.bearers[token[:strings.LastIndex(token, ".")]] = id
	return token
}

// bearer is whose token it is, found without the verifier: the bytes that it says are those of a token that was made, and
// the standard library finds its signature good.
func (i *fuzzIssued) bearer(token string) (Identity, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Identity{}, false
	}
	var said [3][]byte
	for n, part := range parts {
		var err error
		if said[n], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return Identity{}, false
		}
	}
	signed := encode(said[0]) + "." + encode(said[1])
	id, issued := i.bearers[signed]
	return id, issued && (i.signed("EdDSA", signed, said[2]) || i.signed("ES256", signed, said[2]))
}

func (i *fuzzIssued) signed(alg, text string, signature []byte) bool {
	switch public := i.keys[alg].private.Public().(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(text), signature)
	case *ecdsa.PublicKey:
		digest := sha256.Sum256([]byte(text))
		r, s := signature[:len(signature)/2], signature[len(signature)/2:]
		return len(signature) == 64 && ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(r), new(big.Int).SetBytes(s))
	default:
		return false
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// FuzzVerify holds that a text shows who its bearer is exactly if it says, byte for byte, what a token says that the
// issuer made, under a signature that another implementation finds good.
func FuzzVerify(f *testing.F) {
	issued := newFuzzIssued(f)
	for alg := range issued.keys {
		f.Add(issued.mint(f, alg, Identity{Subject: "olga"}, "operator"))
		f.Add(issued.mint(f, alg, Identity{Subject: "auth0|ada", OrganizationID: "acme", MemberID: "ada"}, "member"))
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := issued.verifier().Verify(t.Context(), token)
		want, good := issued.bearer(token)
		if (err == nil) != good || good && got != want {
			t.Fatalf("%q is taken for %+v, %v; it is of %+v: %t", token, got, err, want, good)
		}
		checkUnauthenticated(t, got, err)
	})
}

// FuzzClaims signs any header and any claims by the issuer's own key. Who is let in is whom the claims name, and they are
// of this issuer, for this service, in time, and of a role that fits.
func FuzzClaims(f *testing.F) {
	issued := newFuzzIssued(f)
	for _, id := range []Identity{{Subject: "olga"}, {Subject: "ada", OrganizationID: "acme", MemberID: "ada"}} {
		role := map[bool]string{true: "operator", false: "owner"}[id.MemberID == ""]
		parts := strings.Split(issued.mint(f, "EdDSA", id, role), ".")
		header, headerErr := base64.RawURLEncoding.DecodeString(parts[0])
		claims, claimsErr := base64.RawURLEncoding.DecodeString(parts[1])
		if err := errors.Join(headerErr, claimsErr); err != nil {
			f.Fatal(err)
		}
		f.Add(header, claims)
	}
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		text := encode(header) + "." + encode(claims)
		signature, err := issued.keys["EdDSA"].private.Sign(nil, []byte(text), &ed25519.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := issued.verifier().Verify(t.Context(), text+"."+encode(signature))
		checkUnauthenticated(t, got, err)
		if err == nil {
			checkClaims(t, got, header, claims)
		}
	})
}

// checkClaims reads the claims of one who was let in with the standard library.
func checkClaims(t *testing.T, got Identity, header, claims []byte) {
	t.Helper()
	head, said := map[string]any{}, map[string]any{}
	numbers := json.NewDecoder(bytes.NewReader(claims))
	numbers.UseNumber()
	if err := errors.Join(json.Unmarshal(header, &head), numbers.Decode(&said)); err != nil {
		t.Fatalf("it is no JSON: %v", err)
	}
	role, _ := said["meter_role"].(string)
	organization, _ := said["meter_organization_id"].(string)
	member, _ := said["meter_member_id"].(string)
	want := Identity{Issuer: fuzzIssuer, Role: tokenRoles[role], OrganizationID: organization, MemberID: member}
	want.Subject, _ = said["sub"].(string)
	bound := subject.MatchString(organization) && subject.MatchString(member)
	if got != want || !tokenSubject.MatchString(want.Subject) || want.Role.Bound() != bound || !bound && organization+member != "" || want.Role == 0 {
		t.Fatalf("%s is let in as %+v, want %+v", claims, got, want)
	}
	forUs := said["aud"] == fuzzAudience
	if several, ok := said["aud"].([]any); ok {
		forUs = slices.Contains(several, any(fuzzAudience))
	}
	inTime := after(said["exp"], fuzzNow.Add(-tokenSkew-time.Second)) &&
		(said["nbf"] == nil || !after(said["nbf"], fuzzNow.Add(tokenSkew+time.Second)))
	if said["iss"] != fuzzIssuer || !forUs || !inTime || head["alg"] != "EdDSA" || head["crit"] != nil {
		t.Fatalf("%s %s is let in", header, claims)
	}
}

// after says whether a claim is a number of seconds later than a time.
func after(claim any, at time.Time) bool {
	text, _ := claim.(json.Number)
	seconds, ok := new(big.Rat).SetString(text.String())
	return ok && seconds.Cmp(new(big.Rat).SetInt64(at.Unix())) > 0
}

// checkUnauthenticated wants nobody to be known where there is an error, which fits a line of log.
func checkUnauthenticated(t *testing.T, got Identity, err error) {
	t.Helper()
	var unknown Unauthenticated
	if err == nil {
		return
	}
	if got != (Identity{}) || !errors.As(err, &unknown) || unknown.Cause == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%+v, %q", got, err)
	}
}

// FuzzServiceIdentities gives roles to names, a mapping a line, and shows a certificate with a DNS name and up to two URIs.
// Roles are of no organization, in whatever order they were given; and only a name that was given one has it, which for a
// SPIFFE id means its path in the same letters.
func FuzzServiceIdentities(f *testing.F) {
	f.Add("spiffe://acme.test/ns/Chat=orchestrator\nbilling.acme.test=billing", "Billing.acme.test", "SPIFFE://Acme.test/ns/Chat", "")
	f.Fuzz(func(t *testing.T, lines, dns, first, second string) {
		mappings := strings.Split(lines, "\n")
		roles, err := ParseServiceIdentities(mappings)
		if err != nil {
			if roles != nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, %q", roles, err)
			}
			return
		}
		slices.Reverse(mappings)
		if again, err := ParseServiceIdentities(mappings); err != nil || !maps.Equal(again, roles) || len(roles) != len(mappings) {
			t.Fatalf("%q give %v, in the other order %v, %v", mappings, roles, again, err)
		}
		for name, role := range roles {
			if role == 0 || role.Bound() || nameOf(name) != name {
				t.Fatalf("%q has the role %s", name, role)
			}
		}
		checkNamed(t, NewCertificates(nil, roles), dns, first, second)
	})
}

func checkNamed(t *testing.T, c *Certificates, dns string, uris ...string) {
	t.Helper()
	certificate := &x509.Certificate{}
	if dns != "" {
		certificate.DNSNames = []string{dns}
	}
	var id *url.URL
	for _, text := range uris {
		if u, err := url.Parse(text); err == nil && text != "" {
			certificate.URIs = append(certificate.URIs, u)
			if strings.EqualFold(u.Scheme, "spiffe") {
				id = u
			}
		}
	}
	got, err := c.named(certificate)
	if ambiguous := id != nil && len(certificate.URIs) > 1; (err != nil) != ambiguous || ambiguous && got != (Identity{}) {
		t.Fatalf("%q, %v is %+v, %v", dns, certificate.URIs, got, err)
	}
	if got.Role == 0 {
		return
	}
	given := slices.ContainsFunc(slices.Collect(maps.Keys(c.roles)), func(name string) bool {
		if id == nil {
			return strings.EqualFold(name, dns) && c.roles[name] == got.Role
		}
		return strings.EqualFold(name, id.String()) && strings.HasSuffix(name, id.EscapedPath()) && c.roles[name] == got.Role
	})
	if !given {
		t.Fatalf("%q, %v is %s by %v", dns, certificate.URIs, got.Role, c.roles)
	}
}
