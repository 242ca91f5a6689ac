package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

// What docs/operations.md tells an operator to set, with its place for the archive.
const (
	archivePlace   = "/backup/wal"
	archiveCommand = `if test -f /backup/wal/%f; then cmp -s %p /backup/wal/%f; ` +
		`else cp %p /backup/wal/%f.part && sync /backup/wal/%f.part && mv /backup/wal/%f.part /backup/wal/%f && sync /backup/wal; fi`
	restoreCommand = `cp /backup/wal/%f %p`
)

// retried is how many old requests are sent once more after a recovery.
const retried = 30

// disaster is a service that was backed up, went on, and crashed; and what it had acknowledged by when.
type disaster struct {
	primary *cluster
	archive string // Of WAL.
	backup  string // The base backup, taken under load.

	moment    time.Time // By the database's clock; the mistake came after it.
	byMoment  *journal
	byArchive *journal // Before the last segment that was archived ended.
	byCrash   *journal
}

// TestRecovery backs a busy service up, crashes it, and recovers it in each way that docs/operations.md tells of.
func TestRecovery(t *testing.T) {
	t.Parallel()
	d := crashAfterBackup(t)
	t.Run("with the last WAL", d.withLastWAL)
	t.Run("with the archive alone", d.withArchiveAlone)
	t.Run("to a point in time", d.toPointInTime)
}

// TestOperationsTellWhatIsTested holds the commands of the operator's book to those that the tests here run.
func TestOperationsTellWhatIsTested(t *testing.T) {
	t.Parallel()
	book := string(must(os.ReadFile(filepath.Join(repository, "docs", "operations.md")))(t))
	for _, command := range []string{archiveCommand, restoreCommand, oneOfTwo} {
		if !strings.Contains(book, command) {
			t.Errorf("docs/operations.md does not tell of %s", command)
		}
	}
}

// crashAfterBackup runs a service under load whose WAL is archived, takes a base backup in the middle, lets somebody make a
// mistake, and ends everything at once.
func crashAfterBackup(t *testing.T) *disaster {
	t.Helper()
	d := &disaster{primary: newCluster(t)}
	d.archive, d.backup = d.primary.ownDir(t), filepath.Join(d.primary.ownDir(t), "base")
	d.primary.restart(t, "archive_mode = on", "archive_command = '"+d.at(archiveCommand)+"'")
	server := start(t, "--database-url="+d.primary.server.URL())
	l := startLoad(t, server.address)
	l.more(100)

	before := l.told.settled()
	d.primary.run(t, "pg_basebackup", "--host="+d.primary.socket(t), "--username=postgres", "--pgdata="+d.backup, "--checkpoint=fast")
	d.primary.run(t, "pg_verifybackup", d.backup)
	t.Logf("%d turns were settled during the base backup", l.told.settled()-before)
	l.more(100)

	d.byMoment = l.told.soFar()
	d.moment = ask[time.Time](t, d.primary.server.URL(), "SELECT clock_timestamp()")
	must(l.client.TopUp(t.Context(), mistake()))(t)
	l.more(100)

	d.byArchive = l.told.soFar()
	d.archiveSegment(t)
	l.more(100)
	d.primary.crash(t, syscall.SIGQUIT)
	server.kill(t)
	l.stop()
	d.byCrash = l.told.soFar()
	t.Logf("settled: %d by the moment, %d by the last segment archived, %d by the crash",
		d.byMoment.settled(), d.byArchive.settled(), d.byCrash.settled())
	return d
}

// mistake is a top-up that should not have been made.
func mistake() *meterv1.TopUpRequest {
	return &meterv1.TopUpRequest{OrganizationId: loadFirms[0], RequestId: "mistake", AmountMicros: 1_000_000}
}

// archiveSegment ends the running segment of WAL and waits until it is archived.
func (d *disaster) archiveSegment(t *testing.T) {
	t.Helper()
	name := ask[string](t, d.primary.server.URL(), "SELECT pg_walfile_name(pg_switch_wal())")
	eventually(t, name+" is archived", func() bool { return fileExists(filepath.Join(d.archive, name)) })
}

// at is a command with the archive where it is.
func (d *disaster) at(command string) string {
	return strings.ReplaceAll(command, archivePlace, d.archive)
}

// withLastWAL recovers with what the crashed server had not archived yet: nothing acknowledged may be lost.
func (d *disaster) withLastWAL(t *testing.T) {
	t.Parallel()
	c := d.restore(t)
	c.run(t, "cp", "-a", filepath.Join(d.primary.files(), "pg_wal")+"/.", filepath.Join(c.files(), "pg_wal"))
	recovered := d.recoverAndStart(t, c)
	d.byCrash.check(t, recovered)
	if recovered.topUp(t, mistake().GetRequestId()) == nil {
		t.Error("the last top-up was acknowledged and is lost")
	}
	goesOn(t, recovered, d.byCrash)
	audittest.Check(t, c.server.URL())
}

