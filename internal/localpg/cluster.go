package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// clusterMajor is the PostgreSQL version that made the cluster, 0 when there is none yet.
func (h home) clusterMajor() (int, error) {
	text, err := os.ReadFile(filepath.Join(h.cluster(), "PG_VERSION"))
	if err == nil {
		major, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if convErr == nil && major > 0 {
			return major, nil
		}
		return 0, fmt.Errorf("%s/PG_VERSION does not hold a version: restore the directory, or give another with --data-dir", h.cluster())
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot read the data directory (%w): run as its owner, or give another with --data-dir", err)
	}
	entries, err := os.ReadDir(h.cluster())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot read the data directory (%w): run as its owner, or give another with --data-dir", err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("%s holds files but no PostgreSQL cluster: move it away, or give another directory with --data-dir", h.cluster())
	}
	return 0, nil
}

// ensureCluster makes the cluster where there is none. It comes into being whole: initdb works in a directory beside,
// which takes its place by a rename, so that an initdb cut short leaves nothing the next start would stumble over.
func (h home) ensureCluster(ctx context.Context, bin Binaries, major int) error {
	if major != 0 {
		return h.adoptCluster()
	}
	h.sweepUnfinished()
	fresh, err := os.MkdirTemp(h.dir, "postgres.new-")
	if err != nil {
		return fmt.Errorf("cannot write in the data directory (%w): give another with --data-dir", err)
	}
	if err := h.user.give(fresh); err != nil {
		return fmt.Errorf("cannot give the data directory to user %s: %w", h.user.name, err)
	}
	if err := h.initdb(ctx, bin, fresh); err != nil {
		h.sweepUnfinished()
		return fmt.Errorf("making a PostgreSQL cluster in the data directory %s: %w", h.dir, err)
	}
	if err := os.Rename(fresh, h.cluster()); err != nil {
		return fmt.Errorf("making a PostgreSQL cluster in the data directory: %w", err)
	}
	return syncDir(h.dir)
}

// adoptCluster hands over a cluster that belongs to root, as one restored from a backup does: PostgreSQL would refuse it.
func (h home) adoptCluster() error {
	if owner, _, _ := ownerOf(h.cluster()); owner != 0 || h.user.credential == nil {
		return nil
	}
	if err := h.user.giveTree(h.cluster()); err != nil {
		return fmt.Errorf("cannot give the cluster in the data directory to user %s: %w", h.user.name, err)
	}
	return nil
}

// initdb makes a cluster. Trust is the right authentication: the socket's directory is open to the server's user alone.
func (h home) initdb(ctx context.Context, bin Binaries, dir string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin.Dir, "initdb"), "-D", dir, "--username="+superuser,
		"--encoding=UTF8", "--locale=C", "--auth=trust", "--data-checksums")
	h.user.own(cmd, h.dir, syscall.SIGKILL)
	_, err := runLocked(cmd)
	return err
}

// sweepUnfinished removes what an initdb that was cut short left. An orphan may still be writing there: what cannot be
// removed now is in nobody's way, and goes next time.
func (h home) sweepUnfinished() {
	unfinished, _ := filepath.Glob(filepath.Join(h.dir, "postgres.new-*"))
	for _, dir := range unfinished {
		_ = os.RemoveAll(dir)
	}
}

// reclaim makes sure that no server of an earlier process still runs on the cluster, nor that its pid file stands in the
// way. Whoever holds the lock of the data directory is the only one who may run one, so what is left is an orphan.
func (h home) reclaim(ctx context.Context, log *slog.Logger) error {
	file, err := h.readPidFile()
	if err != nil || file.pid == 0 {
		return err
	}
	if !isPostmaster(file.pid, h.cluster()) {
		return h.disarmPidFile(file)
	}
	log.Warn("a PostgreSQL of an earlier run is still there: ending it", "data_dir", h.dir, "pid", file.pid)
	signal := func(s syscall.Signal) error { return syscall.Kill(file.pid, s) }
	gone := func() bool { return !isPostmaster(file.pid, h.cluster()) }
	if err := endProcess(ctx, signal, gone); err != nil {
		return fmt.Errorf("PostgreSQL process %d of an earlier run holds the data directory %s: end it (%w)", file.pid, h.dir, err)
	}
	return h.disarmPidFile(file)
}

