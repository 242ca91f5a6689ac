package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

// The dimensions of usage_rollup.
const (
	dimensionTotal        int16 = 1
	dimensionMember       int16 = 2
	dimensionModel        int16 = 3
	dimensionConversation int16 = 4
	dimensionLabel        int16 = 5
)

const (
	usageMeasures = `turns, failed_turns, expired_turns, late_turns, refused_suspended, refused_removed, refused_abuse,
		refused_no_access, refused_pool_empty, refused_cap_reached, refused_individual, input_tokens, cached_input_tokens,
		cache_write_tokens, output_tokens, reasoning_tokens, allowance_micros, pool_micros, overrun_micros`

	// sumMeasures adds measures up, in the order of usageMeasures and figureTargets.
	sumMeasures = `coalesce(sum(turns), 0) AS turns,
		coalesce(sum(failed_turns), 0) AS failed_turns,
		coalesce(sum(expired_turns), 0) AS expired_turns,
		coalesce(sum(late_turns), 0) AS late_turns,
		coalesce(sum(refused_suspended), 0) AS refused_suspended,
		coalesce(sum(refused_removed), 0) AS refused_removed,
		coalesce(sum(refused_abuse), 0) AS refused_abuse,
		coalesce(sum(refused_no_access), 0) AS refused_no_access,
		coalesce(sum(refused_pool_empty), 0) AS refused_pool_empty,
		coalesce(sum(refused_cap_reached), 0) AS refused_cap_reached,
		coalesce(sum(refused_individual), 0) AS refused_individual,
		coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
		coalesce(sum(cached_input_tokens), 0)::bigint AS cached_input_tokens,
		coalesce(sum(cache_write_tokens), 0)::bigint AS cache_write_tokens,
		coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
		coalesce(sum(reasoning_tokens), 0)::bigint AS reasoning_tokens,
		coalesce(sum(allowance_micros), 0)::bigint AS allowance_micros,
		coalesce(sum(pool_micros), 0)::bigint AS pool_micros,
		coalesce(sum(overrun_micros), 0)::bigint AS overrun_micros`

	// totalMeasures adds up what sumMeasures answered.
	totalMeasures = `coalesce(sum(turns), 0)::bigint, coalesce(sum(failed_turns), 0)::bigint, coalesce(sum(expired_turns), 0)::bigint,
		coalesce(sum(late_turns), 0)::bigint, coalesce(sum(refused_suspended), 0)::bigint,
		coalesce(sum(refused_removed), 0)::bigint, coalesce(sum(refused_abuse), 0)::bigint,
		coalesce(sum(refused_no_access), 0)::bigint, coalesce(sum(refused_pool_empty), 0)::bigint,
		coalesce(sum(refused_cap_reached), 0)::bigint, coalesce(sum(refused_individual), 0)::bigint,
		coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(cached_input_tokens), 0)::bigint,
		coalesce(sum(cache_write_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,
		coalesce(sum(reasoning_tokens), 0)::bigint, coalesce(sum(allowance_micros), 0)::bigint,
		coalesce(sum(pool_micros), 0)::bigint, coalesce(sum(overrun_micros), 0)::bigint`

	// rawUsage is the one place that says what an entry of the ledger, or an uncharged turn, counts for. It reads those of
	// organization $1 in stretches: after and until a sequence of each source, from and until a moment ($2 to $7). A turn
	// with charges in both layers has two entries, and counts with the one of its allowance. What a turn held, used and was
	// labelled with its reservation tells; none of that changes any more once it has an entry. Every stretch and every
	// reservation is looked up by itself, by its key, which the offsets see to.
	rawUsage = `
		SELECT l.at, l.sequence AS ledger_sequence, NULL::bigint AS uncharged_sequence, l.pool_balance_after_micros,
			l.member_id, r.model, r.conversation_id, r.labels,
			(c.here AND r.state = 2)::int AS turns, (c.here AND r.state = 3)::int AS failed_turns, 0 AS expired_turns,
			(c.here AND r.late)::int AS late_turns,
			0 AS refused_suspended, 0 AS refused_removed, 0 AS refused_abuse, 0 AS refused_no_access,
			0 AS refused_pool_empty, 0 AS refused_cap_reached, 0 AS refused_individual,
			CASE WHEN c.here THEN r.input_tokens END AS input_tokens,
			CASE WHEN c.here THEN r.cached_input_tokens END AS cached_input_tokens,
			CASE WHEN c.here THEN r.cache_write_tokens END AS cache_write_tokens,
			CASE WHEN c.here THEN r.output_tokens END AS output_tokens,
			CASE WHEN c.here THEN r.reasoning_tokens END AS reasoning_tokens,
			CASE WHEN l.kind = 4 THEN l.amount_micros END AS allowance_micros,
			CASE WHEN l.kind = 3 THEN l.amount_micros END AS pool_micros,
			CASE WHEN c.here THEN r.overrun_micros END AS overrun_micros
		FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
				AS s (ledger_after, ledger_until, uncharged_after, uncharged_until, at_from, at_until)
			CROSS JOIN LATERAL (
				SELECT e.at, e.sequence, e.kind, e.amount_micros, e.pool_balance_after_micros, e.member_id, e.reservation_id
				FROM ledger_entry e WHERE e.organization_id = $1 AND e.sequence > s.ledger_after
					AND e.sequence <= s.ledger_until AND e.at >= s.at_from AND e.at < s.at_until OFFSET 0) l
			LEFT JOIN LATERAL (
				SELECT t.model, t.conversation_id, t.labels, t.state, t.late, t.allowance_micros, t.overrun_micros,
					t.input_tokens, t.cached_input_tokens, t.cache_write_tokens, t.output_tokens, t.reasoning_tokens
				FROM reservation t WHERE t.organization_id = $1 AND t.reservation_id = l.reservation_id OFFSET 0) r ON true
			CROSS JOIN LATERAL (SELECT l.kind = 4 OR (l.kind = 3 AND r.allowance_micros = 0) AS here) c
		UNION ALL
		SELECT u.at, NULL, u.sequence, NULL, u.member_id, coalesce(u.model, r.model),
			coalesce(u.conversation_id, r.conversation_id), coalesce(u.labels, r.labels),
			(u.outcome = 1)::int, (u.outcome = 2)::int, (u.outcome = 3)::int, (c.here AND r.late)::int,
			(coalesce(u.reason, '') = 'ORGANIZATION_SUSPENDED')::int, (coalesce(u.reason, '') = 'MEMBER_REMOVED')::int,
			(coalesce(u.reason, '') = 'ABUSE_LIMIT')::int, (coalesce(u.reason, '') = 'EXTRA_USAGE_NOT_ENABLED')::int,
			(coalesce(u.reason, '') = 'POOL_EMPTY')::int, (coalesce(u.reason, '') = 'MEMBER_CAP_REACHED')::int,
			(coalesce(u.reason, '') = 'INDIVIDUAL_EXHAUSTED')::int,
			CASE WHEN c.here THEN r.input_tokens END, CASE WHEN c.here THEN r.cached_input_tokens END,
			CASE WHEN c.here THEN r.cache_write_tokens END, CASE WHEN c.here THEN r.output_tokens END,
			CASE WHEN c.here THEN r.reasoning_tokens END, NULL, NULL, CASE WHEN c.here THEN r.overrun_micros END
		FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
				AS s (ledger_after, ledger_until, uncharged_after, uncharged_until, at_from, at_until)
			CROSS JOIN LATERAL (
				SELECT e.at, e.sequence, e.outcome, e.member_id, e.reservation_id, e.reason, e.model, e.conversation_id, e.labels
				FROM uncharged_turn e WHERE e.organization_id = $1 AND e.sequence > s.uncharged_after
					AND e.sequence <= s.uncharged_until AND e.at >= s.at_from AND e.at < s.at_until OFFSET 0) u
			LEFT JOIN LATERAL (
				SELECT t.model, t.conversation_id, t.labels, t.late, t.overrun_micros,
					t.input_tokens, t.cached_input_tokens, t.cache_write_tokens, t.output_tokens, t.reasoning_tokens
				FROM reservation t WHERE t.organization_id = $1 AND t.reservation_id = u.reservation_id OFFSET 0) r ON true
			CROSS JOIN LATERAL (SELECT u.outcome IN (1, 2) AS here) c`

	readMark = `SELECT {now}, ` + organizationColumns + `, coalesce(w.ledger_sequence, 0),
			coalesce(w.uncharged_sequence, 0)
		FROM organization o LEFT JOIN usage_watermark w ON w.organization_id = o.organization_id
		WHERE o.organization_id = $1`

	// readDays reads the days around a span. A day is at most two days long, whatever its zone does.
	readDays = `SELECT d.starts_at, d.ends_at, d.date, d.first_at, d.last_at, coalesce(d.first_ledger_sequence, 0),
			coalesce(d.last_ledger_sequence, 0), coalesce(d.first_uncharged_sequence, 0),
			coalesce(d.last_uncharged_sequence, 0), d.pool_balance_micros
		FROM usage_day d
		WHERE d.organization_id = $1 AND d.starts_at > $2::timestamptz - interval '3 days'
			AND d.starts_at < $3::timestamptz + interval '3 days'
		ORDER BY d.starts_at`

	// readHours finds the hours in which anything lies in stretches.
	readHours = `
		SELECT date_trunc('hour', l.at) AS hour
		FROM unnest($2::bigint[], $3::bigint[], $6::timestamptz[], $7::timestamptz[])
				AS s (ledger_after, ledger_until, at_from, at_until)
			CROSS JOIN LATERAL (SELECT e.at FROM ledger_entry e WHERE e.organization_id = $1 AND e.sequence > s.ledger_after
				AND e.sequence <= s.ledger_until AND e.at >= s.at_from AND e.at < s.at_until OFFSET 0) l
		UNION
		SELECT date_trunc('hour', u.at)
		FROM unnest($4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
				AS s (uncharged_after, uncharged_until, at_from, at_until)
			CROSS JOIN LATERAL (SELECT e.at FROM uncharged_turn e WHERE e.organization_id = $1
				AND e.sequence > s.uncharged_after AND e.sequence <= s.uncharged_until AND e.at >= s.at_from
				AND e.at < s.at_until OFFSET 0) u
		ORDER BY hour`
)

