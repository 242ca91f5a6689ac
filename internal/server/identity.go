package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/spillway-metering/spillway/internal/auth"
)

// Identity says how connections are encrypted and how callers are told apart. Under --dev it is not looked at.
type Identity struct {
	TLS      auth.TLSFiles        // Without a certificate: no TLS, and only callers of this machine.
	Services map[string]auth.Role // What services are, by the names in their client certificates.
	Issuer   string               // Of tokens; empty: none are taken.
	Audience string               // That tokens must be made for.
	JWKSFile string               // The issuer's keys; empty: the issuer is asked for them.
}

// callers are what the edge knows its callers by.
type callers struct {
	authenticator auth.Authenticator
	tokens        *auth.Tokens // Nil: none are taken.
	tls, webTLS   *tls.Config  // Nil: no TLS.
}

// listenGRPC opens the API's address, to other machines only with TLS.
func (s *server) listenGRPC(ctx context.Context) (net.Listener, error) {
	if s.Dev {
		return listen(ctx, "--listen", s.Listen, false, "--dev never is, as every caller is an operator: leave it out")
	}
	return listen(ctx, "--listen", s.Listen, s.Identity.TLS.Certificate != "", "needs TLS: give --tls-cert and --tls-key")
}

func (s *server) listenHTTP(ctx context.Context) (net.Listener, error) {
	if s.Dev {
		return listen(ctx, "--http-listen", s.HTTPListen, false, "--dev never is, as every caller is an operator: leave it out")
	}
	return listen(ctx, "--http-listen", s.HTTPListen, s.Identity.TLS.Certificate != "",
		"plain HTTP must not be: give --tls-cert and --tls-key, or put a proxy with TLS before it")
}

// openCallers makes ready what callers are known by.
func (s *server) openCallers(ctx context.Context) error {
	if s.Dev {
		return nil // What tells callers apart then asks the store.
	}
	known := &auth.Callers{}
	if s.Identity.TLS.Certificate != "" {
		files, err := auth.OpenTLS(s.Identity.TLS, s.Logger)
		if err != nil {
			return err
		}
		s.callers.tls, s.callers.webTLS = files.Config(), files.WebConfig()
		if s.Identity.TLS.ClientCA != "" {
			known.Certificates = auth.NewCertificates(files.ClientAuthorities, s.Identity.Services)
		}
	}
	if s.Identity.Issuer != "" {
		keys, err := s.openKeys(ctx)
		if err != nil {
			return err
		}
		s.callers.tokens = auth.NewTokens(s.Identity.Issuer, s.Identity.Audience, keys)
		known.Tokens = s.callers.tokens
	}
	s.callers.authenticator = known
	return nil
}

// openKeys makes the issuer's keys ready: those of the file, or those that the issuer tells.
func (s *server) openKeys(ctx context.Context) (auth.KeySource, error) {
	if s.Identity.JWKSFile != "" {
		keys, err := auth.OpenFileKeys(s.Identity.JWKSFile, s.Logger)
		if err != nil {
			return nil, fmt.Errorf("--jwks-file: %w", err)
		}
		return keys, nil
	}
	keys, err := auth.OpenIssuerKeys(ctx, s.Identity.Issuer, s.Logger)
	if err != nil {
		return nil, fmt.Errorf("--oidc-issuer: %w", err)
	}
	s.parts.push("issuer's keys", background(keys.Run))
	return keys, nil
}
