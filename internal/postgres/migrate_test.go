package postgres_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
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
	all := fmt.Sprint(shippedVersions(t))
	if got := fmt.Sprint(versions()); got != all {
		t.Errorf("after four starters the versions are %s", got)
	}
	found(t, store, firm)
	if err := postgres.Migrate(within(t), database); err != nil {
		t.Fatalf("migrating again: %v", err)
	}
	if got := fmt.Sprint(versions()); got != all {
		t.Errorf("after migrating again the versions are %s", got)
	}
	if o, err := store.Organization(within(t), firm); err != nil || o.Pool.Balance != firstTopUp {
		t.Errorf("after migrating again the firm is %+v, %v", o, err)
	}
}

// shippedVersions are those that the files of migrations bring the schema to: 1 and so on, without a gap.
func shippedVersions(t testing.TB) (versions []int64) {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	must(t, err)
	for i, name := range files {
		if !strings.HasPrefix(filepath.Base(name), fmt.Sprintf("%05d_", i+1)) {
			t.Errorf("%s is not number %d", name, i+1)
		}
		versions = append(versions, int64(i+1))
	}
	return versions
}

// TestEveryPromiseOfTheSchemaIsExplained: every table has a comment, and every constraint and every unique index says in a
// sentence why it must hold.
func TestEveryPromiseOfTheSchemaIsExplained(t *testing.T) {
	t.Parallel()
	rows, err := connect(t, open(t)).Query(within(t), `
		SELECT c.relname || ' ' || k.conname, coalesce(obj_description(k.oid, 'pg_constraint'), '')
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'goose_db_version' AND k.contype <> 'n'
		UNION ALL
		SELECT c.relname || ' ' || x.relname, coalesce(obj_description(i.indexrelid, 'pg_class'), '')
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'goose_db_version' AND i.indisunique
			AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)
		UNION ALL
		SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), '') FROM pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'goose_db_version'`)
	must(t, err)
	var name, comment string
	explained := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &comment}, func() error {
		explained++
		if len(strings.Fields(comment)) < 4 || !strings.HasSuffix(comment, ".") {
			t.Errorf("%s does not say in a sentence why it must hold: %q", name, comment)
		}
		return nil
	})
	must(t, err)
	if explained < 100 {
		t.Errorf("only %d promises are found", explained)
	}
}

// oldRows are rows of the schema of migration 1: open and settled turns of one firm, none in another.
const oldRows = `
INSERT INTO plan VALUES ('team', 1, 1000, 1, 1, 1, 5, '1 hour', 1);
INSERT INTO organization SELECT n, n, 'team', 1, '2026-01-31', 'UTC', NULL, NULL, NULL, NULL, 1, false, '',
	0, 0, 0, 0, 0, 0, '2026-02-10' FROM unnest(ARRAY['acme', 'done', 'idle']) n;
INSERT INTO member SELECT organization_id, 'ada', '', '', '', 1, 1, NULL, 1, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0 FROM organization;
INSERT INTO reservation (organization_id, reservation_id, member_id, request_id, request_fingerprint, estimate_micros,
		held_allowance_micros, held_pool_micros, period_start, created_at, expires_at, model, conversation_id, turn_id, state,
		settled_at)
	SELECT organization, gen_random_uuid(), 'ada', request, '\x00', 10, 5, 5, '2026-01-31', '2026-02-01', expires::timestamptz,
		'', '', '', state, CASE WHEN state > 1 THEN '2026-02-01'::timestamptz END
	FROM (VALUES ('acme', 'late', '2026-02-12', 1), ('acme', 'first', '2026-02-11', 1), ('acme', 'committed', '2026-02-02', 2),
		('acme', 'released', '2026-02-03', 3), ('acme', 'expired', '2026-02-04', 4), ('done', 'committed', '2026-02-02', 2))
		AS v (organization, request, expires, state);
`

// TestMigratingRows brings rows of the first schema up to the present one.
func TestMigratingRows(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t, "with_old_rows")
	migrateTo(t, database, 1)
	conn, err := pgx.Connect(within(t), database)
	must(t, err)
	defer func() { must(t, conn.Close(within(t))) }()
	exec(t, conn, oldRows)
	exec(t, conn, `INSERT INTO reservation SELECT (jsonb_populate_record(r, '{"request_id": "settled-late", "late": true,
		"reservation_id": "00000000-0000-0000-0000-000000000007", "settled_at": "2026-02-05"}')).* FROM reservation r
		WHERE organization_id = 'acme' AND request_id = 'committed'`)
	must(t, postgres.Migrate(within(t), database))
	exec(t, conn, "SET timezone = 'UTC'")
	for firm, want := range map[string]string{"acme": "2026-02-11 00:00:00+00", "done": "never", "idle": "never"} {
		got := one[string](t, conn, "SELECT coalesce(next_due_at::text, 'never') FROM organization WHERE organization_id = $1", firm)
		if got != want {
			t.Errorf("%s is looked at next %s, not %s", firm, got, want)
		}
	}
	for request, want := range map[string]int{"late": 0, "first": 0, "committed": 1, "released": 1, "expired": 0} {
		if got := one[int](t, conn, "SELECT max(cost_basis) FROM reservation WHERE request_id = $1", request); got != want {
			t.Errorf("the cost of the turn %s has the basis %d, not %d", request, got, want)
		}
	}
	if n := one[int](t, conn, "SELECT count(*) FROM reservation WHERE (price_book_id, price_book_version) = ('', 0)"); n != 7 {
		t.Errorf("%d of 7 turns have no price book", n)
	}
	checkOldEnds(t, conn)
}

// checkOldEnds looks at the turns that ended uncharged before there was a record of it: they are on it.
func checkOldEnds(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for firm, want := range map[string]string{"acme": "committed=1 expired=3 released=2 settled-late=3 settled-late=1 5", "done": "committed=1 1", "idle": " 0"} {
		got := one[string](t, conn, `SELECT coalesce(string_agg(r.request_id || '=' || u.outcome, ' ' ORDER BY r.request_id, u.sequence), '')
			|| ' ' || (SELECT uncharged_sequence FROM organization WHERE organization_id = $1)
			FROM uncharged_turn u JOIN reservation r USING (organization_id, reservation_id) WHERE u.organization_id = $1`, firm)
		if got != want {
			t.Errorf("on record of %s are %q, not %q", firm, got, want)
		}
	}
}

// migrateTo brings an empty database to an older schema.
func migrateTo(t *testing.T, database string, version int64) {
	t.Helper()
	db, err := sql.Open("pgx", database)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	must(t, err)
	_, err = provider.UpTo(within(t), version)
	must(t, err)
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
