package localpg

import "testing"

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
