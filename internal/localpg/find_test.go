package localpg

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// fakePostgres writes programs that only tell a version.
func fakePostgres(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", program, version)
		if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// machineWith is a search on a machine with these versions side by side and no package.
func machineWith(t *testing.T, versions ...string) (*search, string) {
	t.Helper()
	base := dataDir(t)
	for _, version := range versions {
		fakePostgres(t, filepath.Join(base, version, "bin"), version)
	}
	return &search{places: []string{base + "/*/bin"}, log: Options{}.withDefaults().Logger, archive: archive{major: 20}}, base
}

func TestFindTakesTheHighestVersionThatFits(t *testing.T) {
	for _, test := range []struct {
		versions []string
		wanted   int
		found    string // Version, or the words of the error.
	}{
		{[]string{"9.6.24", "15.18", "17.10"}, 0, "17.10"},
		{[]string{"15.18", "17.10"}, 15, "15.18"},
		{[]string{"16beta1"}, 0, "16beta1"},
		{[]string{"13.4"}, 0, "found only 13"},
		{[]string{"15.18"}, 16, "made by PostgreSQL 16"},
		{nil, 0, "no PostgreSQL 15 or later"},
	} {
		search, base := machineWith(t, test.versions...)
		bin, err := search.find(deadline(t), "", test.wanted, home{dir: "/data"})
		if err != nil {
			wantError(t, err, test.found, "--postgres-bin")
		} else if bin.Dir != filepath.Join(base, test.found, "bin") {
			t.Errorf("%v, wanted %d: found %+v", test.versions, test.wanted, bin)
		}
	}
}

func TestFindTakesTheDirectoryGivenOrNone(t *testing.T) {
	search, base := machineWith(t, "13.4", "15.18", "17.10")
	for dir, says := range map[string]string{
		base + "/15.18/bin": "",
		base + "/13.4/bin":  "found only 13",
		base + "/missing":   "no such file",
	} {
		bin, err := search.find(deadline(t), dir, 0, home{})
		if says != "" {
			wantError(t, err, says, "--postgres-bin")
		} else if err != nil || bin.Dir != dir {
			t.Errorf("%s: found %+v, error %v", dir, bin, err)
		}
	}
}

func TestFindPassesOverAWrapperThatDoesNotWork(t *testing.T) {
	search, base := machineWith(t, "15.18", "17.10")
	broken := filepath.Join(base, "17.10", "bin", "initdb")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	bin, err := search.find(deadline(t), "", 0, home{})
	if err != nil || bin.Major != 15 {
		t.Errorf("found %+v, error %v", bin, err)
	}
	_, err = search.find(deadline(t), "", 17, home{})
	wantError(t, err, filepath.Dir(broken), "exit status 1")
}

func TestPathComesFirstAndLinksAreFollowed(t *testing.T) {
	search, base := machineWith(t, "16.1", "17.10")
	onPath := filepath.Join(base, "links")
	if err := os.Mkdir(onPath, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(base, "16.1", "bin", "postgres"), filepath.Join(onPath, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", onPath+":"+os.Getenv("PATH"))
	search.path = true
	bin, err := search.find(deadline(t), "", 0, home{})
	if err != nil || bin.Dir != filepath.Join(base, "16.1", "bin") {
		t.Errorf("found %+v, error %v", bin, err)
	}
}

func TestDefaultDataDir(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	want := "/state/spillway"
	if os.Geteuid() == 0 {
		want = "/var/lib/spillway"
	}
	if got, err := DefaultDataDir(); err != nil || got != want {
		t.Errorf("default data directory %q, error %v, want %q", got, err, want)
	}
}
