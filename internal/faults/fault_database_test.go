package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + role + "'"

// undoing heals by statements. PostgreSQL may be away by then, through another fault.
func undoing(w *world, statements ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		return retry(ctx, func() error {
			return errors.Join(w.database.ensureUp(ctx), w.database.exec(ctx, statements...))
		})
	}
}

func exhaustConnections(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	heal := undoing(w, "ALTER ROLE "+role+" CONNECTION LIMIT -1")
	return heal, w.database.exec(ctx, "ALTER ROLE "+role+" CONNECTION LIMIT 0", terminate)
}

func terminateBackends(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	return w.again, w.database.exec(ctx, terminate)
}

// cancelStatements cancels whatever statement the lanes are in, again and again.
func cancelStatements(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	const cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = '" + role +
		"' AND application_name = 'meterd lane' AND state = 'active'"
	return rogue(ctx, w, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, cancel, pgx.QueryExecModeExec)
		return err
	})
}

// lockRows holds the rows of all organizations longer than the servers wait for them.
func lockRows(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	conn, err := w.database.connect(ctx)
	if err != nil {
		return healing(), err
	}
	for _, sql := range []string{"BEGIN", "SET LOCAL lock_timeout = '2s'", "SELECT FROM organization FOR UPDATE"} {
		if _, err = conn.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
			break
		}
	}
	return healing(func() { _ = conn.Close(context.Background()) }), err
}

// deadlock locks rows in the order opposite to everybody's: members first, their organization after. PostgreSQL finds
// the deadlock in whoever waits longest, and that is to be the server.
func deadlock(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	return rogue(ctx, w, func(ctx context.Context, conn *pgx.Conn) error {
		for _, sql := range []string{
			"BEGIN", "SET LOCAL deadlock_timeout = '10s'", "SET LOCAL lock_timeout = '4s'",
			"SELECT FROM member FOR UPDATE", "SELECT pg_sleep(0.02)",
			"SELECT FROM organization ORDER BY organization_id DESC FOR UPDATE", "ROLLBACK",
		} {
			if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
				return err
			}
		}
		return nil
	})
}

// rogue does something on a connection of its own, again and again until it is healed. What goes wrong there is part of
// the harm.
func rogue(
	ctx context.Context, w *world, do func(context.Context, *pgx.Conn) error,
) (func(context.Context) error, error) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(poll)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if conn, err := w.database.connect(ctx); err == nil {
				_ = do(ctx, conn)
				_ = conn.Close(context.WithoutCancel(ctx))
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
	return healing(stop, func() { <-ended }), nil
}

// Three in ten writes of a turn fail, by a trigger: at once, or only when they are committed.
const (
	failing = `CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF random() < 0.3 THEN RAISE EXCEPTION 'a fault of the test' USING ERRCODE = '%s'; END IF;
		RETURN NEW; END $$`
	failNow    = "CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON reservation FOR EACH ROW EXECUTE FUNCTION fault()"
	failCommit = "CREATE CONSTRAINT TRIGGER fault AFTER INSERT OR UPDATE ON reservation DEFERRABLE INITIALLY DEFERRED " +
		"FOR EACH ROW EXECUTE FUNCTION fault()"
	failNoMore = "DROP TRIGGER IF EXISTS fault ON reservation"
	forget     = "DROP FUNCTION IF EXISTS fault"
)

func serialization(ctx context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return triggered(ctx, w, []string{"40001", "40P01"}[r.IntN(2)], failNow)
}

func refuseCommit(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	return triggered(ctx, w, "40001", failCommit)
}

func triggered(ctx context.Context, w *world, code, trigger string) (func(context.Context) error, error) {
	err := w.database.exec(ctx, failNoMore, fmt.Sprintf(failing, code), trigger)
	return undoing(w, failNoMore, forget), err
}

// diskFull leaves no room on PostgreSQL's disk. Where that has no file system of its own, no file of it may grow
// instead, which PostgreSQL meets at the same places.
func diskFull(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	if w.disk.inside {
		return func(context.Context) error { return w.disk.empty() }, w.disk.fill()
	}
	return func(context.Context) error {
		_ = w.limitFiles("unlimited") // Of what has ended meanwhile there is nothing to lift, and what starts is free.
		return nil
	}, w.limitFiles(strconv.Itoa(1 << 20))
}

// limitFiles bounds how large the files may become that PostgreSQL's processes write.
func (w *world) limitFiles(most string) error {
	pids, err := w.database.processes()
	for _, pid := range pids {
		cmd := exec.Command("prlimit", "--pid", strconv.Itoa(pid), "--fsize="+most+":")
		if said, limitErr := asOwner(cmd, pid).CombinedOutput(); limitErr != nil {
			err = errors.Join(err, fmt.Errorf("prlimit: %w: %s", limitErr, said))
		}
	}
	return err
}

// asOwner runs a program as the user of a process: a limit is for its own user to set.
func asOwner(cmd *exec.Cmd, pid int) *exec.Cmd {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil || os.Geteuid() != 0 {
		return cmd
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	return cmd
}
