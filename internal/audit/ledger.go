package audit

const (
	// findBrokenLedger walks each ledger in order, once. The steps between balances are compared rather than the balances,
	// because no amount makes the difference of two that are not negative go out of range.
	findBrokenLedger = `
		SELECT v.promise, e.organization_id AS organization, e.sequence, v.expected, v.found
		FROM (
			SELECT l.*, CASE kind WHEN 1 THEN amount_micros WHEN 4 THEN 0 ELSE -amount_micros END AS moves
			FROM (
				SELECT organization_id, sequence, kind, amount_micros, pool_balance_after_micros, at,
					lag(sequence, 1, 0::bigint) OVER ledger + 1 AS next,
					lag(pool_balance_after_micros, 1, 0::bigint) OVER ledger AS balance_before, lag(at) OVER ledger AS at_before
				FROM ledger_entry WHERE $1::text IS NULL OR organization_id = $1
				WINDOW ledger AS (PARTITION BY organization_id ORDER BY sequence)
			) l
		) e
		CROSS JOIN LATERAL (VALUES
			('ledger_is_gapless', e.sequence <> e.next, 'entry ' || e.next, 'entry ' || e.sequence),
			('ledger_balance_follows', e.pool_balance_after_micros - e.balance_before <> e.moves,
				(e.balance_before::numeric + e.moves)::text, e.pool_balance_after_micros::text),
			('ledger_entry_moves_something', e.amount_micros < 1 OR e.kind NOT BETWEEN 1 AND 4,
				'an amount of at least 1 and a kind of 1 to 4', e.amount_micros || ', kind ' || e.kind),
			('ledger_time_never_goes_back', e.at < e.at_before AND NOT EXISTS (SELECT 1 FROM test_clock),
				'not before ' || e.at_before, e.at::text)
		) v (promise, broken, expected, found)
		WHERE (e.sequence <> e.next OR e.pool_balance_after_micros - e.balance_before <> e.moves OR e.amount_micros < 1
				OR e.kind NOT BETWEEN 1 AND 4 OR e.at < e.at_before) AND v.broken
		ORDER BY e.organization_id, e.sequence`

	findLedgerEnds = `
		SELECT 'ledger_sequence_is_the_last_entry' AS promise, o.organization_id AS organization,
			coalesce(l.last, 0)::text AS expected, o.ledger_sequence::text AS found
		FROM organization o
		LEFT JOIN (
			SELECT organization_id, max(sequence) AS last
			FROM ledger_entry WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id
		) l ON l.organization_id = o.organization_id
		WHERE ($1::text IS NULL OR o.organization_id = $1) AND o.ledger_sequence <> coalesce(l.last, 0)
		ORDER BY o.organization_id`

	findStrayRows = `
		SELECT 'row_has_its_organization' AS promise, l.organization_id AS organization, 'an organization' AS expected,
			'none, but ' || count(*) || ' ledger entries' AS found
		FROM ledger_entry l
		WHERE ($1::text IS NULL OR l.organization_id = $1)
			AND NOT EXISTS (SELECT 1 FROM organization o WHERE o.organization_id = l.organization_id)
		GROUP BY l.organization_id
		UNION ALL
		SELECT 'row_has_its_organization', m.organization_id, 'an organization', 'none, but ' || count(*) || ' members'
		FROM member m
		WHERE ($1::text IS NULL OR m.organization_id = $1)
			AND NOT EXISTS (SELECT 1 FROM organization o WHERE o.organization_id = m.organization_id)
		GROUP BY m.organization_id`

	// findUnmatchedCharges lays the layers that turns were charged in beside the ledger's entries of charges. What only
	// one side has, or both have differently, is wrong; why an entry stands alone, its reservation's state tells.
	findUnmatchedCharges = `
		WITH charge AS (
			SELECT organization_id, reservation_id, 3::smallint AS kind, pool_micros AS amount_micros, member_id, request_id,
				settled_at
			FROM reservation WHERE pool_micros > 0 AND ($1::text IS NULL OR organization_id = $1)
			UNION ALL
			SELECT organization_id, reservation_id, 4::smallint, allowance_micros, member_id, request_id, settled_at
			FROM reservation WHERE allowance_micros > 0 AND ($1::text IS NULL OR organization_id = $1)
		), entry AS (
			SELECT organization_id, reservation_id, kind, amount_micros, member_id, request_id, at, sequence
			FROM ledger_entry WHERE kind IN (3, 4) AND ($1::text IS NULL OR organization_id = $1)
		), pair AS (
			SELECT coalesce(c.organization_id, e.organization_id) AS organization_id, e.reservation_id AS entered,
				coalesce(c.reservation_id, e.reservation_id) AS reservation_id,
				CASE coalesce(c.kind, e.kind) WHEN 3 THEN ' of the pool' ELSE ' of the allowance' END AS layer,
				coalesce(e.sequence, 0) AS sequence, c.amount_micros AS charged, e.amount_micros AS recorded,
				(c.member_id, c.request_id, c.settled_at) IS DISTINCT FROM (e.member_id, e.request_id, e.at) AS of_another,
				concat_ws(', ', c.member_id, c.request_id, c.settled_at) AS turn,
				concat_ws(', ', e.member_id, e.request_id, e.at) AS told
			FROM charge c FULL JOIN entry e
				ON e.organization_id = c.organization_id AND e.reservation_id = c.reservation_id AND e.kind = c.kind
			WHERE c.amount_micros IS DISTINCT FROM e.amount_micros
				OR (c.member_id, c.request_id, c.settled_at) IS DISTINCT FROM (e.member_id, e.request_id, e.at)
		)
		SELECT v.promise, p.organization_id AS organization, p.reservation_id::text AS reservation, p.sequence, v.expected,
			v.found
		FROM pair p
		LEFT JOIN reservation r ON p.charged IS NULL AND r.organization_id = p.organization_id
			AND r.reservation_id = p.reservation_id
		CROSS JOIN LATERAL (VALUES
			('charge_has_its_ledger_entry', p.recorded IS NULL, 'an entry of ' || p.charged || p.layer, 'none'),
			('ledger_entry_has_its_reservation', p.charged IS NULL AND r.state IS NULL, 'a reservation',
				'none, but an entry of ' || p.recorded || p.layer),
			('only_settled_turns_are_charged', p.charged IS NULL AND r.state IN (1, 4), 'no entry',
				'an entry of ' || p.recorded || p.layer),
			('ledger_entry_has_its_charge', p.charged IS NULL AND r.state NOT IN (1, 4), 'no entry' || p.layer,
				'an entry of ' || p.recorded),
			('ledger_entry_is_the_charge', p.charged <> p.recorded, p.charged || p.layer, p.recorded::text),
			('ledger_entry_is_of_its_turn', p.charged IS NOT NULL AND p.recorded IS NOT NULL AND p.of_another, p.turn, p.told)
		) v (promise, broken, expected, found)
		WHERE v.broken`

	findRepeatedEntries = `
		SELECT 'charge_is_entered_once' AS promise, organization_id AS organization, reservation_id::text AS reservation,
			max(sequence) AS sequence, '1 entry' AS expected, count(*) || ' entries of kind ' || kind AS found
		FROM ledger_entry WHERE kind IN (3, 4) AND ($1::text IS NULL OR organization_id = $1)
		GROUP BY organization_id, reservation_id, kind HAVING count(*) > 1`
)
