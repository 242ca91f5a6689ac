package session

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
)

// maxLifetime bounds a session, however long its token is good.
const maxLifetime = 12 * time.Hour

// minLifetime is the least that is worth a session. Without it a browser whose token is over at once would be sent to sign
// in again and again.
const minLifetime = 10 * time.Second

// Sessions keeps who is signed in, in their browsers.
type Sessions struct {
	jar jar
	now func() time.Time
}

// New keeps sessions under keys. secure says that the page is reached over HTTPS, and never without.
func New(keys *Keys, secure bool) *Sessions {
	return &Sessions{newJar(keys, "meter-session", secure), time.Now}
}

// kept is what a session's cookie holds: the token of somebody whom the issuer knows or, under --dev, whom somebody chose
// to be.
type kept struct {
	Token          string `json:"t,omitempty"`
	OrganizationID string `json:"o,omitempty"`
	MemberID       string `json:"m,omitempty"`
	Until          int64  `json:"u"` // In seconds since 1970.
}

// Carry gives each request that brings a session its rights: the token as its authorization, as if it had brought it
// itself. A request with an authorization of its own is judged by that alone. No handler behind it sees the cookies.
func (s *Sessions) Carry(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, brought := s.of(r)
		if !brought || r.Header.Get("Authorization") != "" {
			next.ServeHTTP(w, withoutCookies(r))
			return
		}
		r = withoutCookies(r.WithContext(auth.WithSession(r.Context(), auth.Session{
			Over: session == kept{}, OrganizationID: session.OrganizationID, MemberID: session.MemberID,
		})))
		if session.Token != "" {
			r.Header.Set("Authorization", "Bearer "+session.Token)
		}
		next.ServeHTTP(w, r)
	})
}

// withoutCookies is a request of its own header, without the cookies: a session is for nobody but this package.
func withoutCookies(r *http.Request) *http.Request {
	bare := r.WithContext(r.Context())
	bare.Header = r.Header.Clone()
	bare.Header.Del("Cookie")
	return bare
}

// begin starts a session in the browser that a request came from.
func (s *Sessions) begin(w http.ResponseWriter, r *http.Request, k kept, until time.Time) error {
	if most := s.now().Add(maxLifetime); until.After(most) {
		until = most
	}
	if !until.After(s.now().Add(minLifetime)) {
		return errors.New("the token is over before the session begins: the clocks of the issuer and of this machine differ")
	}
	k.Until = until.Unix()
	content, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return s.jar.put(w, r, content, until)
}

// end has the browser forget the session.
func (s *Sessions) end(w http.ResponseWriter, r *http.Request) { s.jar.drop(w, r, 0) }

// of is the session that a request brings; of one that is over, nothing is kept.
func (s *Sessions) of(r *http.Request) (k kept, brought bool) {
	content, brought, ok := s.jar.get(r)
	if !ok || json.Unmarshal(content, &k) != nil || s.now().Unix() >= k.Until {
		return kept{}, brought
	}
	return k, true
}