// withArchiveAlone recovers after the crashed server's disk is gone: what was acknowledged before the last archived
// segment ended must be there, and whatever is there adds up.
func (d *disaster) withArchiveAlone(t *testing.T) {
	t.Parallel()
	c := d.restore(t)
	recovered := d.recoverAndStart(t, c)
	d.byArchive.check(t, recovered)
	lost := 0
	for id, told := range d.byCrash.turns.acknowledged {
		request := &meterv1.GetReservationRequest{OrganizationId: told.GetOrganizationId(), ReservationId: id}
		if _, err := recovered.GetReservation(t.Context(), request); reasonOf(err) == "RESERVATION_NOT_FOUND" {
			lost++
		} else if err != nil {
			t.Error(err)
		}
	}
	if after := len(d.byCrash.turns.acknowledged) - len(d.byArchive.turns.acknowledged); lost > after {
		t.Errorf("%d acknowledged turns are lost, but only %d were not archived", lost, after)
	}
	t.Logf("%d of %d acknowledged turns were lost with the disk", lost, len(d.byCrash.turns.acknowledged))
	goesOn(t, recovered, d.byArchive)
	audittest.Check(t, c.server.URL())
}

// toPointInTime recovers to the moment before a mistake.
func (d *disaster) toPointInTime(t *testing.T) {
	t.Parallel()
	c := d.restore(t)
	recovered := d.recoverAndStart(t, c,
		"recovery_target_time = '"+d.moment.UTC().Format("2006-01-02 15:04:05.999999+00")+"'",
		"recovery_target_action = 'promote'")
	d.byMoment.check(t, recovered)
	if entry := recovered.topUp(t, mistake().GetRequestId()); entry != nil {
		t.Errorf("the mistake is still there: %v", entry)
	}
	goesOn(t, recovered, d.byMoment)
	audittest.Check(t, c.server.URL())
}

// restore copies the base backup into a directory of its own, which it gives back as it was.
func (d *disaster) restore(t *testing.T) *cluster {
	t.Helper()
	c := d.primary.sibling(t)
	c.run(t, "cp", "-a", d.backup, c.files())
	return c
}

// recoverAndStart starts PostgreSQL on a restored base backup, which recovers with the archive as settings say, and then a
// server on it.
func (d *disaster) recoverAndStart(t *testing.T, c *cluster, settings ...string) *client {
	t.Helper()
	c.configure(t, append(settings, "archive_mode = off", "restore_command = '"+d.at(restoreCommand)+"'")...)
	c.run(t, "touch", filepath.Join(c.files(), "recovery.signal"))
	c.server = startDatabase(t, c.dir)
	return dial(t, start(t, "--database-url="+c.server.URL()).address)
}

// goesOn sends old requests once more, which must be the same as once, and runs a new turn.
func goesOn(t *testing.T, c *client, told *journal) {
	t.Helper()
	before, left := c.books(t), retried
	for _, want := range told.turns.acknowledged {
		if want.GetState() != meterv1.ReservationState_RESERVATION_STATE_COMMITTED || left == 0 {
			continue
		}
		left--
		again, err := c.reserve(t.Context(), want.GetOrganizationId(), want.GetMemberId(), want.GetRequestId(), loadEstimate)
		if err != nil || !proto.Equal(again, want) {
			t.Errorf("reserved again: %v, %v instead of %v", again, err, want)
		}
		if again, err = c.commit(t.Context(), want, loadCost); err != nil || !proto.Equal(again, want) {
			t.Errorf("committed again: %v, %v instead of %v", again, err, want)
		}
	}
	if after := c.books(t); left != 0 || after.entries != before.entries || after.balance != before.balance {
		t.Errorf("%d requests were left to be sent again; the books were %+v and are %+v", left, before, after)
	}
	held := must(c.reserve(t.Context(), loadFirms[0], seat(0), "after-the-recovery", loadEstimate))(t)
	if charge := must(c.commit(t.Context(), held, loadCost))(t).GetCharge(); charge.GetActualMicros() != loadCost {
		t.Errorf("a turn after the recovery was charged %v", charge)
	}
}

// topUp is the entry of a top-up of the first firm; nil if there is none.
func (c *client) topUp(t *testing.T, request string) *meterv1.LedgerEntry {
	t.Helper()
	for _, e := range c.ledger(t, loadFirms[0]) {
		if e.GetRequestId() == request && e.GetKind() == meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP {
			return e
		}
	}
	return nil
}
