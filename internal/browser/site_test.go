package browser

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/auth/authtest"
	"github.com/spillway-metering/spillway/internal/session/sessiontest"
)

// patience bounds every wait of these tests.
const patience = time.Minute

// site is one meterd with its HTTP side.
type site struct {
	url      string // Of the page, without a slash at its end.
	operator string // The authorization by which a test furnishes it; empty: none is needed.
	tls      *tls.Config
	pageless bool // Whether it serves no page.

	args []string
	stop func() // Ends the program, and waits until it has ended.
}

// startDev starts a meterd for development on a database.
func startDev(t testing.TB, database string, args ...string) *site {
	t.Helper()
	s := &site{url: "http://" + freeAddress(t)}
	s.launch(t, append([]string{"--dev", "--database-url=" + database, "--http-listen=" + strings.TrimPrefix(s.url, "http://")}, args...))
	return s
}

// startSigned starts a meterd whose people sign in at an issuer.
func startSigned(t testing.TB, database string, issuer *sessiontest.Issuer, args ...string) *site {
	t.Helper()
	s := &site{url: "http://" + freeAddress(t)}
	s.operator = "Bearer " + authtest.Token(t, issuer.Key(), issuer.URL, nil)
	s.launch(t, append(signedArgs(t, database, issuer, s.url), args...))
	return s
}

func signedArgs(t testing.TB, database string, issuer *sessiontest.Issuer, url string) []string {
	t.Helper()
	_, at, _ := strings.Cut(url, "://")
	return []string{
		"--database-url=" + database, "--http-listen=" + at, "--public-url=" + url,
		"--oidc-issuer=" + issuer.URL, "--oidc-audience=" + authtest.Audience, "--oidc-client-id=" + sessiontest.ClientID,
		"--oidc-client-secret-file=" + authtest.Write(t, t.TempDir(), "secret", []byte(sessiontest.ClientSecret+"\n")),
	}
}

// launch starts the program and waits until it serves. It ends with the test.
func (s *site) launch(t testing.TB, args []string) {
	t.Helper()
	s.args = slices.Concat(args, []string{"--listen=127.0.0.1:0"})
	s.stop = func() {}
	t.Cleanup(func() { s.stop() })
	s.start(t)
}

// start starts the program, also anew once it was stopped, and waits until it serves.
func (s *site) start(t testing.TB) {
	t.Helper()
	said, ended := &output{ready: make(chan struct{})}, make(chan struct{})
	cmd := exec.CommandContext(context.Background(), program, s.args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Env = environment()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("meterd said:\n%s", said)
		}
	})
	select {
	case <-said.ready:
	case <-ended:
		t.Fatalf("it ended instead of serving: %s", said)
	case <-time.After(patience):
		t.Fatalf("it does not serve: %s", said)
	}
	if strings.Contains(said.String(), "page: "+s.url+"/\n") == s.pageless {
		t.Errorf("it does not say where the page is: %s", said)
	}
}

