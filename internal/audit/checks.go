package audit

// check is a statement that answers a row for each thing that is wrong, its columns named as the fields of Finding. Its
// one parameter is the organization to look at, or NULL for all of them.
type check struct {
	of  string // What it looks at, for the message when it cannot be made.
	sql string
	// forward says that it holds only while time runs forward, which the test clock need not make it do.
	forward bool
}

// checks are all that one statement can make.
var checks = []check{
	{of: "the pools' sums", sql: findPoolSums},
	{of: "the pools' holds", sql: findPoolHolds},
	{of: "the pools' bounds", sql: findPoolBounds},
	{of: "refunds", sql: findStrayRefunds},
	{of: "the sums of refunds", sql: findExcessRefunds},
	{of: "request ids of top-ups and refunds", sql: findRepeatedMovements},

	{of: "the ledger's order", sql: findBrokenLedger},
	{of: "the ledger's end", sql: findLedgerEnds},
	{of: "the ledger's organizations", sql: findStrayRows},

	{of: "charges and their entries", sql: findUnmatchedCharges},
	{of: "entries of one charge", sql: findRepeatedEntries},

	{of: "the order of uncharged turns", sql: findUnchargedGaps},
	{of: "the end of uncharged turns", sql: findUnchargedEnds},
	{of: "turns that ended uncharged", sql: findUnmatchedEnds},
	{of: "uncharged turns that are told twice", sql: findRepeatedEnds},
	{of: "refusals", sql: findStrayRefusals},
	{of: "holds and what was seen", sql: findUncoveredHolds},

	{of: "the parts of charges", sql: findWrongCharges},
	{of: "charges of turns that are not settled", sql: findUnsettledCharges},
	{of: "charges of failed turns", sql: findFailedTurnsOfThePool},
	{of: "the reservations' states", sql: findWrongStates},
	{of: "holds", sql: findWrongHolds},
	{of: "expiries", sql: findWrongExpiries},
	{of: "request ids of reservations", sql: findRepeatedRequests},
	{of: "the reservations' seats", sql: findStrayReservations},
	{of: "extensions", sql: findWrongExtensions},
	{of: "due reservations", sql: findOverlookedHolds},
	{of: "the order of a turn's moments", sql: findTurnsBackInTime, forward: true},
	{of: "the turns' periods", sql: findTurnsBeforeTheirPeriod, forward: true},
	{of: "the order of extensions", sql: findExtensionsOutOfTime, forward: true},
	{of: "lateness", sql: findWrongLateness, forward: true},

	{of: "the price books' versions", sql: findBookGaps},
	{of: "the price books of turns", sql: findLostBooks},
	{of: "the bases of costs", sql: findBaselessCosts},
	{of: "the costs of turns without a price", sql: findWrongHeldCosts},

	{of: "the seats' periods", sql: findSeatSums},
	{of: "closed periods", sql: findMisplacedPeriods},
	{of: "the seats' lifetime sums", sql: findLifetimeSums},
	{of: "the members of individual plans", sql: findCrowdedIndividuals},
	{of: "abuse windows", sql: findOvercountedAbuse, forward: true},

	{of: "the use of plans", sql: findWrongPlanUsage},
	{of: "what is rolled up", sql: findWrongRollUps},
	{of: "how far it is rolled up", sql: findLostWatermarks},
	{of: "the days that are rolled up", sql: findWrongDays},
	{of: "devices", sql: findStrayDevices},
}

// countRows counts the rows of each kind, and the figures that the checks recompute: five of each pool, the balance of
// each ledger entry, the parts of each charge, the price of each turn that told its tokens, what is left of each top-up, five
// of each period and one of each seat.
const countRows = `
	SELECT o.n, m.n, r.held, r.committed, r.released, r.expired, l.n,
		5 * o.n + l.n + l.top_ups + r.held + r.committed + r.released + r.expired + r.priced + 5 * (m.open + p.n) + m.n,
		EXISTS (SELECT 1 FROM test_clock)
	FROM (SELECT count(*) AS n FROM organization WHERE $1::text IS NULL OR organization_id = $1) o,
		(SELECT count(*) AS n, count(period_start) AS open FROM member WHERE $1::text IS NULL OR organization_id = $1) m,
		(SELECT count(*) AS n FROM member_period WHERE $1::text IS NULL OR organization_id = $1) p,
		(SELECT count(*) AS n, count(*) FILTER (WHERE kind = 1) AS top_ups
			FROM ledger_entry WHERE $1::text IS NULL OR organization_id = $1) l,
		(SELECT count(*) FILTER (WHERE state = 1) AS held, count(*) FILTER (WHERE state = 2) AS committed,
				count(*) FILTER (WHERE state = 3) AS released, count(*) FILTER (WHERE state = 4) AS expired,
				count(*) FILTER (WHERE cost_basis IN (2, 3)) AS priced
			FROM reservation WHERE $1::text IS NULL OR organization_id = $1) r`
