// Package pgtest gives tests a real PostgreSQL: one private server for each test binary, and a migrated database for each
// test that asks, cloned from a template. A test that cannot have one fails.
package pgtest

import (
	"context"
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

// Start makes and starts a server with a migrated template. Stop must be called.
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
	if err := postgres.Migrate(ctx, server.URL()); err != nil {
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

// Database is the connection string of a migrated database of the test's own. It is dropped with the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("%s_%d", template, s.cloned.Add(1))
	s.admin(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return inDatabase(s.server.URL(), name)
}

// Admin is the connection string of the server's own database, outside every test's.
func (s *Server) Admin() string { return inDatabase(s.server.URL(), "postgres") }

func (s *Server) admin(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.Admin())
	if err != nil {
		t.Fatalf("the tests' PostgreSQL cannot be reached: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// inDatabase is a connection string with another database in it.
func inDatabase(connection, name string) string {
	u, err := url.Parse(connection)
	if err != nil {
		panic(err) // localpg made it.
	}
	u.Path = "/" + name
	return u.String()
}
