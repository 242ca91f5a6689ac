package audit

const (
	// findSeatSums recomputes each seat's use and holds in each period from its turns.
	findSeatSums = `
		WITH turns AS (
			SELECT organization_id, member_id, period_start, sum(allowance_micros) AS allowance_used,
				coalesce(sum(held_allowance_micros) FILTER (WHERE state = 1), 0) AS allowance_held,
				sum(pool_micros) AS pool_used, coalesce(sum(held_pool_micros) FILTER (WHERE state = 1), 0) AS pool_held,
				sum(overrun_micros) AS overrun
			FROM reservation WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id, member_id, period_start
		), period AS (
			SELECT organization_id, member_id, period_start, allowance_used_micros, allowance_held_micros, pool_used_micros,
				pool_held_micros, overrun_micros
			FROM member WHERE period_start IS NOT NULL AND ($1::text IS NULL OR organization_id = $1)
			UNION ALL
			SELECT organization_id, member_id, period_start, allowance_used_micros, allowance_held_micros, pool_used_micros,
				pool_held_micros, overrun_micros
			FROM member_period WHERE $1::text IS NULL OR organization_id = $1
		)
		SELECT v.promise, organization_id AS organization, member_id AS member, period_start AS period, v.expected::text,
			CASE WHEN p.pool_used_micros IS NULL THEN 'no row' ELSE v.found::text END AS found
		FROM period p FULL JOIN turns t USING (organization_id, member_id, period_start)
		CROSS JOIN LATERAL (VALUES
			('allowance_used_is_all_charges', coalesce(t.allowance_used, 0), p.allowance_used_micros),
			('allowance_held_is_all_open_holds', coalesce(t.allowance_held, 0), p.allowance_held_micros),
			('pool_used_is_all_charges', coalesce(t.pool_used, 0), p.pool_used_micros),
			('seat_pool_held_is_all_open_holds', coalesce(t.pool_held, 0), p.pool_held_micros),
			('overrun_is_all_overruns', coalesce(t.overrun, 0), p.overrun_micros),
			('period_in_use_is_kept', CASE WHEN p.pool_used_micros IS NULL THEN
				t.allowance_used + t.allowance_held + t.pool_used + t.pool_held + t.overrun ELSE 0 END, 0)
		) v (promise, expected, found)
		WHERE v.expected <> v.found
		ORDER BY organization_id, member_id, period_start`

	findMisplacedPeriods = `
		SELECT CASE WHEN m.member_id IS NULL THEN 'period_has_its_seat'
				WHEN m.period_start = p.period_start THEN 'period_is_open_or_closed'
				ELSE 'closed_periods_come_before_the_last' END AS promise,
			p.organization_id AS organization, p.member_id AS member, p.period_start AS period,
			CASE WHEN m.member_id IS NULL THEN 'a member'
				WHEN m.period_start = p.period_start THEN 'one row'
				ELSE 'one before ' || coalesce(m.period_start::text, 'none') END AS expected,
			CASE WHEN m.member_id IS NULL THEN 'none'
				WHEN m.period_start = p.period_start THEN 'one of the seat, and one set aside'
				ELSE 'set aside' END AS found
		FROM member_period p
		LEFT JOIN member m ON m.organization_id = p.organization_id AND m.member_id = p.member_id
		WHERE (m.period_start > p.period_start) IS NOT TRUE AND ($1::text IS NULL OR p.organization_id = $1)
		ORDER BY p.organization_id, p.member_id, p.period_start`

	// findLifetimeSums goes by the ledger, so that it says something of its own beside the periods.
	findLifetimeSums = `
		SELECT 'pool_used_lifetime_is_all_charges' AS promise, m.organization_id AS organization, m.member_id AS member,
			coalesce(l.charged, 0)::text AS expected, m.pool_used_lifetime_micros::text AS found
		FROM member m
		LEFT JOIN (
			SELECT organization_id, member_id, sum(amount_micros) AS charged
			FROM ledger_entry WHERE kind = 3 AND ($1::text IS NULL OR organization_id = $1)
			GROUP BY organization_id, member_id
		) l ON l.organization_id = m.organization_id AND l.member_id = m.member_id
		WHERE m.pool_used_lifetime_micros <> coalesce(l.charged, 0) AND ($1::text IS NULL OR m.organization_id = $1)
		ORDER BY m.organization_id, m.member_id`

	// findCrowdedIndividuals finds seats that draw on a pool which nobody let them draw on.
	findCrowdedIndividuals = `
		SELECT 'individual_has_one_member' AS promise, m.organization_id AS organization, 'at most 1 active member' AS expected,
			count(*)::text AS found
		FROM member m
		JOIN organization o ON o.organization_id = m.organization_id
		JOIN plan p ON p.plan_id = o.plan_id
		WHERE p.kind = 4 AND m.state = 1 AND ($1::text IS NULL OR m.organization_id = $1)
		GROUP BY m.organization_id HAVING count(*) > 1
		ORDER BY m.organization_id`

	// findOvercountedAbuse finds windows that count too much. They may count less than there is: while the plan sets no limit
	// nothing is counted.
	findOvercountedAbuse = `
		SELECT 'abuse_tokens_are_of_settled_turns' AS promise, m.organization_id AS organization, m.member_id AS member,
			'at most ' || coalesce(t.tokens, 0) || ' since ' || m.abuse_opened_at AS expected, m.abuse_tokens::text AS found
		FROM member m
		LEFT JOIN (
			SELECT r.organization_id, r.member_id, sum(r.input_tokens::numeric + r.cached_input_tokens
				+ r.cache_write_tokens + r.output_tokens + r.reasoning_tokens) AS tokens
			FROM reservation r
			JOIN member o ON o.organization_id = r.organization_id AND o.member_id = r.member_id
			WHERE o.abuse_tokens > 0 AND r.settled_at >= o.abuse_opened_at
				AND ($1::text IS NULL OR r.organization_id = $1)
			GROUP BY r.organization_id, r.member_id
		) t ON t.organization_id = m.organization_id AND t.member_id = m.member_id
		WHERE m.abuse_tokens > coalesce(t.tokens, 0) AND ($1::text IS NULL OR m.organization_id = $1)
		ORDER BY m.organization_id, m.member_id`
)
