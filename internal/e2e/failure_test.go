package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCannotStart gives the server what it cannot work with. It must say so in one line, of which an operator can tell
// what to change, and leave nothing running.
func TestCannotStart(t *testing.T) {
	occupied := must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = occupied.Close() })
	database := "--database-url=" + postgres.Database(t)
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"no such flag":             {[]string{"--nonsense"}, []string{"--nonsense"}},
		"a word too many":          {[]string{"serve"}, []string{"serve"}},
		"a number too small":       {[]string{"--lanes=0"}, []string{"--lanes", "at least 1"}},
		"no number":                {[]string{"--max-batch=many"}, []string{"--max-batch", "many"}},
		"no duration":              {[]string{"--queue-age=soon"}, []string{"--queue-age", "soon"}},
		"a duration too short":     {[]string{"--drain-timeout=0s"}, []string{"--drain-timeout", "0s"}},
		"no log level":             {[]string{"--log-level=loud"}, []string{"--log-level", "loud"}},
		"demo without dev":         {[]string{"--demo"}, []string{"--demo", "--dev"}},
		"no address":               {[]string{database, "--listen=here"}, []string{"--listen", "here"}},
		"open to others":           {[]string{database, "--listen=0.0.0.0:0"}, []string{"--listen", "0.0.0.0:0"}},
		"open to others, over v6":  {[]string{database, "--listen=[::]:0"}, []string{"--listen", "[::]:0"}},
		"open to others, by name":  {[]string{database, "--listen=:7400"}, []string{"--listen", ":7400"}},
		"HTTP open to others":      {[]string{database, "--http-listen=0.0.0.0:0"}, []string{"--http-listen"}},
		"an occupied port":         {[]string{database, "--listen=" + occupied.Addr().String()}, []string{"--listen", "in use"}},
		"an occupied port of HTTP": {[]string{database, "--http-listen=" + occupied.Addr().String()}, []string{"--http-listen", "in use"}},
		"no database there":        {[]string{"--database-url=postgres://127.0.0.1:1/meter"}, []string{"database"}},
		"no URL":                   {[]string{"--database-url=::"}, []string{"database"}},
		"no PostgreSQL there":      {[]string{"--data-dir=" + dataDir(t), "--postgres-bin=" + t.TempDir()}, []string{"--postgres-bin"}},
		"no directory":             {[]string{"--data-dir=/dev/null/x"}, []string{"--data-dir"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cannotStart(t, append([]string{"--listen=127.0.0.1:0"}, c.args...), c.says)
		})
	}
}

// cannotStart wants the exit code 1 and one line on stderr that says each of some words.
func cannotStart(t *testing.T, args, says []string) {
	t.Helper()
	server := launch(t, meterdProgram(), args...)
	code, line := server.wait(t), server.stderr.String()
	if code != 1 || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "meterd: ") || server.stdout.String() != "" {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, line, server.stdout)
	}
	for _, words := range says {
		if !strings.Contains(line, words) {
			t.Errorf("it does not say %q: %s", words, line)
		}
	}
}

// TestOneServerToADataDirectory starts a second server where one runs: it must leave, and the first must not notice.
func TestOneServerToADataDirectory(t *testing.T) {
	dir := dataDir(t)
	first := start(t, "--data-dir="+dir)
	cannotStart(t, []string{"--listen=127.0.0.1:0", "--data-dir=" + dir}, []string{dir, "--data-dir"})
	cannotStart(t, []string{"--listen=" + first.address, "--data-dir=" + dataDir(t)}, []string{"--listen", "in use"})
	dial(t, first.address).furnish(t, firm{id: "acme", seats: 1})
	if code := first.stop(t); code != 0 {
		t.Errorf("the first ended with exit code %d: %s", code, first.stderr)
	}
	if privateRuns(t, dir) {
		t.Error("its PostgreSQL was left running")
	}
}

// privateRuns says whether a private PostgreSQL runs on a data directory: it removes its pid file when it ends in order.
func privateRuns(t *testing.T, dir string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid"))
	return !os.IsNotExist(err)
}
