package audit_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/audit"
)

// bug is a planted corruption of the firm's rows, and the promises that it breaks: those and no others must be named.
type bug struct {
	name string
	// drop are constraints and indexes, as table.name, without which the database would refuse the bug.
	drop []string
	sql  []string
	want []string
}

// bugs are all that are planted.
func bugs() []bug {
	return slices.Concat(poolBugs, ledgerBugs, chargeBugs, reservationBugs, priceBugs, timeBugs, seatBugs, accessBugs, chainBugs, quotaBugs, unchargedBugs, usageBugs,
		schemaBugs)
}

// TestPlantedBugs plants each bug in a transaction, audits what it sees, and rolls back.
func TestPlantedBugs(t *testing.T) {
	url := server.Database(t)
	o := open(t, url)
	o.fillFirm()
	o.fillCrowd(3, 10, crowdSpans)
	o.fillReported()
	forward(t, url)
	conn := connect(t, url)
	for _, b := range bugs() {
		t.Run(b.name, func(t *testing.T) { b.check(t, conn) })
	}
	r, err := audit.Run(t.Context(), url, audit.Options{})
	if err != nil || !r.Clean() {
		t.Errorf("the database was not sound to begin with: %v, %v", r.Findings, err)
	}
}

func (b bug) check(t *testing.T, conn *pgx.Conn) {
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	b.plant(t, tx)
	r, err := audit.RunIn(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(b.want)
	if len(b.drop) > 0 {
		want = append(want, "constraint_is_in_place")
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(r.Broken)); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("got %v, want %v: %v", got, want, r.Findings)
	}
	for _, f := range r.Findings {
		b.checkFinding(t, f)
	}
}

// checkFinding holds a finding to telling what differs, and where.
func (b bug) checkFinding(t *testing.T, f audit.Finding) {
	t.Helper()
	schema := f.Promise == "constraint_is_in_place" || f.Promise == "append_only_tables_refuse_change"
	if f.Expected == "" || f.Found == "" || f.Expected == f.Found || (f.Organization == "" && f.Book == "") != schema {
		t.Errorf("tells too little: %+v", f)
	}
	if len(b.drop) > 0 && f.Promise == "constraint_is_in_place" && f.Found != "none" {
		t.Errorf("found a constraint that was dropped: %+v", f)
	}
}

// indexes are the unique indexes among what bugs drop, beside those of request ids.
var indexes = map[string]bool{
	"turn_is_charged_once_per_layer": true, "turn_ends_uncharged_once": true, "refusal_is_told_once": true,
}

// plant works as a superuser whom neither triggers nor foreign keys stop.
func (b bug) plant(t *testing.T, tx pgx.Tx) {
	t.Helper()
	exec(t, tx, "SET LOCAL session_replication_role = replica")
	for _, name := range b.drop {
		table, constraint, _ := strings.Cut(name, ".")
		if strings.HasSuffix(constraint, "_request_id_once") || indexes[constraint] {
			exec(t, tx, "DROP INDEX "+constraint)
		} else {
			exec(t, tx, "ALTER TABLE "+table+" DROP CONSTRAINT "+constraint)
		}
	}
	exec(t, tx, b.sql...)
}
