package authtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
)

// Audience is whom the tokens of these issuers are for.
const Audience = "meter"

// Issuer is an OpenID Connect issuer on loopback. Its keys and its moods change as a test says.
type Issuer struct {
	URL     string
	Fetches atomic.Int64 // How often its keys were asked for.
	Down    atomic.Bool  // Whether it answers errors.
	keys    atomic.Pointer[[]byte]
}

// NewIssuer serves the public parts of keys until the test ends.
func NewIssuer(t testing.TB, keys ...*auth.SigningKey) *Issuer {
	t.Helper()
	i := &Issuer{}
	i.Publish(t, keys...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, i.URL, i.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.Fetches.Add(1)
		if i.Down.Load() {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(*i.keys.Load())
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Publish replaces the keys that the issuer tells.
func (i *Issuer) Publish(t testing.TB, keys ...*auth.SigningKey) {
	t.Helper()
	set := KeySet(t, keys...)
	i.keys.Store(&set)
}

// KeySet is a JSON Web Key Set of the public parts of keys.
func KeySet(t testing.TB, keys ...*auth.SigningKey) (set []byte) {
	t.Helper()
	for _, key := range keys {
		var err error
		if set, err = key.KeySet(set); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

// NewKey makes a key to sign by.
func NewKey(t testing.TB) *auth.SigningKey {
	t.Helper()
	key, err := auth.NewSigningKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Token is a token of an operator that is good for an hour, changed as a test says; nil: as it is.
func Token(t testing.TB, key *auth.SigningKey, issuer string, change func(*auth.Grant)) string {
	t.Helper()
	grant := auth.Grant{
		Issuer: issuer, Audience: Audience, Subject: "olga", Role: "operator",
		NotBefore: time.Now(), Expires: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(&grant)
	}
	token, err := key.Mint(grant)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
