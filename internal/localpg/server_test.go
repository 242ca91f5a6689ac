package localpg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const makeNote = "CREATE TABLE note (body text); INSERT INTO note VALUES ('kept')"

func TestSecondStartKeepsData(t *testing.T) {
	opts := Options{DataDir: filepath.Join(dataDir(t), "new", "directory")}
	first := mustStart(t, opts)
	query(t, first, makeNote)
	mustStop(t, first)
	if err := first.Err(); err != nil || !isClosed(first.Done()) {
		t.Errorf("after Stop: done %v, error %v", isClosed(first.Done()), err)
	}

	second := mustStart(t, opts)
	if got := query(t, second, "SELECT body FROM note"); got != "kept" {
		t.Errorf("the note says %q", got)
	}
}

func TestServerIsDurablePrivateAndUTF8(t *testing.T) {
	dir := dataDir(t)
	server := mustStart(t, Options{DataDir: dir})
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "lc_collate": "C", "jit": "off", "TimeZone": "UTC",
	} {
		got := query(t, server, "SELECT coalesce((SELECT setting FROM pg_settings WHERE name = '"+setting+"'), (SELECT datcollate FROM pg_database WHERE datname = 'meter'))")
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := query(t, server, "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = current_database()"); got != "t" {
		t.Error("the database does not belong to the user of the URL")
	}
	for _, private := range []string{"run", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, private))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, error %v", private, info.Mode(), err)
		}
	}
}

func TestStartAfterServerWasKilled(t *testing.T) {
	dir := dataDir(t)
	first := mustStart(t, Options{DataDir: dir})
	query(t, first, makeNote)
	if err := first.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	wantError(t, first.Err(), dir, "killed")
	mustStop(t, first)
	wantError(t, first.Err(), "ended by itself")

	second := mustStart(t, Options{DataDir: dir})
	if got := query(t, second, "SELECT body FROM note"); got != "kept" {
		t.Errorf("the note says %q", got)
	}
}

func TestStartWaitsForBackendsOfAKilledServer(t *testing.T) {
	dir := dataDir(t)
	first := mustStart(t, Options{DataDir: dir})
	conn, err := connect(deadline(t), first.URL())
	if err != nil {
		t.Fatal(err)
	}
	// A backend at work does not notice that its postmaster is gone until it is done, seconds later.
	work := conn.PgConn().Exec(deadline(t), "SELECT count(*) FROM generate_series(1, 6000000)")
	if err := first.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	mustStop(t, first)
	mustStart(t, Options{DataDir: dir})
	_, _ = work.ReadAll()
	_ = conn.Close(deadline(t))
}

func TestStartAfterParentWasKilled(t *testing.T) {
	dir := dataDir(t)
	parent := startParent(t, dir)
	attached, err := Attach(deadline(t), Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	query(t, attached, makeNote)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()

	next := mustStart(t, Options{DataDir: dir})
	if got := query(t, next, "SELECT body FROM note"); got != "kept" {
		t.Errorf("the note says %q", got)
	}
}

func TestSecondStarterIsRefused(t *testing.T) {
	dir := dataDir(t)
	mustStart(t, Options{DataDir: dir})
	_, err := Start(deadline(t), Options{DataDir: dir})
	wantError(t, err, dir, strconv.Itoa(os.Getpid()), "--data-dir")
}

func TestStalePidFileDoesNotStopTheNextStart(t *testing.T) {
	dir := dataDir(t)
	server := mustStart(t, Options{DataDir: dir})
	pidPath := server.home.pidPath()
	left, err := os.ReadFile(pidPath)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(left), "\n")
	stranger := startStranger(t, server.home.user)
	mustStop(t, server)

	for name, content := range map[string]string{
		"dead process":            "4194000\n" + rest,
		"id of another process":   strconv.Itoa(stranger) + "\n" + rest,
		"empty":                   "",
		"not a number":            "postgres\n",
		"cut short after the pid": strconv.Itoa(stranger),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(pidPath, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := server.home.user.give(pidPath); err != nil {
				t.Fatal(err)
			}
			mustStop(t, mustStart(t, Options{DataDir: dir}))
		})
	}
}

// startStranger runs a process of the server's own user that is no PostgreSQL: the one kind whose id PostgreSQL by
// itself takes for a running server.
func startStranger(t *testing.T, user account) int {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	user.own(cmd, "/", syscall.SIGKILL)
	child, err := spawn(cmd, Options{}.withDefaults().Logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-child.done
	})
	return cmd.Process.Pid
}

