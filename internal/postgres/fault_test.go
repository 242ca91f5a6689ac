package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

func TestFaultTellsWhatMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	if err := postgres.Fault(nil); err != nil {
		t.Errorf("no error is %v", err)
	}
	for _, code := range []string{
		"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53100", "53300", "08006", "08P01", "23505", "25006", "25P03",
	} {
		mustBe(t, postgres.Fault(fmt.Errorf("saving: %w", &pgconn.PgError{Code: code})), meter.Unavailable)
	}
	for _, err := range []error{io.ErrUnexpectedEOF, errCut, context.DeadlineExceeded} {
		fault := postgres.Fault(err)
		mustBe(t, fault, meter.Unavailable)
		if !errors.Is(fault, err) {
			t.Errorf("%v does not tell its cause", fault)
		}
	}
	for _, code := range []string{"23503", "23514", "23502", "22021", "42P01", "42601", "XX000", "23001"} {
		err := postgres.Fault(&pgconn.PgError{Code: code, ConstraintName: "pool_adds_up", Message: "no"})
		if reasonOf(err) != "" || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), "pool_adds_up") {
			t.Errorf("SQLSTATE %s is %v", code, err)
		}
	}
	refusal := &meter.Refusal{Reason: meter.PriceBookChanged}
	mustBe(t, postgres.Fault(fmt.Errorf("putting: %w", refusal)), meter.PriceBookChanged)
	if err := postgres.Fault(context.Canceled); reasonOf(err) != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away is %v", err)
	}
}

// TestARefusedConnectionIsUnavailable connects as nobody the server knows: nothing was done, so it may be tried again.
func TestARefusedConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	store.Writers().User = "nobody_it_knows"
	_, err := newLane(t, store).try(meter.Sweep{OrganizationID: firm})
	mustBe(t, err, meter.Unavailable)
}

// TestAnUnreadableRowIsAFault keeps a zone that this program does not know out of everybody else's way.
func TestAnUnreadableRowIsAFault(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm, "other")
	exec(t, connect(t, store), `UPDATE organization SET time_zone = 'Mars/Base' WHERE organization_id = $1`, firm)
	_, loading := l.try(topUp(firm, "t", 1))
	_, reading := store.Organization(within(t), firm)
	_, _, listing := store.Members(within(t), meter.MemberQuery{OrganizationID: firm, Limit: 10})
	_, metering := store.Meter(within(t), firm, seat(0))
	for what, err := range map[string]error{"loading": loading, "reading": reading, "listing": listing, "metering": metering} {
		if err == nil || reasonOf(err) != "" || !strings.Contains(err.Error(), `organization "acme": time zone "Mars/Base"`) {
			t.Errorf("%s answers %v", what, err)
		}
	}
	l.do(topUp("other", "t", 1))
}

// TestAnUnreadableBookIsAFault keeps one that breaks today's rules, or has another form, out of everybody else's way.
func TestAnUnreadableBookIsAFault(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm, "other")
	conn := connect(t, store)
	for id, models := range map[string]string{"nameless": `[{"model": "", "prices": []}]`, "formless": `["large"]`} {
		exec(t, conn, `INSERT INTO price_book VALUES ($1, 1, 1, 0, '', '', NULL, $2, now(), '')`, id, models)
		_, err := store.PriceTable(within(t), id, 0)
		if err == nil || reasonOf(err) != "" || !strings.Contains(err.Error(), `price book "`+id+`", version 1`) {
			t.Errorf("reading answers %v", err)
		}
		o := organization(t, firm)
		o.PriceBookID = id
		if _, err := l.try(o); err == nil || reasonOf(err) != "" {
			t.Errorf("naming it answers %v", err)
		}
	}
	l.do(topUp(firm, "t", 1), topUp("other", "t", 1))
}

