package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// deadlocks is how many the server has broken in a store's database.
func deadlocks(t testing.TB, store *postgres.Store) int {
	t.Helper()
	return one[int](t, connect(t, store), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
}

// TestOverlappingBatchesNeverDeadlock runs sessions that name the same organizations in opposite orders.
func TestOverlappingBatchesNeverDeadlock(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url})
	firms := []string{"a", "b", "c"}
	found(t, store, firms...)
	const sessions, rounds = 4, 40
	var running errgroup.Group
	for n := range sessions {
		l := newLane(t, store)
		running.Go(func() error {
			for round := range rounds {
				var commands []meter.Command
				for i := range firms {
					id := firms[i]
					if n%2 == 1 {
						id = firms[len(firms)-1-i]
					}
					commands = append(commands, topUp(id, fmt.Sprint(n, ".", round), 1))
				}
				if _, err := l.try(commands...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		t.Error(err)
	}
	if n := deadlocks(t, store); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	for _, id := range firms {
		gapless(t, store, id, 1+sessions*rounds)
	}
	audittest.Check(t, url)
}

// TestNewOrganizationsNeverDeadlock has two sessions make the same organizations at once: there is no row to lock yet, so
// the loser waits at the key, and its next try finds what the winner made.
func TestNewOrganizationsNeverDeadlock(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	found(t, store)
	const rounds, size = 10, 6
	a, b := newLane(t, store), newLane(t, store)
	for round := range rounds {
		var forth, back []meter.Command
		for n := range size {
			forth = append(forth, organization(t, fmt.Sprintf("%d.%d", round, n)))
			back = append(back, organization(t, fmt.Sprintf("%d.%d", round, size-1-n)))
		}
		var running errgroup.Group
		running.Go(func() error { return untilKept(a, forth) })
		running.Go(func() error { return untilKept(b, back) })
		if err := running.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if n := deadlocks(t, store); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// TestNewOrganizationsAreAddedInOrder writes down in which order they come, because whether two sessions meet is chance.
func TestNewOrganizationsAreAddedInOrder(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	conn := connect(t, store)
	exec(t, conn, `CREATE TABLE added (n bigserial, id text);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
			'BEGIN INSERT INTO added (id) VALUES (NEW.organization_id); RETURN NEW; END';
		CREATE TRIGGER note BEFORE INSERT ON organization FOR EACH ROW EXECUTE FUNCTION note()`)
	l := found(t, store)
	var commands []meter.Command
	for _, id := range strings.Split("kjdgabfichelonm", "") {
		commands = append(commands, organization(t, id))
	}
	l.do(commands...)
	if added := one[string](t, conn, `SELECT string_agg(id, '' ORDER BY n) FROM added`); added != "abcdefghijklmno" {
		t.Errorf("they are added in the order %s", added)
	}
}

// untilKept tries a batch again while that may help, as a lane does.
func untilKept(l lane, commands []meter.Command) (err error) {
	for range 3 {
		if _, err = l.try(commands...); reasonOf(err) != meter.Unavailable {
			return err
		}
	}
	return err
}

// gapless holds a firm's ledger to that many entries, numbered from 1, each with the balance after it.
func gapless(t testing.TB, store *postgres.Store, id string, want int) {
	t.Helper()
	page, err := store.Entries(within(t), meter.EntryQuery{OrganizationID: id, Limit: want + 1})
	must(t, err)
	entries := page.Entries
	if len(entries) != want {
		t.Errorf("%s has %d entries, not %d", id, len(entries), want)
	}
	var balance meter.Micros
	for i, e := range entries {
		if e.Kind == meter.EntryTopUp {
			balance += e.Amount
		}
		if e.Sequence != int64(i+1) || e.BalanceAfter != balance {
			t.Errorf("entry %d of %s is %+v, the balance %d", i+1, id, e, balance)
		}
	}
}

// TestTwoStoresNumberOneLedger writes to one ledger from two processes' worth of sessions.
func TestTwoStoresNumberOneLedger(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	found(t, openAt(t, postgres.Config{URL: url}), firm)
	const sessions, rounds, size = 3, 15, 3
	var running errgroup.Group
	var last *postgres.Store
	for p := range 2 {
		last = openAt(t, postgres.Config{URL: url})
		for n := range sessions {
			l := newLane(t, last)
			running.Go(func() error {
				for round := range rounds {
					var commands []meter.Command
					for i := range size {
						commands = append(commands, topUp(firm, fmt.Sprint(p, n, ".", round, ".", i), 3))
					}
					if _, err := l.try(commands...); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := running.Wait(); err != nil {
		t.Error(err)
	}
	gapless(t, last, firm, 1+2*sessions*rounds*size)
	audittest.Check(t, url)
}

// TestALockIsNotWaitedForForever holds an organization's lock for longer than another session waits.
func TestALockIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	holder := found(t, store, firm, "other")
	_, err := holder.load(meter.Sweep{OrganizationID: firm})
	must(t, err)
	waiter := newLane(t, store)
	_, err = waiter.try(topUp(firm, "late", 1))
	mustBe(t, err, meter.Unavailable)
	if !errors.Is(err, meter.ErrLocked) {
		t.Errorf("a lock that is not to be had is told as %v", err)
	}
	waiter.do(topUp("other", "late", 1))
	holder.Abandon()
	waiter.do(topUp(firm, "late", 1))
}

// TestALaneReliesOnNoDefault opens a store on a database whose own settings would lose answers and load what is stale.
func TestALaneReliesOnNoDefault(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	conn := connect(t, store)
	name := one[string](t, conn, `SELECT current_database()`)
	for setting, value := range map[string]string{
		"synchronous_commit": "off", "default_transaction_isolation": "serializable", "timezone": "Asia/Tokyo",
		"plan_cache_mode": "force_custom_plan", "jit": "on", "lock_timeout": "0", "statement_timeout": "0",
	} {
		exec(t, conn, fmt.Sprintf(`ALTER DATABASE %s SET %s = '%s'`, name, setting, value))
	}
	writer, err := pgx.ConnectConfig(within(t), store.Writers().Copy())
	must(t, err)
	defer func() { _ = writer.Close(within(t)) }()
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "transaction_isolation": "read committed", "timezone": "UTC",
		"plan_cache_mode": "force_generic_plan", "jit": "off", "lock_timeout": "1s", "statement_timeout": "5s",
		"idle_in_transaction_session_timeout": "5s",
	} {
		if got := one[string](t, writer, "SHOW "+setting); got != want {
			t.Errorf("%s is %s, not %s", setting, got, want)
		}
	}
}

// TestReadsTakeNoLocks reads an organization while a batch holds it.
func TestReadsTakeNoLocks(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm)
	err := l.between(topUp(firm, "t", 7), func() {
		if before := balance(t, store); before != firstTopUp {
			t.Errorf("while the batch is in flight the balance is %d", before)
		}
	})
	must(t, err)
	if after := balance(t, store); after != firstTopUp+7 {
		t.Errorf("after it the balance is %d", after)
	}
}
