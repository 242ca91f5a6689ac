package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spillway-metering/spillway/internal/localpg"
)

const (
	// readyLine is what meterd says on stdout before its address, once it serves.
	readyLine = "ready: meter.v1 on "
	// startWithin bounds how long meterd may take to serve; it may have to make a database first.
	startWithin = time.Minute
	// stopWithin bounds how long meterd may take to end in order.
	stopWithin = time.Minute
)

// meterd is a server that was started to be measured: a process of its own, so that its memory is its own.
type meterd struct {
	command  *exec.Cmd
	dataDir  string
	address  string
	words    lastWords
	private  *localpg.Server // Its private PostgreSQL, once somebody has asked for it.
	ended    chan struct{}
	endError error // Set before ended is closed.
}

// startMeterd starts a program on a free port, with scratch data and, unless given a database, a private PostgreSQL. Who
// its callers are is told by flags, for which files may be left among the scratch data.
func startMeterd(
	ctx context.Context, given, databaseURL string, callers func(dir string) (flags []string, err error),
) (*meterd, error) {
	program, err := findMeterd(given)
	if err != nil {
		return nil, err
	}
	dataDir, err := os.MkdirTemp("", "meterbench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for scratch data: %w", err)
	}
	m := &meterd{dataDir: dataDir, ended: make(chan struct{})}
	// PostgreSQL runs as another user if this one is root, and must be able to enter.
	err = os.Chmod(dataDir, 0o755) //nolint:gosec // What lies inside is closed to others by localpg.
	var flags []string
	if err == nil {
		flags, err = callers(dataDir)
	}
	if databaseURL != "" {
		flags = append(flags, "--database-url="+databaseURL)
	}
	if err == nil {
		err = m.start(ctx, program, flags)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dataDir))
	}
	return m, nil
}

// findMeterd is the program to start.
func findMeterd(given string) (string, error) {
	if given != "" {
		if _, err := os.Stat(given); err != nil {
			return "", fmt.Errorf("no meterd to measure (%w): name it with --meterd, or a running one with --address", err)
		}
		return filepath.Abs(given)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program's directory: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "meterd")
	if _, err := os.Stat(beside); err != nil {
		return "", fmt.Errorf("no meterd beside this program (%w): name it with --meterd, or a running one with --address", err)
	}
	return beside, nil
}

// start returns once meterd serves.
func (m *meterd) start(ctx context.Context, program string, flags []string) error {
	m.command = exec.Command(program,
		append([]string{"--listen=127.0.0.1:0", "--log-level=warn", "--data-dir=" + m.dataDir}, flags...)...)
	m.command.Env = environment()
	m.command.Stderr = &m.words
	// A Ctrl-C in the terminal is for this program, which then ends meterd in order.
	m.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := m.command.StdoutPipe()
	if err == nil {
		err = m.command.Start()
	}
	if err != nil {
		return fmt.Errorf("starting meterd: %w", err)
	}
	ready := make(chan string, 1)
	go m.watch(stdout, ready)
	return m.awaitReady(ctx, ready)
}

// elsewhere are how the settings begin that are meant for a server that lasts: its database, an address that only one
// server can have, and who its callers are.
var elsewhere = []string{
	"METER_DATABASE_URL=", "METER_HTTP_LISTEN=", "METER_DEV=", "METER_DEMO=",
	"METER_TLS_", "METER_SERVICE_IDENTITY=", "METER_OIDC_", "METER_JWKS_FILE=",
}

// environment is this program's own, so that METER_LANES and the like still count, without what would have meterd serve
// others than is told by its flags.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return slices.ContainsFunc(elsewhere, func(setting string) bool { return strings.HasPrefix(v, setting) })
	})
}

// watch tells the address from stdout, and notes how the process ends.
func (m *meterd) watch(stdout io.Reader, ready chan<- string) {
	defer close(m.ended)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), readyLine); ok && len(ready) == 0 {
			ready <- address
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // A line too long for the scanner.
	m.endError = m.command.Wait()
}

func (m *meterd) awaitReady(ctx context.Context, ready <-chan string) error {
	patience := time.NewTimer(startWithin)
	defer patience.Stop()
	select {
	case m.address = <-ready:
		return nil
	case <-m.ended:
		return fmt.Errorf("meterd ended before it served: %s", m.words.last())
	case <-patience.C:
		return errors.Join(fmt.Errorf("meterd did not serve within %s", startWithin), m.end())
	case <-ctx.Done():
		return errors.Join(ctx.Err(), m.end())
	}
}

// stop ends meterd in order and removes its scratch data.
func (m *meterd) stop() error {
	err := m.end()
	if m.private != nil {
		err = errors.Join(err, m.private.Stop(context.Background()))
	}
	return errors.Join(err, os.RemoveAll(m.dataDir))
}

func (m *meterd) end() error {
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping meterd: %w", err)
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-m.ended:
	case <-patience.C:
		_ = m.command.Process.Kill()
		<-m.ended
	}
	if m.endError != nil {
		return fmt.Errorf("meterd ended with %w: %s", m.endError, m.words.last())
	}
	return nil
}

// database is a connection string of meterd's private PostgreSQL.
func (m *meterd) database(ctx context.Context) (url string, err error) {
	if m.private, err = localpg.Attach(ctx, localpg.Options{DataDir: m.dataDir}); err != nil {
		return "", fmt.Errorf("reaching meterd's private PostgreSQL: %w", err)
	}
	return m.private.URL(), nil
}

// lastWords keeps the last line of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	line []byte
}

// Write keeps the last line that is not empty.
func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range bytes.Lines(p) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			w.line = bytes.Clone(line)
		}
	}
	return len(p), nil
}

func (w *lastWords) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.line)
}
