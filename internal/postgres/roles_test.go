package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/pgtest"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// What the service may do with the rows of the tables that have no trigger against it. A new table is either kept
// append-only by its trigger, or has its place here and, if its rows change, in deploy/roles.sql.
const (
	seen    = "SELECT"
	added   = "SELECT INSERT"
	changed = "SELECT INSERT UPDATE"
)

var rights = map[string]string{
	"goose_db_version": seen,
	"extension":        added,
	"plan":             changed, "organization": changed, "member": changed, "member_period": changed, "reservation": changed,
	"resource": changed, "resource_count": changed,
	"usage_watermark": changed, "usage_day": changed, "usage_rollup": changed,
	"audit_chain": changed, "test_clock": changed,
}

// readTables has a row for each table: its name, its primary key, its first column, whether a trigger keeps it
// append-only, and what a role has been granted on the table or on any column of it.
const readTables = `
	SELECT c.relname, k.conname, a.attname,
		EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid = 'refuse_change'::regproc) AS guarded,
		concat_ws(' ',
			CASE WHEN has_any_column_privilege($1, c.oid, 'SELECT') THEN 'SELECT' END,
			CASE WHEN has_any_column_privilege($1, c.oid, 'INSERT') THEN 'INSERT' END,
			CASE WHEN has_any_column_privilege($1, c.oid, 'UPDATE') THEN 'UPDATE' END,
			CASE WHEN has_any_column_privilege($1, c.oid, 'REFERENCES') THEN 'REFERENCES' END,
			CASE WHEN has_table_privilege($1, c.oid, 'DELETE') THEN 'DELETE' END,
			CASE WHEN has_table_privilege($1, c.oid, 'TRUNCATE') THEN 'TRUNCATE' END,
			CASE WHEN has_table_privilege($1, c.oid, 'TRIGGER') THEN 'TRIGGER' END) AS rights
	FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
	WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname`

type tableRow struct {
	Name, Key, Column string
	Guarded           bool
	Rights            string
}

// tablesFor are all tables, with what a role may do with them.
func tablesFor(t testing.TB, conn *pgx.Conn, role string) []tableRow {
	t.Helper()
	rows, err := conn.Query(within(t), readTables, role)
	must(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tableRow])
	must(t, err)
	if n := one[int](t, conn, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); n != len(tables) || n < 10 {
		t.Fatalf("of %d tables %d have a primary key", n, len(tables))
	}
	return tables
}

func login(t testing.TB, as pgtest.Login, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t), pgtest.As(as, database))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestEveryTableHasItsRights finds a table that deploy/roles.sql, or this test, does not know.
func TestEveryTableHasItsRights(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	conn := login(t, pgtest.Superuser, url)
	guarded := 0
	for _, table := range tablesFor(t, conn, string(pgtest.Service)) {
		want, known := rights[table.Name]
		if table.Guarded {
			guarded++
			want, known = added, !known
		}
		if !known {
			t.Errorf("%s must either be kept append-only by refuse_change or have its rights here", table.Name)
		}
		if table.Rights != want {
			t.Errorf("on %s the service has %q, not %q: see deploy/roles.sql", table.Name, table.Rights, want)
		}
	}
	if guarded < 3 {
		t.Errorf("%d tables are append-only", guarded)
	}
	for _, table := range tablesFor(t, conn, string(pgtest.Reader)) {
		if table.Rights != seen {
			t.Errorf("on %s the reader has %q", table.Name, table.Rights)
		}
	}
	if n := one[int](t, conn, `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'spillway_%' AND NOT rolsuper AND NOT rolcanlogin
		AND NOT rolcreaterole AND NOT rolcreatedb AND NOT rolbypassrls AND NOT rolreplication`); n != 3 {
		t.Errorf("%d roles are no more than groups", n)
	}
}

// beyond are what neither the service nor the reader may do, whatever the table.
var beyond = []string{
	`CREATE TABLE mine (n int)`, `CREATE TEMPORARY TABLE mine (n int)`, `SELECT 1 AS n INTO mine`, `CREATE SCHEMA mine`,
	`CREATE VIEW mine AS SELECT 1`, `CREATE SEQUENCE mine`, `CREATE TYPE mine AS (n int)`,
	`CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
	`CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
	`DROP FUNCTION refuse_change() CASCADE`, `DROP TRIGGER ledger_entry_is_append_only ON ledger_entry`,
	`ALTER TABLE ledger_entry DROP CONSTRAINT ledger_amount_is_positive`, `DROP INDEX top_up_request_id_once`,
	`SET session_replication_role = replica`, `SET ROLE spillway_migrator`, `SET ROLE postgres`,
	`CREATE ROLE mine`, `ALTER SYSTEM SET fsync = off`, `COPY ledger_entry TO PROGRAM 'cat'`, `SELECT pg_read_file('PG_VERSION')`,
	`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`,
}

