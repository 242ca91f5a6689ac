package audit

const (
	// findWrongRollUps adds up what is rolled up of each organization, dimension by dimension, and counts anew the turns up to
	// its watermark. A turn with charges in both layers counts at its entry of the allowance; with a label it counts in that
	// label's dimension, once for each label that it has.
	findWrongRollUps = `
		WITH turn AS (
			SELECT l.organization_id, r.labels, r.state, r.late, 0 AS outcome, r.input_tokens + r.cached_input_tokens
					+ r.cache_write_tokens + r.output_tokens + r.reasoning_tokens AS tokens, r.overrun_micros,
				CASE l.kind WHEN 4 THEN l.amount_micros ELSE 0 END AS allowance_micros,
				CASE l.kind WHEN 3 THEN l.amount_micros ELSE 0 END AS pool_micros,
				l.kind = 4 OR r.allowance_micros = 0 AS counts
			FROM usage_watermark w
			JOIN ledger_entry l ON l.organization_id = w.organization_id AND l.sequence <= w.ledger_sequence AND l.kind IN (3, 4)
			JOIN reservation r ON r.organization_id = l.organization_id AND r.reservation_id = l.reservation_id
			WHERE $1::text IS NULL OR w.organization_id = $1
			UNION ALL
			SELECT u.organization_id, coalesce(u.labels, r.labels), r.state, r.late, u.outcome,
				r.input_tokens + r.cached_input_tokens + r.cache_write_tokens + r.output_tokens + r.reasoning_tokens,
				r.overrun_micros, 0, 0, true
			FROM usage_watermark w
			JOIN uncharged_turn u ON u.organization_id = w.organization_id AND u.sequence <= w.uncharged_sequence
			LEFT JOIN reservation r ON r.organization_id = u.organization_id AND r.reservation_id = u.reservation_id
			WHERE $1::text IS NULL OR w.organization_id = $1
		), measured AS (
			SELECT t.organization_id AS organization, x.dimension, x.times,
				x.times * (t.counts AND t.outcome < 3)::int AS ends, t.state, t.late, t.outcome, t.tokens, t.overrun_micros,
				t.allowance_micros, t.pool_micros
			FROM turn t CROSS JOIN LATERAL (
				VALUES (1, 1::bigint), (2, 1), (3, 1), (4, 1), (5, (SELECT count(*) FROM jsonb_object_keys(t.labels)))
			) x (dimension, times)
		), expected AS (
			SELECT organization, dimension,
				coalesce(sum(ends) FILTER (WHERE outcome = 1 OR outcome = 0 AND state = 2), 0) AS turns,
				coalesce(sum(ends) FILTER (WHERE outcome = 2 OR outcome = 0 AND state = 3), 0) AS failed,
				coalesce(sum(times) FILTER (WHERE outcome = 3), 0) AS expired, coalesce(sum(ends) FILTER (WHERE late), 0) AS late,
				coalesce(sum(times) FILTER (WHERE outcome = 4), 0) AS refused, coalesce(sum(ends * tokens), 0) AS tokens,
				coalesce(sum(times * allowance_micros), 0) AS allowance, coalesce(sum(times * pool_micros), 0) AS pool,
				coalesce(sum(ends * overrun_micros), 0) AS overrun
			FROM measured GROUP BY organization, dimension
		), found AS (
			SELECT organization_id AS organization, dimension, sum(turns) AS turns, sum(failed_turns) AS failed,
				sum(expired_turns) AS expired, sum(late_turns) AS late, sum(refused_suspended + refused_removed + refused_abuse
					+ refused_no_access + refused_pool_empty + refused_cap_reached + refused_individual) AS refused,
				sum(input_tokens + cached_input_tokens + cache_write_tokens + output_tokens + reasoning_tokens) AS tokens,
				sum(allowance_micros) AS allowance, sum(pool_micros) AS pool, sum(overrun_micros) AS overrun
			FROM usage_rollup WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id, dimension
		)
		SELECT 'usage_rollup_is_what_happened' AS promise, coalesce(e.organization, f.organization) AS organization,
			concat_ws(' ', 'in dimension', coalesce(e.dimension, f.dimension), 'turns', e.turns, 'failed', e.failed, 'expired',
				e.expired, 'late', e.late, 'refused', e.refused, 'tokens', e.tokens, 'allowance', e.allowance, 'pool', e.pool,
				'overrun', e.overrun) AS expected,
			concat_ws(' ', 'turns', coalesce(f.turns, 0), 'failed', coalesce(f.failed, 0), 'expired', coalesce(f.expired, 0),
				'late', coalesce(f.late, 0), 'refused', coalesce(f.refused, 0), 'tokens', coalesce(f.tokens, 0), 'allowance',
				coalesce(f.allowance, 0), 'pool', coalesce(f.pool, 0), 'overrun', coalesce(f.overrun, 0)) AS found
		FROM expected e FULL JOIN found f ON f.organization = e.organization AND f.dimension = e.dimension
		WHERE (coalesce(e.turns, 0), coalesce(e.failed, 0), coalesce(e.expired, 0), coalesce(e.late, 0), coalesce(e.refused, 0),
				coalesce(e.tokens, 0), coalesce(e.allowance, 0), coalesce(e.pool, 0), coalesce(e.overrun, 0))
			<> (coalesce(f.turns, 0), coalesce(f.failed, 0), coalesce(f.expired, 0), coalesce(f.late, 0), coalesce(f.refused, 0),
				coalesce(f.tokens, 0), coalesce(f.allowance, 0), coalesce(f.pool, 0), coalesce(f.overrun, 0))`

	findLostWatermarks = `
		SELECT 'usage_watermark_is_of_what_there_is' AS promise, w.organization_id AS organization,
			concat_ws(' ', 'at most', o.ledger_sequence, 'and', o.uncharged_sequence) AS expected,
			w.ledger_sequence || ' and ' || w.uncharged_sequence AS found
		FROM usage_watermark w LEFT JOIN organization o ON o.organization_id = w.organization_id
		WHERE ($1::text IS NULL OR w.organization_id = $1) AND (w.ledger_sequence <= o.ledger_sequence
			AND w.uncharged_sequence <= o.uncharged_sequence) IS NOT TRUE`

	findWrongDays = `
		SELECT v.promise, d.organization_id AS organization, v.expected, v.found
		FROM (
			SELECT organization_id, starts_at, ends_at,
				lag(ends_at) OVER (PARTITION BY organization_id ORDER BY starts_at) AS ended_before
			FROM usage_day WHERE $1::text IS NULL OR organization_id = $1
		) d CROSS JOIN LATERAL (VALUES
			('usage_days_never_overlap', d.starts_at < d.ended_before, 'no day before ' || d.ended_before,
				'one from ' || d.starts_at)
		) v (promise, broken, expected, found)
		WHERE v.broken
		UNION ALL
		SELECT 'usage_rollup_has_its_day', u.organization_id, 'a day that starts at ' || u.starts_at, 'none'
		FROM usage_rollup u
		WHERE ($1::text IS NULL OR u.organization_id = $1) AND NOT EXISTS (SELECT 1 FROM usage_day d
			WHERE d.organization_id = u.organization_id AND d.starts_at = u.starts_at)
		GROUP BY u.organization_id, u.starts_at`
)
