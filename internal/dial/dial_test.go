package dial

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// heard is what a server was shown by a caller.
type heard struct {
	tokens []string
	secure bool
	name   string // Of the client certificate.
}

// listener is a server that only notes who asks for its health.
type listener struct {
	grpc_health_v1.UnimplementedHealthServer
	heard chan heard
}

func (l *listener) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h := heard{tokens: metadata.ValueFromIncomingContext(ctx, "authorization")}
	if caller, ok := peer.FromContext(ctx); ok {
		if info, ok := caller.AuthInfo.(credentials.TLSInfo); ok {
			h.secure = true
			for _, certificate := range info.State.PeerCertificates {
				h.name = certificate.DNSNames[0]
			}
		}
	}
	l.heard <- h
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

// serve starts one; nil: without TLS.
func serve(t *testing.T, config *tls.Config) (address string, heard chan heard) {
	t.Helper()
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener()
	server := grpc.NewServer(grpc.Creds(transport))
	grpc_health_v1.RegisterHealthServer(server, l)
	served := make(chan error, 1)
	go func() { served <- server.Serve(socket) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return socket.Addr().String(), l.heard
}

func ask(t *testing.T, s Server) error {
	t.Helper()
	options, err := s.Options()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(s.Address, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	return err
}

// TestOptions shows a server what the flags say, and believes no server that the flags do not.
func TestOptions(t *testing.T) {
	authority, other, dir := authtest.NewAuthority(t), authtest.NewAuthority(t), t.TempDir()
	ca, otherCA := authtest.Write(t, dir, "ca", authority.PEM()), authtest.Write(t, dir, "other", other.PEM())
	certificate, key := authority.Pair(t, authtest.Name{DNS: []string{"client.test"}})
	certificateFile, keyFile := authtest.Write(t, dir, "cert", certificate), authtest.Write(t, dir, "key", key)
	token := authtest.Write(t, dir, "token", []byte("aa.bb.cc\n"))
	plain, toPlain := serve(t, nil)
	secure, toSecure := serve(t, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{authority.Certificate(t, authtest.Name{})},
		ClientCAs: authority.Pool(), ClientAuth: tls.VerifyClientCertIfGiven,
	})
	for _, c := range []struct {
		server Server
		heard  chan heard // Nil: the server is not believed.
		token  bool
		name   string
	}{
		{Server{plain, Security{}}, toPlain, false, ""},
		{Server{plain, Security{TokenFile: token}}, toPlain, true, ""},
		{Server{secure, Security{TLSCA: ca}}, toSecure, false, ""},
		{Server{secure, Security{TLSCA: ca, TokenFile: token}}, toSecure, true, ""},
		{Server{secure, Security{TLSCA: ca, TLSCert: certificateFile, TLSKey: keyFile}}, toSecure, false, "client.test"},
		{Server{secure, Security{}}, nil, false, ""},
		{Server{secure, Security{TLSCA: otherCA, TokenFile: token}}, nil, false, ""},
		{Server{secure, Security{TLSCA: "system"}}, nil, false, ""},
		{Server{plain, Security{TLSCA: ca}}, nil, false, ""},
	} {
		err := ask(t, c.server)
		if c.heard == nil {
			if err == nil || len(toPlain)+len(toSecure) > 0 {
				t.Errorf("%+v is let in", c.server)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.server, err)
			continue
		}
		got := <-c.heard
		if told := strings.Join(got.tokens, ","); (told == "Bearer aa.bb.cc") != c.token || (told == "") == c.token ||
			got.name != c.name || got.secure != (c.heard == toSecure) {
			t.Errorf("%+v: it heard %+v", c.server, got)
		}
	}
}

// TestTokenIsRenewed: what is in the file now is what is shown.
func TestTokenIsRenewed(t *testing.T) {
	dir := t.TempDir()
	address, heard := serve(t, nil)
	options, err := Server{address, Security{TokenFile: authtest.Write(t, dir, "token", []byte("first"))}}.Options()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	authtest.Write(t, dir, "token", []byte("second"))
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for began, told := time.Now(), ""; told != "Bearer second"; {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("it still shows %s", told)
		}
		<-ticker.C
		if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		told = strings.Join((<-heard).tokens, ",")
	}
}

// TestBadFlags are said in one line, which tells no token.
func TestBadFlags(t *testing.T) {
	dir := t.TempDir()
	token := authtest.Write(t, dir, "token", []byte("aa.bb.cc"))
	odd := authtest.Write(t, dir, "odd", []byte("aa bb\ncc"))
	for says, s := range map[string]Server{
		"does not go to meter.test:7400 in the clear": {"meter.test:7400", Security{TokenFile: token}},
		"there is no token in it":                     {"127.0.0.1:7400", Security{TokenFile: odd}},
		"--token-file: open":                          {"127.0.0.1:7400", Security{TokenFile: filepath.Join(dir, "none")}},
		"need each other":                             {"127.0.0.1:7400", Security{TLSCert: token}},
		"--tls-cert needs --tls-ca":                   {"127.0.0.1:7400", Security{TLSCert: token, TLSKey: token}},
		"there is no certificate in":                  {"127.0.0.1:7400", Security{TLSCA: token}},
		"--tls-ca: open":                              {"127.0.0.1:7400", Security{TLSCA: filepath.Join(dir, "none")}},
		"--tls-cert: tls":                             {"127.0.0.1:7400", Security{TLSCA: "system", TLSCert: token, TLSKey: token}},
	} {
		if _, err := s.Options(); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "bb") {
			t.Errorf("%+v: got %v, want it to say %q", s, err, says)
		}
	}
	if _, err := (Server{"unix:/run/meter", Security{TokenFile: token}}).Options(); err != nil {
		t.Errorf("a socket of this machine: %v", err)
	}
}

func newListener() *listener { return &listener{heard: make(chan heard, 1)} }
