package localpg

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestABackendGivesWay(t *testing.T) {
	server := mustStart(t, Options{DataDir: dataDir(t)})
	conn, err := connect(deadline(t), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(deadline(t)) }()
	backend := conn.PgConn().PID()
	if got := niceOf(t, backend); got != "0" {
		t.Errorf("before, its nice is %s", got)
	}
	if err := server.GiveWay(backend); err != nil {
		t.Fatal(err)
	}
	if got := niceOf(t, backend); got != fmt.Sprint(backgroundNice) {
		t.Errorf("its nice is %s, want %d", got, backgroundNice)
	}
	if group, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", backend)); err == nil &&
		!strings.HasSuffix(strings.TrimSpace(string(group)), fmt.Sprintf("nice %d", backgroundNice)) {
		t.Errorf("its group is %s", group)
	}
	wantError(t, server.GiveWay(1<<30), "process 1073741824")
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
