package audit_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/pgtest"
)

var server *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(m, func(s *pgtest.Server) { server = s }))
}

// connect is a connection to a test's database, as its superuser.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.As(pgtest.Superuser, url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// exec runs statements, each of which must do something: one that touches no row plants nothing.
func exec(t testing.TB, conn interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, statements ...string,
) {
	t.Helper()
	for _, sql := range statements {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		rows.Close()
		tag := rows.CommandTag()
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if (tag.Update() || tag.Insert() || tag.Delete()) && tag.RowsAffected() == 0 {
			t.Fatalf("touched no row: %s", sql)
		}
	}
}
