package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/postgres"
)

// The roll-ups of a firm with many days, members and conversations, and of two hundred small ones.
const fullRollups = `
INSERT INTO usage_rollup SELECT 'firm' || f.n, v.dimension, '2026-01-01'::timestamptz + d * interval '1 day', v.value,
		1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, d, 1, 1
	FROM generate_series(0, 200) f (n), generate_series(0, 59) d CROSS JOIN LATERAL (
		SELECT 1 AS dimension, '' AS value
		UNION ALL SELECT 2, 'ada' || m FROM generate_series(0, CASE f.n WHEN 0 THEN 999 ELSE 2 END) m
		UNION ALL SELECT 3, 'model' || m FROM generate_series(0, 6) m
		UNION ALL SELECT 4, 'c' || m FROM generate_series(0, CASE f.n WHEN 0 THEN 1999 ELSE 2 END) m
		UNION ALL SELECT 5, 'team=' || m FROM generate_series(0, 9) m
		UNION ALL SELECT 5, 'stage=' || m FROM generate_series(0, 2) m) v;
`

// rollupPaths say how each statement of a report reaches what is rolled up, in the order of its scans: the rank of all values,
// the figures of the page's by their keys, and the sum of all.
var rollupPaths = map[string][]string{
	"reportDays":   {"usage_rollup_once(organization_id dimension starts_at)"},
	"costsOfTurns": {"usage_rollup_once(organization_id dimension starts_at)"},
	"reportAll": {
		"usage_rollup_once(organization_id dimension starts_at)",
		"usage_rollup_once(organization_id dimension starts_at)",
		"usage_rollup_once(organization_id dimension starts_at value)",
	},
	"reportLabel": {
		"usage_rollup_once(organization_id dimension starts_at value value)",
		"usage_rollup_once(organization_id dimension starts_at value value)",
		"usage_rollup_once(organization_id dimension starts_at value)",
	},
}

// TestReportsGoByTheKeyOfRollups looks at plans before and after statistics are known, made for any arguments and for those of
// a month: no report reads the table through, nor passes over values of others while it looks one up.
func TestReportsGoByTheKeyOfRollups(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	conn := connect(t, store)
	exec(t, conn, fullRollups)
	for name, value := range store.ReportSettings() {
		exec(t, conn, "SELECT set_config($1, $2, false)", name, value)
	}
	p := planner{t, "in a session of reports", conn, postgres.ReportStatements()}
	for name, sql := range p.statements {
		exec(t, conn, `PREPARE "`+name+`" AS `+sql)
	}
	for _, when := range []string{"without statistics", "with statistics"} {
		for name := range p.statements {
			exec(t, conn, "SET plan_cache_mode = force_generic_plan")
			p.checkRollups(name+", any arguments, "+when, p.explain(name), rollupPaths[name])
			exec(t, conn, "SET plan_cache_mode = force_custom_plan")
			p.checkRollups(name+", of a month, "+when, p.explainWith(name, monthOf(name)...), rollupPaths[name])
		}
		exec(t, conn, "ANALYZE")
	}
}

// monthOf are a report's arguments: of thirty whole days of the big firm, and what is raw behind them.
func monthOf(name string) []string {
	var days []string
	for n := range 30 {
		days = append(days, time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	whole := "'{" + strings.Join(days, ",") + "}'"
	none := "'{" + strings.Repeat("NULL,", len(days)-1) + "NULL}'"
	arguments := []string{"'firm0'", "'{0}'", "'{9}'", "'{0}'", "'{9}'", "'{2026-02-01}'", "'{2026-02-02}'"}
	switch name {
	case "reportDays":
		return append(arguments, "'{2026-02-01}'", "'{2026-02-02}'", "'{2026-02-01}'", whole, whole, whole, none, none, "0", "50", "true")
	case "reportLabel":
		return append(arguments, "5", "'team='", whole, "'team'", "0", "50", "true")
	case "costsOfTurns":
		return append(arguments, "2", "''", whole, "''")
	default:
		return append(arguments, "4", "''", whole, "''", "0", "50", "true")
	}
}

func (p planner) checkRollups(what string, plan node, want []string) {
	p.Helper()
	var paths []string
	for _, n := range plan.scans() {
		if n.Relation != "usage_rollup" {
			continue
		}
		paths = append(paths, n.path())
		if n.Filter != "" {
			p.Errorf("%s: it passes over rows of usage_rollup: %s", what, n.Filter)
		}
	}
	want = slices.Sorted(slices.Values(want))
	slices.Sort(paths)
	if !slices.Equal(paths, want) {
		p.Errorf("%s: it goes by\n%s\nnot by\n%s", what, strings.Join(paths, "\n"), strings.Join(want, "\n"))
	}
}

// rollUpPaths say how each statement of a roll-up reaches raw rows, in order. The one entry that is
// looked up by itself is a day's last, for its balance.
var rollUpPaths = map[string][]string{
	"readHours": {
		"ledger_sequence_once(organization_id sequence sequence)",
		"uncharged_sequence_once(organization_id sequence sequence)",
	},
	"rollUpUsage": {
		"ledger_sequence_once(organization_id sequence sequence)",
		"ledger_sequence_once(organization_id sequence)",
		"reservation_id_once(organization_id reservation_id)",
		"reservation_id_once(organization_id reservation_id)",
		"uncharged_sequence_once(organization_id sequence sequence)",
	},
}

// TestRollUpsGroupRowsAsTheyPass looks at the plans that a roller makes of empty tables and keeps: they go by key, and sort
// nothing but what comes out of them.
func TestRollUpsGroupRowsAsTheyPass(t *testing.T) {
	t.Parallel()
	store := open(t)
	conn, err := pgx.ConnectConfig(within(t), store.Rollers())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	p := planner{t, "by a roller", conn, postgres.RollUpStatements()}
	for name, sql := range p.statements {
		exec(t, conn, `PREPARE "`+name+`" AS `+sql)
		plan := p.explain(name)
		var paths []string
		for _, n := range plan.scans() {
			paths = append(paths, n.path())
		}
		slices.Sort(paths)
		if !slices.Equal(paths, rollUpPaths[name]) {
			t.Errorf("%s goes by\n%s\nnot by\n%s", name, strings.Join(paths, "\n"), strings.Join(rollUpPaths[name], "\n"))
		}
		if sorts, kept := plan.count("Sort"), plan.count("Memoize"); sorts != 1 || kept != 0 {
			t.Errorf("%s sorts %d times, and keeps what it looked up in %d places", name, sorts, kept)
		}
	}
}

// count is how many parts of a plan are of a type.
func (n node) count(nodeType string) (found int) {
	if n.NodeType == nodeType {
		found++
	}
	for _, child := range n.Plans {
		found += child.count(nodeType)
	}
	return found
}
