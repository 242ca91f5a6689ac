package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/pgtest"
	"github.com/spillway-metering/spillway/internal/postgres"
)

var server *pgtest.Server

func TestMain(m *testing.M) {
	code := pgtest.Main(m, func(s *pgtest.Server) { server = s })
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience bounds what a test waits for.
const patience = 30 * time.Second

// within is a context that ends when a test has waited for too long.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open is a store on a database of the test's own, with the test clock and the rights of the service.
func open(t testing.TB) *postgres.Store {
	t.Helper()
	return openAt(t, postgres.Config{URL: server.Database(t), TestClock: true})
}

func openAt(t testing.TB, config postgres.Config) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(within(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// lane is one session with what a lane does on it, without group or retry.
type lane struct {
	testing.TB
	*postgres.Session

	again bool // Whether what it carries may have been carried before.
}

func newLane(t testing.TB, store *postgres.Store) lane {
	t.Helper()
	session := store.NewSession()
	t.Cleanup(session.Close)
	return lane{TB: t, Session: session}
}

// answer is what a command came to.
type answer struct {
	Outcome meter.Outcome
	Err     error
}

// load opens a transaction with all that commands need.
func (l lane) load(commands ...meter.Command) (map[string]*meter.State, error) {
	l.Helper()
	needs := meter.Needs{Again: l.again}
	var organizations []string
	for _, c := range commands {
		organizations = append(organizations, c.Organization())
		c.Need(&needs)
	}
	return l.Load(within(l), organizations, needs)
}

// try carries commands in one transaction, in another one if the first was decided by what had changed, and answers what each
// came to, or why the transaction failed.
func (l lane) try(commands ...meter.Command) ([]answer, error) {
	l.Helper()
	states, err := l.load(commands...)
	if err != nil {
		l.Abandon()
		return nil, err
	}
	answers := applyAll(states, commands)
	if err := l.Save(within(l), states); err != nil {
		l.Abandon()
		if errors.Is(err, meter.ErrStale) {
			return l.try(commands...)
		}
		return nil, err
	}
	return answers, nil
}

func applyAll(states map[string]*meter.State, commands []meter.Command) (answers []answer) {
	for _, s := range states {
		s.ExpireDue()
	}
	for _, c := range commands {
		outcome, err := c.Apply(states[c.Organization()])
		answers = append(answers, answer{outcome, err})
	}
	return answers
}

// do carries commands in one transaction, none of which may be refused.
func (l lane) do(commands ...meter.Command) []answer {
	l.Helper()
	answers, err := l.try(commands...)
	if err != nil {
		l.Fatal(err)
	}
	for i, a := range answers {
		if a.Err != nil {
			l.Fatalf("%+v: %v", commands[i], a.Err)
		}
	}
	return answers
}

// reasonOf is why an error says it was refused; empty: it is no refusal.
func reasonOf(err error) meter.Reason {
	var refusal *meter.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ""
}

func mustBe(t testing.TB, err error, reason meter.Reason) {
	t.Helper()
	if reasonOf(err) != reason {
		t.Errorf("the error is %v, not the refusal %s", err, reason)
	}
}

func newID() meter.UUID { return uuid.Must(uuid.NewV7()) }

// connect is a connection of the test's own to a store's database, on which it may do as it likes.
func connect(t testing.TB, store *postgres.Store) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t), pgtest.As(pgtest.Superuser, store.Writers().ConnString()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(within(t), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// one is the value that a query answers.
func one[V any](t testing.TB, conn *pgx.Conn, sql string, args ...any) V {
	t.Helper()
	var v V
	if err := conn.QueryRow(within(t), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually polls until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
