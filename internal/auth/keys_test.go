package auth_test

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// TestParseKeys leaves out what no allowed algorithm works with, and refuses what gives a key away.
func TestParseKeys(t *testing.T) {
	good := mustJSON(t, jose.JSONWebKey{Key: anyKey(t).Public(), KeyID: "good"})
	small := must(rsa.GenerateKey(rand.Reader, 1024))(t)
	left := []string{
		`{"kty":"oct","kid":"shared","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		`{"kty":"OKP","crv":"Ed448","kid":"unknown","x":"AAAA"}`,
		`{"kty":"RSA"}`, `{}`, `7`,
		mustJSON(t, jose.JSONWebKey{Key: small.Public(), KeyID: "small"}),
		mustJSON(t, jose.JSONWebKey{Key: anyECKey(t, elliptic.P384()).Public(), KeyID: "curve"}),
		mustJSON(t, jose.JSONWebKey{Key: anyKey(t).Public(), KeyID: "encrypts", Use: "enc"}),
	}
	if _, err := auth.ParseKeys(fmt.Appendf(nil, `{"keys": [%s, %s]}`, strings.Join(left, ","), good)); err != nil {
		t.Error(err)
	}
	private := mustJSON(t, jose.JSONWebKey{Key: anyKey(t), KeyID: "secret"})
	for says, text := range map[string]string{
		"has no public key":        fmt.Sprintf(`{"keys": [%s]}`, strings.Join(left, ",")),
		`"secret" is a private`:    fmt.Sprintf(`{"keys": [%s, %s]}`, good, private),
		"not a JSON Web Key Set":   `<html>`,
		"has no public key for RS": `{}`,
	} {
		if _, err := auth.ParseKeys([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// TestFileKeys: a new key counts from its first token on, one that was taken out is of no use within reload.Interval, and
// a broken file changes nothing.
func TestFileKeys(t *testing.T) {
	before, after := authtest.NewKey(t), authtest.NewKey(t)
	path := authtest.Write(t, t.TempDir(), "keys", authtest.KeySet(t, before))
	log := &logged{}
	keys := must(auth.OpenFileKeys(path, log.logger()))(t)
	verifier := auth.NewTokens(issuer, authtest.Audience, keys)
	old, fresh := authtest.Token(t, before, issuer, nil), authtest.Token(t, after, issuer, nil)
	verify := func(token string) error {
		_, err := verifier.Verify(t.Context(), token)
		return err
	}
	if verify(old) != nil || verify(fresh) == nil {
		t.Errorf("%v, %v", verify(old), verify(fresh))
	}
	write(t, path, authtest.KeySet(t, before, after))
	if err := verify(fresh); err != nil {
		t.Errorf("a key just published: %v", err)
	}
	write(t, path, []byte("{"))
	within(t, "the broken file is told", func() bool { return verify(old) == nil && strings.Contains(log.String(), "cannot be used") })
	write(t, path, authtest.KeySet(t, after))
	within(t, "the old key is refused", func() bool { return verify(old) != nil })
	if err := verify(fresh); err != nil {
		t.Errorf("the other key: %v", err)
	}
	if _, err := auth.OpenFileKeys(filepath.Join(t.TempDir(), "none"), log.logger()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// opened are an issuer's keys that are kept true until the test ends.
func opened(t *testing.T, from *authtest.Issuer, every, pause time.Duration) (*auth.IssuerKeys, *logged) {
	t.Helper()
	log := &logged{}
	keys := must(auth.OpenIssuerKeys(t.Context(), from.URL, log.logger()))(t)
	keys.SetPace(every, pause)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		keys.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return keys, log
}

// TestIssuerRotates: a key that was just published counts with its first token, and one that was taken back for no other
// from then on.
func TestIssuerRotates(t *testing.T) {
	before, after := authtest.NewKey(t), authtest.NewKey(t)
	from := authtest.NewIssuer(t, before)
	keys, _ := opened(t, from, time.Hour, time.Millisecond)
	verifier := auth.NewTokens(from.URL, authtest.Audience, keys)
	old, fresh := authtest.Token(t, before, from.URL, nil), authtest.Token(t, after, from.URL, nil)
	if _, err := verifier.Verify(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	from.Publish(t, after)
	if _, err := verifier.Verify(t.Context(), fresh); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if _, err := verifier.Verify(t.Context(), old); err == nil {
		t.Error("the old key is still good")
	}
}

// TestIssuerIsAskedNowAndThen: that a key was taken back is learnt without a token that needs another.
func TestIssuerIsAskedNowAndThen(t *testing.T) {
	before := authtest.NewKey(t)
	from := authtest.NewIssuer(t, before)
	keys, _ := opened(t, from, 5*time.Millisecond, time.Millisecond)
	verifier := auth.NewTokens(from.URL, authtest.Audience, keys)
	token := authtest.Token(t, before, from.URL, nil)
	if _, err := verifier.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	from.Publish(t, authtest.NewKey(t))
	within(t, "the old key is refused", func() bool {
		_, err := verifier.Verify(t.Context(), token)
		return err != nil
	})
}

// TestIssuerGoesAway: known keys stay good, unknown ones are not let in, and the log tells it once.
func TestIssuerGoesAway(t *testing.T) {
	key, unknown := authtest.NewKey(t), authtest.NewKey(t)
	from := authtest.NewIssuer(t, key)
	keys, log := opened(t, from, 2*time.Millisecond, time.Millisecond)
	verifier := auth.NewTokens(from.URL, authtest.Audience, keys)
	from.Down.Store(true)
	asked := from.Fetches.Load()
	within(t, "it is asked in vain", func() bool { return from.Fetches.Load() > asked+5 })
	if _, err := verifier.Verify(t.Context(), authtest.Token(t, key, from.URL, nil)); err != nil {
		t.Errorf("a known key: %v", err)
	}
	if _, err := verifier.Verify(t.Context(), authtest.Token(t, unknown, from.URL, nil)); err == nil {
		t.Error("an unknown key is let in")
	}
	from.Publish(t, key, unknown)
	from.Down.Store(false)
	within(t, "it is back", func() bool {
		_, err := verifier.Verify(t.Context(), authtest.Token(t, unknown, from.URL, nil))
		return err == nil && strings.Contains(log.String(), "can be fetched again")
	})
	if said := log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "cannot be fetched") {
		t.Errorf("the log says %s", said)
	}
}

// TestUnknownKeysDoNotFloodTheIssuer: many callers who bring keys of their own share few requests, and wait for them no
// longer than they care to.
func TestUnknownKeysDoNotFloodTheIssuer(t *testing.T) {
	from := authtest.NewIssuer(t, authtest.NewKey(t))
	keys, _ := opened(t, from, time.Hour, time.Hour)
	verifier := auth.NewTokens(from.URL, authtest.Audience, keys)
	unknown := authtest.Token(t, authtest.NewKey(t), from.URL, nil)
	asked := from.Fetches.Load()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			for ctx.Err() == nil {
				if _, err := verifier.Verify(ctx, unknown); err == nil {
					t.Error("let in")
				}
			}
		})
	}
	calls.Wait()
	if n := from.Fetches.Load() - asked; n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

// TestNoIssuer: what is no issuer is said in one line, and does not keep the server waiting.
func TestNoIssuer(t *testing.T) {
	answers := func(status int, text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, text, "http://"+r.Host)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	leads := httptest.NewServer(http.RedirectHandler("http://issuer.test/", http.StatusFound))
	t.Cleanup(leads.Close)
	for says, url := range map[string]string{
		"404":                                   answers(http.StatusNotFound, "%.0s"),
		"did not match":                         answers(http.StatusOK, `{"issuer": "https://other.test", "jwks_uri": "%s"}`),
		"must be an https":                      answers(http.StatusOK, `{"issuer": "%[1]s", "jwks_uri": "http://issuer.test/%[1]s"}`),
		"JSON Web Key":                          answers(http.StatusOK, `{"issuer": "%[1]s", "jwks_uri": "%[1]s"}`),
		"deadline":                              silent.URL,
		"refused":                               "http://127.0.0.1:1",
		`"ftp://127.0.0.1" mu`:                  "ftp://127.0.0.1",
		`"issuer.test" is no`:                   "issuer.test",
		`http://issuer.test/" must be an https`: leads.URL,
	} {
		wait := time.Minute
		if url == silent.URL {
			wait = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := auth.OpenIssuerKeys(ctx, url, slog.New(slog.DiscardHandler))
		cancel()
		if err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 400 {
			t.Errorf("%s: got %v, want it to say %q", url, err, says)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	authtest.Write(t, filepath.Dir(path), filepath.Base(path), content)
}

// within waits for something to become true.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	patience := time.After(20 * time.Second)
	for !is() {
		select {
		case <-ticker.C:
		case <-patience:
			t.Fatalf("it never comes true that %s", what)
		}
	}
}