// usageDay is a row of usage_day.
type usageDay struct {
	meter.Day
	first, last                   time.Time
	firstLedger, lastLedger       int64 // 0: the day has none.
	firstUncharged, lastUncharged int64
	balance                       *int64
}

func (d *usageDay) targets() []any {
	return []any{
		instant{&d.Start},
		instant{&d.End},
		day{&d.Date},
		instant{&d.first},
		instant{&d.last},
		&d.firstLedger, &d.lastLedger, &d.firstUncharged, &d.lastUncharged, &d.balance,
	}
}

// stretches are where raw rows are read, as rawUsage takes them.
type stretches struct {
	ledgerAfter, ledgerUntil, unchargedAfter, unchargedUntil []int64
	from, until                                              []time.Time
}

func (s *stretches) add(after, until meter.UsageMark, span meter.Span) {
	s.ledgerAfter, s.ledgerUntil = append(s.ledgerAfter, after.Ledger), append(s.ledgerUntil, until.Ledger)
	s.unchargedAfter, s.unchargedUntil = append(s.unchargedAfter, after.Uncharged), append(s.unchargedUntil, until.Uncharged)
	s.from, s.until = append(s.from, span.Start), append(s.until, span.End)
}

// arguments are the first seven of a statement over raw rows.
func (s *stretches) arguments(organizationID string) []any {
	return []any{organizationID, s.ledgerAfter, s.ledgerUntil, s.unchargedAfter, s.unchargedUntil, s.from, s.until}
}

