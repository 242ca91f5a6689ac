package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spillway-metering/spillway/internal/reload"
)

// TLSFiles are what a server shows its callers, and what it takes from them. They are read again when they change, for
// the connections that begin from then on.
type TLSFiles struct {
	Certificate string // PEM: the server's certificate, and those between it and its authority.
	Key         string // PEM: the certificate's private key.
	ClientCA    string // PEM: authorities of client certificates; empty: none are asked for.
	// RequireClientCertificate refuses connections without one. Otherwise callers may show themselves by a token instead.
	RequireClientCertificate bool
}

// TLS is the transport security of a server: TLS 1.3 and nothing below.
type TLS struct{ files *reload.Files[*tlsMaterial] }

// tlsMaterial is what the files hold.
type tlsMaterial struct {
	config, web *tls.Config
	authorities *x509.CertPool
}

// OpenTLS reads the files. Later ones that cannot be used, such as a key that is not its certificate's, are logged, and
// what was before stays in use.
func OpenTLS(f TLSFiles, logger *slog.Logger) (*TLS, error) {
	paths := []string{f.Certificate, f.Key}
	if f.ClientCA != "" {
		paths = append(paths, f.ClientCA)
	}
	files, err := reload.Open(logger, f.parse, paths...)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return &TLS{files}, nil
}

// Config is what a listener is to use. It looks at the files when a connection begins.
func (t *TLS) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.files.Get().config, nil },
	}
}

// WebConfig is what a listener for browsers is to use: the same certificate, and none is asked of a browser, which would
// have its user choose one.
func (t *TLS) WebConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.files.Get().web, nil },
	}
}

// ClientAuthorities are those of client certificates as the files are now: the same pool as long as they do not change.
func (t *TLS) ClientAuthorities() *x509.CertPool { return t.files.Get().authorities }

func (f TLSFiles) parse(contents [][]byte) (*tlsMaterial, error) {
	certificate, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, err
	}
	m := &tlsMaterial{config: &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"h2"},
		// A session resumed would be one whose certificate nobody has looked at. Connections live long, so it saves little.
		SessionTicketsDisabled: true,
	}}
	m.web = m.config.Clone()
	m.web.NextProtos = []string{"h2", "http/1.1"}
	if len(contents) < 3 {
		return m, nil
	}
	m.authorities = x509.NewCertPool()
	if !m.authorities.AppendCertsFromPEM(contents[2]) {
		return nil, errors.New("there is no certificate of a client authority")
	}
	m.config.ClientCAs = m.authorities
	m.config.ClientAuth = tls.VerifyClientCertIfGiven
	if f.RequireClientCertificate {
		m.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return m, nil
}
