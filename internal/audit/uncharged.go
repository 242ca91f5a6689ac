package audit

const (
	// findUnchargedGaps walks the uncharged turns of each organization in order, once.
	findUnchargedGaps = `
		SELECT v.promise, u.organization_id AS organization, u.sequence, v.expected, v.found
		FROM (
			SELECT organization_id, sequence, at, lag(sequence, 1, 0::bigint) OVER told + 1 AS next, lag(at) OVER told AS at_before
			FROM uncharged_turn WHERE $1::text IS NULL OR organization_id = $1
			WINDOW told AS (PARTITION BY organization_id ORDER BY sequence)
		) u
		CROSS JOIN LATERAL (VALUES
			('uncharged_turns_are_gapless', u.sequence <> u.next, 'uncharged turn ' || u.next, 'uncharged turn ' || u.sequence),
			('uncharged_time_never_goes_back', u.at < u.at_before AND NOT EXISTS (SELECT 1 FROM test_clock),
				'not before ' || u.at_before, u.at::text)
		) v (promise, broken, expected, found)
		WHERE (u.sequence <> u.next OR u.at < u.at_before) AND v.broken
		ORDER BY u.organization_id, u.sequence`

	findUnchargedEnds = `
		SELECT 'uncharged_sequence_is_the_last_turn' AS promise, o.organization_id AS organization,
			coalesce(u.last, 0)::text AS expected, o.uncharged_sequence::text AS found
		FROM organization o
		LEFT JOIN (
			SELECT organization_id, max(sequence) AS last
			FROM uncharged_turn WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id
		) u ON u.organization_id = o.organization_id
		WHERE ($1::text IS NULL OR o.organization_id = $1) AND o.uncharged_sequence <> coalesce(u.last, 0)
		ORDER BY o.organization_id`

	// findUnmatchedEnds lays the ways in which turns ended at no charge, by their reservations, beside the rows that tell so.
	// That a late turn had expired before, and what a server of an earlier version settled while the schema was
	// migrated, may be on record or not.
	findUnmatchedEnds = `
		WITH ended AS (
			SELECT organization_id, reservation_id, CASE state WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 3 END AS outcome, member_id,
				settled_at AS at, settled_access_kind IS NOT NULL AS surely
			FROM reservation
			WHERE state IN (2, 3, 4) AND allowance_micros <= 0 AND pool_micros <= 0 AND ($1::text IS NULL OR organization_id = $1)
			UNION ALL
			SELECT organization_id, reservation_id, 3, member_id, NULL, false
			FROM reservation WHERE late AND state IN (2, 3) AND ($1::text IS NULL OR organization_id = $1)
		), told AS (
			SELECT organization_id, reservation_id, outcome, member_id, at, sequence
			FROM uncharged_turn WHERE outcome IN (1, 2, 3) AND ($1::text IS NULL OR organization_id = $1)
		), pair AS (
			SELECT coalesce(e.organization_id, u.organization_id) AS organization_id,
				coalesce(e.reservation_id, u.reservation_id)::text AS reservation, coalesce(u.sequence, 0) AS sequence,
				CASE coalesce(e.outcome, u.outcome) WHEN 1 THEN 'committed' WHEN 2 THEN 'released' ELSE 'expired' END AS outcome,
				e.reservation_id IS NOT NULL AS ended, e.surely, u.reservation_id IS NOT NULL AS told,
				e.member_id <> u.member_id OR e.at <> u.at AS of_another,
				concat_ws(', ', e.member_id, e.at) AS turn, concat_ws(', ', u.member_id, u.at) AS said
			FROM ended e FULL JOIN told u
				ON u.organization_id = e.organization_id AND u.reservation_id = e.reservation_id AND u.outcome = e.outcome
		)
		SELECT v.promise, p.organization_id AS organization, p.reservation, p.sequence, v.expected, v.found
		FROM pair p
		CROSS JOIN LATERAL (VALUES
			('uncharged_turn_is_told', p.surely AND NOT p.told, 'a turn that ' || p.outcome || ' uncharged on record', 'none'),
			('uncharged_turn_ended_so', NOT p.ended, 'a turn that ' || p.outcome || ' at no charge', 'none'),
			('uncharged_turn_is_of_its_turn', p.told AND p.of_another, p.turn, p.said)
		) v (promise, broken, expected, found)
		WHERE v.broken`

	findRepeatedEnds = `
		SELECT 'uncharged_turn_is_told_once' AS promise, organization_id AS organization,
			coalesce(reservation_id, attempt_id)::text AS reservation, max(sequence) AS sequence, 'told once' AS expected,
			'told ' || count(*) || ' times' AS found
		FROM uncharged_turn WHERE $1::text IS NULL OR organization_id = $1
		GROUP BY organization_id, reservation_id, attempt_id, outcome HAVING count(*) > 1`

	findStrayRefusals = `
		SELECT v.promise, u.organization_id AS organization, u.member_id AS member, u.sequence, u.request_id AS request, v.expected,
			v.found
		FROM uncharged_turn u
		LEFT JOIN member m ON m.organization_id = u.organization_id AND m.member_id = u.member_id
		LEFT JOIN price_book b ON b.price_book_id = u.price_book_id AND b.version = u.price_book_version
		CROSS JOIN LATERAL (VALUES
			('refusal_has_its_member', m.member_id IS NULL, 'a member', 'none'),
			('refusal_has_its_book', u.price_book_id IS NOT NULL AND b.version IS NULL,
				'version ' || u.price_book_version || ' of ' || u.price_book_id, 'none')
		) v (promise, broken, expected, found)
		WHERE u.outcome = 4 AND v.broken AND ($1::text IS NULL OR u.organization_id = $1)`

	// findUncoveredHolds: what a turn began with, beside what its extensions added, fits what Reserve saw.
	findUncoveredHolds = `
		WITH added AS (
			SELECT organization_id, reservation_id, sum(additional_micros) AS micros
			FROM extension WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id, reservation_id
		)
		SELECT 'hold_fits_what_was_seen' AS promise, r.organization_id AS organization, r.reservation_id::text AS reservation,
			'at most ' || r.allowance_room_micros || ' + ' || p.room || ', before extensions' AS expected,
			r.held_allowance_micros || ' + ' || r.held_pool_micros || ', of it ' || coalesce(a.micros, 0) || ' by extensions' AS found
		FROM reservation r
		LEFT JOIN added a ON a.organization_id = r.organization_id AND a.reservation_id = r.reservation_id
		CROSS JOIN LATERAL (SELECT CASE r.access_kind WHEN 1 THEN 0 WHEN 3 THEN r.pool_available_micros
			ELSE greatest(0, least(r.pool_available_micros, r.access_cap_micros::numeric - r.cap_used_micros)) END AS room) p
		WHERE ($1::text IS NULL OR r.organization_id = $1) AND r.access_kind IS NOT NULL
			AND (r.held_allowance_micros > r.allowance_room_micros + coalesce(a.micros, 0)
				OR r.held_pool_micros > p.room + coalesce(a.micros, 0))`
)
