package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/localpg"
)

const (
	// startPatience bounds how long a server may take to serve: it may make a database cluster first, or recover one.
	startPatience = time.Minute
	// endPatience bounds how long a program may take to end.
	endPatience = 40 * time.Second
)

// meterd is one process of the server.
type meterd struct {
	address string // Where it serves, by its ready line.
	stdout  *output
	stderr  *output
	cmd     *exec.Cmd
	ended   chan struct{} // Closed once the process has ended and all that it wrote has been read.
}

// start starts a server for development on a free port of loopback, unless the arguments name another, and waits until it
// serves.
func start(t testing.TB, args ...string) *meterd {
	t.Helper()
	m := launch(t, meterdProgram(), append([]string{"--dev", "--listen=127.0.0.1:0"}, args...)...)
	m.awaitReady(t)
	return m
}

// launch starts a program without waiting for anything. It ends with the test at the latest.
func launch(t testing.TB, program string, args ...string) *meterd {
	t.Helper()
	m := &meterd{stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
	// The cleanup below ends it in order and looks how that goes, so no context does.
	m.cmd = exec.CommandContext(context.Background(), program, args...)
	m.cmd.Env = environment()
	m.cmd.Stdout, m.cmd.Stderr = m.stdout, m.stderr
	m.cmd.WaitDelay = endPatience
	dieWithParent(m.cmd)
	started := make(chan error)
	go func() {
		// The signal of a parent's death goes by the thread that started the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(m.ended)
		err := m.cmd.Start()
		started <- err
		if err == nil {
			_ = m.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.clear(t) })
	return m
}

// environment is this process's without the settings of a meterd that a developer may have exported.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "METER_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

func (m *meterd) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case m.address = <-m.stdout.ready:
	case <-m.ended:
		t.Fatalf("it ended instead of serving: %s", m.stderr)
	case <-time.After(startPatience):
		t.Fatalf("it does not serve after %v: %s", startPatience, m.stderr)
	}
}

// kill ends the process as the kernel does when memory is short, and waits for its end.
func (m *meterd) kill(t testing.TB) {
	t.Helper()
	m.signal(t, syscall.SIGKILL)
	m.wait(t)
}

// stop asks the process to end in order and answers its exit code.
func (m *meterd) stop(t testing.TB) int {
	t.Helper()
	m.signal(t, syscall.SIGTERM)
	return m.wait(t)
}

func (m *meterd) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %v: %v", s, err)
	}
}

// wait answers the exit code once the process has ended; -1: by a signal.
func (m *meterd) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-m.ended:
		return m.cmd.ProcessState.ExitCode()
	case <-time.After(endPatience):
		t.Fatalf("it has not ended after %v: %s", endPatience, m.stderr)
		return -1
	}
}

// running says whether the process has not ended.
func (m *meterd) running() bool {
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}

// clear ends what a test left running, and shows what the server said if the test failed.
func (m *meterd) clear(t testing.TB) {
	if m.running() && m.stop(t) != 0 {
		t.Error("it did not end in order")
	}
	said := m.stderr.String()
	if strings.Contains(said, "WARNING: DATA RACE") {
		t.Error("it has a data race")
	}
	if t.Failed() {
		t.Logf("%s said:\n%s", m.address, said[max(0, len(said)-8_000):])
	}
}

// privateURL is the connection string of the private PostgreSQL of a server that runs on a data directory.
func privateURL(t testing.TB, dataDir string) string {
	t.Helper()
	server, err := localpg.Attach(t.Context(), localpg.Options{DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	return server.URL()
}

// dataDir is an empty directory that PostgreSQL can work in: its path is short enough for a socket, and its user, who may
// be another than this process's, can enter.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // What lies inside is closed to others by localpg.
		t.Fatal(err)
	}
	return dir
}

// output keeps what a program writes, and hands on the address of its first ready line.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	handed bool
	ready  chan string
}

var readyLine = regexp.MustCompile(`(?m)^ready: meter\.v1 on (\S+)\n`)

func newOutput() *output { return &output{ready: make(chan string, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	if o.handed {
		return n, err
	}
	if found := readyLine.FindSubmatch(o.text.Bytes()); found != nil {
		o.handed = true
		o.ready <- string(found[1])
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