// beyondOn are what neither may do with any table.
func beyondOn(table tableRow) []string {
	return []string{
		"DELETE FROM " + table.Name, "DELETE FROM " + table.Name + " WHERE false",
		"TRUNCATE " + table.Name, "TRUNCATE " + table.Name + " CASCADE",
		"DROP TABLE " + table.Name, "ALTER TABLE " + table.Name + " ADD COLUMN mine int",
		"ALTER TABLE " + table.Name + " DISABLE TRIGGER ALL", "ALTER TABLE " + table.Name + " DISABLE TRIGGER USER",
		"ALTER TABLE " + table.Name + " OWNER TO CURRENT_USER", "ALTER TABLE " + table.Name + " RENAME TO mine",
		"CREATE INDEX ON " + table.Name + " (" + table.Column + ")",
		"CREATE TRIGGER mine BEFORE INSERT ON " + table.Name + " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"CREATE RULE mine AS ON INSERT TO " + table.Name + " DO INSTEAD NOTHING",
	}
}

// changesOf are the ways to change a row that is there.
func changesOf(table tableRow) []string {
	set := " SET " + table.Column + " = " + table.Name + "." + table.Column
	return []string{
		"UPDATE " + table.Name + set, "UPDATE " + table.Name + set + " WHERE false",
		"INSERT INTO " + table.Name + " SELECT * FROM " + table.Name + " ON CONFLICT ON CONSTRAINT " + table.Key + " DO UPDATE" + set,
		"MERGE INTO " + table.Name + " USING (SELECT 1) one ON true WHEN MATCHED THEN UPDATE" +
			strings.Replace(set, table.Name+".", "", 1),
		"SELECT * FROM " + table.Name + " FOR UPDATE",
	}
}

// mustBeDenied holds statements to SQLSTATE 42501, for whom they were tried as.
func mustBeDenied(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		_, err := conn.Exec(within(t), sql)
		if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %s: %v", conn.Config().User, sql, err)
		}
	}
}

// TestTheServiceChangesNoRecordAndNoSchema tries it, on tables with rows in them.
func TestTheServiceChangesNoRecordAndNoSchema(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	exec(t, login(t, pgtest.Superuser, url), possibleRows)
	service, reader := login(t, pgtest.Service, url), login(t, pgtest.Reader, url)
	mustBeDenied(t, service, beyond...)
	mustBeDenied(t, reader, beyond...)
	for _, table := range tablesFor(t, service, string(pgtest.Service)) {
		mustBeDenied(t, service, beyondOn(table)...)
		mustBeDenied(t, reader, beyondOn(table)...)
		mustBeDenied(t, reader, changesOf(table)...)
		mustBeDenied(t, reader, "INSERT INTO "+table.Name+" SELECT * FROM "+table.Name+" WHERE false")
		if table.Guarded || rights[table.Name] != changed {
			mustBeDenied(t, service, changesOf(table)...)
		}
	}
	if n := one[int](t, service, "SELECT count(*) FROM ledger_entry"); n != 3 {
		t.Errorf("of 3 entries of the ledger %d are left", n)
	}
}

// TestTheReaderVerifies what the service wrote.
func TestTheReaderVerifies(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	found(t, openAt(t, postgres.Config{URL: url}), firm).do(holds("h", 3, time.Hour)...)
	if r := audittest.Check(t, pgtest.As(pgtest.Reader, url)); r.Organizations != 1 || r.Reservations.Held != 3 || r.LedgerEntries == 0 {
		t.Errorf("the reader sees %+v", r)
	}
}

