package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// What the firm of the reports looks like. Of a hundred turns one is released, one expires and one is refused; of the others
// every fourth pays from both layers, and the rest from the pool and the allowance in turn.
const (
	filledSeats = 10_000
	filledDays  = 90
	fillChunk   = 250_000
	fillPattern = 100 // Turns after which the pattern repeats.
)

// The statements that make a firm and so many of its turns ($2) without the service: as it would have left them. $1 is the
// firm's id in all of them, and its plan's.
const (
	fillPlan = `INSERT INTO plan (plan_id, kind, seat_allowance_micros, abuse_tokens, abuse_window, failed_turn_policy)
		VALUES ($1, 3, 1000000000000, 0, '0', 1)`

	fillOrganization = `INSERT INTO organization (organization_id, display_name, plan_id, unit, anniversary, time_zone, state,
			pool_visible_to_members, price_book_id, pool_balance_micros, pool_held_micros, pool_purchased_micros,
			pool_refunded_micros, pool_consumed_micros, ledger_sequence, uncharged_sequence)
		VALUES ($1, 'Reports', $1, 2, '2026-01-01', 'UTC', 1, false, '', 0, 0, 0, 0, 0, 0, 0)`

	fillTopUp = `INSERT INTO ledger_entry (organization_id, sequence, at, kind, amount_micros, pool_balance_after_micros,
			reference, request_id, request_fingerprint)
		VALUES ($1, 1, $2, 1, $3, $3, 'load', 'pack-1', '\x00')`

	// fillTurns makes the turns from $2 until $3, which settle $5 microseconds apart from $4 on.
	fillTurns = `INSERT INTO reservation (organization_id, reservation_id, member_id, request_id, request_fingerprint, state,
			estimate_micros, held_allowance_micros, held_pool_micros, period_start, created_at, expires_at, settled_at,
			actual_micros, allowance_micros, pool_micros, model, conversation_id, turn_id, labels, input_tokens,
			cached_input_tokens, output_tokens, cost_basis)
		SELECT $1, (lpad(to_hex((extract(epoch FROM t.began) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(t.n), 12, '0'))::uuid,
			'seat-' || t.seat, 'turn-' || t.n, '\x00', CASE t.m WHEN 0 THEN 3 WHEN 1 THEN 4 ELSE 2 END, 1000, 500, 500,
			date_trunc('month', t.began, 'UTC'), t.began, t.began + interval '10 minutes', t.at, t.allowance + t.pool, t.allowance,
			t.pool, 'model-' || t.n * 13 % 7, 'c-' || t.seat || '-' || t.n / (20 * $6::bigint), '',
			jsonb_build_object('team', 'team-' || t.seat % 50, 'stage', 'stage-' || t.n % 3),
			CASE WHEN t.m <> 1 THEN 400 + t.n % 100 ELSE 0 END, CASE WHEN t.m <> 1 THEN 50 ELSE 0 END,
			CASE WHEN t.m <> 1 THEN 200 ELSE 0 END, CASE WHEN t.m = 1 THEN 0 ELSE 1 END
		FROM ` + filledTurns + ` WHERE t.m <> 2`

	fillEntries = `INSERT INTO ledger_entry (organization_id, sequence, at, kind, amount_micros, pool_balance_after_micros,
			member_id, reservation_id, reference, request_id)
		SELECT $1, 2 + t.n / 100 * p.entries_of_all + p.entries_before + (e.kind = 4 AND t.pool > 0)::int, t.at, e.kind, e.amount,
			$7 - 500 * (t.n / 100 * p.pools_of_all + p.pools_before + (t.pool > 0)::int), 'seat-' || t.seat,
			(lpad(to_hex((extract(epoch FROM t.began) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(t.n), 12, '0'))::uuid,
			'', 'turn-' || t.n
		FROM ` + filledTurns + ` JOIN (
				SELECT m, (sum(pools + allowances) OVER (ORDER BY m) - pools - allowances)::bigint AS entries_before,
					(sum(pools) OVER (ORDER BY m) - pools)::bigint AS pools_before,
					(sum(pools + allowances) OVER ())::bigint AS entries_of_all, (sum(pools) OVER ())::bigint AS pools_of_all
				FROM (SELECT m, (m > 2 AND m % 4 < 2)::int AS pools, (m > 2 AND m % 4 <> 1)::int AS allowances
					FROM generate_series(0, 99) m) c) p ON p.m = t.m
			CROSS JOIN LATERAL (VALUES (3, t.pool), (4, t.allowance)) e (kind, amount)
		WHERE e.amount > 0`

	fillUncharged = `INSERT INTO uncharged_turn (organization_id, sequence, at, outcome, member_id, reservation_id, attempt_id,
			request_id, reason, model, conversation_id, turn_id, labels, estimate_micros, minimum_micros, allowance_room_micros,
			pool_available_micros, access_kind, period_start, resets_at)
		SELECT $1, 1 + t.n / 100 * 3 + t.m, t.at, CASE t.m WHEN 0 THEN 2 WHEN 1 THEN 3 ELSE 4 END, 'seat-' || t.seat,
			CASE WHEN t.m < 2 THEN t.id END, r.id, r.request, r.reason, r.model, r.text, r.text, NULL, r.one, r.one, r.zero, r.zero,
			r.kind, date_trunc('month', r.at, 'UTC'), date_trunc('month', r.at, 'UTC') + interval '1 month'
		FROM (SELECT t.*,
				(lpad(to_hex((extract(epoch FROM t.began) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(t.n), 12, '0'))::uuid AS id
				FROM ` + filledTurns + ` WHERE t.m < 3) t
			LEFT JOIN LATERAL (SELECT t.id, 'turn-' || t.n AS request, 'POOL_EMPTY' AS reason, 'model-' || t.n * 13 % 7 AS model,
				'' AS text, 1000::bigint AS one, 0::bigint AS zero, 3::smallint AS kind, t.at WHERE t.m = 2) r ON true`

	// filledTurns are the turns of a statement, numbered from 0: when each began and settled, whose it was, where it is in the
	// pattern, and what each layer paid.
	filledTurns = `(
			SELECT s.n, s.at, s.at - CASE WHEN s.m = 1 THEN interval '10 minutes' ELSE interval '20 seconds' END AS began, s.m,
				s.n * 7919 % $6::bigint AS seat, CASE WHEN s.m > 2 AND s.m % 4 < 2 THEN 500 ELSE 0 END AS pool,
				CASE WHEN s.m > 2 AND s.m % 4 <> 1 THEN 300 ELSE 0 END AS allowance
			FROM (SELECT n, n % 100 AS m, $4::timestamptz + n * $5::bigint * interval '1 microsecond' AS at
				FROM generate_series($2::bigint, $3::bigint - 1) n) s) t`

	// fillMembers makes the seats, with what they used in the last of their periods, and the others beside.
	fillMembers = `WITH used AS MATERIALIZED (
			SELECT r.member_id, r.period_start, sum(r.allowance_micros)::bigint AS allowance, sum(r.pool_micros)::bigint AS pool
			FROM reservation r WHERE r.organization_id = $1 GROUP BY r.member_id, r.period_start
		), last AS (
			SELECT DISTINCT ON (member_id) u.*, sum(pool) OVER (PARTITION BY member_id)::bigint AS lifetime
			FROM used u ORDER BY member_id, period_start DESC
		), closed AS (
			INSERT INTO member_period (organization_id, member_id, period_start, allowance_used_micros, allowance_held_micros,
				pool_used_micros, pool_held_micros, overrun_micros)
			SELECT $1, u.member_id, u.period_start, u.allowance, 0, u.pool, 0, 0 FROM used u JOIN last l
				ON l.member_id = u.member_id AND l.period_start > u.period_start
		)
		INSERT INTO member (organization_id, member_id, display_name, email, avatar_url, role, state, access_kind,
			access_cap_micros, pool_used_lifetime_micros, abuse_tokens, period_start, allowance_used_micros,
			allowance_held_micros, pool_used_micros, pool_held_micros, overrun_micros)
		SELECT $1, 'seat-' || n, 'Seat ' || n, 'seat-' || n || '@example.com', '', 3, 1, 3, 0, coalesce(l.lifetime, 0), 0,
			l.period_start, coalesce(l.allowance, 0), 0, coalesce(l.pool, 0), 0, 0
		FROM generate_series(0, $2::bigint - 1) n LEFT JOIN last l ON l.member_id = 'seat-' || n`

	fillAccess = `INSERT INTO access_change (organization_id, change_id, member_id, at, actor, before_kind, before_cap_micros,
			after_kind, after_cap_micros)
		SELECT $1, gen_random_uuid(), m.member_id, $2, 'load', 1, 0, 3, 0 FROM member m WHERE m.organization_id = $1`

	// fillSums is last: from then on the firm has its turns.
	fillSums = `UPDATE organization SET pool_purchased_micros = $2, pool_balance_micros = $2 - c.pool,
			pool_consumed_micros = c.pool, ledger_sequence = c.entries, uncharged_sequence = u.turns
		FROM (SELECT count(*) AS entries, coalesce(sum(amount_micros) FILTER (WHERE kind = 3), 0)::bigint AS pool
				FROM ledger_entry WHERE organization_id = $1) c,
			(SELECT count(*) AS turns FROM uncharged_turn WHERE organization_id = $1) u
		WHERE organization_id = $1`

	readIndexes = `SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
		WHERE i.indrelid IN ('reservation'::regclass, 'ledger_entry'::regclass) AND NOT i.indisprimary ORDER BY 1`

	readRolledUp = `SELECT coalesce((SELECT w.ledger_sequence = o.ledger_sequence AND w.uncharged_sequence = o.uncharged_sequence
				FROM usage_watermark w WHERE w.organization_id = o.organization_id), false)
		FROM organization o WHERE o.organization_id = $1`
)

