package auth_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

const spiffeID = "spiffe://acme.test/ns/chat/Orchestrator"

// TestParseServiceIdentities reads names in either case, and refuses roles that are of an organization.
func TestParseServiceIdentities(t *testing.T) {
	roles, err := auth.ParseServiceIdentities([]string{
		"SPIFFE://Acme.test/ns/chat/Orchestrator=orchestrator", "Billing.acme.test=billing", "ops=operator",
	})
	if err != nil || len(roles) != 3 || roles[spiffeID] != auth.Orchestrator || roles["billing.acme.test"] != auth.Billing {
		t.Errorf("got %v, %v", roles, err)
	}
	for _, wrong := range [][]string{{""}, {"a"}, {"=operator"}, {"a=owner"}, {"a=member"}, {"a=root"}, {"a="}, {"a=operator", "A=billing"}} {
		if roles, err := auth.ParseServiceIdentities(wrong); err == nil {
			t.Errorf("%q: %v", wrong, roles)
		}
	}
}

func leaf(t *testing.T, pair tls.Certificate) []*x509.Certificate {
	t.Helper()
	return []*x509.Certificate{must(x509.ParseCertificate(pair.Certificate[0]))(t)}
}

// TestIdentityOfCertificate goes by the SPIFFE id, or else by the DNS names.
func TestIdentityOfCertificate(t *testing.T) {
	roles := must(auth.ParseServiceIdentities([]string{spiffeID + "=orchestrator", "billing.acme.test=billing"}))(t)
	authority := authtest.NewAuthority(t)
	pool := authority.Pool()
	certificates := auth.NewCertificates(func() *x509.CertPool { return pool }, roles)
	for _, c := range []struct {
		name    authtest.Name
		subject string
		role    auth.Role
		refused bool
	}{
		{authtest.Name{URI: []string{spiffeID}}, spiffeID, auth.Orchestrator, false},
		{authtest.Name{URI: []string{"spiffe://ACME.test/ns/chat/Orchestrator"}}, spiffeID, auth.Orchestrator, false},
		{authtest.Name{URI: []string{strings.ToLower(spiffeID)}}, strings.ToLower(spiffeID), 0, false},
		{authtest.Name{URI: []string{spiffeID + "/x"}, DNS: []string{"billing.acme.test"}}, spiffeID + "/x", 0, false},
		{authtest.Name{URI: []string{spiffeID, "spiffe://acme.test/other"}}, "", 0, true},
		{authtest.Name{URI: []string{"https://acme.test", spiffeID}}, "", 0, true},
		{authtest.Name{URI: []string{"https://acme.test"}, DNS: []string{"billing.acme.test"}}, "billing.acme.test", auth.Billing, false},
		{authtest.Name{DNS: []string{"other.test", "BILLING.acme.test"}}, "billing.acme.test", auth.Billing, false},
		{authtest.Name{DNS: []string{"*.acme.test"}}, t.Name(), 0, false},
		{authtest.Name{DNS: []string{spiffeID}}, t.Name(), 0, false},
		{authtest.Name{}, t.Name(), 0, false},
	} {
		shown := leaf(t, authority.Certificate(t, c.name))
		for range 2 { // The second time from memory.
			got, err := auth.IdentifyCertificate(certificates, shown)
			want := auth.Identity{Subject: c.subject, Issuer: "mtls", Role: c.role}
			if c.refused {
				want = auth.Identity{}
			}
			if (err != nil) != c.refused || got != want {
				t.Errorf("%v: got %+v, %v", c.name, got, err)
			}
		}
	}
	if got, err := auth.IdentifyCertificate(certificates, nil); err != nil || got != (auth.Identity{}) {
		t.Errorf("no certificate: %v, %v", got, err)
	}
}

// TestCertificateOfALongConnection is held to its time and to its authorities at each call, not only when the connection
// began.
func TestCertificateOfALongConnection(t *testing.T) {
	authority, other := authtest.NewAuthority(t), authtest.NewAuthority(t)
	pool, now := authority.Pool(), time.Now()
	certificates := auth.NewCertificates(func() *x509.CertPool { return pool }, map[string]auth.Role{"svc": auth.Operator})
	certificates.SetClock(func() time.Time { return now })
	shown := leaf(t, authority.Certificate(t, authtest.Name{DNS: []string{"svc"}, NotAfter: now.Add(time.Minute)}))
	for _, step := range []struct {
		change  func()
		good    bool
		expired bool
	}{
		{func() {}, true, false},
		{func() { pool = authority.Pool() }, true, false},
		{func() { pool = other.Pool() }, false, false},
		{func() { pool = authority.Pool() }, true, false},
		{func() { now = now.Add(2 * time.Minute) }, false, true},
		{func() { pool = authority.Pool() }, false, true},
	} {
		step.change()
		_, err := auth.IdentifyCertificate(certificates, shown)
		var r auth.Unauthenticated
		if (err == nil) != step.good || (err != nil && !errors.As(err, &r)) || r.Expired != step.expired {
			t.Errorf("got %v", err)
		}
	}
}

// TestOpenTLS says what cannot be used, and never shows a key.
func TestOpenTLS(t *testing.T) {
	authority, dir := authtest.NewAuthority(t), t.TempDir()
	certificate, key := authority.Pair(t, authtest.Name{})
	_, otherKey := authority.Pair(t, authtest.Name{})
	good := auth.TLSFiles{
		Certificate: authtest.Write(t, dir, "cert", certificate), Key: authtest.Write(t, dir, "key", key),
		ClientCA: authtest.Write(t, dir, "ca", authority.PEM()),
	}
	log := &logged{}
	opened, err := auth.OpenTLS(good, log.logger())
	if err != nil || !opened.ClientAuthorities().Equal(authority.Pool()) {
		t.Errorf("got %v", err)
	}
	for says, change := range map[string]func(*auth.TLSFiles){
		"no such file":          func(f *auth.TLSFiles) { f.Certificate += "x" },
		"does not match":        func(f *auth.TLSFiles) { f.Key = authtest.Write(t, dir, "other", otherKey) },
		"failed to find any":    func(f *auth.TLSFiles) { f.Key = authtest.Write(t, dir, "empty", nil) },
		"no certificate of a c": func(f *auth.TLSFiles) { f.ClientCA = f.Key },
	} {
		files := good
		change(&files)
		if _, err := auth.OpenTLS(files, log.logger()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
}
