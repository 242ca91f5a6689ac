package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

const issuer = "https://issuer.test"

// protected are the files of a server with TLS, for callers with tokens and with certificates.
type protected struct {
	authority *authtest.Authority
	signs     *auth.SigningKey
	dir       string
}

func newProtected(t *testing.T) *protected {
	t.Helper()
	p := &protected{authtest.NewAuthority(t), authtest.NewKey(t), t.TempDir()}
	certificate, key := p.authority.Pair(t, authtest.Name{})
	authtest.Write(t, p.dir, "cert", certificate)
	authtest.Write(t, p.dir, "key", key)
	authtest.Write(t, p.dir, "ca", p.authority.PEM())
	authtest.Write(t, p.dir, "keys", authtest.KeySet(t, p.signs))
	return p
}

func (p *protected) file(name string) string { return filepath.Join(p.dir, name) }

func (p *protected) tls() []string {
	return []string{"--tls-cert", p.file("cert"), "--tls-key", p.file("key")}
}

func (p *protected) tokens() []string {
	return []string{"--jwks-file", p.file("keys"), "--oidc-issuer", issuer, "--oidc-audience", authtest.Audience}
}

func (p *protected) page() []string {
	return append(p.tokens(), "--oidc-client-id=page", "--http-listen=127.0.0.1:0")
}

// TestRefusesToStartOpen: meterd does not start where anybody could call it, or where what it is given would not do what
// it looks like, and says in one line what to give it.
func TestRefusesToStartOpen(t *testing.T) {
	p := newProtected(t)
	broken := authtest.Write(t, p.dir, "broken", []byte("x"))
	silent := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(silent.Close)
	with := func(some []string, more ...string) []string { return append(append([]string{}, some...), more...) }
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "give --oidc-issuer and --oidc-audience"},
		{p.tls(), "give --oidc-issuer and --oidc-audience"},
		{with(p.tls(), "--tls-client-ca", p.file("ca")), "--tls-client-ca and --service-identity"},
		{with(p.tokens(), "--listen=:7400"), "give --tls-cert and --tls-key"},
		{with(p.tokens(), "--listen=0.0.0.0:0"), "needs TLS"},
		{with(p.tokens(), "--listen=192.0.2.1:0"), "needs TLS"},
		{with(p.tokens(), "--tls-cert", p.file("cert")), "--tls-cert and --tls-key need each other"},
		{with(p.tokens(), "--tls-key", p.file("key")), "--tls-cert and --tls-key need each other"},
		{with(p.tokens(), "--tls-client-ca", p.file("ca")), "--tls-client-ca needs --tls-cert"},
		{with(p.tls(), "--tls-require-client-cert"), "--tls-require-client-cert needs --tls-client-ca"},
		{with(p.tls(), "--service-identity=a=operator"), "--service-identity needs --tls-client-ca"},
		{with(p.tls(), "--tls-client-ca", p.file("ca"), "--service-identity=a=owner"), "--service-identity:"},
		{[]string{"--jwks-file", p.file("keys")}, "--jwks-file needs --oidc-issuer"},
		{[]string{"--oidc-issuer", issuer}, "--oidc-issuer and --oidc-audience need each other"},
		{[]string{"--oidc-issuer", "http://issuer.test", "--oidc-audience=a"}, "must be an https URL"},
		{[]string{"--oidc-issuer", silent.URL, "--oidc-audience=a"}, "--oidc-issuer: the issuer cannot be asked"},
		{[]string{"--jwks-file", broken, "--oidc-issuer", issuer, "--oidc-audience=a"}, "--jwks-file: " + broken},
		{with(p.tokens(), "--tls-cert", broken, "--tls-key", p.file("key")), "TLS: " + broken},
		{with(p.tokens(), "--tls-cert", p.file("cert"), "--tls-key", p.file("none")), "no such file"},
		{with(p.tokens(), "--http-listen=0.0.0.0:0"), "plain HTTP must not be: give --tls-cert and --tls-key, or put a proxy"},
		{[]string{"--dev", "--http-listen=0.0.0.0:0"}, "--dev never is"},
		{with(p.tokens(), "--oidc-client-id=page"), "--oidc-client-id needs --oidc-issuer, --http-listen and --public-url"},
		{with(p.tokens(), "--public-url=https://a.test"), "need --oidc-client-id"},
		{with(p.tokens(), "--session-key-file="+broken), "need --oidc-client-id"},
		{with(p.tokens(), "--oidc-client-secret-file="+broken), "need --oidc-client-id"},
		{with(p.page(), "--public-url=http://a.test"), "--public-url: \"http://a.test\" must be an https URL"},
		{with(p.page(), "--public-url=https://a.test/meter"), "must be a scheme and a host only"},
		{with(p.page(), "--public-url=https://a.test", "--session-key-file="+broken), "--session-key-file: " + broken},
		{with(p.page(), "--public-url=https://a.test"), "--oidc-client-id: the issuer cannot be asked how it signs people in"},
		{with(p.tokens(), "--buy-more-url=javascript:alert(1)"), "--buy-more-url:"},
		{[]string{"--dev", "--oidc-client-id=page"}, "--dev signs in whoever asks"},
		{with(p.tokens(), "--dev"), "--dev takes every caller for an operator"},
		{with(p.tls(), "--dev"), "--dev takes every caller for an operator"},
		{[]string{"--dev", "--listen=0.0.0.0:0"}, "--dev never is"},
	} {
		failsInOneLine(t, c.args, c.says)
	}
}

