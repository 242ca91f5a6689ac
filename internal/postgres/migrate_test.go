package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/postgres"
)

// emptyDatabase is the connection string of a database without any table.
func emptyDatabase(t *testing.T, name string) string {
	t.Helper()
	conn, err := pgx.Connect(within(t), server.Admin())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		exec(t, conn, "DROP DATABASE "+name+" WITH (FORCE)")
		_ = conn.Close(within(t))
	})
	u, err := url.Parse(server.Admin())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func TestMigrateFourAtOnceThenAgain(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t, "four_starters")
	var starters errgroup.Group
	for range 4 {
		starters.Go(func() error { return postgres.Migrate(within(t), database) })
	}
	if err := starters.Wait(); err != nil {
		t.Fatal(err)
	}
	store := openAt(t, postgres.Config{URL: database})
	versions := func() []int64 {
		rows, err := connect(t, store).Query(within(t), "SELECT version_id FROM goose_db_version WHERE version_id > 0 ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		applied, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			t.Fatal(err)
		}
		return applied
	}
	if got := fmt.Sprint(versions()); got != "[1]" {
		t.Errorf("after four starters the versions are %s", got)
	}
	found(t, store, firm)
	if err := postgres.Migrate(within(t), database); err != nil {
		t.Fatalf("migrating again: %v", err)
	}
	if got := fmt.Sprint(versions()); got != "[1]" {
		t.Errorf("after migrating again the versions are %s", got)
	}
	if o, err := store.Organization(within(t), firm); err != nil || o.Pool.Balance != firstTopUp {
		t.Errorf("after migrating again the firm is %+v, %v", o, err)
	}
}

// version is the row in which a server tells its version.
type version int

func (v version) Scan(targets ...any) error {
	if v == 0 {
		return errors.New("connection refused")
	}
	*targets[0].(*int) = int(v)
	return nil
}

func TestMigrateRefusesAnOlderServer(t *testing.T) {
	t.Parallel()
	for v, want := range map[version]string{
		0:      "the database cannot be reached: connection refused",
		90624:  "the database is PostgreSQL 9: 15 or later is needed",
		140019: "the database is PostgreSQL 14: 15 or later is needed",
		150000: "<nil>",
		180001: "<nil>",
	} {
		if got := fmt.Sprint(postgres.CheckVersion(v)); got != want {
			t.Errorf("version %d: %q, want %q", v, got, want)
		}
	}
}

// TestOpenSaysInOneLineWhatIsWrong reaches for servers that are not there and databases that are not in them.
func TestOpenSaysInOneLineWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"postgres:///meter?host=/nonexistent", "postgres://127.0.0.1:1/meter", "postgres://127.0.0.1:1,127.0.0.1:2/meter",
		"postgres://host:port/meter", strings.Replace(server.Admin(), "/postgres?", "/absent?", 1),
	} {
		_, openErr := postgres.Open(within(t), postgres.Config{URL: u})
		for what, err := range map[string]error{"Open": openErr, "Migrate": postgres.Migrate(within(t), u)} {
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "the database") {
				t.Errorf("%s %s: %q", what, u, err)
			}
		}
	}
}