// pidFile is PostgreSQL's postmaster.pid: its lines, and of them the process, where its socket is, and whether it says
// that the server accepts connections.
type pidFile struct {
	lines     []string
	pid       int
	port      string
	socketDir string
	ready     bool
}

// sharedMemoryLine is the last line that a stale file must keep: by it postgres finds backends that are still there.
const sharedMemoryLine = 7

func (h home) pidPath() string { return filepath.Join(h.cluster(), "postmaster.pid") }

// readPidFile gives a zero pidFile where there is none. One cut short (a crash while it was written) has no process.
func (h home) readPidFile() (pidFile, error) {
	text, err := os.ReadFile(h.pidPath())
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, nil
	}
	if err != nil {
		return pidFile{}, fmt.Errorf("cannot read the data directory (%w): run as its owner", err)
	}
	file := pidFile{lines: strings.Split(string(text), "\n"), pid: -1}
	if pid, err := strconv.Atoi(strings.TrimSpace(file.lines[0])); err == nil && pid > 0 {
		file.pid = pid
	}
	if len(file.lines) >= 5 {
		file.port, file.socketDir = file.lines[3], file.lines[4]
	}
	if len(file.lines) > sharedMemoryLine {
		file.ready = strings.TrimSpace(file.lines[sharedMemoryLine]) == "ready"
	}
	return file, nil
}

// disarmPidFile keeps a stale pid file from stopping the next postgres, which takes any live process of its own user
// with the id in it for a server. Our own id, as its parent's, is one that it looks through; the shared memory named
// further down it still checks. That the old server was ready it forgets. A file that says nothing goes.
func (h home) disarmPidFile(file pidFile) error {
	err := os.Remove(h.pidPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && file.pid > 0 {
		kept := file.lines[:min(len(file.lines), sharedMemoryLine)]
		kept[0] = strconv.Itoa(os.Getpid())
		err = os.WriteFile(h.pidPath(), []byte(strings.Join(kept, "\n")+"\n"), 0o600)
	}
	if err == nil && file.pid > 0 {
		err = h.user.give(h.pidPath())
	}
	if err != nil {
		return fmt.Errorf("cannot clear the stale %s (%w): remove it", h.pidPath(), err)
	}
	return nil
}

// running is the URL of a server that answers on this data directory.
func (h home) running(ctx context.Context) (string, bool) {
	file, err := h.readPidFile()
	if err != nil || file.socketDir == "" || !isPostmaster(file.pid, h.cluster()) {
		return "", false
	}
	url := connectionURL(file.socketDir, file.port, database)
	conn, err := connect(ctx, url)
	if err != nil {
		return "", false
	}
	return url, conn.Close(ctx) == nil
}

// awaitDatabase waits until the server says that it is ready and accepts a connection (asking sooner would only fill its
// log with refusals), and makes the database where it is missing.
func (s *Server) awaitDatabase(ctx context.Context) error {
	maintenance := connectionURL(s.socketDir, port, "postgres")
	var conn *pgx.Conn
	ready := func() bool {
		if isClosed(s.child.done) {
			return true
		}
		file, err := s.home.readPidFile()
		if err != nil || !file.ready {
			return false
		}
		conn, err = connect(ctx, maintenance)
		return err == nil
	}
	if err := waitUntil(ctx, ready); err != nil {
		return fmt.Errorf("the private PostgreSQL in %s was not ready in time (%w; its last words: %s)", s.home.dir, err, s.child.words.last())
	}
	if conn == nil {
		<-s.child.done
		return s.child.failure(s.home)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return createDatabase(ctx, conn)
}

func createDatabase(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("making the database %q in the private PostgreSQL: %w", database, err)
	}
	return nil
}

func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return pgx.Connect(ctx, url)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