// environment is this process's without the settings of a meterd that a developer may have exported.
func environment() (kept []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "METER_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// freeAddress is one on loopback that nobody listened on a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// furnish makes a firm, acme, with an owner ada and members ben and cy, on a plan of a kind.
func (s *site) furnish(t testing.TB, kind string) {
	t.Helper()
	s.putPlan(t, "plan", kind)
	s.putOrganization(t, "plan", nil)
	for _, member := range []string{"ada", "ben", "cy"} {
		role := "ROLE_MEMBER"
		if member == "ada" {
			role = "ROLE_OWNER"
		}
		s.putMember(t, member, role)
	}
	s.call(t, "PoolService/TopUp", map[string]any{"organizationId": "acme", "requestId": "pack", "amountMicros": "100000000"})
}

func (s *site) putPlan(t testing.TB, id, kind string) {
	t.Helper()
	s.call(t, "OrganizationService/PutPlan", map[string]any{"plan": map[string]any{
		"planId": id, "kind": "PLAN_KIND_" + kind, "seatAllowanceMicros": "5000000", "limits": map[string]any{"devices": "3"},
	}})
}

// putOrganization makes acme, on a plan, or changes it.
func (s *site) putOrganization(t testing.TB, plan string, more map[string]any) {
	t.Helper()
	organization := map[string]any{
		"organizationId": "acme", "displayName": "Acme Automation", "planId": plan, "unit": "UNIT_USD", "timeZone": "Europe/Berlin",
		"anniversary": map[string]any{"year": 2026, "month": 1, "day": 1},
	}
	maps.Copy(organization, more)
	s.call(t, "OrganizationService/PutOrganization", map[string]any{"organization": organization})
}

func (s *site) putMember(t testing.TB, member, role string) {
	t.Helper()
	s.call(t, "OrganizationService/PutMember", map[string]any{"member": map[string]any{
		"organizationId": "acme", "memberId": member, "displayName": strings.ToUpper(member[:1]) + member[1:], "role": role,
	}})
}

// call makes a call as an operator, which must succeed.
func (s *site) call(t testing.TB, method string, request map[string]any) map[string]any {
	t.Helper()
	p := s.person(t)
	p.authorization = s.operator
	a := p.call(method, request)
	if a.status != http.StatusOK {
		t.Fatalf("%s: %d %s", method, a.status, a.text)
	}
	return a.json(t)
}

// person is a browser without a face: it keeps cookies and follows links.
type person struct {
	t             testing.TB
	site          *site
	client        *http.Client
	authorization string
	header        http.Header // More to send.
}

func (s *site) person(t testing.TB) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: s.tls, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &person{t: t, site: s, client: &http.Client{Jar: jar, Transport: transport, Timeout: patience}, header: http.Header{}}
}

// still has the person stay where they are sent away from.
func (p *person) still() *person {
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// answer is what a server answered, at last.
type answer struct {
	status int
	url    string // Where it came from.
	header http.Header
	proto  int
	text   string
}

func (a answer) json(t testing.TB) (content map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), &content); err != nil {
		t.Fatalf("%s: %v", a.text, err)
	}
	return content
}

// call makes a call of meter.v1.
func (p *person) call(method string, request map[string]any) answer {
	p.t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.send(http.MethodPost, "/meter.v1."+method, "application/json", string(text))
}

func (p *person) get(path string) answer { p.t.Helper(); return p.send(http.MethodGet, path, "", "") }

// submit sends a form.
func (p *person) submit(path, form string) answer {
	p.t.Helper()
	return p.send(http.MethodPost, path, "application/x-www-form-urlencoded", form)
}

func (p *person) send(method, path, kind, body string) answer {
	p.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = p.site.url + path
	}
	request, err := http.NewRequestWithContext(p.t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for name, values := range p.header {
		request.Header[name] = values
	}
	if host := p.header.Get("Host"); host != "" {
		request.Host = host
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if p.authorization != "" {
		request.Header.Set("Authorization", p.authorization)
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		p.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Request.URL.String(), response.Header, response.ProtoMajor, string(text)}
}

// session is what the page is told of the person.
func (p *person) session() map[string]any {
	p.t.Helper()
	return p.get("/session").json(p.t)
}

// choose signs in under --dev.
func (p *person) choose(member string) answer {
	p.t.Helper()
	return p.submit("/signin", "organization=acme&member="+member+"&to=/me")
}

// sessionKeys is a file of keys, each of 32 times a byte.
func sessionKeys(t testing.TB, path string, bytesOf ...byte) {
	t.Helper()
	var lines []string
	for _, b := range bytesOf {
		lines = append(lines, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// output keeps what a program writes, and tells when it serves.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	once  sync.Once
	ready chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	if bytes.Contains(o.text.Bytes(), []byte("ready: meter.v1 on ")) {
		o.once.Do(func() { close(o.ready) })
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
