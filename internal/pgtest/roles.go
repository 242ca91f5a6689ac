package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Login is one that every server of this package knows.
type Login string

const (
	// Service may do what deploy/roles.sql lets the service do. Database answers for it.
	Service Login = "meterd"
	// Migrator makes and changes the schema, as the role that owns it.
	Migrator Login = "meter_deploy"
	// Reader sees every table, and changes none.
	Reader Login = "meter_audit"
	// Superuser may do anything: it is for tests that tamper with rows, or look at the server itself.
	Superuser Login = "postgres"
)

// makeLogins makes them as the head of deploy/roles.sql says, without passwords: the server asks for none.
const makeLogins = `
	CREATE ROLE meterd LOGIN IN ROLE spillway_service;
	CREATE ROLE meter_deploy LOGIN IN ROLE spillway_migrator;
	ALTER ROLE meter_deploy SET role = 'spillway_migrator';
	CREATE ROLE meter_audit LOGIN IN ROLE spillway_reader`

// As is the connection string of the same database for another login.
func As(login Login, database string) string {
	return rewrite(database, func(u *url.URL) {
		query := u.Query()
		query.Set("user", string(login))
		// A blank is written as %20: neither libpq nor pgx reads a plus as one.
		u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	})
}

// ApplyRoles runs deploy/roles.sql in a database, which its connection string names for an administrator.
func ApplyRoles(ctx context.Context, url string) error {
	sql, err := readRoles()
	if err != nil {
		return err
	}
	if err := run(ctx, url, sql); err != nil {
		return fmt.Errorf("deploy/roles.sql: %w", err)
	}
	return nil
}

// readRoles looks for the file upwards from where tests run, which is the directory of their package.
func readRoles() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "deploy", "roles.sql"))
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return string(text), err
		}
		dir = filepath.Dir(dir)
	}
}
