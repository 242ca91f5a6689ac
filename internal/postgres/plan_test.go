package postgres_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// accessPaths says how each statement of a batch reaches its tables: by which indexes, with which columns as index
// conditions. It is the same with tables empty and full, and with statistics or without.
var accessPaths = map[string]string{
	"lockOrganizations": "organization_id_once(organization_id)",
	"writeRemembered": "organization_id_once(organization_id) plan_id_once(plan_id) price_book_version_once(price_book_id) " +
		"reservation_request_id_once(request_id organization_id)",
	"loadPlans":        "plan_id_once(plan_id)",
	"loadBookVersions": "price_book_version_once(price_book_id)",
	"loadFrame": "organization_id_once(organization_id) reservation_falls_due(organization_id expires_at expires_at) " +
		"reservation_falls_due(organization_id expires_at)",
	"loadTurns": "member_id_once(organization_id member_id) member_period_once(organization_id member_id period_start) " +
		"organization_id_once(organization_id) reservation_falls_due(organization_id expires_at expires_at) " +
		"reservation_id_once(organization_id reservation_id) reservation_request_id_once(request_id organization_id)",
	"loadMembers":        "member_id_once(organization_id member_id)",
	"loadOtherMembers":   "member_id_once(organization_id)",
	"loadExtensions":     "extension_request_id_once(organization_id request_id)",
	"loadTopUps":         "refund_of_top_up(top_up_request_id organization_id) top_up_request_id_once(request_id organization_id)",
	"loadRefunds":        "refund_request_id_once(request_id organization_id)",
	"loadAccessChanges":  "access_change_id_once(organization_id change_id)",
	"loadResources":      "resource_id_once(organization_id kind resource_id)",
	"loadDevices":        "device_of_orchestrator(organization_id parent_id)",
	"loadResourceCounts": "resource_count_once(organization_id)",
	"recountResources":   "resource_id_once(organization_id)",
	"beginAuditChains":   "",
	"loadAuditChains":    "audit_chain_once(organization_id)",
	"loadRefusals":       "refusal_is_told_once(request_id organization_id attempt_id)",

	"insertOrganization":        "",
	"updateOrganizationProfile": "organization_id_once(organization_id)",
	"updateOrganizations":       "organization_id_once(organization_id)",
	"insertMember":              "",
	"updateMemberProfile":       "member_id_once(organization_id member_id)",
	"updateMembers":             "member_id_once(organization_id member_id)",
	"upsertPeriods":             "",
	"insertReservations":        "",
	"updateExtended":            "reservation_id_once(organization_id reservation_id)",
	"updateSettled":             "reservation_id_once(organization_id reservation_id)",
	"insertExtension":           "",
	"insertEntries":             "",
	"insertAccessChange":        "",
	"upsertResources":           "",
	"upsertResourceCounts":      "",
	"insertAuditEntry":          "",
	"updateAuditChains":         "audit_chain_once(organization_id)",
	"insertUncharged":           "",
	"insertRefusals":            "",
}

// filters are what may be tested on rows that an index found, since no index condition could say it.
var filters = map[string]string{
	"writeRemembered": "xmin xmin", "loadFrame": "next_due_at", "loadOtherMembers": "member_id state", "recountResources": "kind",
}

