package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemonstration starts what `make run` starts, pastes what it prints into a shell, and looks what that answers.
func TestDemonstration(t *testing.T) {
	server := start(t, "--dev", "--demo", "--grpcurl="+grpcurl(t), "--database-url="+postgres.Database(t))
	const last = "RevokeAccess\n"
	eventually(t, "the lines to try are printed", func() bool { return strings.Contains(server.stdout.String(), last) })
	_, script, _ := strings.Cut(server.stdout.String(), "\n")
	for _, time := range []string{"first", "second"} {
		shell := exec.CommandContext(t.Context(), "bash", "-c", strings.ReplaceAll(script, "turn=demo-", "turn=demo-"+time+"-"))
		said, _ := shell.CombinedOutput() // The last line decides its exit code; what it said tells of them all.
		rest := string(said)
		for _, words := range []string{
			`"state": "RESERVATION_STATE_HELD"`, `"heldAllowanceMicros": "1200000"`,
			`"state": "RESERVATION_STATE_COMMITTED"`, `"allowanceMicros": "950000"`,
			"ResourceExhausted", `"reason": "EXTRA_USAGE_NOT_ENABLED"`, "Ask your firm's admin",
			`"kind": "ACCESS_KIND_CAPPED"`, `"capMicros": "20000000"`,
			`"state": "RESERVATION_STATE_HELD"`, `"heldAllowanceMicros": "5000000"`, `"heldPoolMicros": "3000000"`,
			`"balanceMicros": "100000000"`, `"availableMicros": "97000000"`, `"remainingMicros"`,
			`"LEDGER_ENTRY_KIND_TOP_UP"`, `"LEDGER_ENTRY_KIND_ALLOWANCE_CHARGE"`,
			`"state": "RESERVATION_STATE_RELEASED"`,
			`"kind": "ACCESS_KIND_NONE"`,
		} {
			_, after, found := strings.Cut(rest, words)
			if !found {
				t.Fatalf("the %s time it does not say %s, in this order:\n%s", time, words, said)
			}
			rest = after
		}
	}
}

// grpcurl is the path of the grpcurl that make keeps beside the programs; the first time it is built.
func grpcurl(t *testing.T) string {
	t.Helper()
	build := exec.CommandContext(t.Context(), "make", "bin/grpcurl")
	build.Dir = repository
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make bin/grpcurl: %v: %s", err, said)
	}
	return must(filepath.Abs(filepath.Join(repository, "bin", "grpcurl")))(t)
}
