package auth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxKnownCertificates bounds how many connections' certificates are known to be good.
const maxKnownCertificates = 10_000

// certificateIssuer is the Issuer of an identity that a certificate shows.
const certificateIssuer = "mtls"

// Certificates tells services by the client certificates of their connections. The handshake has checked a certificate
// when it began the connection; as connections live long, it is checked again when its authorities change, and that its
// time is not over at each call.
type Certificates struct {
	authorities func() *x509.CertPool
	roles       map[string]Role
	known       *remembered[*x509.Certificate, knownCertificate]
	now         func() time.Time
}

// knownCertificate is what is remembered of a certificate. The connection keeps the pointer that it is known by.
type knownCertificate struct {
	identity    Identity
	authorities *x509.CertPool // Those by which it was good.
	until       time.Time      // When its time is over, or that of an authority between.
}

// NewCertificates tells services by certificates of the authorities, a pool that is another one once they have changed,
// and by the names in them that have roles.
func NewCertificates(authorities func() *x509.CertPool, roles map[string]Role) *Certificates {
	return &Certificates{
		authorities: authorities, roles: roles, now: time.Now,
		known: newRemembered[*x509.Certificate, knownCertificate](maxKnownCertificates),
	}
}

// ParseServiceIdentities reads "NAME=ROLE" each: which service, by the SPIFFE id or the DNS name in its certificate, is
// what.
func ParseServiceIdentities(mappings []string) (map[string]Role, error) {
	roles := map[string]Role{}
	for _, mapping := range mappings {
		at := strings.LastIndex(mapping, "=")
		if at < 1 {
			return nil, fmt.Errorf("%q is not NAME=ROLE", mapping)
		}
		name, role := nameOf(mapping[:at]), tokenRoles[mapping[at+1:]]
		if role == 0 || role.Bound() {
			return nil, fmt.Errorf("%q: the role must be orchestrator, billing or operator", mapping)
		}
		if _, twice := roles[name]; twice {
			return nil, fmt.Errorf("%q: %s has a role already", mapping, name)
		}
		roles[name] = role
	}
	return roles, nil
}

// identify is whom a connection's certificates show, its own first; nobody if there are none. A name that has no role
// makes an identity without one.
func (c *Certificates) identify(shown []*x509.Certificate) (Identity, error) {
	if len(shown) == 0 {
		return Identity{}, nil
	}
	authorities := c.authorities()
	known, ok := c.known.get(shown[0])
	if !ok || known.authorities != authorities {
		var err error
		if known, err = c.verify(shown, authorities); err != nil {
			return Identity{}, err
		}
		c.known.put(shown[0], known, func(k knownCertificate) bool { return c.now().After(k.until) })
	}
	if c.now().After(known.until) {
		return Identity{}, Unauthenticated{Expired: true, Cause: errors.New("the client certificate has expired")}
	}
	return known.identity, nil
}

func (c *Certificates) verify(shown []*x509.Certificate, authorities *x509.CertPool) (knownCertificate, error) {
	between := x509.NewCertPool()
	for _, certificate := range shown[1:] {
		between.AddCert(certificate)
	}
	now := c.now()
	chains, err := shown[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		var invalid x509.CertificateInvalidError
		expired := errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.After(shown[0].NotAfter)
		return knownCertificate{}, Unauthenticated{Expired: expired, Cause: fmt.Errorf("the client certificate: %w", err)}
	}
	identity, err := c.named(shown[0])
	if err != nil {
		return knownCertificate{}, Unauthenticated{Cause: err}
	}
	until := shown[0].NotAfter
	for _, certificate := range chains[0] {
		if certificate.NotAfter.Before(until) {
			until = certificate.NotAfter
		}
	}
	return knownCertificate{identity, authorities, until}, nil
}

// named is whom a certificate names: by its SPIFFE id if it has one, which then must be its only URI, else by the first of
// its DNS names that has a role.
func (c *Certificates) named(certificate *x509.Certificate) (Identity, error) {
	for _, uri := range certificate.URIs {
		if !strings.EqualFold(uri.Scheme, "spiffe") {
			continue
		}
		if len(certificate.URIs) > 1 {
			return Identity{}, errors.New("the client certificate has a SPIFFE id and another URI beside it")
		}
		return c.identityOf(uri.String()), nil
	}
	for _, name := range certificate.DNSNames {
		// A SPIFFE id is one only among the URIs, where authorities look for it.
		if id := c.identityOf(name); id.Role != 0 && !strings.Contains(name, "://") {
			return id, nil
		}
	}
	return Identity{Subject: certificate.Subject.CommonName, Issuer: certificateIssuer}, nil
}

func (c *Certificates) identityOf(name string) Identity {
	return Identity{Subject: nameOf(name), Issuer: certificateIssuer, Role: c.roles[nameOf(name)]}
}

// nameOf is a name as it is compared: a DNS name, and the scheme and the trust domain of a SPIFFE id, are the same in
// either case; its path is not.
func nameOf(name string) string {
	scheme, rest, isURI := strings.Cut(name, "://")
	if !isURI {
		return strings.ToLower(name)
	}
	domain, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		path = "/" + path
	}
	return strings.ToLower(scheme) + "://" + strings.ToLower(domain) + path
}