// terminate ends a store's sessions from the server's side.
func terminate(t testing.TB, store *postgres.Store) {
	t.Helper()
	conn := connect(t, store)
	const lanes = ` FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'meterd lane'`
	if n := one[int](t, conn, `SELECT count(pg_terminate_backend(pid))`+lanes); n == 0 {
		t.Fatal("there is no session to terminate")
	}
	eventually(t, "the sessions have ended", func() bool { return one[int](t, conn, `SELECT count(*)`+lanes) == 0 })
}

// TestALostConnectionIsMadeAgain breaks a session's connection at each moment of a batch. After each the error says that
// the same may be done again, the batch is on disk or is not, and doing it again makes it once.
func TestALostConnectionIsMadeAgain(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	tap := tapOf(store)
	l := found(t, store, firm)
	for _, c := range []struct {
		when   string
		broken func(c meter.Command) error
		kept   bool
	}{
		{"terminated before Load", func(c meter.Command) error { terminate(t, store); return l.once(c) }, false},
		{"terminated before Save", func(c meter.Command) error {
			return l.between(c, func() { terminate(t, store) })
		}, false},
		{"cut before Load", func(c meter.Command) error { tap.loseRequest.Store(true); return l.once(c) }, false},
		{"cut in Load", func(c meter.Command) error { tap.loseAnswer.Store(true); return l.once(c) }, false},
		{"cut before Save", func(c meter.Command) error {
			return l.between(c, func() { tap.loseRequest.Store(true) })
		}, false},
		{"cut after COMMIT", func(c meter.Command) error {
			return l.between(c, func() { tap.loseAnswer.Store(true) })
		}, true},
	} {
		before := balance(t, store)
		command := topUp(firm, c.when, 5)
		mustBe(t, c.broken(command), meter.Unavailable)
		if kept := balance(t, store) == before+5; kept != c.kept {
			t.Errorf("%s: on disk %t", c.when, kept)
		}
		l.do(command)
		if after := balance(t, store); after != before+5 {
			t.Errorf("%s: done again, the balance went from %d to %d", c.when, before, after)
		}
	}
}

func (l lane) once(c meter.Command) error {
	_, err := l.try(c)
	return err
}

// between carries a command, with something done between Load and Save.
func (l lane) between(c meter.Command, do func()) error {
	l.Helper()
	states, err := l.load(c)
	must(l, err)
	applyAll(states, []meter.Command{c})
	do()
	err = l.Save(within(l), states)
	l.Abandon()
	return err
}

func balance(t testing.TB, store *postgres.Store) meter.Micros {
	t.Helper()
	o, err := store.Organization(within(t), firm)
	must(t, err)
	return o.Pool.Balance
}

// TestReadsAreUnavailableWithoutADatabase takes the database away from under a store.
func TestReadsAreUnavailableWithoutADatabase(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t, "taken_away")
	must(t, postgres.Migrate(within(t), database))
	store := openAt(t, postgres.Config{URL: database})
	conn, err := pgx.Connect(within(t), server.Admin())
	must(t, err)
	defer func() { _ = conn.Close(within(t)) }()
	exec(t, conn, `ALTER DATABASE taken_away ALLOW_CONNECTIONS false`)
	exec(t, conn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'taken_away'`)
	eventually(t, "Ping fails", func() bool { return store.Ping(within(t)) != nil })
	mustBe(t, store.Ping(within(t)), meter.Unavailable)
	_, err = store.Organization(within(t), firm)
	mustBe(t, err, meter.Unavailable)
	_, _, err = store.Members(within(t), meter.MemberQuery{OrganizationID: firm, Limit: 1})
	mustBe(t, err, meter.Unavailable)
	mustBe(t, store.PutPlan(within(t), teamPlan(), meter.Actor{}), meter.Unavailable)
	exec(t, conn, `ALTER DATABASE taken_away ALLOW_CONNECTIONS true`)
	_, err = store.Organization(within(t), firm)
	mustBe(t, err, meter.OrganizationNotFound)
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	mustBe(t, store.Ping(ctx), meter.Unavailable)
}
