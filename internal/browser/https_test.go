package browser

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/auth/authtest"
	"github.com/spillway-metering/spillway/internal/session/sessiontest"
)

// startHTTPS starts a meterd whose HTTP side has TLS.
func startHTTPS(t *testing.T, issuer *sessiontest.Issuer) *site {
	t.Helper()
	authority, dir := authtest.NewAuthority(t), t.TempDir()
	certificate, key := authority.Pair(t, authtest.Name{})
	s := &site{url: "https://" + freeAddress(t), tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool()}}
	s.operator = "Bearer " + authtest.Token(t, issuer.Key(), issuer.URL, nil)
	s.launch(t, append(signedArgs(t, postgres.Database(t), issuer, s.url),
		"--tls-cert="+authtest.Write(t, dir, "cert", certificate), "--tls-key="+authtest.Write(t, dir, "key", key),
		"--tls-client-ca="+authtest.Write(t, dir, "ca", authority.PEM()), "--tls-require-client-cert"))
	return s
}

// TestHTTPS: over TLS a browser is asked for no certificate, kept to HTTPS, and given cookies that no other host can set.
func TestHTTPS(t *testing.T) {
	issuer := sessiontest.NewIssuer(t)
	issuer.Seat(sessiontest.Person{Role: "owner", OrganizationID: "acme", MemberID: "ada"})
	s := startHTTPS(t, issuer)
	s.furnish(t, "TEAM")
	p := s.person(t)
	if got := p.get("/signin?to=/pool"); got.status != 200 || got.url != s.url+"/pool" || got.proto != 2 ||
		got.header.Get("Strict-Transport-Security") != "max-age=31536000" || !strings.Contains(got.header.Get("Content-Security-Policy"), "form-action 'self' "+issuer.URL+";") {
		t.Errorf("one comes to %d %s over HTTP/%d: %v", got.status, got.url, got.proto, got.header)
	}
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	if cookies := p.client.Jar.Cookies(at); len(cookies) != 1 || cookies[0].Name != "__Host-meter-session" {
		t.Errorf("there are the cookies %v", cookies)
	}
	if got := p.call("PoolService/GetPool", map[string]any{"organizationId": "acme"}); got.status != http.StatusOK {
		t.Errorf("the pool is answered %d %s", got.status, got.text)
	}
	old := s.person(t)
	transport, _ := old.client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: s.tls.RootCAs, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	if answer, err := old.client.Get(s.url + "/"); err == nil {
		_ = answer.Body.Close()
		t.Error("a version of TLS before 1.3 is spoken")
	}
}

// TestWithoutPage: a server that nobody can sign in to answers calls by their tokens, and serves no page.
func TestWithoutPage(t *testing.T) {
	issuer := sessiontest.NewIssuer(t)
	s := &site{url: "http://" + freeAddress(t), operator: "Bearer " + authtest.Token(t, issuer.Key(), issuer.URL, nil)}
	s.pageless = true
	s.launch(t, []string{
		"--database-url=" + postgres.Database(t), "--http-listen=" + strings.TrimPrefix(s.url, "http://"),
		"--oidc-issuer=" + issuer.URL, "--oidc-audience=" + authtest.Audience,
	})
	s.furnish(t, "TEAM")
	p := s.person(t)
	if got := p.call("PoolService/GetPool", map[string]any{"organizationId": "acme"}); got.status != http.StatusUnauthorized {
		t.Errorf("nobody is answered %d %s", got.status, got.text)
	}
	for path, status := range map[string]int{"/": 404, "/session": 404, "/signin": 404, "/openapi.yaml": 200, "/healthz": 200} {
		if got := p.get(path); got.status != status || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s is answered %d", path, got.status)
		}
	}
}