// The tables of a service with one hot organization and two hundred small ones.
const fullTables = `
INSERT INTO plan SELECT 'plan' || n, 1, 1000, 1, 1, 1, 0, '0', 1 FROM generate_series(1, 20) n;
INSERT INTO organization SELECT 'firm' || n, 'Firm', 'plan' || 1 + n % 20, 1, '2026-01-31', 'UTC', NULL, NULL, NULL, NULL, 1,
	false, '', 0, 0, 0, 0, 0, 0, now() FROM generate_series(0, 200) n;
INSERT INTO price_book SELECT 'book' || n % 200, 1 + n / 200, 1, 0, '', '', NULL, '[]', now(), 'ada'
	FROM generate_series(0, 20000) n;
INSERT INTO member SELECT 'firm' || n % 201, 'ada' || n, '', '', '', 1, 1, NULL, 1, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0
	FROM generate_series(0, 5000) n;
INSERT INTO member_period SELECT 'firm' || n % 201, 'ada' || n % 5001, now() + n * interval '1 hour', 0, 0, 0, 0, 0
	FROM generate_series(0, 10000) n;
INSERT INTO reservation (organization_id, reservation_id, member_id, request_id, request_fingerprint, state, settled_at,
		estimate_micros, held_allowance_micros, held_pool_micros, period_start, created_at, expires_at, model,
		conversation_id, turn_id, cost_basis)
	SELECT 'firm' || CASE WHEN n % 2 = 0 THEN 0 ELSE n % 201 END, gen_random_uuid(), 'ada' || n % 5001, 'r' || n, '\x00',
		CASE WHEN n % 50 = 0 THEN 1 ELSE 2 END, CASE WHEN n % 50 = 0 THEN NULL ELSE now() END,
		10, 5, 5, now(), now(), now() + (n + 1) * interval '1 second', 'large', '', '',
		CASE WHEN n % 50 = 0 THEN 0 ELSE 1 END FROM generate_series(0, 20000) n;
INSERT INTO extension SELECT organization_id, request_id, '\x00', reservation_id, now(), 1, now() FROM reservation LIMIT 10000;
INSERT INTO ledger_entry SELECT 'firm' || CASE WHEN n % 2 = 0 THEN 0 ELSE n % 201 END, n + 1, now(), 1 + n % 4, 1, 1,
	CASE WHEN n % 4 > 1 THEN 'ada' END, CASE WHEN n % 4 > 1 THEN gen_random_uuid() END, '', 'r' || n,
	CASE WHEN n % 4 = 1 THEN 'r' || n / 8 END, CASE WHEN n % 4 < 2 THEN '\x00'::bytea END FROM generate_series(0, 20000) n;
INSERT INTO access_change SELECT organization_id, gen_random_uuid(), member_id, now(), '', 1, 0, 3, 0
	FROM member, generate_series(1, 2);
INSERT INTO resource SELECT 'firm' || n % 201, 1 + n % 3, 'thing' || n, CASE WHEN n % 3 = 1 THEN 'thing' || n % 100 ELSE '' END,
	n % 6 = 2, true, n % 4 > 0, now() FROM generate_series(0, 10000) n;
INSERT INTO resource_count SELECT 'firm' || n, k, 5 FROM generate_series(0, 200) n, generate_series(1, 3) k;
INSERT INTO audit_chain SELECT 'firm' || n FROM generate_series(0, 200) n;
INSERT INTO uncharged_turn SELECT 'firm' || CASE WHEN n % 2 = 0 THEN 0 ELSE n % 201 END, n + 1, now(), 4, 'ada', NULL, gen_random_uuid(),
	'r' || n / 4, 'POOL_EMPTY', '', '', '', NULL, 9, 9, 0, 0, NULL, 3, now(), now(), NULL, NULL, NULL FROM generate_series(0, 20000) n;
`

// readPaths are those of reads, which the planner is left to plan by statistics: how it does on full tables.
var readPaths = map[string]string{
	"readReservations":   "reservation_id_once(organization_id reservation_id reservation_id)",
	"readReservationsOf": "reservation_of_member(member_id organization_id reservation_id reservation_id)",
	"readReach":          "reservation_id_once(organization_id reservation_id)",
	"readReachOf":        "reservation_of_member(member_id organization_id reservation_id)",
	"readOpenIDs":        "organization_id_once(organization_id) reservation_falls_due(organization_id expires_at)",
	"readOpen":           "reservation_id_once(organization_id reservation_id)",
	"readRequested":      "reservation_request_id_once(request_id organization_id)",
	"readRefusalsOf":     "refusal_is_told_once(request_id organization_id)",
	"readExtensionsOf":   "extension_of_reservation(reservation_id organization_id)",
	"readExpiry":         "turn_ends_uncharged_once(reservation_id outcome organization_id)",
	"readCharges":        "turn_is_charged_once_per_layer(reservation_id organization_id)",
}

