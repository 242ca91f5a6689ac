package audit

import (
	"context"
	"fmt"
)

const (
	// findLooseGuards looks for what keeps a table append-only: a trigger that fires before every UPDATE, DELETE and
	// TRUNCATE (bits 8, 16 and 32 of its type; bit 2 is BEFORE, bit 1 is per row), whatever the row, and that raises.
	findLooseGuards = `
		SELECT 'append_only_tables_refuse_change' AS promise, 'trigger ' || w.name || ', enabled and whole' AS expected,
			CASE WHEN t.oid IS NULL THEN 'none' WHEN t.tgenabled NOT IN ('O', 'A') THEN 'one that is not enabled'
				ELSE 'one that lets changes through' END AS found
		FROM (VALUES ('ledger_entry'), ('uncharged_turn'), ('access_change'), ('price_book'), ('audit_entry')) AS n (relation)
		CROSS JOIN LATERAL (SELECT n.relation || '_is_append_only') AS w (name)
		LEFT JOIN pg_trigger t ON t.tgrelid = to_regclass(n.relation) AND t.tgname = w.name
		LEFT JOIN pg_proc f ON f.oid = t.tgfoid
		WHERE (t.tgenabled IN ('O', 'A') AND t.tgtype & 59 = 58 AND t.tgqual IS NULL AND t.tgattr = ''
			AND f.prosrc LIKE '%RAISE EXCEPTION%') IS NOT TRUE`

	// findLostConstraints takes unique indexes for constraints: it is what they are.
	findLostConstraints = `
		SELECT 'constraint_is_in_place' AS promise, w.name || ' on ' || w.relation AS expected,
			coalesce(h.state, 'none') AS found
		FROM unnest($1::text[], $2::text[]) AS w (relation, name)
		LEFT JOIN LATERAL (
			SELECT CASE WHEN c.convalidated THEN 'valid' ELSE 'one that was not validated' END AS state
			FROM pg_constraint c WHERE c.conrelid = to_regclass(w.relation) AND c.conname = w.name
			UNION ALL
			SELECT CASE WHEN i.indisunique AND i.indisvalid THEN 'valid' ELSE 'an index that is not unique, or not valid' END
			FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
			WHERE i.indrelid = to_regclass(w.relation) AND x.relname = w.name
			ORDER BY state DESC LIMIT 1
		) h ON true
		WHERE h.state IS DISTINCT FROM 'valid'
		ORDER BY w.relation, w.name`
)

// constraints are the named constraints and unique indexes of the schema, by table. A test holds them to what the
// migrations make, so that a new one is not forgotten here.
var constraints = map[string][]string{
	"plan": {
		"plan_id_once", "plan_kind_is_known", "plan_allowance_is_an_amount", "plan_limits_are_counts",
		"plan_abuse_limit_has_a_window", "plan_failed_turn_policy_is_known",
	},
	"organization": {
		"organization_id_once", "organization_plan_exists", "organization_unit_is_known", "organization_state_is_known",
		"organization_prior_anchor_is_whole", "pool_adds_up", "pool_is_never_overdrawn", "pool_holds_are_covered",
		"pool_lifetime_only_grows", "ledger_sequence_counts", "uncharged_sequence_counts",
	},
	"member": {
		"member_id_once", "member_organization_exists", "member_role_is_known", "member_state_is_known",
		"member_allowance_is_an_amount", "access_cap_belongs_to_capped", "abuse_tokens_belong_to_a_window",
		"member_use_belongs_to_a_period", "member_use_is_never_negative",
	},
	"member_period": {"member_period_once", "member_period_is_never_negative"},
	"reservation": {
		"reservation_id_once", "reservation_state_is_known", "reservation_holds_something",
		"reservation_expires_after_it_was_made", "reservation_is_open_or_settled", "reservation_charge_adds_up",
		"reservation_is_charged_once_settled", "failed_turn_never_charges_the_pool", "reservation_tokens_are_counts",
		"reservation_request_id_once", "reservation_book_has_a_version", "reservation_estimate_policy_is_known",
		"reservation_cost_has_a_basis", "reservation_receipt_is_whole", "reservation_receipt_is_never_negative",
		"reservation_receipt_cap_belongs_to_capped", "reservation_estimate_tokens_have_a_policy",
	},
	"uncharged_turn": {
		"uncharged_sequence_once", "uncharged_sequence_starts_at_one", "uncharged_outcome_tells_its_columns",
		"refusal_reason_is_known", "refusal_estimate_has_a_minimum", "refusal_rooms_are_never_negative",
		"refusal_cap_room_belongs_to_capped", "refusal_window_belongs_to_abuse", "refusal_book_has_a_version",
		"refusal_is_told_once", "turn_ends_uncharged_once",
	},
	"extension": {"extension_request_id_once", "extension_reservation_exists", "extension_never_shrinks_a_hold"},
	"ledger_entry": {
		"ledger_sequence_once", "ledger_sequence_starts_at_one", "ledger_amount_is_positive",
		"ledger_balance_is_never_negative", "ledger_kind_tells_its_columns", "top_up_request_id_once",
		"refund_request_id_once", "turn_is_charged_once_per_layer",
	},
	"access_change": {"access_change_id_once", "access_change_member_exists"},
	"price_book": {
		"price_book_version_once", "price_book_version_starts_at_one", "price_book_unit_is_known",
		"price_book_conversion_is_an_amount", "price_book_models_are_a_list",
	},
	"resource": {
		"resource_id_once", "resource_organization_exists", "resource_kind_is_known", "resource_of_a_parent_is_a_device",
		"resource_that_is_private_is_a_project",
	},
	"usage_watermark": {"usage_watermark_once", "usage_watermark_is_never_negative"},
	"usage_day": {
		"usage_day_once", "usage_day_holds_its_moments", "usage_day_tells_its_entries", "usage_day_tells_its_uncharged_turns",
	},
	"usage_rollup": {
		"usage_rollup_once", "usage_rollup_dimension_is_known", "usage_rollup_counts_turns", "usage_rollup_counts_tokens",
		"usage_rollup_sums_amounts",
	},
	"resource_count": {
		"resource_count_once", "resource_count_organization_exists", "resource_count_kind_is_known",
		"resource_count_is_never_negative",
	},
	"audit_chain": {"audit_chain_once", "audit_chain_is_never_negative", "audit_chain_hash_is_a_sha256"},
	"audit_entry": {
		"audit_sequence_once", "audit_sequence_starts_at_one", "audit_hash_is_a_sha256", "audit_outcome_tells_its_columns",
	},
	"test_clock": {"test_clock_is_one", "test_clock_once"},
}

// checkSchema checks that the database still makes impossible what it is meant to.
func (a *audit) checkSchema(ctx context.Context) error {
	if err := a.find(ctx, findLooseGuards); err != nil {
		return fmt.Errorf("checking the append-only tables: %w", err)
	}
	var tables, names []string
	for table, of := range constraints {
		for _, name := range of {
			tables, names = append(tables, table), append(names, name)
		}
	}
	if err := a.find(ctx, findLostConstraints, tables, names); err != nil {
		return fmt.Errorf("checking the constraints: %w", err)
	}
	return nil
}
