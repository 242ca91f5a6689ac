package audit_test

// change is a condition for ada's changes of access: she was given 5000, then 6000, then nothing, then all.
func change(condition string) string {
	return ` WHERE organization_id = 'firm' AND member_id = 'ada' AND ` + condition
}

var accessBugs = []bug{
	{
		"a first change that is not from none", nil,
		[]string{`UPDATE access_change SET before_kind = 2, before_cap_micros = 7` + change(`after_cap_micros = 5000`)},
		[]string{"access_changes_follow"},
	},
	{
		"a change that does not follow", nil,
		[]string{`UPDATE access_change SET before_cap_micros = 5001` + change(`after_cap_micros = 6000`)},
		[]string{"access_changes_follow"},
	},
	{
		"a change that is gone", nil,
		[]string{`DELETE FROM access_change` + change(`after_kind = 1`)},
		[]string{"access_changes_follow"},
	},
	{
		"changes in another order", nil,
		[]string{`UPDATE access_change SET at = at - interval '1 hour'` + change(`after_kind = 1`)},
		[]string{"access_changes_follow"},
	},
	{
		"changes of one moment that do not fit together", nil,
		[]string{
			`UPDATE access_change SET at = '2026-01-10', before_kind = 3, before_cap_micros = 0` + change(`after_kind = 1`),
			`UPDATE access_change SET at = '2026-01-10'` + change(`after_kind <> 1`),
		},
		[]string{"access_changes_follow"},
	},
	{
		"no bug: changes of one moment, in an order that was not kept", nil,
		[]string{`UPDATE access_change SET at = '2026-01-10', change_id = gen_random_uuid()` + change(`true`)},
		nil,
	},
	{
		"access without a change", nil, lastPeriod("ada", "access_kind = 2, access_cap_micros = 1"),
		[]string{"access_changes_follow"},
	},
	{
		"access that was never given", nil, lastPeriod("dan", "access_kind = 3"),
		[]string{"access_changes_follow"},
	},
	{
		"a change of nobody's access", nil,
		[]string{`INSERT INTO access_change VALUES ('firm', gen_random_uuid(), 'ghost', now(), 'tests', 1, 0, 3, 0)`},
		[]string{"access_change_has_its_member"},
	},
}

var schemaBugs = []bug{
	{
		"a ledger whose guard sleeps", nil,
		[]string{`ALTER TABLE ledger_entry DISABLE TRIGGER ledger_entry_is_append_only`},
		[]string{"append_only_tables_refuse_change"},
	},
	{
		"a guard that wakes on replicas only", nil,
		[]string{`ALTER TABLE access_change ENABLE REPLICA TRIGGER access_change_is_append_only`},
		[]string{"append_only_tables_refuse_change"},
	},
	{
		"a record without a guard", nil,
		[]string{`DROP TRIGGER access_change_is_append_only ON access_change`},
		[]string{"append_only_tables_refuse_change"},
	},
	{
		"a price book without a guard", nil,
		[]string{`DROP TRIGGER price_book_is_append_only ON price_book`},
		[]string{"append_only_tables_refuse_change"},
	},
	{
		"a guard that lets deletes through", nil,
		[]string{
			`DROP TRIGGER ledger_entry_is_append_only ON ledger_entry`,
			`CREATE TRIGGER ledger_entry_is_append_only BEFORE UPDATE OR TRUNCATE ON ledger_entry
				FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
		},
		[]string{"append_only_tables_refuse_change"},
	},
	{
		"a guard that lets everything through", nil,
		[]string{`CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`},
		[]string{"append_only_tables_refuse_change"},
	},
	{
		"a constraint that is gone",
		[]string{"organization.pool_is_never_overdrawn", "member.member_organization_exists"},
		nil,
		[]string{"constraint_is_in_place"},
	},
	{
		"a unique index that is gone",
		[]string{"ledger_entry.refund_request_id_once"},
		nil,
		[]string{"constraint_is_in_place"},
	},
	{
		"a constraint that old rows need not keep", nil,
		[]string{
			`ALTER TABLE organization DROP CONSTRAINT pool_adds_up`,
			`ALTER TABLE organization ADD CONSTRAINT pool_adds_up CHECK (pool_balance_micros =
				pool_purchased_micros - pool_refunded_micros - pool_consumed_micros) NOT VALID`,
		},
		[]string{"constraint_is_in_place"},
	},
	{
		"a unique index that allows two", nil,
		[]string{
			`DROP INDEX reservation_request_id_once`,
			`CREATE INDEX reservation_request_id_once ON reservation (request_id, organization_id)`,
		},
		[]string{"constraint_is_in_place"},
	},
}