// readGrants is all that deploy/roles.sql sets, one line each.
const readGrants = `
	SELECT format('database %s', coalesce(a::text, 'default')) AS line FROM pg_database d LEFT JOIN unnest(d.datacl) a ON true
		WHERE datname = current_database()
	UNION SELECT format('schema %s', a) FROM pg_namespace n, unnest(n.nspacl) a WHERE nspname = 'public'
	UNION SELECT format('%s of %s %s', relname, relowner::regrole, a) FROM pg_class c LEFT JOIN unnest(c.relacl) a ON true
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
	UNION SELECT format('%s.%s %s', attrelid::regclass, attname, a) FROM pg_attribute, unnest(attacl) a
		WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
	UNION SELECT format('%s of %s', oid::regprocedure, proowner::regrole) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
	UNION SELECT format('default of %s %s %s', defaclrole::regrole, defaclobjtype, a) FROM pg_default_acl, unnest(defaclacl) a
	UNION SELECT format('%s in %s', member::regrole, roleid::regrole) FROM pg_auth_members
		WHERE roleid IN ('spillway_migrator'::regrole, 'spillway_service'::regrole, 'spillway_reader'::regrole)
		AND member::regrole::text LIKE 'meter%'`

func grants(t testing.TB, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(within(t), readGrants)
	must(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	slices.Sort(lines)
	return lines
}

// TestRolesAgainAreTheSame runs deploy/roles.sql again, as it stands and after rights were given by other means.
func TestRolesAgainAreTheSame(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	admin := login(t, pgtest.Superuser, url)
	name := one[string](t, admin, `SELECT current_database()`)
	before := grants(t, admin)
	for _, meddling := range []string{
		"",
		"GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC, spillway_service, spillway_reader",
		"GRANT UPDATE (amount_micros) ON ledger_entry TO spillway_service",
		"GRANT ALL ON SCHEMA public TO PUBLIC; GRANT ALL ON SCHEMA public TO spillway_service WITH GRANT OPTION",
		"GRANT ALL ON DATABASE " + name + " TO PUBLIC, spillway_service, spillway_reader",
		"ALTER TABLE ledger_entry OWNER TO postgres; ALTER FUNCTION refuse_change OWNER TO postgres",
		"ALTER DEFAULT PRIVILEGES FOR ROLE spillway_migrator IN SCHEMA public GRANT ALL ON TABLES TO PUBLIC, spillway_service",
	} {
		exec(t, admin, meddling)
		if same := slices.Equal(grants(t, admin), before); same != (meddling == "") {
			t.Errorf("the test does not see %q", meddling)
		}
		must(t, pgtest.ApplyRoles(within(t), pgtest.As(pgtest.Superuser, url)))
		if after := grants(t, admin); !slices.Equal(after, before) {
			t.Errorf("after %q there is\n%s\ninstead of\n%s", meddling, strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
	}
}

// TestATableOfALaterMigration can be read and added to before deploy/roles.sql has run again, and no more after it.
func TestATableOfALaterMigration(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	migrator, service, reader := login(t, pgtest.Migrator, url), login(t, pgtest.Service, url), login(t, pgtest.Reader, url)
	exec(t, migrator, `CREATE TABLE later (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text)`)
	table := tableRow{Name: "later", Key: "later_pkey", Column: "word"}
	for range 2 {
		exec(t, service, `INSERT INTO later (word) VALUES ('now')`)
		mustBeDenied(t, service, append(beyondOn(table), "UPDATE later SET word = ''", "SELECT * FROM later FOR UPDATE")...)
		mustBeDenied(t, reader, `INSERT INTO later (word) VALUES ('now')`)
		must(t, pgtest.ApplyRoles(within(t), pgtest.As(pgtest.Superuser, url)))
	}
	if n := one[int](t, reader, `SELECT count(*) FROM later`); n != 2 {
		t.Errorf("the reader sees %d rows of 2", n)
	}
}

// TestWhatASuperuserMigratedIsHandedOver brings roles to a database that had none.
func TestWhatASuperuserMigratedIsHandedOver(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t, "without_roles")
	must(t, postgres.Migrate(within(t), database))
	must(t, pgtest.ApplyRoles(within(t), database))
	admin := login(t, pgtest.Superuser, database)
	if others := one[int](t, admin, `SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relowner <> 'spillway_migrator'::regrole`); others != 0 {
		t.Errorf("%d tables and indexes still belong to somebody else", others)
	}
	if got, want := grants(t, admin), grants(t, login(t, pgtest.Superuser, server.Database(t))); !slices.Equal(got, want) {
		t.Errorf("there is\n%s\nand where the migrator migrated\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	found(t, openAt(t, postgres.Config{URL: pgtest.As(pgtest.Service, database)}), firm)
	exec(t, login(t, pgtest.Migrator, database), `ALTER TABLE ledger_entry ADD COLUMN later int; DROP TABLE test_clock`)
}

// TestRolesNeedAnAdministrator applies them as the owner of a database who is no superuser, and as one who is neither.
func TestRolesNeedAnAdministrator(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t, "of_its_owner")
	admin := login(t, pgtest.Superuser, database)
	exec(t, admin, `CREATE ROLE its_owner LOGIN CREATEROLE; CREATE ROLE nobodys_owner LOGIN CREATEROLE;
		GRANT spillway_migrator TO its_owner, nobodys_owner WITH ADMIN OPTION; ALTER DATABASE of_its_owner OWNER TO its_owner`)
	err := pgtest.ApplyRoles(within(t), pgtest.As("nobodys_owner", database))
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("one who owns nothing: %v", err)
	}
	must(t, pgtest.ApplyRoles(within(t), pgtest.As("its_owner", database)))
	must(t, postgres.Migrate(within(t), pgtest.As(pgtest.Migrator, database)))
	must(t, pgtest.ApplyRoles(within(t), pgtest.As("its_owner", database)))
	for _, table := range tablesFor(t, admin, string(pgtest.Service)) {
		if table.Guarded && table.Rights != added {
			t.Errorf("on %s the service has %q", table.Name, table.Rights)
		}
	}
}

// TestMigratingAsTheService tells it, where there is something to migrate, whom to ask; elsewhere it passes.
func TestMigratingAsTheService(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t, "of_the_migrator")
	service, migrator := pgtest.As(pgtest.Service, database), pgtest.As(pgtest.Migrator, database)
	newest := len(shippedVersions(t))
	behind := func(version int) {
		t.Helper()
		must(t, pgtest.ApplyRoles(within(t), database))
		want := fmt.Sprintf("the database's schema is at version %d, this program needs %d, and the role \"meterd\" may not "+
			"migrate it: run `meterctl migrate --database-url URL` as the migration role first", version, newest)
		if err := postgres.Migrate(within(t), service); err == nil || err.Error() != want {
			t.Errorf("at version %d: %v", version, err)
		}
	}
	behind(0)
	migrateTo(t, migrator, 1)
	behind(1)
	must(t, postgres.Migrate(within(t), migrator))
	must(t, postgres.Migrate(within(t), service))
	admin := login(t, pgtest.Superuser, database)
	exec(t, admin, `REVOKE SELECT ON goose_db_version FROM spillway_service`)
	if err := postgres.Migrate(within(t), service); err == nil || !strings.Contains(err.Error(), "deploy/roles.sql") ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("without a right to see the version: %v", err)
	}
}

