package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/localpg"
)

// cluster is a data directory with a PostgreSQL cluster in it, and the unprivileged user that owns it where the tests run
// as root: PostgreSQL's own tools must run as that user, or they leave files that PostgreSQL refuses.
type cluster struct {
	dir    string // The cluster itself is in postgres below it.
	owner  *syscall.Credential
	bin    string // PostgreSQL's programs.
	server *localpg.Server
}

// newCluster makes a cluster as meterd does, and starts PostgreSQL on it.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	bin := must(localpg.Find(t.Context(), ""))(t).Dir
	for _, tool := range []string{"pg_basebackup", "pg_verifybackup"} {
		if _, err := os.Stat(filepath.Join(bin, tool)); err != nil {
			t.Fatalf("PostgreSQL in %s has no %s: install the whole of it, client programs included "+
				"(Debian: apt-get install postgresql)", bin, tool)
		}
	}
	c := &cluster{dir: dataDir(t), bin: bin}
	c.server = startDatabase(t, c.dir)
	c.owner = ownerOf(t, c.files())
	return c
}

// ownerOf is who owns a directory; nil if that is who runs the tests.
func ownerOf(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	stat, ok := must(os.Stat(dir))(t).Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("whose %s is cannot be told", dir)
	}
	if int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

// files is the cluster itself, what PostgreSQL calls its data directory.
func (c *cluster) files() string { return filepath.Join(c.dir, "postgres") }

// sibling is an empty data directory for another cluster of the same owner.
func (c *cluster) sibling(t *testing.T) *cluster {
	t.Helper()
	return &cluster{dir: c.ownDir(t), owner: c.owner, bin: c.bin}
}

// ownDir is an empty directory that the owner can write in.
func (c *cluster) ownDir(t *testing.T) string {
	t.Helper()
	dir := dataDir(t)
	if c.owner != nil {
		if err := os.Chown(dir, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// configure changes settings, written as in postgresql.conf, of a cluster that is not running.
func (c *cluster) configure(t *testing.T, lines ...string) {
	t.Helper()
	file := must(os.OpenFile(filepath.Join(c.files(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0))(t)
	_, err := file.WriteString(strings.Join(lines, "\n") + "\n")
	if closeErr := file.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
}

// restart stops PostgreSQL, changes settings, and starts it again.
func (c *cluster) restart(t *testing.T, settings ...string) {
	t.Helper()
	stopDatabase(t, c.server)
	c.configure(t, settings...)
	c.server = startDatabase(t, c.dir)
}

// run runs one of PostgreSQL's programs, or of the system's, as the owner, with nothing of the environment that could tell
// it where else to go.
func (c *cluster) run(t *testing.T, program string, args ...string) {
	t.Helper()
	if own := filepath.Join(c.bin, program); fileExists(own) {
		program = own
	}
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	c.own(cmd)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, said)
	}
}

func (c *cluster) own(cmd *exec.Cmd) {
	cmd.Dir = c.dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = c.owner
}

// socket is the directory of the running server's socket, for pg_basebackup's --host.
func (c *cluster) socket(t *testing.T) string {
	t.Helper()
	return must(pgx.ParseConfig(c.server.URL()))(t).Host
}

// crash ends PostgreSQL as a signal does, and waits until it is gone: with SIGQUIT at once and with all its processes, but
// with nothing put in order; SIGKILL is what the kernel does to it.
func (c *cluster) crash(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.postmaster(t), signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.server.Done():
	case <-time.After(endPatience):
		t.Fatalf("PostgreSQL has not ended %v after %v", endPatience, signal)
	}
}

// postmaster is PostgreSQL's first process.
func (c *cluster) postmaster(t *testing.T) int {
	t.Helper()
	line, _, _ := strings.Cut(string(must(os.ReadFile(filepath.Join(c.files(), "postmaster.pid")))(t)), "\n")
	return must(strconv.Atoi(line))(t)
}

// startStandby starts PostgreSQL on a cluster that follows another one, which localpg does not do, and answers its
// connection string. It ends with the test.
func (c *cluster) startStandby(t *testing.T, settings ...string) string {
	t.Helper()
	socket := filepath.Join(c.dir, "run")
	args := []string{"-D", c.files(), "-c", "unix_socket_directories=" + socket}
	for _, setting := range append(settings, "listen_addresses=", "port=5432", "max_connections=200") {
		args = append(args, "-c", setting)
	}
	c.run(t, "mkdir", socket)
	cmd, said, ended := exec.Command(filepath.Join(c.bin, "postgres"), args...), newOutput(), make(chan struct{})
	dieWithParent(cmd)
	c.own(cmd)
	cmd.Stderr, cmd.WaitDelay = said, endPatience
	started := make(chan error)
	go func() {
		// The signal of a parent's death goes by the thread that started the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		<-ended
		if t.Failed() {
			t.Logf("the standby said:\n%s", said)
		}
	})
	return fmt.Sprintf("postgres:///meter?host=%s&port=5432&user=postgres", socket)
}

// ask asks a database for one value.
func ask[T any](t *testing.T, url, sql string, args ...any) (value T) {
	t.Helper()
	// Not the test's: a question may be due when the test has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), startPatience)
	defer cancel()
	conn := must(pgx.Connect(ctx, url))(t)
	err := conn.QueryRow(ctx, sql, args...).Scan(&value)
	if closeErr := conn.Close(ctx); err != nil || closeErr != nil {
		t.Fatalf("%s: %v, %v", sql, err, closeErr)
	}
	return value
}

// command runs a statement that answers nothing.
func command(t *testing.T, url, sql string) {
	t.Helper()
	conn := must(pgx.Connect(t.Context(), url))(t)
	_, err := conn.Exec(t.Context(), sql)
	if closeErr := conn.Close(t.Context()); err != nil || closeErr != nil {
		t.Fatalf("%s: %v, %v", sql, err, closeErr)
	}
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
