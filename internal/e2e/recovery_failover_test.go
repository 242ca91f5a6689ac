package e2e

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

// oneOfTwo is what docs/operations.md tells an operator to add to the URL of two hosts.
const oneOfTwo = "target_session_attrs=primary"

// standstill is how long callers wait in vain for the standby.
const standstill = 2 * time.Second

// TestFailover kills a primary under load while its synchronous standby stands still, and so surely has not got all that is
// on the primary's disk, and promotes the standby: nothing acknowledged may be lost, and the server goes over to it by
// itself.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := newCluster(t)
	standby, standbyURL := follow(t, primary)
	server := start(t, "--database-url="+either(t, primary, standby))
	l := startLoad(t, server.address)
	l.more(200)

	receiver := stopReceiver(t, standbyURL)
	waitsForStandby(t, l)
	behind := ask[int64](t, primary.server.URL(), "SELECT pg_current_wal_flush_lsn() - flush_lsn FROM pg_stat_replication")
	primary.crash(t, syscall.SIGKILL)
	crashed := l.told.settled()
	endReceiver(t, receiver)
	standby.run(t, "pg_ctl", "promote", "--pgdata="+standby.files())

	l.more(200)
	l.stop()
	t.Logf("settled: %d by the crash, with the standby %d bytes behind, and %d in all; %d top-ups",
		crashed, behind, l.told.settled(), len(l.told.topUps))
	if behind <= 0 || !server.running() {
		t.Errorf("the standby was %d bytes behind; the server runs: %v", behind, server.running())
	}
	told := l.told.soFar()
	told.check(t, l.client)
	goesOn(t, l.client, told)
	audittest.Check(t, standbyURL)
}

// follow makes a synchronous standby of a cluster, and answers it with its connection string.
func follow(t *testing.T, primary *cluster) (standby *cluster, standbyURL string) {
	t.Helper()
	standby = primary.sibling(t)
	standby.run(t, "pg_basebackup", "--dbname=host="+primary.socket(t)+" user=postgres application_name=standby",
		"--pgdata="+standby.files(), "--checkpoint=fast", "--write-recovery-conf", "--create-slot", "--slot=standby")
	standbyURL = standby.startStandby(t)
	command(t, primary.server.URL(), "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	command(t, primary.server.URL(), "SELECT pg_reload_conf()")
	eventually(t, "the standby is synchronous", func() bool {
		return ask[int](t, primary.server.URL(), "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
	})
	return standby, standbyURL
}

// either is the URL of whichever of two clusters is the primary.
func either(t *testing.T, primary, standby *cluster) string {
	t.Helper()
	hosts := primary.socket(t) + "," + filepath.Join(standby.dir, "run")
	return "postgres:///meter?user=postgres&host=" + hosts + "&port=5432,5432&" + oneOfTwo
}

// stopReceiver lets the standby stand still: it takes no WAL any more, and does not say that it has gone. It answers the
// process that stands.
func stopReceiver(t *testing.T, standbyURL string) (pid int) {
	t.Helper()
	pid = ask[int](t, standbyURL, "SELECT pid FROM pg_stat_wal_receiver")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return pid
}

// endReceiver ends a process that stands still before it takes what the primary sent meanwhile, as if that had been lost on
// the way.
func endReceiver(t *testing.T, pid int) {
	t.Helper()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
}

// waitsForStandby sees that no write is acknowledged while the standby stands still, but for one to each caller that may
// have been on its way.
func waitsForStandby(t *testing.T, l *load) {
	t.Helper()
	before := l.told.settled()
	ctx, cancel := context.WithTimeout(t.Context(), standstill)
	defer cancel()
	r, err := persist(ctx, func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
		return c.reserve(ctx, loadFirms[0], seat(0), "while-the-standby-stands-still", loadEstimate)
	}, l.client)
	if !transient(err) || ctx.Err() == nil {
		t.Errorf("a write was answered without the standby: %v, %v", r, err)
	}
	if more := l.told.settled() - before; more > loadCallers {
		t.Errorf("%d turns were settled without the standby", more)
	}
}