// TestANewerSchemaIsLeftAsItIs starts the program of a release before, by whom else it may be.
func TestANewerSchemaIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	exec(t, login(t, pgtest.Superuser, url), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true);
		CREATE TABLE of_a_later_release (n int)`)
	before := grants(t, login(t, pgtest.Superuser, url))
	for _, as := range []pgtest.Login{pgtest.Service, pgtest.Migrator, pgtest.Superuser} {
		if err := postgres.Migrate(within(t), pgtest.As(as, url)); err != nil {
			t.Errorf("%s: %v", as, err)
		}
	}
	if after := grants(t, login(t, pgtest.Superuser, url)); !slices.Equal(before, after) {
		t.Errorf("there is\n%s\ninstead of\n%s", after, before)
	}
	found(t, openAt(t, postgres.Config{URL: url}), firm)
}

// TestTheLoginsAreWhoTheySay holds the tests' databases to what they promise every other test.
func TestTheLoginsAreWhoTheySay(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	if url != pgtest.As(pgtest.Service, url) {
		t.Errorf("a test gets %s", url)
	}
	roles := map[pgtest.Login]string{
		pgtest.Service: "meterd meterd", pgtest.Migrator: "meter_deploy spillway_migrator", pgtest.Reader: "meter_audit meter_audit",
		pgtest.Superuser: "postgres postgres",
	}
	for as, want := range roles {
		if got := one[string](t, login(t, as, url), `SELECT session_user || ' ' || current_user`); got != want {
			t.Errorf("%s logs in as %s", as, got)
		}
	}
}
