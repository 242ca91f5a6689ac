// Package pgtest gives tests a real PostgreSQL: one private server for each test binary, and a migrated database for each
// test that asks, cloned from a template. A test that cannot have one fails.
//
// The databases have the roles of deploy/roles.sql, as in production: the template is migrated by the migration role, and
// what a test gets is a login with the service's rights and no more. Where a test must do what the service cannot, such
// as change a record, it says so with As.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/localpg"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// template is the database that Start migrates and Database clones.
const template = "meter"

// startTimeout bounds how long the server may take to be made and started.
const startTimeout = 2 * time.Minute

// Server is a private PostgreSQL for the tests of one package.
type Server struct {
	dir    string
	server *localpg.Server
	cloned atomic.Int64
}

// Main runs a package's tests with a server, which it hands to use before they start. Call it from TestMain.
func Main(m *testing.M, use func(*Server)) int {
	s, err := Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Stop()
	use(s)
	return m.Run()
}

// Start makes and starts a server with the roles and a migrated template. Stop must be called.
func Start() (*Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	// A short path: the socket's is limited to 107 bytes.
	dir, err := os.MkdirTemp("/tmp", "pgtest")
	if err != nil {
		return nil, err
	}
	// The server may run as another user, who must be able to enter.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // What lies inside is closed to others by localpg.
		return nil, err
	}
	server, err := localpg.Start(ctx, localpg.Options{DataDir: dir})
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, server: server}
	if err := s.migrateTemplate(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends the server and deletes what it kept.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	_ = s.server.Stop(ctx)
	_ = os.RemoveAll(s.dir)
}

// Database is the connection string of a migrated database of the test's own, for a login that has the service's rights
// only. It is dropped with the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("%s_%d", template, s.cloned.Add(1))
	s.admin(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	database := inDatabase(s.server.URL(), name)
	// Who may connect does not come with a template.
	if err := ApplyRoles(t.Context(), As(Superuser, database)); err != nil {
		t.Fatal(err)
	}
	return As(Service, database)
}

// Admin is the connection string of the server's own database, outside every test's, for its superuser.
func (s *Server) Admin() string { return inDatabase(s.server.URL(), "postgres") }

// migrateTemplate goes the way of an operator: roles, migration, roles of the tables that it made.
func (s *Server) migrateTemplate(ctx context.Context) error {
	if err := ApplyRoles(ctx, s.server.URL()); err != nil {
		return err
	}
	if err := run(ctx, s.server.URL(), makeLogins); err != nil {
		return fmt.Errorf("making the tests' logins: %w", err)
	}
	if err := postgres.Migrate(ctx, As(Migrator, s.server.URL())); err != nil {
		return err
	}
	return ApplyRoles(ctx, s.server.URL())
}

func (s *Server) admin(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := run(ctx, s.Admin(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// run connects to a database and runs statements there.
func run(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("the tests' PostgreSQL cannot be reached: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// inDatabase is a connection string with another database in it.
func inDatabase(connection, name string) string {
	return rewrite(connection, func(u *url.URL) { u.Path = "/" + name })
}

// rewrite is a connection string with something changed.
func rewrite(connection string, change func(*url.URL)) string {
	u, err := url.Parse(connection)
	if err != nil {
		panic(err) // localpg made it.
	}
	change(u)
	return u.String()
}
