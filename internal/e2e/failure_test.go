package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOneServerToADataDirectory starts a second server where one runs, on its data and then on its port: each time the
// second must say so in one line and leave nothing behind, and the first must not notice. What else stops a server from
// starting is tested beside its main.
func TestOneServerToADataDirectory(t *testing.T) {
	t.Parallel()
	dir, another := dataDir(t), dataDir(t)
	first := start(t, "--data-dir="+dir)
	cannotStart(t, []string{"--listen=127.0.0.1:0", "--data-dir=" + dir}, dir)
	cannotStart(t, []string{"--listen=" + first.address, "--data-dir=" + another}, "in use")
	cannotStart(t, []string{"--listen=127.0.0.1:0", "--http-listen=" + first.address, "--data-dir=" + another}, "in use")
	if left := must(os.ReadDir(another))(t); len(left) > 0 {
		t.Errorf("a server that could not start left %v", left)
	}
	dial(t, first.address).furnish(t, firm{id: "acme", seats: 1})
	if code := first.stop(t); code != 0 {
		t.Errorf("the first ended with exit code %d: %s", code, first.stderr)
	}
	if privateRuns(t, dir) {
		t.Error("its PostgreSQL was left running")
	}
}

// cannotStart wants the exit code 1 and one line on stderr that says some words.
func cannotStart(t *testing.T, args []string, says string) {
	t.Helper()
	server := launch(t, meterdProgram(), append([]string{"--dev"}, args...)...)
	code, line := server.wait(t), server.stderr.String()
	_, told, _ := strings.Cut(server.stdout.String(), "\n") // After what --dev says first.
	if code != 1 || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "meterd: ") ||
		!strings.Contains(line, says) || told != "" {
		t.Errorf("%v: exit code %d, stderr %q, stdout %q", args, code, line, server.stdout)
	}
}

// privateRuns says whether a private PostgreSQL runs on a data directory: it removes its pid file when it ends in order.
func privateRuns(t *testing.T, dir string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid"))
	return !os.IsNotExist(err)
}