// filling is a firm that is being made.
type filling struct {
	Options
	database *pgxpool.Pool
	id       string
	turns    int64
	start    time.Time
	apart    int64 // Microseconds between two turns.
}

// fill makes the firm with its turns, the last of which settled just now.
func (f *filling) fill(ctx context.Context) error {
	f.turns = (f.turns + fillPattern - 1) / fillPattern * fillPattern
	var now time.Time
	if err := f.database.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return err
	}
	f.start = now.Add(-filledDays * 24 * time.Hour).Truncate(time.Microsecond)
	f.apart = now.Sub(f.start).Microseconds() / f.turns
	const pool = int64(topUp)
	for _, step := range []struct {
		sql       string
		arguments []any
	}{{fillPlan, nil}, {fillOrganization, nil}, {fillTopUp, []any{f.start, pool}}} {
		if err := f.exec(ctx, step.sql, step.arguments...); err != nil {
			return err
		}
	}
	if err := f.withoutIndexes(ctx, func() error { return f.fillTurns(ctx, pool) }); err != nil {
		return err
	}
	f.say("making seats: %d", filledSeats)
	if err := f.exec(ctx, fillMembers, int64(filledSeats)); err != nil {
		return err
	}
	if err := f.exec(ctx, fillAccess, f.start); err != nil {
		return err
	}
	if _, err := f.database.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return fmt.Errorf("analyzing: %w", err)
	}
	return f.exec(ctx, fillSums, pool)
}

