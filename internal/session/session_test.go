package session

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/reload"
)

// fixed are keys of a byte each.
func fixed(bytesOf ...byte) *Keys {
	var text []byte
	for _, b := range bytesOf {
		text = append(text, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, keyBytes))+"\n"...)
	}
	keys, err := parseKeys(text)
	if err != nil {
		panic(err)
	}
	return &Keys{func() []cipher.AEAD { return keys }}
}

// cookiesOf begins a session and answers its cookies.
func cookiesOf(t *testing.T, s *Sessions, k kept, until time.Time) []*http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.begin(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody), k, until); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()
}

func bringing(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// TestCookie: what a browser is told to keep is for it and this host alone, and for no longer than the token is good.
func TestCookie(t *testing.T) {
	now := time.Now()
	for secure, name := range map[bool]string{true: "__Host-meter-session", false: "meter-session"} {
		s := New(fixed(1), secure)
		for until, want := range map[time.Time]time.Time{now.Add(time.Hour): now.Add(time.Hour), now.Add(48 * time.Hour): now.Add(maxLifetime)} {
			c := cookiesOf(t, s, kept{Token: "t"}, until)[0]
			if c.Name != name || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" ||
				c.Expires.Sub(want).Abs() > time.Minute || strings.Contains(c.Value, "t\"") {
				t.Errorf("it is %v", c)
			}
		}
	}
	s := New(fixed(1), true)
	r, w := bringing(), httptest.NewRecorder()
	if err := s.begin(w, r, kept{Token: "t"}, now.Add(time.Second)); err == nil {
		t.Error("a token that is over begins a session")
	}
	if err := s.begin(w, r, kept{Token: strings.Repeat("t", maxChunks*chunkBytes)}, now.Add(time.Hour)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a token beyond all bounds: %v", err)
	}
}

// TestForged: a session that was changed in any place, made with another key or for another purpose, put together of two,
// or kept beyond its time, opens no door.
func TestForged(t *testing.T) {
	s := New(fixed(1), false)
	session := kept{Token: strings.Repeat("long ", chunkBytes/4)}
	cookies := cookiesOf(t, s, session, time.Now().Add(time.Hour))
	if len(cookies) != 2 {
		t.Fatalf("there are %d cookies", len(cookies))
	}
	if got, brought := s.of(bringing(cookies...)); !brought || got.Token != session.Token {
		t.Fatalf("it does not open: %v", got)
	}
	refuse := func(what string, s *Sessions, r *http.Request) {
		t.Helper()
		if got, brought := s.of(r); got != (kept{}) || !brought {
			t.Errorf("%s: it is %.50v, brought: %v", what, got, brought)
		}
	}
	for at := 0; at < len(cookies[1].Value); at += 7 {
		changed := *cookies[1]
		letter := byte('A')
		if changed.Value[at] == letter {
			letter = 'B'
		}
		changed.Value = changed.Value[:at] + string(letter) + changed.Value[at+1:]
		refuse("changed", s, bringing(cookies[0], &changed))
	}
	other := cookiesOf(t, s, session, time.Now().Add(time.Hour))
	refuse("put together", s, bringing(cookies[0], other[1]))
	refuse("cut short", s, bringing(cookies[0]))
	refuse("under another key", New(fixed(2), false), bringing(cookies...))
	refuse("no base64", s, bringing(&http.Cookie{Name: "meter-session", Value: "not!"}))
	refuse("empty", s, bringing(&http.Cookie{Name: "meter-session", Value: "AA"}))
	w := httptest.NewRecorder()
	if err := newWays(s).put(w, bringing(), newWay("/")); err != nil {
		t.Fatal(err)
	}
	begun := w.Result().Cookies()[0]
	begun.Name = "meter-session"
	refuse("of a sign-in", s, bringing(begun))
	late := New(fixed(1), false)
	late.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	refuse("over", late, bringing(cookies...))
	if got, brought := s.of(bringing()); brought || got != (kept{}) {
		t.Errorf("nothing is %v", got)
	}
}

// TestKeys: a new key before the old one opens what the old one sealed, and what the file is changed to is in use soon.
func TestKeys(t *testing.T) {
	cookies := cookiesOf(t, New(fixed(1), false), kept{Token: "t"}, time.Now().Add(time.Hour))
	for name, c := range map[string]struct {
		keys  *Keys
		opens bool
	}{"before the old": {fixed(2, 1), true}, "after": {fixed(1, 2), true}, "alone": {fixed(2), false}} {
		if got, _ := New(c.keys, false).of(bringing(cookies...)); (got.Token == "t") != c.opens {
			t.Errorf("%s it opens: %v", name, got)
		}
	}
	path := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, says := range map[string]string{
		"": "no key", "# only words\n": "no key", "short\n": "key 1 is not 32 bytes",
		base64.StdEncoding.EncodeToString(make([]byte, 16)): "key 1 is not 32 bytes", "!": "openssl rand",
	} {
		write(text)
		if _, err := OpenKeys(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	write("# of today\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n\n")
	if _, err := OpenKeys(path, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	if reload.Interval > time.Minute {
		t.Error("a key that was taken out is good for long")
	}
}

// TestShorterSession leaves nothing of a longer one before it.
func TestShorterSession(t *testing.T) {
	s := New(fixed(1), false)
	long := cookiesOf(t, s, kept{Token: strings.Repeat("long ", chunkBytes/2)}, time.Now().Add(time.Hour))
	w := httptest.NewRecorder()
	if err := s.begin(w, bringing(long...), kept{Token: "short"}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	left := map[string]*http.Cookie{}
	for _, c := range append(long, w.Result().Cookies()...) {
		left[c.Name] = c
		if c.MaxAge < 0 {
			delete(left, c.Name)
		}
	}
	if len(left) != 1 || len(long) < 3 {
		t.Errorf("there remain %v of %d", left, len(long))
	}
}

// TestCarry: handlers are given the rights of a session and never its cookie.
func TestCarry(t *testing.T) {
	s := New(fixed(1), false)
	cookies := cookiesOf(t, s, kept{Token: "token"}, time.Now().Add(time.Hour))
	var got *http.Request
	handler := s.Carry(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	serve := func(authorization string, cookies ...*http.Cookie) string {
		r := bringing(cookies...)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got.Header.Get("Cookie") != "" {
			t.Error("a handler sees the cookie")
		}
		return got.Header.Get("Authorization")
	}
	if a := serve("", cookies...); a != "Bearer token" || !auth.FromPage(got.Context()) {
		t.Errorf("a session brings %q", a)
	}
	if a := serve("Bearer own", cookies...); a != "Bearer own" || auth.FromPage(got.Context()) {
		t.Errorf("a token beside it brings %q", a)
	}
	if a := serve(""); a != "" || auth.FromPage(got.Context()) {
		t.Errorf("nobody brings %q", a)
	}
	if a := serve("", &http.Cookie{Name: "meter-session", Value: "AAAA"}); a != "" || !auth.FromPage(got.Context()) {
		t.Errorf("a stale session brings %q", a)
	}
}

// TestWayBack leads to paths of this server, and nowhere else whatever it is told.
func TestWayBack(t *testing.T) {
	for to, want := range map[string]string{
		"/pool": "/pool", "/me?tab=1&x=%2F": "/me?tab=1&x=%2F", "/turns/a%20b": "/turns/a%20b", "/": "/", "": "/",
		"//evil.test": "/", "/\\evil.test": "/", "\\\\evil.test": "/", "https://evil.test": "/", "//evil.test/pool": "/", "pool": "/",
		"javascript:alert(1)": "/", "/pool\r\nSet-Cookie: a=b": "/", "/\tevil": "/", "https:evil.test": "/", "/%2f/evil.test": "/",
		"/signin?to=/x": "/", "/signout": "/", "///evil.test": "/", "http:/pool": "/", "/%5cevil.test": "/%5cevil.test", "/pool#part": "/pool",
	} {
		if got := wayBack(to); got != want {
			t.Errorf("%q leads to %q", to, got)
		}
	}
}

// FuzzWayBack looks for a way to another server.
func FuzzWayBack(f *testing.F) {
	for _, to := range []string{"/pool?a=b", "//evil.test", "/\\evil", "https://evil.test", "/%2f/evil"} {
		f.Add(to)
	}
	f.Fuzz(func(t *testing.T, to string) {
		got := wayBack(to)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("%q leads to %q", to, got)
		}
	})
}
