package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// maxSocketDir is the longest directory whose socket "<dir>/.s.PGSQL.5432" still fits the shortest limit of a socket's
// path among the systems we run on (103 bytes on macOS, 107 on Linux).
const maxSocketDir = 103 - len("/.s.PGSQL."+port)

var errLocked = errors.New("in use")

// home is a data directory, by its real and absolute path, and the user its server runs as.
type home struct {
	dir  string
	user account
}

// DefaultDataDir is the data directory of a meterd that was given none: /var/lib/spillway for root, and
// $XDG_STATE_HOME/spillway or ~/.local/state/spillway for anybody else.
func DefaultDataDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/spillway", nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "spillway"), nil
	}
	userHome, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no default data directory (%w): give one with --data-dir", err)
	}
	return filepath.Join(userHome, ".local", "state", "spillway"), nil
}

// openHome makes the data directory where it is missing. The server's user must be able to pass through it, and no more:
// the cluster inside is closed to everybody else.
func openHome(dir string) (home, error) {
	dir, err := absolute(dir)
	if err != nil {
		return home{}, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := makeDataDir(dir); err != nil {
			return home{}, fmt.Errorf("cannot make the data directory (%w): give another with --data-dir", err)
		}
	}
	return locate(dir)
}

// makeDataDir sets the mode by itself, whatever the umask.
func makeDataDir(dir string) error {
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o755
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// existingHome is the data directory of a cluster that was made before.
func existingHome(dir string) (home, error) {
	dir, err := absolute(dir)
	if err != nil {
		return home{}, err
	}
	h, err := locate(dir)
	if err != nil {
		return home{}, err
	}
	if major, err := h.clusterMajor(); err != nil || major != 0 {
		return h, err
	}
	return home{}, fmt.Errorf("the data directory %s holds no private PostgreSQL: give the --data-dir of a meterd that has run, or --database-url", dir)
}

func absolute(dir string) (string, error) {
	if dir == "" {
		return DefaultDataDir()
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("--data-dir %s: %w", dir, err)
	}
	return path, nil
}

// locate resolves links, so that one data directory has one name, and finds whose server it is.
func locate(dir string) (home, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return home{}, fmt.Errorf("cannot use the data directory %s (%w): give another with --data-dir", dir, err)
	}
	h := home{dir: real}
	h.user, err = accountFor(h.cluster())
	return h, err
}

func (h home) cluster() string { return filepath.Join(h.dir, "postgres") }

// acquire makes this process the only one that may start a server here. The lock goes away with the process, however
// that ends; the id in the file is there for the message to the next one.
func (h home) acquire() (*flock.Flock, error) {
	path := filepath.Join(h.dir, "lock")
	lock := flock.New(path)
	free, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("cannot lock the data directory %s (%w): give another with --data-dir, or run as its owner", h.dir, err)
	}
	if !free {
		return nil, fmt.Errorf("the data directory %s is %w by process %s: stop that one, or give another with --data-dir",
			h.dir, errLocked, readTrimmed(path, "of unknown id"))
	}
	err = errors.Join(os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600), h.user.give(path))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot write in the data directory %s: %w", h.dir, err), lock.Close())
	}
	return lock, nil
}

// checkReachable tries, as the server's user, to stand in the data directory: every directory above counts.
func (h home) checkReachable(ctx context.Context, bin Binaries) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin.Dir, "postgres"), "--version")
	h.user.own(cmd, h.dir, syscall.SIGKILL)
	_, err := runLocked(cmd)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	closed := h.user.firstClosed(h.dir)
	if closed == "" {
		return fmt.Errorf("user %s cannot run %s in the data directory %s: %w", h.user.name, cmd.Path, h.dir, err)
	}
	return fmt.Errorf("the data directory %s is out of reach of user %s, which PostgreSQL runs as: give another with --data-dir, or open the way with chmod o+x %s",
		h.dir, h.user.name, closed)
}

// makeSocketDir makes an empty directory for the socket that only the server's user can enter. Whatever a killed server
// left there goes: its lock file could name a process id that is somebody else's by now.
func (h home) makeSocketDir() (string, error) {
	dir, err := h.emptySocketDir()
	if err == nil {
		err = h.user.give(dir)
	}
	if err != nil {
		return "", fmt.Errorf("cannot make a directory for PostgreSQL's socket in the data directory %s: %w", h.dir, err)
	}
	return dir, nil
}

func (h home) emptySocketDir() (string, error) {
	dir := filepath.Join(h.dir, "run")
	if len(dir) > maxSocketDir || strings.Contains(dir, ",") { // pgx takes a comma for a list of hosts.
		return os.MkdirTemp("/tmp", "spillway-")
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

func readTrimmed(path, otherwise string) string {
	text, err := os.ReadFile(path)
	if trimmed := strings.TrimSpace(string(text)); err == nil && trimmed != "" {
		return trimmed
	}
	return otherwise
}
