package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestWhatTookTooLongIsEnded has a batch wait for a lock beyond its time: the server must not go on with it for nobody, where
// it would keep others waiting, and write what is being carried again.
func TestWhatTookTooLongIsEnded(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm)
	turn := reserve(firm, seat(0), "late", 1, time.Hour)
	l.do(reserve(firm, seat(0), "before", 1, time.Hour))
	l.Trust(true)
	states, err := l.load(turn)
	must(t, err)
	applyAll(states, []meter.Command{turn})
	_, err = l.Connection().Exec(within(t), "SET lock_timeout = 0; SET statement_timeout = 0")
	must(t, err)

	holder, err := connect(t, store).Begin(within(t))
	must(t, err)
	_, err = holder.Exec(within(t), "SELECT FROM organization FOR UPDATE")
	must(t, err)
	ctx, cancel := context.WithTimeout(within(t), 100*time.Millisecond)
	defer cancel()
	if err := l.Save(ctx, states); !l.Ahead() || reasonOf(err) != meter.Unavailable {
		t.Fatalf("decided by memory: %t, and then %v", l.Ahead(), err)
	}
	backend := l.Connection().PgConn().PID()
	l.Abandon()
	observer := connect(t, store)
	eventually(t, "the server ends it", func() bool {
		return one[int](t, observer, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend) == 0
	})
	must(t, holder.Rollback(within(t)))
	if n := one[int](t, observer, "SELECT count(*) FROM reservation WHERE request_id = 'late'"); n != 0 {
		t.Errorf("it was written %d times", n)
	}
	l.do(turn) // On another connection.
}

// TestABatchOfManyStatements has as many statements of their own as a batch has commands, whose answers must not fill the line
// while they are sent, and leaves no more memory behind than a batch may.
func TestABatchOfManyStatements(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm)
	var commands []meter.Command
	for n := range 2000 {
		commands = append(commands, meter.PutMember{
			OrganizationID: firm, MemberID: fmt.Sprint("new", n), DisplayName: fmt.Sprintf("%0512d", n), Role: meter.RoleMember,
		})
	}
	l.do(commands...)
	if n := one[int](t, connect(t, store), "SELECT count(*) FROM member WHERE length(display_name) = 512"); n != len(commands) {
		t.Errorf("%d of %d were written", n, len(commands))
	}
	l.do(topUp(firm, "after", 1))
	if kept := l.Kept(); kept > postgres.MostKept {
		t.Errorf("%d bytes are kept", kept)
	}
}
