package audit

const (
	// Sums of one row are taken as numeric, so that no wrong amount is out of range.
	findWrongCharges = `
		SELECT 'charge_adds_up' AS promise, r.organization_id AS organization, r.reservation_id::text AS reservation,
			r.actual_micros::text AS expected,
			concat_ws(' + ', r.allowance_micros, r.pool_micros, r.overrun_micros) AS found
		FROM reservation r
		WHERE ($1::text IS NULL OR r.organization_id = $1)
			AND (r.actual_micros <> r.allowance_micros::numeric + r.pool_micros + r.overrun_micros
				OR least(r.allowance_micros, r.pool_micros, r.overrun_micros) < 0)`

	findUnsettledCharges = `
		SELECT 'only_settled_turns_are_charged' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, 'no charge and no tokens' AS expected,
			'a charge of ' || r.actual_micros || ', or tokens, in state ' || r.state AS found
		FROM reservation r
		WHERE r.state IN (1, 4) AND ($1::text IS NULL OR r.organization_id = $1)
			AND (r.actual_micros <> 0 OR r.allowance_micros <> 0 OR r.pool_micros <> 0 OR r.overrun_micros <> 0
				OR r.input_tokens > 0 OR r.cached_input_tokens > 0 OR r.cache_write_tokens > 0 OR r.output_tokens > 0
				OR r.reasoning_tokens > 0)`

	findFailedTurnsOfThePool = `
		SELECT 'failed_turn_never_draws_on_the_pool' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, '0' AS expected, r.pool_micros::text AS found
		FROM reservation r
		WHERE r.state = 3 AND r.pool_micros <> 0 AND ($1::text IS NULL OR r.organization_id = $1)`

	findWrongStates = `
		SELECT 'reservation_is_open_or_settled' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation,
			CASE r.state WHEN 1 THEN 'not settled' ELSE 'settled, in state 2 to 4' END AS expected,
			coalesce('settled at ' || r.settled_at, 'never settled') || ', in state ' || r.state AS found
		FROM reservation r
		WHERE (r.state NOT BETWEEN 1 AND 4 OR (r.state = 1) <> (r.settled_at IS NULL))
			AND ($1::text IS NULL OR r.organization_id = $1)`

	findWrongHolds = `
		SELECT 'reservation_holds_something' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, '1 to ' || r.estimate_micros AS expected,
			concat_ws(' + ', r.held_allowance_micros, r.held_pool_micros) AS found
		FROM reservation r
		WHERE ($1::text IS NULL OR r.organization_id = $1)
			AND (r.held_allowance_micros::numeric + r.held_pool_micros NOT BETWEEN 1 AND r.estimate_micros
				OR least(r.held_allowance_micros, r.held_pool_micros) < 0)`

	findWrongExpiries = `
		SELECT 'reservation_expires_after_it_was_made' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, 'after ' || r.created_at AS expected, r.expires_at::text AS found
		FROM reservation r
		WHERE r.expires_at <= r.created_at AND ($1::text IS NULL OR r.organization_id = $1)`

	findRepeatedRequests = `
		SELECT 'reservation_is_made_once' AS promise, organization_id AS organization, request_id AS request,
			'1 reservation' AS expected, count(*) || ' reservations' AS found
		FROM reservation WHERE $1::text IS NULL OR organization_id = $1
		GROUP BY organization_id, request_id HAVING count(*) > 1`

	findStrayReservations = `
		SELECT 'reservation_has_its_seat' AS promise, r.organization_id AS organization, r.member_id AS member,
			r.reservation_id::text AS reservation, 'a member' AS expected, 'none' AS found
		FROM reservation r
		WHERE ($1::text IS NULL OR r.organization_id = $1) AND NOT EXISTS (
			SELECT 1 FROM member m WHERE m.organization_id = r.organization_id AND m.member_id = r.member_id)`

	// findWrongExtensions: an extension is granted wholly or not at all, so that beside all of them there is what the
	// reservation began with, which was at least 1.
	findWrongExtensions = `
		SELECT v.promise, x.organization_id AS organization, x.reservation_id::text AS reservation, v.expected, v.found
		FROM (
			SELECT organization_id, reservation_id, sum(additional_micros) AS added, max(expires_at) AS expires_at
			FROM extension WHERE $1::text IS NULL OR organization_id = $1
			GROUP BY organization_id, reservation_id
		) x
		LEFT JOIN reservation r ON r.organization_id = x.organization_id AND r.reservation_id = x.reservation_id
		CROSS JOIN LATERAL (VALUES
			('extensions_are_in_the_hold', r.reservation_id IS NULL, 'a reservation', 'none'),
			('extensions_are_in_the_hold', r.estimate_micros <= x.added, 'an estimate of more than ' || x.added,
				r.estimate_micros::text),
			('extensions_are_in_the_hold', r.held_allowance_micros::numeric + r.held_pool_micros <= x.added,
				'a hold of more than ' || x.added, concat_ws(' + ', r.held_allowance_micros, r.held_pool_micros)),
			('extensions_are_in_the_expiry', r.expires_at <> x.expires_at, x.expires_at::text, r.expires_at::text)
		) v (promise, broken, expected, found)
		WHERE v.broken`

	findOverlookedHolds = `
		SELECT 'due_holds_are_given_back' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, 'to be looked for at ' || r.expires_at AS expected,
			CASE WHEN o.next_due_at IS NULL THEN 'open, and not looked for' ELSE 'open, and looked for at ' || o.next_due_at END AS found
		FROM reservation r JOIN organization o ON o.organization_id = r.organization_id
		WHERE r.state = 1 AND (o.next_due_at IS NULL OR r.expires_at < o.next_due_at) AND ($1::text IS NULL OR r.organization_id = $1)`

	findTurnsBackInTime = `
		SELECT 'turn_is_settled_after_it_began' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, 'not before ' || r.created_at AS expected, 'settled at ' || r.settled_at AS found
		FROM reservation r
		WHERE r.settled_at < r.created_at AND ($1::text IS NULL OR r.organization_id = $1)`

	findTurnsBeforeTheirPeriod = `
		SELECT 'period_begins_before_its_turns' AS promise, r.organization_id AS organization, r.member_id AS member,
			r.period_start AS period, r.reservation_id::text AS reservation, 'reserved at ' || r.period_start || ' or after' AS expected,
			'reserved at ' || r.created_at AS found
		FROM reservation r
		WHERE r.created_at < r.period_start AND ($1::text IS NULL OR r.organization_id = $1)`

	findExtensionsOutOfTime = `
		SELECT 'turn_is_settled_after_it_began' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, x.request_id AS request,
			concat_ws(' to ', r.created_at, r.settled_at) AS expected, 'extended at ' || x.at AS found
		FROM extension x
		JOIN reservation r ON r.organization_id = x.organization_id AND r.reservation_id = x.reservation_id
		WHERE (x.at < r.created_at OR x.at > r.settled_at) AND ($1::text IS NULL OR x.organization_id = $1)`

	// findWrongLateness: what fell due is given back before anything else happens in the organization, so a turn settled
	// at its expiry or after had expired, and one settled before had not.
	findWrongLateness = `
		SELECT 'late_is_after_the_expiry' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation,
			CASE WHEN r.late OR r.state = 4 THEN 'settled at ' || r.expires_at || ' or after'
				ELSE 'settled before ' || r.expires_at END AS expected,
			'settled at ' || r.settled_at || CASE WHEN r.late THEN ', late' ELSE '' END AS found
		FROM reservation r
		WHERE r.state <> 1 AND (r.late OR r.state = 4) <> (r.settled_at >= r.expires_at)
			AND ($1::text IS NULL OR r.organization_id = $1)`
)
