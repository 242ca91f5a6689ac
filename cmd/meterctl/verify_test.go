package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/audit"
	"github.com/spillway-metering/spillway/internal/localpg"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// privateDatabase is a data directory with a migrated private PostgreSQL that runs.
func privateDatabase(t *testing.T) (string, *localpg.Server) {
	t.Helper()
	// A short path, which the server's user can enter.
	dir, err := os.MkdirTemp("/tmp", "verify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server, err := localpg.Start(t.Context(), localpg.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	if err := postgres.Migrate(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	return dir, server
}

func change(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestVerify verifies one database on each way to it, first sound, then with a pool that nobody paid for.
func TestVerify(t *testing.T) {
	dir, server := privateDatabase(t)
	out, _, err := call(t.Context(), "verify", "--database-url", server.URL())
	if err != nil || !strings.Contains(out, "promises are kept") || !strings.Contains(out, "ledger entries") {
		t.Fatalf("sound: %v, %s", err, out)
	}
	change(t, server.URL(), `INSERT INTO plan VALUES ('team', 1, 0, NULL, NULL, NULL, 0, interval '0', 1);
		INSERT INTO organization VALUES ('firm', 'Firm', 'team', 2, '2026-01-31', 'UTC', NULL, NULL, NULL, NULL, 1, false, '',
			5, 0, 5, 0, 0, 0, now())`)
	const broken = "2 findings: pool_balance_is_what_the_ledger_leaves, pool_purchased_is_all_top_ups"
	out, _, err = call(t.Context(), "verify", "--data-dir", dir, "--findings", "1")
	if err == nil || err.Error() != broken {
		t.Errorf("running: got %v, want %s", err, broken)
	}
	for _, line := range []string{
		"pool_purchased_is_all_top_ups: organization firm: expected 0, found 5", "and 1 more", "The balance is top-ups less",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("does not say %q: %s", line, out)
		}
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, _, err = call(t.Context(), "verify", "--data-dir", dir, "--organization", "firm", "--json")
	if err == nil || err.Error() != broken {
		t.Errorf("not running: got %v, want %s", err, broken)
	}
	var report audit.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Total != 2 || report.Organizations != 1 {
		t.Errorf("got %s, %v", out, err)
	}
}

func TestVerifyCannotBeMade(t *testing.T) {
	for want, args := range map[string][]string{
		"--findings must be at least 1": {"--findings", "0"},
		"cannot be reached":             {"--database-url", "postgres://127.0.0.1:1/none"},
		"holds no private PostgreSQL":   {"--data-dir", t.TempDir()},
	} {
		out, _, err := call(t.Context(), append([]string{"verify"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(oneLine(err), "\n") || out != "" {
			t.Errorf("%v: got %v, %q, want it to say %q", args, err, out, want)
		}
	}
}
