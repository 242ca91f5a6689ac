package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
	"github.com/spillway-metering/spillway/internal/rpc"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

const issuer = "https://issuer.test"

// secured is an edge that serves on loopback with TLS, to callers with certificates or tokens.
type secured struct {
	address   string
	dir       string // Where the files of its identity are: cert, key, ca, keys.
	authority *authtest.Authority
	signs     *auth.SigningKey
	log       *log
}

// secure starts one, with settings changed as a test says; nil: as they are.
func secure(t *testing.T, change func(*Identity)) *secured {
	t.Helper()
	e := &secured{dir: t.TempDir(), authority: authtest.NewAuthority(t), signs: authtest.NewKey(t), log: &log{}}
	certificate, key := e.authority.Pair(t, authtest.Name{})
	identity := Identity{
		TLS: auth.TLSFiles{
			Certificate: authtest.Write(t, e.dir, "cert", certificate), Key: authtest.Write(t, e.dir, "key", key),
			ClientCA: authtest.Write(t, e.dir, "ca", e.authority.PEM()),
		},
		Services: map[string]auth.Role{"svc.test": auth.Operator}, Issuer: issuer, Audience: authtest.Audience,
		JWKSFile: authtest.Write(t, e.dir, "keys", authtest.KeySet(t, e.signs)),
	}
	if change != nil {
		change(&identity)
	}
	s := &server{Config: Config{Identity: identity, Logger: slog.New(slog.NewTextHandler(e.log, nil))}}
	if err := s.openCallers(t.Context()); err != nil {
		t.Fatal(err)
	}
	edge, err := NewEdge(EdgeConfig{
		Reflection: true,
		Services:   rpc.Services{Writer: writer(done)}, Metrics: telemetry.NewMetrics(), Logger: s.Logger,
		DefaultDeadline: time.Minute, Authenticator: s.callers.authenticator, TLS: s.callers.tls,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- edge.Serve(listener) }()
	edge.SetServing(true)
	t.Cleanup(func() {
		if err := errors.Join(edge.Drain(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	e.address = listener.Addr().String()
	return e
}

// client is the TLS of a caller who believes the edge's authority, and shows certificates if it has any.
func (e *secured) client(shown ...tls.Certificate) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS10, RootCAs: e.authority.Pool(), Certificates: shown} // The edge decides.
}

// certificate is of a client by the name that has a role.
func (e *secured) certificate(t *testing.T, notAfter time.Time) tls.Certificate {
	t.Helper()
	return e.authority.Certificate(t, authtest.Name{DNS: []string{"svc.test"}, NotAfter: notAfter})
}

// dial connects; nil: without TLS.
func (e *secured) dial(t *testing.T, config *tls.Config) *grpc.ClientConn {
	t.Helper()
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient(e.address, grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// topUp is a call with a token; empty: without.
func topUp(ctx context.Context, conn *grpc.ClientConn, token string) error {
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	_, err := meterv1.NewPoolServiceClient(conn).TopUp(ctx, &meterv1.TopUpRequest{
		OrganizationId: "acme", RequestId: "inv-1", AmountMicros: 1,
	})
	return err
}

// TestTransport lets in TLS 1.3 with certificates that are good, and nothing else.
func TestTransport(t *testing.T) {
	e := secure(t, nil)
	strict := secure(t, func(i *Identity) { i.TLS.RequireClientCertificate = true })
	strangers := authtest.NewAuthority(t).Certificate(t, authtest.Name{DNS: []string{"svc.test"}})
	below := func(version uint16) *tls.Config {
		config := e.client()
		config.MaxVersion = version
		return config
	}
	for name, c := range map[string]struct {
		edge   *secured
		config *tls.Config
		good   bool
	}{
		"TLS 1.3":                       {e, e.client(), true},
		"TLS 1.2":                       {e, below(tls.VersionTLS12), false},
		"TLS 1.1":                       {e, below(tls.VersionTLS11), false},
		"plaintext":                     {e, nil, false},
		"certificate":                   {e, e.client(e.certificate(t, time.Time{})), true},
		"expired certificate":           {e, e.client(e.certificate(t, time.Now().Add(-time.Second))), false},
		"certificate of another CA":     {e, forced(e.client(), strangers), false},
		"no certificate, required":      {strict, strict.client(), false},
		"certificate, required":         {strict, strict.client(strict.certificate(t, time.Time{})), true},
		"expired certificate, required": {strict, strict.client(strict.certificate(t, time.Now().Add(-time.Second))), false},
	} {
		err := topUp(t.Context(), c.edge.dial(t, c.config), authtest.Token(t, c.edge.signs, issuer, nil))
		if (err == nil) != c.good || (!c.good && status.Code(err) != codes.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if said := e.log.String() + strict.log.String(); said != "" {
		t.Errorf("the log says %s", said)
	}
}

// forced shows a certificate also where the server asked for those of other authorities.
func forced(config *tls.Config, shown tls.Certificate) *tls.Config {
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	return config
}

// TestOldVersions asks the edge itself, where the client's library would not offer them.
func TestOldVersions(t *testing.T) {
	e := secure(t, nil)
	for version, good := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: false, tls.VersionTLS13: true,
	} {
		config := e.client()
		config.MinVersion, config.MaxVersion, config.NextProtos = version, version, []string{"h2"}
		conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", e.address)
		if (err == nil) != good || (!good && !strings.Contains(err.Error(), "protocol version not supported")) {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// TestWhoCalls goes by the token, or else by the certificate, and tells nobody which check failed.
func TestWhoCalls(t *testing.T) {
	e := secure(t, nil)
	good := authtest.Token(t, e.signs, issuer, nil)
	expired := authtest.Token(t, e.signs, issuer, func(g *auth.Grant) { g.Expires = time.Now().Add(-time.Minute) })
	foreign := authtest.Token(t, authtest.NewKey(t), issuer, nil)
	service := e.client(e.certificate(t, time.Time{}))
	unnamed := e.client(e.authority.Certificate(t, authtest.Name{DNS: []string{"other.test"}}))
	const notValid, over = "none that is valid", "expired"
	for name, c := range map[string]struct {
		config *tls.Config
		token  string
		says   string // Empty: it is let in.
	}{
		"nobody":                           {e.client(), "", notValid},
		"token":                            {e.client(), good, ""},
		"certificate":                      {service, "", ""},
		"both":                             {service, good, ""},
		"certificate with expired token":   {service, expired, over},
		"certificate with foreign token":   {service, foreign, notValid},
		"certificate without a role":       {unnamed, "", notValid},
		"certificate without role, token":  {unnamed, good, ""},
		"expired token":                    {e.client(), expired, over},
		"foreign token":                    {e.client(), foreign, notValid},
		"truncated token":                  {e.client(), good[:len(good)-9], notValid},
		"twenty kilobytes":                 {e.client(), strings.Repeat("A", 20<<10), notValid},
		"twenty kilobytes, a good token":   {e.client(), good + strings.Repeat("A", 20<<10), notValid},
		"two tokens in one":                {e.client(), good + "," + good, notValid},
		"token that is none of this world": {e.client(), "\"", notValid},
	} {
		err := topUp(t.Context(), e.dial(t, c.config), c.token)
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if status.Code(err) != codes.Unauthenticated || reason(err) != "UNAUTHENTICATED" ||
			!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "svc.test") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// More than the server takes in a header does not get as far as a reason.
	if err := topUp(t.Context(), e.dial(t, e.client()), strings.Repeat("A", 1<<20)); err == nil {
		t.Error("a token of one megabyte was let in")
	}
	e.tellsNoSecrets(t, good, expired, foreign)
	if !strings.Contains(e.log.String(), "is not among the issuer's") {
		t.Errorf("the log does not tell the cause: %s", e.log)
	}
}

// tellsNoSecrets looks for tokens, and for parts of them, in the log.
func (e *secured) tellsNoSecrets(t *testing.T, tokens ...string) {
	t.Helper()
	said := e.log.String()
	for _, token := range tokens {
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(said, part[:12]) {
				t.Errorf("the log has a token's %s", part[:12])
			}
		}
	}
	if strings.Contains(said, "AAAAAAAA") || strings.Contains(said, "PRIVATE") {
		t.Errorf("the log has a secret: %.2000s", said)
	}
}

// TestAuthorizationHeader takes one bearer token and nothing else.
func TestAuthorizationHeader(t *testing.T) {
	e := secure(t, nil)
	conn, good := e.dial(t, e.client(e.certificate(t, time.Time{}))), authtest.Token(t, e.signs, issuer, nil)
	for _, c := range []struct {
		given []string
		good  bool
	}{
		{[]string{"Bearer " + good}, true},
		{[]string{"bearer " + good}, true},
		{[]string{"Bearer " + good, "Bearer " + good}, false},
		{[]string{"Basic " + good}, false},
		{[]string{good}, false},
		{[]string{"Bearer"}, false},
		{[]string{""}, false},
	} {
		ctx := t.Context()
		for _, v := range c.given {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
		}
		if err := topUp(ctx, conn, ""); (err == nil) != c.good || (!c.good && reason(err) != "UNAUTHENTICATED") {
			t.Errorf("%.20q: %v", c.given, err)
		}
	}
}

// TestHealthIsOpenReflectionIsNot: who only asks whether the server is there need not be known.
func TestHealthIsOpenReflectionIsNot(t *testing.T) {
	e := secure(t, nil)
	conn := e.dial(t, e.client())
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("check: %v", err)
	}
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Errorf("watch: %v", err)
	}
	for token, good := range map[string]bool{
		"": false, authtest.Token(t, authtest.NewKey(t), issuer, nil): false,
		authtest.Token(t, e.signs, issuer, func(g *auth.Grant) { g.Role, g.OrganizationID, g.MemberID = "member", "acme", "ada" }): true,
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
		err := reflect(ctx, conn)
		if (err == nil) != good || (!good && (status.Code(err) != codes.Unauthenticated || reason(err) != "UNAUTHENTICATED")) {
			t.Errorf("reflection: %v", err)
		}
	}
}

func reflect(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	// What ends the stream is what Recv answers.
	_ = stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	})
	_, err = stream.Recv()
	return err
}

// TestAuthorityIsTakenBack: connections that were begun by certificates of an authority are of no use any more.
func TestAuthorityIsTakenBack(t *testing.T) {
	e := secure(t, nil)
	conn := e.dial(t, e.client(e.certificate(t, time.Time{})))
	if err := topUp(t.Context(), conn, ""); err != nil {
		t.Fatal(err)
	}
	authtest.Write(t, e.dir, "ca", authtest.NewAuthority(t).PEM())
	within(t, "the connection is refused", func() bool { return reason(topUp(t.Context(), conn, "")) == "UNAUTHENTICATED" })
}

// within waits for something to become true.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	patience := time.After(20 * time.Second)
	for !is() {
		select {
		case <-ticker.C:
		case <-patience:
			t.Fatalf("it never comes true that %s", what)
		}
	}
}
