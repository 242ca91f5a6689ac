package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

const (
	// readRights asks as whom, and where in the search path, goose would work.
	readRights = `SELECT current_user, coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
		to_regclass('goose_db_version') IS NOT NULL`

	readSchemaVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
)

//go:embed migrations/*.sql
var migrations embed.FS

// While another process migrates, this one looks every second, for five minutes, whether it is done.
const (
	lockPollSeconds = 1
	lockPolls       = 300
)

// Migrate brings the database's schema up to this program's. Migrations only go forward. It may run in many processes at
// once: an advisory lock lets one of them do the work. It refuses a server older than PostgreSQL 15.
//
// A role that may not make tables, as the service's should not, passes where there is nothing to do, and nothing is
// tried in its name; where there is, the error is one line that says so and who can help.
//
// A schema newer than this program's is left as it is, and is no error: a rollback after an upgrade needs that. So a
// migration has to leave what the release before reads and writes.
func Migrate(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("the database URL cannot be read: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	if err := checkVersion(db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int")); err != nil {
		return err
	}
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	if err := checkMayMigrate(ctx, db, newest(provider)); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPollSeconds, lockPolls))
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
}

// newest is the version of the schema that this program needs.
func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// checkMayMigrate refuses a role that would have to migrate and may not. It asks before goose does anything, which makes
// a table of its own where there is none, and tries that for seconds.
func checkMayMigrate(ctx context.Context, db *sql.DB, needed int64) error {
	var (
		role           string
		may, versioned bool
		version        int64
	)
	if err := db.QueryRowContext(ctx, readRights).Scan(&role, &may, &versioned); err != nil {
		return fmt.Errorf("asking what the role may do in the database: %w", err)
	}
	if may {
		return nil
	}
	if versioned {
		if err := db.QueryRowContext(ctx, readSchemaVersion).Scan(&version); err != nil {
			return fmt.Errorf("the role %q cannot read the version of the database's schema (deploy/roles.sql lets it): %w", role, err)
		}
	}
	if version >= needed {
		return nil
	}
	return fmt.Errorf("the database's schema is at version %d, this program needs %d, and the role %q may not migrate it: "+
		"run `meterctl migrate --database-url URL` as the migration role first", version, needed, role)
}

func checkVersion(row interface{ Scan(...any) error }) error {
	var version int
	if err := row.Scan(&version); err != nil {
		return unreachable(err)
	}
	if version < 150000 {
		return fmt.Errorf("the database is PostgreSQL %d: 15 or later is needed", version/10000)
	}
	return nil
}
