package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

const issuer = "https://issuer.test"

// fixed are keys that a test replaces itself.
type fixed struct{ atomic.Pointer[auth.Keys] }

func (f *fixed) Current() *auth.Keys                         { return f.Load() }
func (f *fixed) Renewed(context.Context) (*auth.Keys, error) { return f.Load(), nil }
func (f *fixed) set(t testing.TB, keys ...*auth.SigningKey)  { f.parse(t, authtest.KeySet(t, keys...)) }

func (f *fixed) parse(t testing.TB, set []byte) { f.Store(must(auth.ParseKeys(set))(t)) }

func tokens(f *fixed) *auth.Tokens { return auth.NewTokens(issuer, authtest.Audience, f) }

func refusal(err error) (r auth.Unauthenticated, ok bool) { ok = errors.As(err, &r); return r, ok }

func encoded(part string) string { return base64.RawURLEncoding.EncodeToString([]byte(part)) }

func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// TestIdentityOfToken is what each role's token says of its bearer.
func TestIdentityOfToken(t *testing.T) {
	key, keys := authtest.NewKey(t), &fixed{}
	keys.set(t, key)
	for role, want := range map[string]auth.Role{
		"orchestrator": auth.Orchestrator, "billing": auth.Billing, "operator": auth.Operator,
		"owner": auth.Admin, "admin": auth.Admin, "member": auth.Member,
	} {
		expected := auth.Identity{Subject: "auth0|olga", Issuer: issuer, Role: want}
		token := authtest.Token(t, key, issuer, func(g *auth.Grant) {
			g.Role, g.Subject = role, "auth0|olga"
			if want.Bound() {
				g.OrganizationID, g.MemberID = "acme", "olga"
				expected.OrganizationID, expected.MemberID = "acme", "olga"
			}
		})
		verifier := tokens(keys)
		for range 2 { // The second time from memory.
			if got, err := verifier.Verify(t.Context(), token); err != nil || got != expected {
				t.Errorf("%s: got %+v, %v", role, got, err)
			}
		}
		if n := verifier.Remembered(); n != 1 {
			t.Errorf("%d tokens are remembered", n)
		}
	}
}

// signer signs whatever a test wants to be refused.
type signer struct {
	key       any
	algorithm jose.SignatureAlgorithm
	id        string
	embed     bool
}

func (s signer) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{EmbedJWK: s.embed}).WithHeader("kid", s.id)
	var key any = jose.JSONWebKey{Key: s.key, KeyID: s.id}
	made := must(jose.NewSigner(jose.SigningKey{Algorithm: s.algorithm, Key: key}, options))(t)
	return must(jwt.Signed(made).Claims(claims).Serialize())(t)
}

func claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": issuer, "aud": authtest.Audience, "sub": "olga", "meter_role": "operator", "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// TestRefusedTokens refuses every way of not being who one says, and tells the log why without telling the token.
func TestRefusedTokens(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := must(auth.NewSigningKey("ed25519"))(t)
	keys := &fixed{}
	keys.parse(t, keySet(t, jose.JSONWebKey{Key: public, KeyID: "k"}, jose.JSONWebKey{Key: otherPublic(t), KeyID: "k2"}))
	good := signer{key: private, algorithm: jose.EdDSA, id: "k"}
	valid := good.sign(t, claims(nil))
	if _, err := tokens(keys).Verify(t.Context(), valid); err != nil {
		t.Fatal(err)
	}
	der := must(x509.MarshalPKIXPublicKey(public))(t)
	parts := strings.Split(valid, ".")
	now := time.Now()
	member := map[string]any{"meter_role": "member", "meter_organization_id": "acme", "meter_member_id": "ada"}
	for name, token := range map[string]string{
		"expired":                good.sign(t, claims(map[string]any{"exp": now.Add(-31 * time.Second).Unix()})),
		"not yet valid":          good.sign(t, claims(map[string]any{"nbf": now.Add(40 * time.Second).Unix()})),
		"issued in the future":   good.sign(t, claims(map[string]any{"iat": now.Add(40 * time.Second).Unix()})),
		"without end":            good.sign(t, claims(map[string]any{"exp": nil})),
		"beyond the end of time": good.sign(t, claims(map[string]any{"exp": 1e300})),
		"wrong audience":         good.sign(t, claims(map[string]any{"aud": "others"})),
		"no audience":            good.sign(t, claims(map[string]any{"aud": nil})),
		"wrong issuer":           good.sign(t, claims(map[string]any{"iss": issuer + "/"})),
		"no issuer":              good.sign(t, claims(map[string]any{"iss": nil})),
		"no subject":             good.sign(t, claims(map[string]any{"sub": nil})),
		"subject of two lines":   good.sign(t, claims(map[string]any{"sub": "a\nb"})),
		"long subject":           good.sign(t, claims(map[string]any{"sub": strings.Repeat("x", 256)})),
		"no role":                good.sign(t, claims(map[string]any{"meter_role": nil})),
		"role of no kind":        good.sign(t, claims(map[string]any{"meter_role": "root"})),
		"role in capitals":       good.sign(t, claims(map[string]any{"meter_role": "Operator"})),
		"many roles":             good.sign(t, claims(map[string]any{"meter_role": []string{"operator"}})),
		"member of nothing":      good.sign(t, claims(map[string]any{"meter_role": "member"})),
		"member of bad names":    good.sign(t, claims(map[string]any{"meter_role": "member", "meter_organization_id": "a b", "meter_member_id": "m"})),
		"owner of no member":     good.sign(t, claims(map[string]any{"meter_role": "owner", "meter_organization_id": "acme"})),
		"bound operator":         good.sign(t, claims(map[string]any{"meter_organization_id": "acme"})),
		"bound orchestrator":     good.sign(t, claims(map[string]any{"meter_role": "orchestrator", "meter_member_id": "ada"})),
		"none":                   encoded(`{"alg":"none","kid":"k"}`) + "." + parts[1] + ".",
		"none, signed":           encoded(`{"alg":"none","kid":"k"}`) + "." + parts[1] + "." + parts[2],
		"None":                   encoded(`{"alg":"None","kid":"k"}`) + "." + parts[1] + ".",
		"HS256 by the key":       signer{key: []byte(public), algorithm: jose.HS256, id: "k"}.sign(t, claims(nil)),
		"HS256 by its DER":       signer{key: der, algorithm: jose.HS256, id: "k"}.sign(t, claims(nil)),
		"HS256 by its PEM": signer{
			key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), algorithm: jose.HS256, id: "k",
		}.sign(t, claims(nil)),
		"unknown kid":          signer{key: private, algorithm: jose.EdDSA, id: "k3"}.sign(t, claims(nil)),
		"no kid, of two":       signer{key: private, algorithm: jose.EdDSA}.sign(t, claims(nil)),
		"another's kid":        signer{key: private, algorithm: jose.EdDSA, id: "k2"}.sign(t, claims(nil)),
		"key in the token":     signer{key: anyKey(t), algorithm: jose.EdDSA, id: "k", embed: true}.sign(t, claims(nil)),
		"unknown signer":       authtest.Token(t, other, issuer, nil),
		"ES256 for EdDSA":      signer{key: anyECKey(t, elliptic.P256()), algorithm: jose.ES256, id: "k"}.sign(t, claims(nil)),
		"ES384":                signer{key: anyECKey(t, elliptic.P384()), algorithm: jose.ES384, id: "k"}.sign(t, claims(nil)),
		"other claims":         parts[0] + "." + encoded(mustJSON(t, claims(member))) + "." + parts[2],
		"one megabyte":         valid + strings.Repeat("A", 1<<20),
		"one megabyte, signed": good.sign(t, claims(map[string]any{"name": strings.Repeat("A", 1<<20)})),
		"one megabyte of dots": strings.Repeat(".", 1<<20),
		"empty":                "",
		"no token":             "secret-token",
		"blanks around":        " " + valid,
		"unknown crit":         critical(t, private, `"crit":["x"],"x":1`),
		"crit of no header":    critical(t, private, `"crit":["b64"]`),
	} {
		wantRefused(t, name, token, keys, name == "expired" || name == "beyond the end of time")
	}
	for end := range len(valid) {
		wantRefused(t, fmt.Sprintf("truncated to %d", end), valid[:end], keys, false)
	}
}

func wantRefused(t *testing.T, name, token string, keys *fixed, expired bool) {
	t.Helper()
	verifier := tokens(keys)
	id, err := verifier.Verify(t.Context(), token)
	r, ok := refusal(err)
	if !ok || r.Expired != expired || r.Cause == nil || id != (auth.Identity{}) || verifier.Remembered() > 0 {
		t.Errorf("%s: got %+v, %#v", name, id, err)
		return
	}
	said := err.Error()
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(said, part[:8]) || len(said) > 200 || strings.Contains(said, "\n") {
			t.Errorf("%s: it says %q", name, said)
		}
	}
}

// TestAlgorithms takes every allowed one, by a key that says its algorithm and by one that does not.
func TestAlgorithms(t *testing.T) {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	for _, c := range []struct {
		key       crypto.Signer
		algorithm jose.SignatureAlgorithm
		says      string
		good      bool
	}{
		{rsaKey, jose.RS256, "", true},
		{rsaKey, jose.RS256, "RS256", true},
		{rsaKey, jose.RS256, "PS256", false},
		{rsaKey, jose.PS256, "", true},
		{rsaKey, jose.RS512, "", false},
		{anyECKey(t, elliptic.P256()), jose.ES256, "ES256", true},
		{anyKey(t), jose.EdDSA, "", true},
	} {
		keys := &fixed{}
		keys.parse(t, keySet(t, jose.JSONWebKey{Key: c.key.Public(), KeyID: "k", Algorithm: c.says}))
		for _, id := range []string{"k", ""} { // Of a single key the token need not tell the id.
			token := signer{key: c.key, algorithm: c.algorithm, id: id}.sign(t, claims(nil))
			if _, err := tokens(keys).Verify(t.Context(), token); (err == nil) != c.good {
				t.Errorf("%s by a key for %q, id %q: %v", c.algorithm, c.says, id, err)
			}
		}
	}
}

