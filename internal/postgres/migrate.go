package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
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
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPollSeconds, lockPolls))
	if err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	return nil
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
