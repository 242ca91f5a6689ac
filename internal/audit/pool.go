package audit

const (
	// findPoolSums recomputes each pool from its ledger alone.
	findPoolSums = `
		SELECT v.promise, o.organization_id AS organization, v.expected::text, v.found::text
		FROM organization o
		LEFT JOIN (
			SELECT organization_id,
				coalesce(sum(amount_micros) FILTER (WHERE kind = 1), 0) AS purchased,
				coalesce(sum(amount_micros) FILTER (WHERE kind = 2), 0) AS refunded,
				coalesce(sum(amount_micros) FILTER (WHERE kind = 3), 0) AS consumed
			FROM ledger_entry WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id
		) l ON l.organization_id = o.organization_id
		CROSS JOIN LATERAL (VALUES
			('pool_purchased_is_all_top_ups', coalesce(l.purchased, 0), o.pool_purchased_micros),
			('pool_refunded_is_all_refunds', coalesce(l.refunded, 0), o.pool_refunded_micros),
			('pool_consumed_is_all_pool_charges', coalesce(l.consumed, 0), o.pool_consumed_micros),
			('pool_balance_is_what_the_ledger_leaves', coalesce(l.purchased - l.refunded - l.consumed, 0),
				o.pool_balance_micros)
		) v (promise, expected, found)
		WHERE ($1::text IS NULL OR o.organization_id = $1) AND v.expected <> v.found
		ORDER BY o.organization_id`

	findPoolHolds = `
		SELECT 'pool_held_is_all_open_holds' AS promise, o.organization_id AS organization,
			coalesce(r.held, 0)::text AS expected, o.pool_held_micros::text AS found
		FROM organization o
		LEFT JOIN (
			SELECT organization_id, sum(held_pool_micros) AS held
			FROM reservation WHERE state = 1 AND ($1::text IS NULL OR organization_id = $1)
			GROUP BY organization_id
		) r ON r.organization_id = o.organization_id
		WHERE ($1::text IS NULL OR o.organization_id = $1) AND o.pool_held_micros <> coalesce(r.held, 0)
		ORDER BY o.organization_id`

	findPoolBounds = `
		SELECT v.promise, o.organization_id AS organization, v.expected, v.found::text
		FROM organization o
		CROSS JOIN LATERAL (VALUES
			('pool_is_never_overdrawn', o.pool_balance_micros < 0, 'at least 0', o.pool_balance_micros),
			('pool_holds_are_covered', o.pool_held_micros > greatest(o.pool_balance_micros, 0),
				'at most ' || greatest(o.pool_balance_micros, 0), o.pool_held_micros)
		) v (promise, broken, expected, found)
		WHERE ($1::text IS NULL OR o.organization_id = $1) AND v.broken
		ORDER BY o.organization_id`

	findStrayRefunds = `
		SELECT 'refund_is_of_an_earlier_top_up' AS promise, f.organization_id AS organization, f.sequence,
			f.request_id AS request, 'top-up ' || coalesce(f.top_up_request_id, '') || ' before it' AS expected,
			'none' AS found
		FROM ledger_entry f
		WHERE f.kind = 2 AND ($1::text IS NULL OR f.organization_id = $1) AND NOT EXISTS (
			SELECT 1 FROM ledger_entry t
			WHERE t.organization_id = f.organization_id AND t.kind = 1 AND t.request_id = f.top_up_request_id
				AND t.sequence < f.sequence)`

	findExcessRefunds = `
		SELECT 'refunds_stay_within_their_top_up' AS promise, t.organization_id AS organization, t.sequence,
			t.request_id AS request, 'at most ' || t.amount_micros AS expected, f.refunded::text AS found
		FROM (
			SELECT organization_id, top_up_request_id, sum(amount_micros) AS refunded
			FROM ledger_entry WHERE kind = 2 AND ($1::text IS NULL OR organization_id = $1)
			GROUP BY organization_id, top_up_request_id
		) f
		JOIN ledger_entry t ON t.organization_id = f.organization_id AND t.kind = 1 AND t.request_id = f.top_up_request_id
		WHERE f.refunded > t.amount_micros`

	findRepeatedMovements = `
		SELECT 'movement_is_applied_once' AS promise, organization_id AS organization, max(sequence) AS sequence,
			request_id AS request, '1 entry' AS expected, count(*) || ' entries' AS found
		FROM ledger_entry WHERE kind IN (1, 2) AND ($1::text IS NULL OR organization_id = $1)
		GROUP BY organization_id, kind, request_id HAVING count(*) > 1`
)
