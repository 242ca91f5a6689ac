package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// An organization with one row of everything, all of them possible.
const possibleRows = `
INSERT INTO plan VALUES ('team', 1, 1000, 1, 1, 1, 5, '1 hour', 1);
INSERT INTO organization VALUES ('acme', 'Acme', 'team', 1, '2026-01-31', 'UTC', NULL, NULL, NULL, NULL, 1, false, '',
	70, 5, 100, 10, 20, 3, now());
INSERT INTO member VALUES ('acme', 'ada', '', '', '', 1, 1, NULL, 2, 50, 20, 5, now(), now(), 9, 8, 20, 5, 1);
INSERT INTO member_period VALUES ('acme', 'ada', now(), 1, 2, 3, 4, 5);
INSERT INTO reservation (organization_id, reservation_id, member_id, request_id, request_fingerprint, estimate_micros,
		held_allowance_micros, held_pool_micros, period_start, created_at, expires_at, model, conversation_id, turn_id)
	SELECT 'acme', ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'ada', 'r' || n, '\x00', 10, 5, 5, now(), now(),
		now() + interval '1 minute', '', '', '' FROM generate_series(1, 2) n;
UPDATE reservation SET allowance_room_micros = 5, pool_available_micros = 70, access_kind = 2, access_cap_micros = 50, cap_used_micros = 20;
INSERT INTO extension VALUES ('acme', 'x', '\x00', '00000000-0000-0000-0000-000000000001', now(), 5, now());
INSERT INTO ledger_entry VALUES
	('acme', 1, now(), 1, 100, 100, NULL, NULL, 'invoice', 't', NULL, '\x00'),
	('acme', 2, now(), 2, 10, 90, NULL, NULL, 'note', 'f', 't', '\x00'),
	('acme', 3, now(), 3, 20, 70, 'ada', '00000000-0000-0000-0000-000000000001', '', 'r1', NULL, NULL);
INSERT INTO access_change VALUES ('acme', '00000000-0000-0000-0000-000000000001', 'ada', now(), 'eve', 1, 0, 2, 50);
INSERT INTO test_clock VALUES (true, '0');
INSERT INTO price_book VALUES ('list', 1, 1, 1, 'ours', 'none', '2026-02-28', '[]', now(), 'eve');
INSERT INTO audit_chain VALUES ('acme', 1);
INSERT INTO resource VALUES ('acme', 1, 'plant', '', false, true, true, now()), ('acme', 2, 'press', 'plant', false, true, true, now()),
	('acme', 3, 'secret', '', true, true, true, now());
INSERT INTO resource_count VALUES ('acme', 1, 1);
INSERT INTO usage_watermark VALUES ('acme', 3, 1);
INSERT INTO usage_day VALUES ('acme', '2026-03-01', '2026-03-02', '2026-03-01', '2026-03-01 10:00', '2026-03-01 11:00', 1, 3, 1, 1, 70);
INSERT INTO usage_rollup VALUES ('acme', 2, '2026-03-01', 'ada', 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
INSERT INTO audit_entry VALUES
	('acme', 1, now(), 'eve', 'dev', '', 'operator', '/x', 'q', 'ada', 1, '', '{}', '', '', 0, sha256('1')),
	('acme', 2, now(), 'eve', 'dev', '', 'member', '/x', 'q', '', 2, '', '', 'no', 'other', 3, sha256('2'));
INSERT INTO uncharged_turn VALUES ('acme', 1, now(), 1, 'ada', '00000000-0000-0000-0000-000000000002');
INSERT INTO uncharged_turn VALUES ('acme', 2, now(), 4, 'ada', NULL, '00000000-0000-0000-0000-000000000003', 'n', 'POOL_EMPTY', 'large', '', '', NULL, 9, 8, 7, 6, 5, 2,
		now(), now(), NULL, 'list', 1),
	('acme', 3, now(), 4, 'ada', NULL, '00000000-0000-0000-0000-000000000004', 'a', 'ABUSE_LIMIT', '', '', '', NULL, NULL, NULL, 0, 0, NULL,
		3, now(), now(), now(), NULL, NULL);
`

