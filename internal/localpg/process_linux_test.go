package localpg

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestABackendGivesWay(t *testing.T) {
	server := mustStart(t, Options{DataDir: dataDir(t)})
	backend := backendOf(t, server)
	wantNice(t, backend, 0)
	if err := server.GiveWay(backend); err != nil {
		t.Fatal(err)
	}
	wantNice(t, backend, backgroundNice)
	wantError(t, server.GiveWay(1<<30), "process 1073741824")
}

// TestABackendGoesFirstWhereItMay asks for what the system lets only some do; it must not say so to the others.
func TestABackendGoesFirstWhereItMay(t *testing.T) {
	server := mustStart(t, Options{DataDir: dataDir(t)})
	backend, want := backendOf(t, server), foregroundNice
	if !mayGoFirst(t) {
		want = 0
	}
	if err := server.GoFirst(backend); err != nil {
		t.Fatal(err)
	}
	wantNice(t, backend, want)
	wantError(t, server.GoFirst(1<<30), "process 1073741824")
}

// mayGoFirst says whether this process has the capability that it takes, CAP_SYS_NICE, of which the number is 23.
func mayGoFirst(t *testing.T) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, effective, _ := strings.Cut(string(status), "CapEff:\t")
	set, err := strconv.ParseUint(effective[:16], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set>>23&1 == 1
}

func backendOf(t *testing.T, server *Server) uint32 {
	t.Helper()
	conn, err := connect(deadline(t), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(deadline(t)) })
	return conn.PgConn().PID()
}

// wantNice looks at a process and, where the kernel has such, at its group.
func wantNice(t *testing.T, process uint32, want int) {
	t.Helper()
	if got := niceOf(t, process); got != fmt.Sprint(want) {
		t.Errorf("its nice is %s, want %d", got, want)
	}
	if group, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", process)); err == nil &&
		!strings.HasSuffix(strings.TrimSpace(string(group)), fmt.Sprintf("nice %d", want)) {
		t.Errorf("its group is %s, want %d", group, want)
	}
}

// niceOf is the nineteenth field of a process's state; the second, its name in brackets, may hold blanks.
func niceOf(t *testing.T, process uint32) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		t.Fatal(err)
	}
	_, fields, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(fields)[16]
}

func TestServerDiesWithItsParent(t *testing.T) {
	dir := dataDir(t)
	parent := startParent(t, dir)
	home, err := existingHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := home.readPidFile()
	if err != nil {
		t.Fatal(err)
	}
	if !isPostmaster(file.pid, home.cluster()) {
		t.Fatalf("process %d is not the postmaster", file.pid)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { return !isPostmaster(file.pid, home.cluster()) }
	if err := waitUntil(deadline(t), gone); err != nil {
		t.Fatalf("postgres %d outlives its killed parent: %v", file.pid, err)
	}
}