func TestOtherVersionIsRefusedAndNothingDeleted(t *testing.T) {
	dir := dataDir(t)
	server := mustStart(t, Options{DataDir: dir})
	query(t, server, makeNote)
	mustStop(t, server)
	versionPath := filepath.Join(server.home.cluster(), "PG_VERSION")
	version, err := os.ReadFile(versionPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(versionPath, []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := filesBelow(t, server.home.cluster())
	for _, binDir := range []string{"", server.bin.Dir} {
		_, err = Start(deadline(t), Options{DataDir: dir, BinDir: binDir})
		wantError(t, err, dir, "PostgreSQL 99", "--postgres-bin", "nothing was changed")
	}
	if after := filesBelow(t, server.home.cluster()); after != before {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}

	if err := os.WriteFile(versionPath, version, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := query(t, mustStart(t, Options{DataDir: dir}), "SELECT body FROM note"); got != "kept" {
		t.Errorf("the note says %q", got)
	}
}

func filesBelow(t *testing.T, dir string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		list.WriteString(path + " " + strconv.FormatInt(info.Size(), 10) + " " + info.ModTime().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir := dataDir(t)
	mine := filepath.Join(dir, "postgres", "holiday.jpg")
	if err := errors.Join(os.Mkdir(filepath.Dir(mine), 0o755), os.WriteFile(mine, []byte("sea"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := Start(deadline(t), Options{DataDir: dir})
	wantError(t, err, filepath.Dir(mine), "--data-dir")
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

func TestInterruptedInitdbDoesNotStopTheNextStart(t *testing.T) {
	dir := dataDir(t)
	half := filepath.Join(dir, "postgres.new-1234", "base")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	brief, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	server, err := Start(brief, Options{DataDir: dir})
	if err == nil {
		t.Log("a machine that makes a cluster within 200 ms")
		mustStop(t, server)
	}
	mustStart(t, Options{DataDir: dir})
	if left, _ := filepath.Glob(filepath.Join(dir, "postgres.new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestClusterRestoredByAnotherHand(t *testing.T) {
	dir := dataDir(t)
	server := mustStart(t, Options{DataDir: dir})
	query(t, server, makeNote)
	mustStop(t, server)
	self := account{credential: &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}}
	if err := self.giveTree(server.home.cluster()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, mustStart(t, Options{DataDir: dir}), "SELECT body FROM note"); got != "kept" {
		t.Errorf("the note says %q", got)
	}
}

func TestDataDirTooLongForASocket(t *testing.T) {
	dir := filepath.Join(dataDir(t), strings.Repeat("long and Odd, ", 8))
	server := mustStart(t, Options{DataDir: dir})
	if server.socketDir == filepath.Join(dir, "run") {
		t.Errorf("the socket is in %s", server.socketDir)
	}
	if got := query(t, server, "SELECT 'yes'"); got != "yes" {
		t.Errorf("the server says %q", got)
	}
	mustStop(t, server)
	if _, err := os.Stat(server.socketDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket's directory is left: %v", err)
	}
}

func TestDataDirWithBlanks(t *testing.T) {
	dir := filepath.Join(dataDir(t), `two "Odd" words`)
	if got := query(t, mustStart(t, Options{DataDir: dir}), "SELECT 'yes'"); got != "yes" {
		t.Errorf("the server says %q", got)
	}
}

func TestDataDirOutOfReach(t *testing.T) {
	closed := dataDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := account{name: "stranger", credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	if got := stranger.firstClosed(filepath.Join(closed, "below")); got != closed {
		t.Errorf("the first closed directory is %q, want %q", got, closed)
	}
	// Root lends PostgreSQL a user who cannot pass; anybody else is that user.
	_, err := Start(deadline(t), Options{DataDir: filepath.Join(closed, "below")})
	if os.Geteuid() == 0 {
		wantError(t, err, closed+"/below", "chmod o+x "+closed, "--data-dir")
	} else if err != nil {
		t.Error(err)
	}
}

func TestDataDirThatCannotBeMade(t *testing.T) {
	file := filepath.Join(dataDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(deadline(t), Options{DataDir: filepath.Join(file, "below")})
	wantError(t, err, file, "--data-dir")
}

func TestAttachToARunningServerLeavesIt(t *testing.T) {
	dir := dataDir(t)
	owner := mustStart(t, Options{DataDir: dir})
	attached, err := Attach(deadline(t), Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if attached.URL() != owner.URL() {
		t.Errorf("attached to %s, want %s", attached.URL(), owner.URL())
	}
	mustStop(t, attached)
	if got := query(t, owner, "SELECT 'alive'"); got != "alive" {
		t.Errorf("the server says %q", got)
	}
}

func TestAttachStartsAndStopsAnIdleServer(t *testing.T) {
	dir := dataDir(t)
	mustStop(t, mustStart(t, Options{DataDir: dir}))
	attached, err := Attach(deadline(t), Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, attached, "SELECT 'alive'"); got != "alive" {
		t.Errorf("the server says %q", got)
	}
	mustStop(t, attached)
	if !isClosed(attached.Done()) {
		t.Error("the server that Attach started still runs after Stop")
	}
}

func TestAttachMakesNoCluster(t *testing.T) {
	dir := dataDir(t)
	_, err := Attach(deadline(t), Options{DataDir: dir})
	wantError(t, err, dir, "--data-dir")
	_, err = Attach(deadline(t), Options{DataDir: filepath.Join(dir, "missing")})
	wantError(t, err, dir, "--data-dir")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, error %v", entries, err)
	}
}
