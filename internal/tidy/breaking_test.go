package tidy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBreakingNeedsSomethingToCompareWith runs tools/breaking in a clone without main, which it refuses, and in one that
// has it as the branch of a remote, as a plain clone does.
func TestBreakingNeedsSomethingToCompareWith(t *testing.T) {
	script, err := filepath.Abs("../../tools/breaking")
	if err != nil {
		t.Fatal(err)
	}
	clone := t.TempDir()
	run := func(name string, arguments ...string) (string, error) {
		c := exec.CommandContext(t.Context(), name, arguments...)
		c.Dir = clone
		c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_DIR="+filepath.Join(clone, ".git"),
			"GIT_WORK_TREE="+clone, "GIT_INDEX_FILE="+filepath.Join(clone, ".git", "index"))
		out, err := c.CombinedOutput()
		return string(out), err
	}
	must := func(arguments ...string) {
		t.Helper()
		if out, err := run("git", arguments...); err != nil {
			t.Fatalf("git %s: %v\n%s", arguments, err, out)
		}
	}
	must("init", "--quiet", "--initial-branch=feature")
	must("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--allow-empty", "--message=first")
	if out, err := run(script); err == nil || !strings.HasPrefix(out, "breaking: neither main nor origin/main is in this clone") {
		t.Errorf("without main: %v\n%s", err, out)
	}
	must("update-ref", "refs/remotes/origin/main", "HEAD")
	if out, err := run(script); err != nil || out != "breaking: origin/main has no proto/ yet: nothing can break\n" {
		t.Errorf("with the remote's main: %v\n%s", err, out)
	}
}