// TestATurnIsReadByIndex looks at how lists of turns, and all that is on record of one turn, are found.
func TestATurnIsReadByIndex(t *testing.T) {
	t.Parallel()
	conn := connect(t, openAt(t, postgres.Config{URL: server.Database(t)}))
	exec(t, conn, fullTables)
	exec(t, conn, "ANALYZE")
	exec(t, conn, "SET plan_cache_mode = force_generic_plan")
	p := planner{t, "with statistics", conn, postgres.ReadStatements()}
	for name, sql := range p.statements {
		exec(t, conn, `PREPARE "`+name+`" AS `+sql)
		var paths []string
		for _, n := range p.explain(name).scans() {
			paths = append(paths, n.path())
		}
		if got := strings.Join(paths, " "); got != readPaths[name] {
			t.Errorf("%s goes by %s, not by %s", name, got, readPaths[name])
		}
	}
}

func TestPlansGoByIndex(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	var planners []planner
	store := openAt(t, postgres.Config{URL: url})
	clocks := []*postgres.Store{store, openAt(t, postgres.Config{URL: url, TestClock: true})}
	check := func(when string) {
		for _, clock := range clocks {
			planners = append(planners, prepare(t, clock, when))
		}
		for _, p := range planners {
			p.check(when)
		}
	}
	check("on empty tables")
	conn := connect(t, store)
	exec(t, conn, fullTables)
	check("on full tables")
	exec(t, conn, "ANALYZE")
	check("with statistics")
}

// TestPlansOutgrowEmptyTables vacuums a database before its first turn, as a nightly vacuumdb does: the planner knows then that
// there is nothing to read, and by which index makes no difference. No such plan may stay once there is something.
func TestPlansOutgrowEmptyTables(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	exec(t, connect(t, store), "VACUUM ANALYZE")
	l := found(t, store, firm)
	for n := range 40 {
		l.do(turn("commit", n), turn("free", n), turn("tokens", n), turn("release", n), turn("extend", n),
			meter.PutMember{OrganizationID: firm, MemberID: fmt.Sprint("leaver", n%20), Role: meter.RoleMember})
		var commands []meter.Command
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			commands = append(commands, kinds[name](t, n))
		}
		l.do(commands...)
	}
	l.checkPlans(store, 20)
}

// TestAFailedBatchIsPlannedAnew has a batch fail between two that would go by the same plans.
func TestAFailedBatchIsPlannedAnew(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	exec(t, connect(t, store), "VACUUM ANALYZE")
	l := newLane(t, store)
	sweep := meter.Sweep{OrganizationID: firm}
	for range 4 {
		l.do(sweep)
	}
	if _, err := l.load(sweep); err != nil {
		t.Fatal(err)
	}
	l.Abandon()
	exec(t, connect(t, store), fullTables)
	l.do(sweep)
	l.checkPlans(store, 3)
}

// checkPlans looks at the plans that a lane has kept, of so many statements at least.
func (l lane) checkPlans(store *postgres.Store, least int) {
	l.Helper()
	known := store.LoadStatements()
	maps.Copy(known, store.SaveStatements())
	rows, err := l.Connection().Query(within(l), "SELECT name, statement FROM pg_prepared_statements", pgx.QueryExecModeSimpleProtocol)
	must(l, err)
	p := planner{l, "by a lane", l.Connection(), map[string]string{}}
	var name, sql string
	_, err = pgx.ForEachRow(rows, []any{&name, &sql}, func() error {
		p.statements[name] = sql
		return nil
	})
	must(l, err)
	looked := 0
	for is, sql := range known {
		for name, prepared := range p.statements {
			if prepared != sql {
				continue
			}
			looked++
			if got := p.explain(name).paths(); got != accessPaths[is] {
				l.Errorf("%s goes by\n%s\nnot by\n%s", is, got, accessPaths[is])
			}
		}
	}
	if looked < least {
		l.Errorf("the lane has only %d plans", looked)
	}
}

// planner is a lane's connection on which all statements of a batch are prepared.
type planner struct {
	testing.TB
	made       string // When its statements were prepared.
	conn       *pgx.Conn
	statements map[string]string
}

