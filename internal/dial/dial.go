// Package dial is how this repository's own programs reach a server: where it is, how they know it, and how it knows them.
package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/reload"
)

// systemAuthorities is the value of --tls-ca that means the authorities this machine trusts.
const systemAuthorities = "system"

// Server are the flags of a command that speaks to a server.
type Server struct {
	Address string `env:"METER_ADDRESS" default:"127.0.0.1:7400" help:"Server to call (${default})."`
	Security
}

// Security are the flags that say how a connection is encrypted and by what the caller is known.
type Security struct {
	TLSCA     string `name:"tls-ca" env:"METER_TLS_CA" placeholder:"FILE" help:"Authorities of the server's certificate, PEM; or system: those that this machine trusts. Without it there is no TLS."`
	TLSCert   string `name:"tls-cert" env:"METER_TLS_CLIENT_CERT" placeholder:"FILE" help:"Client certificate, PEM: mutual TLS."`
	TLSKey    string `name:"tls-key" env:"METER_TLS_CLIENT_KEY" placeholder:"FILE" help:"The client certificate's private key, PEM."`
	TokenFile string `env:"METER_TOKEN_FILE" placeholder:"FILE" help:"File with a token to call by. Read again when it changes."`
}

// Options are how to connect to the server.
func (s Server) Options() ([]grpc.DialOption, error) { return s.Security.Options(s.Address) }

// Options are how to connect to a server at an address. A token goes to another machine only under TLS.
func (s Security) Options(address string) ([]grpc.DialOption, error) {
	transport := insecure.NewCredentials()
	config, err := s.tls()
	if err != nil {
		return nil, err
	}
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	if s.TokenFile == "" {
		return options, nil
	}
	if config == nil && !isLocal(address) {
		return nil, fmt.Errorf("--token-file: a token does not go to %s in the clear: give --tls-ca", address)
	}
	token, err := reload.Open(slog.New(slog.DiscardHandler), parseToken, s.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	return append(options, grpc.WithPerRPCCredentials(bearer{token, config != nil})), nil
}

// tls is the TLS that the flags ask for; nil: none.
func (s Security) tls() (*tls.Config, error) {
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return nil, errors.New("--tls-cert and --tls-key need each other")
	}
	if s.TLSCA == "" {
		if s.TLSCert != "" {
			return nil, errors.New("--tls-cert needs --tls-ca")
		}
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.TLSCA != systemAuthorities {
		text, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--tls-ca: there is no certificate in %s", s.TLSCA)
		}
	}
	if s.TLSCert != "" {
		certificate, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// isLocal says whether what goes to an address stays on this machine.
func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return strings.HasPrefix(address, "unix:") || (err == nil && auth.IsLoopback(host))
}

// bearer brings a token with each call, in metadata that are made once for all calls.
type bearer struct {
	token  *reload.Files[map[string]string]
	secure bool
}

// GetRequestMetadata is called by gRPC.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return b.token.Get(), nil
}

// RequireTransportSecurity is called by gRPC.
func (b bearer) RequireTransportSecurity() bool { return b.secure }

// tokenText is what a header may hold.
var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

func parseToken(contents [][]byte) (map[string]string, error) {
	token := strings.TrimSpace(string(contents[0]))
	if !tokenText.MatchString(token) {
		return nil, errors.New("there is no token in it")
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}
