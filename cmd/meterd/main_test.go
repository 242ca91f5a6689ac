package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// TestFailsInOneLine: whatever stops meterd from serving is said in one line that names it, and the exit code is 1.
func TestFailsInOneLine(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	notSocket := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notSocket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--bogus"}, "unknown flag --bogus"},
		{[]string{"extra"}, "unexpected argument extra"},
		{[]string{"--lanes=0"}, "--lanes must be at least 1"},
		{[]string{"--max-batch=-1"}, "--max-batch must be at least 1"},
		{[]string{"--queue-length=many"}, "--queue-length"},
		{[]string{"--queue-age=0s"}, "--queue-age must be at least 1ms"},
		{[]string{"--drain-timeout=soon"}, "--drain-timeout"},
		{[]string{"--log-level=loud"}, "--log-level"},
		{[]string{"--log-format=xml"}, "--log-format"},
		{[]string{"--demo"}, "--demo needs --dev"},
		{[]string{"--dev", "--listen=7400"}, "neither host:port nor unix:/path"},
		{[]string{"--dev", "--listen=:7400"}, "--dev never is"},
		{[]string{"--dev", "--listen=192.0.2.1:0"}, "--dev never is"},
		{[]string{"--dev", "--http-listen=0.0.0.0:0"}, "--http-listen"},
		{[]string{"--dev", "--listen=unix:" + notSocket}, "no socket"},
		{[]string{"--dev", "--listen=127.0.0.1:99999"}, "cannot listen"},
		{[]string{"--dev", "--listen=" + taken.Addr().String()}, "is in use by another program"},
		{[]string{"--dev", "--http-listen=" + taken.Addr().String()}, "is in use by another program"},
		{[]string{"--dev", "--database-url=postgres://127.0.0.1:1/meter"}, "the database cannot be reached"},
		{[]string{"--dev", "--database-url=nonsense"}, "database URL"},
		{[]string{"--dev", "--data-dir=/dev/null"}, "data directory"},
	} {
		failsInOneLine(t, c.args, c.says)
	}
}

// failsInOneLine wants the exit code 1 and one line on stderr that says some words; on stdout only what --dev says first.
func failsInOneLine(t *testing.T, args []string, says string) {
	t.Helper()
	m := start(t, args...)
	if code := m.end(t); code != 1 {
		t.Errorf("%v: exit code %d", args, code)
	}
	said, told := m.stderr.String(), strings.TrimPrefix(m.stdout.String(), devLine+"\n")
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "meterd: ") || !strings.Contains(said, says) || told != "" {
		t.Errorf("%v: says %q, and on stdout %q", args, said, told)
	}
}

// TestHelp lists every setting with its variable and its default.
func TestHelp(t *testing.T) {
	m := start(t, "--help")
	if code := m.end(t); code != 0 || m.stderr.Len() > 0 {
		t.Errorf("exit code %d: %s", code, m.stderr.String())
	}
	help := regexp.MustCompile(`\s+`).ReplaceAllString(m.stdout.String(), " ")
	for _, flag := range []string{
		"listen", "http-listen", "database-url", "data-dir", "postgres-bin", "dev", "demo", "grpcurl", "lanes", "max-batch",
		"tls-cert", "tls-key", "tls-client-ca", "tls-require-client-cert", "service-identity", "oidc-issuer", "oidc-audience",
		"jwks-file", "queue-length", "queue-age", "default-deadline", "drain-timeout", "sweep-interval", "log-level", "log-format",
	} {
		variable := "$METER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		if !strings.Contains(help, " --"+flag) || !strings.Contains(help, "("+variable+")") {
			t.Errorf("--help lacks --%s or %s", flag, variable)
		}
	}
	for _, value := range []string{"(127.0.0.1:7400)", "(512)", "(3s)", "(10s)", "(15s)", "(info)", "/var/lib/spillway"} {
		if !strings.Contains(help, value) {
			t.Errorf("--help lacks the default %s", value)
		}
	}
}

// TestDemo starts a server on a data directory of its own, pastes what it prints into a shell, stops it, and finds what
// was written at the next start.
func TestDemo(t *testing.T) {
	dir := dataDir(t)
	for run := range 2 {
		m := start(t, "--dev", "--demo", "--data-dir", dir, "--grpcurl", os.Args[0])
		m.address(t)
		out := paste(t, m)
		for _, want := range []string{
			"RESERVATION_STATE_HELD", "RESERVATION_STATE_COMMITTED", `"actualMicros": "8700"`, "EXTRA_USAGE_NOT_ENABLED",
			"ask your firm's admin", "ACCESS_KIND_CAPPED", `"heldPoolMicros": "3000000"`, "RESERVATION_STATE_RELEASED",
			`"balanceMicros": "100000000"`, fmt.Sprintf(`"sequence": "%d"`, 2+run), "ACCESS_KIND_NONE",
		} {
			if !strings.Contains(strings.ToLower(out), strings.ToLower(want)) {
				t.Errorf("start %d: the demonstration does not show %s:\n%s", run+1, want, out)
			}
		}
		terminate(t, m)
		if code := m.end(t); code != 0 {
			t.Errorf("exit code %d: %s", code, m.stderr.String())
		}
	}
}

// paste runs the lines that meterd prints for a shell, and answers what they showed.
func paste(t *testing.T, m *meterd) string {
	t.Helper()
	var lines []string
	for line := ""; !strings.HasSuffix(line, "PoolService/RevokeAccess"); {
		line = m.line(t)
		lines = append(lines, line)
	}
	shell := exec.CommandContext(t.Context(), "sh")
	shell.Env = append(os.Environ(), asProgram+"=grpcurl")
	shell.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

// TestSecondSignal ends a server at once that still drains after the first.
func TestSecondSignal(t *testing.T) {
	m := start(t, "--dev", "--data-dir", dataDir(t), "--drain-timeout=1h")
	address := m.address(t)
	keepStream(t, address)
	terminate(t, m)
	for conn, err := net.Dial("tcp", address); err == nil; conn, err = net.Dial("tcp", address) {
		_ = conn.Close() // It has not begun to drain.
	}
	terminate(t, m)
	m.end(t)
	if end, ok := m.ProcessState.Sys().(syscall.WaitStatus); !ok || end.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v: %s", m.ProcessState, m.stderr.String())
	}
}

// keepStream opens a stream that keeps a server from ending by itself.
func keepStream(t *testing.T, address string) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
}

func terminate(t *testing.T, m *meterd) {
	t.Helper()
	if err := m.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// TestPrivatePostgresDies: a server that lost its own database for good says so and ends.
func TestPrivatePostgresDies(t *testing.T) {
	dir := dataDir(t)
	m := start(t, "--dev", "--data-dir", dir, "--drain-timeout=1s")
	m.address(t)
	file, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := m.end(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	said := strings.Split(strings.TrimSpace(m.stderr.String()), "\n")
	if last := said[len(said)-1]; !strings.HasPrefix(last, "meterd: ") || !strings.Contains(last, "PostgreSQL") {
		t.Errorf("its last line is %q", last)
	}
}