func prepare(t testing.TB, store *postgres.Store, made string) planner {
	t.Helper()
	conn, err := pgx.ConnectConfig(within(t), store.Writers().Copy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(within(t)) })
	p := planner{t, made, conn, store.LoadStatements()}
	maps.Copy(p.statements, store.SaveStatements())
	for name, sql := range p.statements {
		exec(t, conn, `PREPARE "`+name+`" AS `+sql)
	}
	return p
}

func (p planner) check(when string) {
	p.Helper()
	if tested, known := slices.Sorted(maps.Keys(accessPaths)), slices.Sorted(maps.Keys(p.statements)); !slices.Equal(tested, known) {
		p.Fatalf("known are %s, tested %s", known, tested)
	}
	for name, want := range accessPaths {
		plan := p.explain(name)
		var filtered []string
		for _, n := range plan.scans() {
			filtered = append(filtered, conditions.of(n.Filter)...)
		}
		if got := plan.paths(); got != want {
			p.Errorf("%s, prepared %s, %s goes by\n%s\nnot by\n%s", name, p.made, when, got, want)
		}
		if got := strings.Join(filtered, " "); got != filters[name] {
			p.Errorf("%s, prepared %s, %s filters by %q, not by %q", name, p.made, when, got, filters[name])
		}
	}
}

// explain is the plan of a prepared statement, whatever its arguments: the generic one.
func (p planner) explain(name string) node {
	p.Helper()
	arguments := make([]string, parameters(p.statements[name]))
	for i := range arguments {
		arguments[i] = "NULL"
	}
	return p.explainWith(name, arguments...)
}

// explainWith is the plan of a prepared statement with arguments as SQL writes them.
func (p planner) explainWith(name string, arguments ...string) node {
	p.Helper()
	sql := `EXPLAIN (FORMAT JSON) EXECUTE "` + name + `"`
	if len(arguments) > 0 {
		sql += "(" + strings.Join(arguments, ", ") + ")"
	}
	var text string
	if err := p.conn.QueryRow(within(p), sql, pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil {
		p.Fatalf("%s: %v", sql, err)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		p.Fatal(err)
	}
	return plans[0].Plan
}

// parameters is how many parameters a statement has.
func parameters(sql string) (most int) {
	for _, m := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(sql, -1) {
		n, _ := strconv.Atoi(m[1])
		most = max(most, n)
	}
	return most
}

// node is a part of a plan as EXPLAIN tells it.
type node struct {
	NodeType  string `json:"Node Type"`
	Relation  string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	IndexCond string `json:"Index Cond"`
	Filter    string
	Plans     []node
}

// scans are the parts of a plan that read a table, but for the test clock's one row.
func (n node) scans() (scans []node) {
	if strings.HasSuffix(n.NodeType, "Scan") && n.Relation != "" && n.Relation != "test_clock" {
		scans = append(scans, n)
	}
	for _, child := range n.Plans {
		scans = append(scans, child.scans()...)
	}
	return scans
}

// paths are the different ones by which a plan's scans find their rows.
func (n node) paths() string {
	var paths []string
	for _, scan := range n.scans() {
		paths = append(paths, scan.path())
	}
	slices.Sort(paths)
	return strings.Join(slices.Compact(paths), " ")
}

// path is the index by which a scan finds its rows, with the columns that it looks up there.
func (n node) path() string {
	found := n
	if n.NodeType == "Bitmap Heap Scan" {
		found = n.Plans[0]
	}
	if !strings.Contains(found.NodeType, "Index") {
		return fmt.Sprintf("%s of %s", n.NodeType, n.Relation)
	}
	return fmt.Sprintf("%s(%s)", found.Index, strings.Join(conditions.of(found.IndexCond), " "))
}

// conditions finds the columns at the left of a plan's conditions.
var conditions = columnPattern{regexp.MustCompile(`\((\w+) (?:=|<>|<|<=|>|>=) `)}

type columnPattern struct{ *regexp.Regexp }

func (c columnPattern) of(condition string) (columns []string) {
	for _, m := range c.FindAllStringSubmatch(condition, -1) {
		columns = append(columns, m[1])
	}
	return columns
}