// mark is an organization with how far its sources go, and how far they are rolled up.
type mark struct {
	now            time.Time
	organization   meter.Organization
	head, rolledUp meter.UsageMark
}

func (m *mark) read(ctx context.Context, tx pgx.Tx, sql, organizationID string) error {
	var row organizationRow
	targets := append([]any{instant{&m.now}}, row.targets()...)
	err := tx.QueryRow(ctx, sql, organizationID).Scan(append(targets, &m.rolledUp.Ledger, &m.rolledUp.Uncharged)...)
	if err != nil {
		return orMissing(err, meter.OrganizationNotFound, "organization_id", organizationID)
	}
	m.organization, err = row.organization()
	m.head = meter.UsageMark{Ledger: m.organization.LedgerSequence, Uncharged: m.organization.UnchargedSequence}
	return err
}

// daysNear are the days that are rolled up in a span and near it.
func daysNear(ctx context.Context, tx pgx.Tx, organizationID string, span meter.Span) ([]usageDay, error) {
	return collect(ctx, tx, (*usageDay).targets, readDays, organizationID, span.Start, span.End)
}

// hoursOf are the hours in which raw rows lie, in order.
func hoursOf(ctx context.Context, tx pgx.Tx, organizationID string, raw *stretches) ([]time.Time, error) {
	return collect(ctx, tx, func(t *time.Time) []any { return []any{instant{t}} }, readHours,
		raw.arguments(organizationID)...)
}

// cover are known days, with those added that hours lie in.
func cover(c meter.Calendar, known []usageDay, hours []time.Time) []meter.Day {
	days := make([]meter.Day, len(known))
	for i := range known {
		days[i] = known[i].Day
	}
	for _, hour := range hours {
		days = c.DaysOver(days, hour, hour.Add(time.Hour-time.Microsecond))
	}
	return days
}

func figureTargets(f *meter.UsageFigures) []any {
	targets := []any{&f.Turns, &f.Failed, &f.Expired, &f.Late}
	for i := range f.Refused {
		targets = append(targets, &f.Refused[i])
	}
	return append(targets, &f.Tokens.Input, &f.Tokens.CachedInput, &f.Tokens.CacheWrite, &f.Tokens.Output,
		&f.Tokens.Reasoning, (*int64)(&f.Allowance), (*int64)(&f.Pool), (*int64)(&f.Overrun))
}
