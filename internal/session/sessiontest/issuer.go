// Package sessiontest makes an OpenID Connect issuer for tests of signing in: over real HTTP on loopback, strict in what it
// takes, and as false in what it answers as a test says.
package sessiontest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// ClientID and ClientSecret are those of the one client of an issuer.
const (
	ClientID     = "spillway-page"
	ClientSecret = "hush: only the client knows" //nolint:gosec // It opens nothing but a test's issuer.
)

// Person is who sits before the browser, as the issuer knows them.
type Person struct {
	Role                     string // As meter_role names it.
	OrganizationID, MemberID string
	Lifetime                 time.Duration // Of tokens; 0: an hour.
}

// Moods are what an issuer may do otherwise than it should.
type Moods struct {
	Nonce     string // In ID tokens, in place of the one asked for.
	Issuer    string // Told as `iss` beside the code.
	Error     string // Answered in place of a code.
	Audience  string // Of access tokens, in place of authtest.Audience.
	IDOnly    bool   // No access token that the service takes; the ID token is for the service, too.
	Padding   int    // Bytes that tokens are longer by.
	NoEnd     bool   // The issuer has no end_session_endpoint.
	WrongCode bool   // The token endpoint knows no code.
}

// Issuer signs in, without asking, whoever is said to sit before the browser.
type Issuer struct {
	URL string

	mu     sync.Mutex
	key    *auth.SigningKey
	keys   []byte
	person Person
	moods  Moods
	codes  map[string]asked
	ended  int
}

// asked is what the page asked for when it sent the browser here.
type asked struct{ nonce, challenge, redirect, state string }

// NewIssuer serves until the test ends.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{key: authtest.NewKey(t), codes: map[string]asked{}}
	i.keys = authtest.KeySet(t, i.key)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discover)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(i.keys) })
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /end", i.end)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Seat says who sits before the browser from now on.
func (i *Issuer) Seat(p Person) { i.do(func() { i.person = p }) }

// Be has the issuer do otherwise from now on.
func (i *Issuer) Be(m Moods) { i.do(func() { i.moods = m }) }

// Ended is how often the issuer was told to end its session.
func (i *Issuer) Ended() (times int) {
	i.do(func() { times = i.ended })
	return times
}

// Key signs the issuer's tokens.
func (i *Issuer) Key() *auth.SigningKey { return i.key }

func (i *Issuer) do(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *Issuer) discover(w http.ResponseWriter, _ *http.Request) {
	metadata := map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/authorize",
		"token_endpoint": i.URL + "/token", "end_session_endpoint": i.URL + "/end",
		"id_token_signing_alg_values_supported": []string{"EdDSA"}, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
	}
	i.do(func() {
		if i.moods.NoEnd {
			delete(metadata, "end_session_endpoint")
		}
	})
	answer(w, http.StatusOK, metadata)
}

// authorize takes what a page must ask for, and nothing less.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	q := r.URL.Query()
	a := asked{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri"), q.Get("state")}
	if q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" ||
		a.nonce == "" || a.state == "" || len(a.challenge) != 43 {
		http.Error(w, "the request lacks what it must have", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {a.state}, "code": {"code-" + a.state}}
	if i.moods.Error != "" {
		back = url.Values{"state": {a.state}, "error": {i.moods.Error}}
	}
	if i.moods.Issuer != "" {
		back.Set("iss", i.moods.Issuer)
	}
	i.codes["code-"+a.state] = a
	http.Redirect(w, r, a.redirect+"?"+back.Encode(), http.StatusSeeOther)
}

// token gives tokens for a code, once, to who knows the client's secret and the verifier of the challenge.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	code := r.PostFormValue("code")
	a, known := i.codes[code]
	delete(i.codes, code)
	user, password, _ := r.BasicAuth()
	secret, _ := url.QueryUnescape(password)
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case user != ClientID || secret != ClientSecret:
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
	case !known || i.moods.WrongCode || r.PostFormValue("redirect_uri") != a.redirect,
		base64.RawURLEncoding.EncodeToString(sum[:]) != a.challenge:
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
	default:
		i.give(w, a)
	}
}

func (i *Issuer) give(w http.ResponseWriter, a asked) {
	lifetime := i.person.Lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	grant := auth.Grant{
		Issuer: i.URL, Audience: authtest.Audience, Subject: "sub-" + i.person.MemberID, Role: i.person.Role,
		OrganizationID: i.person.OrganizationID, MemberID: i.person.MemberID, NotBefore: time.Now(), Expires: time.Now().Add(lifetime),
	}
	if i.moods.Audience != "" {
		grant.Audience = i.moods.Audience
	}
	nonce, audience := a.nonce, []string{ClientID}
	if i.moods.Nonce != "" {
		nonce = i.moods.Nonce
	}
	if i.moods.IDOnly {
		grant.Audience, audience = "another service", append(audience, authtest.Audience)
	}
	more := map[string]any{}
	if i.moods.Padding > 0 {
		more["padding"] = string(make([]byte, i.moods.Padding/6)) // A NUL is six bytes in JSON.
	}
	access, err := i.key.MintWith(grant, more)
	if err == nil {
		more["nonce"], more["aud"] = nonce, audience
		var id string
		if id, err = i.key.MintWith(grant, more); err == nil {
			answer(w, http.StatusOK, map[string]any{
				"access_token": access, "id_token": id, "token_type": "Bearer", "expires_in": int(lifetime.Seconds()),
			})
			return
		}
	}
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func (i *Issuer) end(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID || q.Get("post_logout_redirect_uri") == "" {
		http.Error(w, "the request lacks what it must have", http.StatusBadRequest)
		return
	}
	i.do(func() { i.ended++ })
	http.Redirect(w, r, q.Get("post_logout_redirect_uri"), http.StatusSeeOther) //nolint:gosec // An issuer of tests.
}

func answer(w http.ResponseWriter, status int, content map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content)
}