// impossible holds, by the constraint that refuses them, changes that make an impossible row of a possible one.
var impossible = map[string][]string{
	"plan_id_once":           {`INSERT INTO plan SELECT * FROM plan`},
	"plan_kind_is_known":     {`UPDATE plan SET kind = 0`, `UPDATE plan SET kind = 5`},
	"plan_limits_are_counts": {`UPDATE plan SET limit_orchestrators = -1`, `UPDATE plan SET limit_devices = -1`, `UPDATE plan SET limit_private_projects = -1`},
	"plan_allowance_is_an_amount": {
		`UPDATE plan SET seat_allowance_micros = -1`, `UPDATE plan SET seat_allowance_micros = 1000000000000001`,
	},
	"plan_abuse_limit_has_a_window": {
		`UPDATE plan SET abuse_window = '0'`, `UPDATE plan SET abuse_tokens = 0`, `UPDATE plan SET abuse_tokens = -1`,
		`UPDATE plan SET abuse_window = '-1 hour'`,
	},
	"plan_failed_turn_policy_is_known": {`UPDATE plan SET failed_turn_policy = 0`, `UPDATE plan SET failed_turn_policy = 3`},

	"organization_id_once":        {`INSERT INTO organization SELECT * FROM organization`},
	"organization_plan_exists":    {`UPDATE organization SET plan_id = 'none'`, `DELETE FROM plan`},
	"organization_unit_is_known":  {`UPDATE organization SET unit = 0`, `UPDATE organization SET unit = 3`},
	"organization_state_is_known": {`UPDATE organization SET state = 0`, `UPDATE organization SET state = 3`},
	"organization_prior_anchor_is_whole": {
		`UPDATE organization SET anchor_from = now()`,
		`UPDATE organization SET anchor_from = now(), prior_anniversary = '2026-01-01'`,
		`UPDATE organization SET anchor_from = now(), prior_time_zone = 'UTC'`,
		`UPDATE organization SET prior_anniversary = '2026-01-01', prior_time_zone = 'UTC'`,
		`UPDATE organization SET prior_from = now()`,
	},
	"pool_adds_up": {
		`UPDATE organization SET pool_balance_micros = 71`, `UPDATE organization SET pool_purchased_micros = 101`,
		`UPDATE organization SET pool_refunded_micros = 9`, `UPDATE organization SET pool_consumed_micros = 21`,
	},
	"pool_is_never_overdrawn": {
		// Such a row breaks another rule first: statements that fail together leave nothing behind.
		`ALTER TABLE organization DROP CONSTRAINT pool_holds_are_covered;
			UPDATE organization SET pool_balance_micros = -1, pool_held_micros = 0, pool_consumed_micros = 91`,
	},
	"pool_holds_are_covered":    {`UPDATE organization SET pool_held_micros = 71`, `UPDATE organization SET pool_held_micros = -1`},
	"pool_lifetime_only_grows":  {`UPDATE organization SET pool_refunded_micros = -1, pool_balance_micros = 81`},
	"ledger_sequence_counts":    {`UPDATE organization SET ledger_sequence = -1`},
	"uncharged_sequence_counts": {`UPDATE organization SET uncharged_sequence = -1`},

	"member_id_once":             {`INSERT INTO member SELECT * FROM member`},
	"member_organization_exists": {`INSERT INTO member SELECT 'none', 'bob', '', '', '', 1, 1, NULL, 1, 0, 0, 0, NULL, NULL, 0, 0, 0, 0, 0`},
	"member_role_is_known":       {`UPDATE member SET role = 0`, `UPDATE member SET role = 4`},
	"member_state_is_known":      {`UPDATE member SET state = 0`, `UPDATE member SET state = 3`},
	"member_allowance_is_an_amount": {
		`UPDATE member SET allowance_micros = -1`, `UPDATE member SET allowance_micros = 1000000000000001`,
	},
	"access_cap_belongs_to_capped": {
		`UPDATE member SET access_kind = 1`, `UPDATE member SET access_kind = 3`, `UPDATE member SET access_kind = 4`,
		`UPDATE member SET access_cap_micros = 0`, `UPDATE member SET access_cap_micros = 1000000000000001`,
	},
	"abuse_tokens_belong_to_a_window": {`UPDATE member SET abuse_opened_at = NULL`, `UPDATE member SET abuse_tokens = -1`},
	"member_use_belongs_to_a_period":  {`UPDATE member SET period_start = NULL`},
	"member_use_is_never_negative": {
		`UPDATE member SET allowance_used_micros = -1`, `UPDATE member SET allowance_held_micros = -1`,
		`UPDATE member SET pool_used_micros = -1`, `UPDATE member SET pool_held_micros = -1`,
		`UPDATE member SET overrun_micros = -1`, `UPDATE member SET pool_used_lifetime_micros = 19`,
	},

	"member_period_once": {`INSERT INTO member_period SELECT * FROM member_period`},
	"member_period_is_never_negative": {
		`UPDATE member_period SET allowance_used_micros = -1`, `UPDATE member_period SET allowance_held_micros = -1`,
		`UPDATE member_period SET pool_used_micros = -1`, `UPDATE member_period SET pool_held_micros = -1`,
		`UPDATE member_period SET overrun_micros = -1`,
	},

	"reservation_id_once":         {`INSERT INTO reservation SELECT * FROM reservation`},
	"reservation_request_id_once": {`UPDATE reservation SET request_id = 'r1'`},
	"reservation_state_is_known":  {`UPDATE reservation SET state = 0, settled_at = now()`, `UPDATE reservation SET state = 5, settled_at = now()`},
	"reservation_holds_something": {
		`UPDATE reservation SET estimate_micros = 0`, `UPDATE reservation SET held_allowance_micros = 6`,
		`UPDATE reservation SET held_allowance_micros = 0, held_pool_micros = 0`,
		`UPDATE reservation SET held_pool_micros = -1`, `UPDATE reservation SET held_allowance_micros = -1`,
	},
	"reservation_expires_after_it_was_made": {`UPDATE reservation SET expires_at = created_at`},
	"reservation_is_open_or_settled":        {`UPDATE reservation SET state = 2, cost_basis = 1`, `UPDATE reservation SET settled_at = now()`},
	"reservation_charge_adds_up": {
		`UPDATE reservation SET state = 2, settled_at = now(), actual_micros = 7, allowance_micros = 6`,
		`UPDATE reservation SET state = 2, settled_at = now(), actual_micros = 1, allowance_micros = 2, pool_micros = -1`,
		`UPDATE reservation SET state = 2, settled_at = now(), actual_micros = 1, allowance_micros = -1, pool_micros = 2`,
		`UPDATE reservation SET state = 2, settled_at = now(), actual_micros = 1, allowance_micros = 2, overrun_micros = -1`,
	},
	"reservation_is_charged_once_settled": {
		`UPDATE reservation SET actual_micros = 1, allowance_micros = 1`,
		`UPDATE reservation SET actual_micros = 1, allowance_micros = 1, state = 4, settled_at = now()`,
	},
	"failed_turn_never_charges_the_pool": {
		`UPDATE reservation SET state = 3, settled_at = now(), actual_micros = 1, pool_micros = 1`,
	},
	"reservation_tokens_are_counts": {
		`UPDATE reservation SET input_tokens = -1`, `UPDATE reservation SET cached_input_tokens = -1`,
		`UPDATE reservation SET cache_write_tokens = -1`, `UPDATE reservation SET output_tokens = -1`,
		`UPDATE reservation SET reasoning_tokens = -1`,
	},

	"reservation_book_has_a_version": {
		`UPDATE reservation SET price_book_id = 'list'`, `UPDATE reservation SET price_book_version = 1`,
		`UPDATE reservation SET price_book_id = 'list', price_book_version = -1`,
	},
	"reservation_estimate_policy_is_known": {
		`UPDATE reservation SET estimate_policy = -1`, `UPDATE reservation SET estimate_policy = 3`,
	},
	"reservation_cost_has_a_basis": {
		`UPDATE reservation SET cost_basis = 1`, `UPDATE reservation SET state = 4, settled_at = now(), cost_basis = 3`,
		`UPDATE reservation SET state = 2, settled_at = now()`, `UPDATE reservation SET state = 3, settled_at = now()`,
		`UPDATE reservation SET state = 2, settled_at = now(), cost_basis = 4`,
		`UPDATE reservation SET state = 3, settled_at = now(), cost_basis = -1`,
	},

	"reservation_receipt_is_whole": {
		`UPDATE reservation SET allowance_room_micros = NULL`, `UPDATE reservation SET access_kind = NULL, access_cap_micros = NULL`,
		settledLeaves("3, 0, NULL::bigint"), settledLeaves("NULL::smallint, NULL::bigint, 0"),
		`UPDATE reservation SET settled_access_kind = 1, settled_access_cap_micros = 0, settled_cap_used_micros = 0`,
	},
	"reservation_receipt_is_never_negative": {
		`UPDATE reservation SET allowance_room_micros = -1`, `UPDATE reservation SET pool_available_micros = -1`,
		`UPDATE reservation SET cap_used_micros = -1`, `UPDATE reservation SET access_kind = 3, access_cap_micros = -1`,
		settledLeaves("1, -1, 0"), settledLeaves("1, 0, -1"),
	},
	"reservation_receipt_cap_belongs_to_capped": {
		`UPDATE reservation SET access_kind = 0`, `UPDATE reservation SET access_kind = 4`, `UPDATE reservation SET access_kind = 1`,
		`UPDATE reservation SET access_cap_micros = 0`, settledLeaves("2, 0, 0"), settledLeaves("3, 1, 0"), settledLeaves("4, 0, 0"),
	},
	"reservation_estimate_tokens_have_a_policy": {`UPDATE reservation SET estimate_tokens = '{}'`},

	"uncharged_sequence_once":          {`INSERT INTO uncharged_turn SELECT * FROM uncharged_turn`},
	"uncharged_sequence_starts_at_one": {ended(0, 2, "gen_random_uuid()", "NULL")},
	"turn_ends_uncharged_once":         {ended(4, 1, "'00000000-0000-0000-0000-000000000002'", "NULL")},
	"refusal_is_told_once":             {refused("sequence = 4")},
	"refusal_reason_is_known":          {refused("reason = 'BAD_MOOD'")},
	"refusal_window_belongs_to_abuse":  {refused("window_closes_at = now()"), refused("reason = 'ABUSE_LIMIT'")},
	"refusal_estimate_has_a_minimum": {
		refused("estimate_micros = NULL"), refused("minimum_micros = NULL"), refused("minimum_micros = 0"), refused("minimum_micros = 10"),
	},
	"refusal_rooms_are_never_negative": {
		refused("allowance_room_micros = -1"), refused("pool_available_micros = -1"), refused("cap_room_micros = -1"),
	},
	"refusal_cap_room_belongs_to_capped": {
		refused("access_kind = 0"), refused("access_kind = 4"), refused("access_kind = 3"), refused("cap_room_micros = NULL"),
	},
	"refusal_book_has_a_version": {
		refused("price_book_id = NULL"), refused("price_book_version = NULL"), refused("price_book_version = 0"),
	},
	"uncharged_outcome_tells_its_columns": {
		ended(4, 0, "gen_random_uuid()", "NULL"), ended(4, 5, "gen_random_uuid()", "NULL"), ended(4, 3, "NULL", "NULL"),
		ended(4, 3, "gen_random_uuid()", "gen_random_uuid()"), ended(4, 4, "NULL", "gen_random_uuid()"),
		refused("reservation_id = gen_random_uuid()"), refused("attempt_id = NULL"), refused("request_id = NULL"), refused("reason = NULL"),
		refused("model = NULL"), refused("conversation_id = NULL"), refused("turn_id = NULL"), refused("allowance_room_micros = NULL"),
		refused("pool_available_micros = NULL"), refused("access_kind = NULL"), refused("period_start = NULL"), refused("resets_at = NULL"),
		refused("outcome = 2"),
	},

	"price_book_version_once":            {book(1, 1, 0, "[]")},
	"price_book_version_starts_at_one":   {book(0, 1, 0, "[]"), book(-1, 1, 0, "[]")},
	"price_book_unit_is_known":           {book(2, 0, 0, "[]"), book(2, 3, 0, "[]")},
	"price_book_conversion_is_an_amount": {book(2, 1, -1, "[]"), book(2, 1, 1_000_000_000_001, "[]")},
	"price_book_models_are_a_list":       {book(2, 1, 0, "{}"), book(2, 1, 0, "null"), book(2, 1, 0, `"[]"`)},

	"extension_request_id_once":      {`INSERT INTO extension SELECT * FROM extension`},
	"extension_reservation_exists":   {`UPDATE extension SET reservation_id = gen_random_uuid()`, `DELETE FROM reservation`},
	"extension_never_shrinks_a_hold": {`UPDATE extension SET additional_micros = -1`},

	"ledger_sequence_once":          {entry(3, 1, "'u'", "NULL")},
	"ledger_sequence_starts_at_one": {entry(0, 1, "'u'", "NULL")},
	"ledger_amount_is_positive":     {`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 1, 0, 1, NULL, NULL, '', 'u', NULL, '\x00')`},
	"ledger_balance_is_never_negative": {
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 2, 1, -1, NULL, NULL, '', 'u', 't', '\x00')`,
	},
	"ledger_kind_tells_its_columns": {
		entry(4, 0, "'u'", "NULL"), entry(4, 5, "'u'", "NULL"), entry(4, 1, "'u'", "'t'"), entry(4, 2, "'u'", "NULL"),
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 1, 1, 1, 'ada', NULL, '', 'u', NULL, '\x00')`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 1, 1, 1, NULL, gen_random_uuid(), '', 'u', NULL, '\x00')`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 1, 1, 1, NULL, NULL, '', 'u', NULL, NULL)`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 3, 1, 1, NULL, gen_random_uuid(), '', 'u', NULL, NULL)`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 4, 1, 1, 'ada', NULL, '', 'u', NULL, NULL)`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 3, 1, 1, 'ada', gen_random_uuid(), 'x', 'u', NULL, NULL)`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 3, 1, 1, 'ada', gen_random_uuid(), '', 'u', 't', NULL)`,
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 3, 1, 1, 'ada', gen_random_uuid(), '', 'u', NULL, '\x00')`,
	},
	"top_up_request_id_once": {entry(4, 1, "'t'", "NULL")},
	"refund_request_id_once": {entry(4, 2, "'f'", "'t'")},
	"turn_is_charged_once_per_layer": {
		`INSERT INTO ledger_entry VALUES ('acme', 4, now(), 3, 1, 1, 'ada', '00000000-0000-0000-0000-000000000001', '', 'r1', NULL, NULL)`,
	},

	"access_change_id_once":        {`INSERT INTO access_change SELECT * FROM access_change`},
	"access_change_member_exists":  {change("'bob'", 2, 60)},
	"resource_id_once":             {`INSERT INTO resource SELECT * FROM resource`},
	"resource_organization_exists": {`UPDATE resource SET organization_id = 'none'`},
	"resource_kind_is_known":       {`UPDATE resource SET kind = 0 WHERE kind = 1`, `UPDATE resource SET kind = 4 WHERE kind = 1`},
	"resource_of_a_parent_is_a_device": {
		`UPDATE resource SET parent_id = '' WHERE kind = 2`, `UPDATE resource SET parent_id = 'plant' WHERE kind = 3`,
	},
	"resource_that_is_private_is_a_project": {`UPDATE resource SET private = true WHERE kind = 1`, `UPDATE resource SET private = true WHERE kind = 2`},
	"resource_count_once":                   {`INSERT INTO resource_count SELECT * FROM resource_count`},
	"resource_count_organization_exists":    {`UPDATE resource_count SET organization_id = 'none'`},
	"resource_count_kind_is_known":          {`UPDATE resource_count SET kind = 0`, `UPDATE resource_count SET kind = 4`},
	"resource_count_is_never_negative":      {`UPDATE resource_count SET used = -1`},
	"audit_chain_once":                      {`INSERT INTO audit_chain VALUES ('acme')`},
	"audit_chain_is_never_negative":         {`UPDATE audit_chain SET sequence = -1`},
	"audit_chain_hash_is_a_sha256":          {`UPDATE audit_chain SET hash = ''`},
	"audit_sequence_once":                   {act(2, 1, "'{}'", "''", 0)},
	"audit_sequence_starts_at_one":          {act(0, 1, "'{}'", "''", 0)},
	"audit_hash_is_a_sha256":                {strings.Replace(act(3, 1, "'{}'", "''", 0), "sha256('')", `'\x00'`, 1)},
	"audit_outcome_tells_its_columns": {
		act(3, 0, "'{}'", "''", 0), act(3, 3, "'{}'", "''", 0), act(3, 1, "''", "''", 0), act(3, 1, "'{}'", "'no'", 0),
		act(3, 1, "'{}'", "''", 1), act(3, 2, "'{}'", "'no'", 1), act(3, 2, "''", "''", 1), act(3, 2, "''", "'no'", 0),
	},
	"test_clock_is_one": {`INSERT INTO test_clock VALUES (false, '0')`},
	"test_clock_once":   {`INSERT INTO test_clock VALUES (true, '0')`},
}

// entry adds a top-up or a refund to the ledger.
func entry(sequence, kind int, request, topUp string) string {
	return `INSERT INTO ledger_entry VALUES ('acme', ` + digits(sequence) + `, now(), ` + digits(kind) +
		`, 1, 1, NULL, NULL, '', ` + request + `, ` + topUp + `, '\x00')`
}

// settledLeaves settles a turn that leaves an access with its cap, and what of that is used.
func settledLeaves(balance string) string {
	return `UPDATE reservation SET state = 4, settled_at = now(), (settled_access_kind, settled_access_cap_micros,
		 settled_cap_used_micros) = (SELECT ` + balance + `)`
}

// ended adds a turn that ended uncharged.
func ended(sequence, outcome int, reservation, attempt string) string {
	return `INSERT INTO uncharged_turn VALUES ('acme', ` + digits(sequence) + `, now(), ` + digits(outcome) + `, 'ada', ` + reservation +
		`, ` + attempt + `)`
}

// refused adds the refusal that is there once more, with a change, and unless that is its attempt under another.
func refused(change string) string {
	return `CREATE TEMPORARY TABLE another AS SELECT * FROM uncharged_turn WHERE sequence = 2;
		UPDATE another SET sequence = 4` + map[bool]string{true: ``, false: `, attempt_id = gen_random_uuid()`}[change == "sequence = 4" ||
		change == "attempt_id = NULL"] + `; UPDATE another SET ` + change + `;
		INSERT INTO uncharged_turn SELECT * FROM another`
}

// change adds a change of access from none.
func change(member string, kind, limit int) string {
	return `INSERT INTO access_change VALUES ('acme', gen_random_uuid(), ` + member + `, now(), '', 1, 0, ` + digits(kind) +
		`, ` + digits(limit) + `)`
}

// book adds a version of a price book.
func book(version, unit, conversion int, models string) string {
	return fmt.Sprintf(`INSERT INTO price_book VALUES ('list', %d, %d, %d, '', '', NULL, '%s', now(), '')`,
		version, unit, conversion, models)
}

// act adds an entry to the record of privileged acts.
func act(sequence, outcome int, after, denied string, attempts int) string {
	return fmt.Sprintf(`INSERT INTO audit_entry VALUES ('acme', %d, now(), '', '', '', '', '', '', '', %d, '', %s, %s, '', %d,
		sha256(''))`, sequence, outcome, after, denied, attempts)
}

func digits(n int) string { return string([]byte{'0' + byte(n/10), '0' + byte(n%10)}) }

func TestImpossibleRowsAreRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, open(t))
	exec(t, conn, possibleRows)
	for constraint, changes := range everyImpossible() {
		for _, sql := range changes {
			_, err := conn.Exec(within(t), sql)
			if got := constraintOf(err); got != constraint {
				t.Errorf("%s\nis refused by %q (%v), not by %s", sql, got, err, constraint)
			}
		}
	}
}

func constraintOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.ConstraintName
	}
	return ""
}

// TestEveryConstraintIsTested holds the table above to the constraints and unique indexes of the database.
func TestEveryConstraintIsTested(t *testing.T) {
	t.Parallel()
	rows, err := connect(t, open(t)).Query(within(t), `
		SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace
			AND contype <> 'n' AND conrelid <> 'goose_db_version'::regclass
		UNION SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND c.relname <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if tested := slices.Sorted(maps.Keys(everyImpossible())); !slices.Equal(names, tested) {
		t.Errorf("the database has\n%s\nand tested are\n%s", strings.Join(names, "\n"), strings.Join(tested, "\n"))
	}
}

