package audit_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/audit"
)

// TestConstraintsAreTheMigrations holds the audit's list to what the migrations make.
func TestConstraintsAreTheMigrations(t *testing.T) {
	conn := connect(t, server.Database(t))
	rows, err := conn.Query(t.Context(), `
		SELECT conrelid::regclass || '.' || conname FROM pg_constraint
		WHERE contype IN ('c', 'p', 'u', 'f') AND connamespace = 'public'::regnamespace
			AND conrelid::regclass::text NOT LIKE 'goose%'
		UNION
		SELECT i.indrelid::regclass || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND i.indrelid::regclass::text NOT LIKE 'goose%'`)
	if err != nil {
		t.Fatal(err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var looked []string
	for table, names := range audit.Constraints() {
		for _, name := range names {
			looked = append(looked, table+"."+name)
		}
	}
	slices.Sort(there)
	slices.Sort(looked)
	if len(there) < 50 || !slices.Equal(there, looked) {
		t.Errorf("the migrations make\n%v\nthe audit looks for\n%v", there, looked)
	}
}

// TestPromisesAreNamedOnce holds the list of promises to its form.
func TestPromisesAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range audit.Promises {
		if seen[p.Name] || p.Means == "" {
			t.Errorf("promise %q is named twice, or means nothing", p.Name)
		}
		seen[p.Name] = true
	}
	planted := map[string]bool{}
	for _, b := range bugs() {
		for _, promise := range b.want {
			planted[promise] = true
		}
	}
	if want, got := slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(planted)); !slices.Equal(want, got) {
		t.Errorf("promises\n%v\nplanted bugs break\n%v", want, got)
	}
}
