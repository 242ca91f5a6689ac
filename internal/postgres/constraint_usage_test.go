package postgres_test

import "maps"

// impossibleUsage are the impossible rows of what is rolled up.
var impossibleUsage = map[string][]string{
	"usage_watermark_once": {`INSERT INTO usage_watermark VALUES ('acme')`},
	"usage_watermark_is_never_negative": {
		`UPDATE usage_watermark SET ledger_sequence = -1`, `UPDATE usage_watermark SET uncharged_sequence = -1`,
	},
	"usage_day_once": {`INSERT INTO usage_day SELECT * FROM usage_day`},
	"usage_day_holds_its_moments": {
		`UPDATE usage_day SET first_at = '2026-02-28'`, `UPDATE usage_day SET last_at = '2026-03-02'`,
		`UPDATE usage_day SET last_at = '2026-03-01 09:00'`, `UPDATE usage_day SET ends_at = starts_at`,
	},
	"usage_day_tells_its_entries": {
		`UPDATE usage_day SET first_ledger_sequence = NULL`, `UPDATE usage_day SET last_ledger_sequence = NULL`,
		`UPDATE usage_day SET first_ledger_sequence = 0`, `UPDATE usage_day SET first_ledger_sequence = 4`,
		`UPDATE usage_day SET pool_balance_micros = NULL`, `UPDATE usage_day SET pool_balance_micros = -1`,
	},
	"usage_day_tells_its_uncharged_turns": {
		`UPDATE usage_day SET first_uncharged_sequence = NULL`, `UPDATE usage_day SET last_uncharged_sequence = NULL`,
		`UPDATE usage_day SET first_uncharged_sequence = 0`, `UPDATE usage_day SET first_uncharged_sequence = 2`,
	},
	"usage_rollup_once": {`INSERT INTO usage_rollup SELECT * FROM usage_rollup`},
	"usage_rollup_dimension_is_known": {
		`UPDATE usage_rollup SET dimension = 0`, `UPDATE usage_rollup SET dimension = 6`, `UPDATE usage_rollup SET dimension = 1`,
	},
	"usage_rollup_counts_turns": negatives("usage_rollup", "turns", "failed_turns", "expired_turns", "late_turns",
		"refused_suspended", "refused_removed", "refused_abuse", "refused_no_access", "refused_pool_empty",
		"refused_cap_reached", "refused_individual"),
	"usage_rollup_counts_tokens": negatives("usage_rollup", "input_tokens", "cached_input_tokens", "cache_write_tokens",
		"output_tokens", "reasoning_tokens"),
	"usage_rollup_sums_amounts": negatives("usage_rollup", "allowance_micros", "pool_micros", "overrun_micros"),
}

// everyImpossible are all impossible rows.
func everyImpossible() map[string][]string {
	all := maps.Clone(impossible)
	maps.Copy(all, impossibleUsage)
	return all
}

// negatives set each of a table's columns below zero.
func negatives(table string, columns ...string) (changes []string) {
	for _, column := range columns {
		changes = append(changes, "UPDATE "+table+" SET "+column+" = -1")
	}
	return changes
}