// TestClocksApart allows for half a minute on either side, also for a token that is remembered.
func TestClocksApart(t *testing.T) {
	key, keys := authtest.NewKey(t), &fixed{}
	keys.set(t, key)
	begin := time.Now().Truncate(time.Second)
	token := authtest.Token(t, key, issuer, func(g *auth.Grant) { g.NotBefore, g.Expires = begin, begin.Add(time.Hour) })
	verifier := tokens(keys)
	for _, c := range []struct {
		after   time.Duration
		good    bool
		expired bool
	}{
		{-31 * time.Second, false, false},
		{-30 * time.Second, true, false},
		{0, true, false},
		{time.Hour + 30*time.Second, true, false},
		{time.Hour + 31*time.Second, false, true},
	} {
		for _, v := range []*auth.Tokens{verifier, tokens(keys)} {
			v.SetClock(func() time.Time { return begin.Add(c.after) })
			_, err := v.Verify(t.Context(), token)
			if r, _ := refusal(err); (err == nil) != c.good || r.Expired != c.expired {
				t.Errorf("%v after it began: %v", c.after, err)
			}
		}
	}
}

// TestRevokedKey: a token that was good is refused from the moment on that its key is not among the issuer's.
func TestRevokedKey(t *testing.T) {
	before, after, keys := authtest.NewKey(t), authtest.NewKey(t), &fixed{}
	old, fresh := authtest.Token(t, before, issuer, nil), authtest.Token(t, after, issuer, nil)
	verifier := tokens(keys)
	for _, step := range []struct {
		keys       []*auth.SigningKey
		old, fresh bool
	}{
		{[]*auth.SigningKey{before}, true, false},
		{[]*auth.SigningKey{before, after}, true, true},
		{[]*auth.SigningKey{after}, false, true},
	} {
		keys.set(t, step.keys...)
		_, oldErr := verifier.Verify(t.Context(), old)
		_, freshErr := verifier.Verify(t.Context(), fresh)
		if (oldErr == nil) != step.old || (freshErr == nil) != step.fresh {
			t.Errorf("with %d keys: %v, %v", len(step.keys), oldErr, freshErr)
		}
	}
}

// TestMint makes no token that would be refused for what it says.
func TestMint(t *testing.T) {
	key := authtest.NewKey(t)
	for _, g := range []auth.Grant{
		{Subject: "a", Role: "root"},
		{Subject: "", Role: "operator"},
		{Subject: "a", Role: "member"},
		{Subject: "a", Role: "billing", OrganizationID: "acme"},
	} {
		if token, err := key.Mint(g); err == nil {
			t.Errorf("%+v: %s", g, token)
		}
	}
}

// TestSigningKey is the same after it was written and read, and none is made of what is no key.
func TestSigningKey(t *testing.T) {
	for _, kind := range []string{"ed25519", "es256"} {
		key := must(auth.NewSigningKey(kind))(t)
		again := must(auth.ParseSigningKey(must(key.PEM())(t)))(t)
		keys := &fixed{}
		keys.set(t, key)
		if _, err := tokens(keys).Verify(t.Context(), authtest.Token(t, again, issuer, nil)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := auth.NewSigningKey("hs256"); err == nil {
		t.Error("a shared secret is made")
	}
	small := must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)))(t)
	for _, text := range []string{
		"", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: small})),
	} {
		if _, err := auth.ParseSigningKey([]byte(text)); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// BenchmarkVerify is what a token costs that is remembered, and one that is not.
func BenchmarkVerify(b *testing.B) {
	key, keys := must(auth.NewSigningKey("es256"))(b), &fixed{}
	keys.set(b, key)
	token := authtest.Token(b, key, issuer, nil)
	verifier := tokens(keys)
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			must(verifier.Verify(b.Context(), token))(b)
		}
	})
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			must(tokens(keys).Verify(b.Context(), token))(b)
		}
	})
}

// critical is a token whose header demands that something is understood.
func critical(t testing.TB, private ed25519.PrivateKey, demand string) string {
	t.Helper()
	text := encoded(`{"alg":"EdDSA","kid":"k",`+demand+`}`) + "." + encoded(mustJSON(t, claims(nil)))
	return text + "." + encoded(string(ed25519.Sign(private, []byte(text))))
}

func keySet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	return []byte(mustJSON(t, jose.JSONWebKeySet{Keys: keys}))
}

func mustJSON(t testing.TB, value any) string {
	t.Helper()
	return string(must(json.Marshal(value))(t))
}

func anyKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(private, err)(t)
}

func otherPublic(t testing.TB) crypto.PublicKey { return anyKey(t).Public() }

func anyECKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	return must(ecdsa.GenerateKey(curve, rand.Reader))(t)
}