// fillTurns makes the turns with their entries, a chunk at a time.
func (f *filling) fillTurns(ctx context.Context, pool int64) error {
	for from := int64(0); from < f.turns; from += fillChunk {
		f.say("making turns: %d of %d", from, f.turns)
		until := min(from+fillChunk, f.turns)
		chunk := []any{from, until, f.start, f.apart, int64(filledSeats)}
		if err := f.exec(ctx, fillTurns, chunk...); err != nil {
			return err
		}
		if err := f.exec(ctx, fillUncharged, chunk...); err != nil {
			return err
		}
		if err := f.exec(ctx, fillEntries, append(chunk, pool)...); err != nil {
			return err
		}
	}
	return nil
}

// withoutIndexes drops the indexes that no key needs, and makes them again once they can be made at one go.
func (f *filling) withoutIndexes(ctx context.Context, fill func() error) error {
	rows, err := f.database.Query(ctx, readIndexes)
	if err != nil {
		return err
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return err
	}
	for _, i := range indexes {
		if _, err := f.database.Exec(ctx, "DROP INDEX "+i.Name); err != nil {
			return fmt.Errorf("dropping %s: %w", i.Name, err)
		}
	}
	filled := fill()
	f.say("making indexes")
	for _, i := range indexes {
		// Also if the run was cut off: the database may be somebody's.
		if _, err := f.database.Exec(context.WithoutCancel(ctx), "SET maintenance_work_mem = '512MB'; "+i.Definition); err != nil {
			return errors.Join(filled, fmt.Errorf("making %s: %w", i.Name, err))
		}
	}
	return filled
}

// index is how to make one.
type index struct{ Name, Definition string }

func (f *filling) exec(ctx context.Context, sql string, arguments ...any) error {
	if _, err := f.database.Exec(ctx, sql, append([]any{f.id}, arguments...)...); err != nil {
		return fmt.Errorf("making turns: %w", err)
	}
	return nil
}

// rolledUp returns once the server has rolled up all of it.
func (f *filling) rolledUp(ctx context.Context) error {
	f.say("waiting until all is rolled up")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var done bool
		if err := f.database.QueryRow(ctx, readRolledUp, f.id).Scan(&done); err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