// TestRecordsAreAppendOnly tries as the owner of the tables, whom no privilege stops.
func TestRecordsAreAppendOnly(t *testing.T) {
	t.Parallel()
	conn := connect(t, open(t))
	exec(t, conn, possibleRows)
	for table, record := range map[string]struct{ at, conflict, truncate string }{
		"ledger_entry":   {"at", "(organization_id, sequence) DO UPDATE SET amount_micros = 1", "TRUNCATE organization CASCADE"},
		"access_change":  {"at", "(organization_id, change_id) DO UPDATE SET actor = ''", "TRUNCATE organization CASCADE"},
		"uncharged_turn": {"at", "(organization_id, sequence) DO UPDATE SET member_id = ''", "TRUNCATE uncharged_turn, plan CASCADE"},
		"audit_entry":    {"at", "(organization_id, sequence) DO UPDATE SET subject = ''", "TRUNCATE audit_entry, plan CASCADE"},
		"price_book":     {"created_at", "(price_book_id, version) DO UPDATE SET models = '[]'", "TRUNCATE price_book, plan CASCADE"},
	} {
		before := one[int](t, conn, "SELECT count(*) FROM "+table)
		for _, sql := range []string{
			"UPDATE " + table + " SET " + record.at + " = now()", "UPDATE " + table + " SET " + record.at + " = now() WHERE false",
			"DELETE FROM " + table, "TRUNCATE " + table, record.truncate,
			"INSERT INTO " + table + " SELECT * FROM " + table + " ON CONFLICT " + record.conflict,
		} {
			_, err := conn.Exec(context.Background(), sql)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "23001" || !strings.HasSuffix(pg.Message, "are only ever added") {
				t.Errorf("%s: %v", sql, err)
			}
		}
		if after := one[int](t, conn, "SELECT count(*) FROM "+table); after != before || before == 0 {
			t.Errorf("%s has %d rows of %d", table, after, before)
		}
	}
}