// TestHelpTellsNoSecrets: what the environment gives is not told.
func TestHelpTellsNoSecrets(t *testing.T) {
	const secret = "hush-hush"
	for _, name := range []string{
		"DATABASE_URL", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "SERVICE_IDENTITY", "OIDC_ISSUER", "OIDC_AUDIENCE", "JWKS_FILE",
		"OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET_FILE", "SESSION_KEY_FILE", "PUBLIC_URL",
	} {
		t.Setenv("METER_"+name, secret)
	}
	m := start(t, "--help")
	if code := m.end(t); code != 0 || strings.Contains(m.stdout.String()+m.stderr.String(), secret) {
		t.Errorf("exit code %d: %s%s", code, &m.stdout, &m.stderr)
	}
}

// TestProtected is a server as it stands on a network: whole, over TLS, for callers with tokens and with certificates.
func TestProtected(t *testing.T) {
	p := newProtected(t)
	args := append(append(p.tls(), p.tokens()...), "--data-dir", dataDir(t), "--log-level=debug",
		"--tls-client-ca", p.file("ca"), "--service-identity=svc.test=billing")
	m := start(t, args...)
	address := m.address(t)
	service := p.authority.Certificate(t, authtest.Name{DNS: []string{"svc.test"}})
	byToken, byCertificate := p.dial(t, address), p.dial(t, address, service)
	token := authtest.Token(t, p.signs, issuer, nil)
	operator := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	for name, c := range map[string]struct {
		ctx  context.Context
		conn *grpc.ClientConn
		want codes.Code
	}{
		"token":       {operator, byToken, codes.OK},
		"certificate": {t.Context(), byCertificate, codes.OK},
		"nobody":      {t.Context(), byToken, codes.Unauthenticated},
		"plaintext":   {operator, plaintext(t, address), codes.Unavailable},
	} {
		_, err := meterv1.NewOrganizationServiceClient(c.conn).ListPlans(c.ctx, &meterv1.ListPlansRequest{})
		if status.Code(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if services := servicesOf(operator, t, byToken); strings.Contains(services, "TestClockService") {
		t.Errorf("the test clock is served without --dev: %s", services)
	}
	terminate(t, m)
	if code := m.end(t); code != 0 {
		t.Errorf("exit code %d: %s", code, &m.stderr)
	}
	said := m.stdout.String() + m.stderr.String()
	key, err := os.ReadFile(p.file("key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := append(strings.Split(token, "."), strings.Split(string(key), "\n")[1])
	for _, secret := range secrets {
		if strings.Contains(said, secret[:12]) {
			t.Errorf("it tells a secret: %s", said)
		}
	}
	if !strings.Contains(said, "neither a token nor a client certificate") || !strings.Contains(said, "caller=olga") {
		t.Errorf("the log does not tell who called, or why nobody was let in: %s", said)
	}
}

func (p *protected) dial(t *testing.T, address string, shown ...tls.Certificate) *grpc.ClientConn {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: p.authority.Pool(), Certificates: shown}
	return dialWith(t, address, credentials.NewTLS(config))
}

func plaintext(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	return dialWith(t, address, insecure.NewCredentials())
}

func dialWith(t *testing.T, address string, transport credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// servicesOf are the names of what is served, as reflection tells them.
func servicesOf(ctx context.Context, t *testing.T, conn *grpc.ClientConn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err == nil {
		err = stream.Send(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetListServicesResponse().String()
}
