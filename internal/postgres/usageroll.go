package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// readBehind finds organizations of which something is not rolled up yet.
	readBehind = `SELECT o.organization_id FROM organization o
			LEFT JOIN usage_watermark w ON w.organization_id = o.organization_id
		WHERE o.organization_id > $1 AND (o.ledger_sequence > coalesce(w.ledger_sequence, 0)
			OR o.uncharged_sequence > coalesce(w.uncharged_sequence, 0))
		ORDER BY o.organization_id LIMIT $2`

	beginWatermark = `INSERT INTO usage_watermark (organization_id) VALUES ($1) ON CONFLICT DO NOTHING`
	// takeWatermark finds nothing while another process rolls the organization's usage up.
	takeWatermark = `SELECT w.organization_id FROM usage_watermark w WHERE w.organization_id = $1 FOR UPDATE SKIP LOCKED`
	moveWatermark = `UPDATE usage_watermark SET ledger_sequence = $2, uncharged_sequence = $3 WHERE organization_id = $1`

	// rollUpUsage adds the raw rows of stretches to the days, given in order by their starts, ends and dates, in which they
	// lie. Rows are added in the order in which reports read them. Entries that are of no turn count for the day's balance only. The value of a label is its name, in which what would
	// end it is escaped, an equals sign, and its value: labelPrefix begins the same in Go.
	rollUpUsage = `
		WITH event AS MATERIALIZED (
			SELECT e.*, width_bucket(e.at, $8::timestamptz[]) AS day FROM (` + rawUsage + `) e
		), days AS (
			INSERT INTO usage_day AS d (organization_id, starts_at, ends_at, date, first_at, last_at, first_ledger_sequence,
				last_ledger_sequence, first_uncharged_sequence, last_uncharged_sequence, pool_balance_micros)
			SELECT $1, ($8::timestamptz[])[e.day], ($9::timestamptz[])[e.day], ($10::date[])[e.day], min(e.at), max(e.at),
				min(e.ledger_sequence), max(e.ledger_sequence), min(e.uncharged_sequence), max(e.uncharged_sequence),
				(max(ARRAY[e.ledger_sequence, e.pool_balance_after_micros]) FILTER (WHERE e.ledger_sequence IS NOT NULL))[2]
			FROM event e GROUP BY e.day
			ON CONFLICT ON CONSTRAINT usage_day_once DO UPDATE SET first_at = least(d.first_at, excluded.first_at),
				last_at = greatest(d.last_at, excluded.last_at),
				first_ledger_sequence = least(d.first_ledger_sequence, excluded.first_ledger_sequence),
				last_ledger_sequence = greatest(d.last_ledger_sequence, excluded.last_ledger_sequence),
				first_uncharged_sequence = least(d.first_uncharged_sequence, excluded.first_uncharged_sequence),
				last_uncharged_sequence = greatest(d.last_uncharged_sequence, excluded.last_uncharged_sequence),
				pool_balance_micros = coalesce(excluded.pool_balance_micros, d.pool_balance_micros)
		)
		INSERT INTO usage_rollup AS u (organization_id, dimension, starts_at, value, ` + usageMeasures + `)
		SELECT $1, k.dimension, ($8::timestamptz[])[e.day], k.value, ` + sumMeasures + `
		FROM event e CROSS JOIN LATERAL (
			VALUES (1, ''), (2, e.member_id), (3, e.model), (4, e.conversation_id)
			UNION ALL
			SELECT 5, replace(replace(l.key, '\', '\\'), '=', '\=') || '=' || l.value FROM jsonb_each_text(e.labels) l
			) k (dimension, value)
		WHERE e.member_id IS NOT NULL GROUP BY k.dimension, e.day, k.value ORDER BY k.dimension, e.day, k.value
		ON CONFLICT ON CONSTRAINT usage_rollup_once DO UPDATE SET
			turns = u.turns + excluded.turns, failed_turns = u.failed_turns + excluded.failed_turns,
			expired_turns = u.expired_turns + excluded.expired_turns, late_turns = u.late_turns + excluded.late_turns,
			refused_suspended = u.refused_suspended + excluded.refused_suspended,
			refused_removed = u.refused_removed + excluded.refused_removed,
			refused_abuse = u.refused_abuse + excluded.refused_abuse,
			refused_no_access = u.refused_no_access + excluded.refused_no_access,
			refused_pool_empty = u.refused_pool_empty + excluded.refused_pool_empty,
			refused_cap_reached = u.refused_cap_reached + excluded.refused_cap_reached,
			refused_individual = u.refused_individual + excluded.refused_individual,
			input_tokens = u.input_tokens + excluded.input_tokens,
			cached_input_tokens = u.cached_input_tokens + excluded.cached_input_tokens,
			cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
			output_tokens = u.output_tokens + excluded.output_tokens,
			reasoning_tokens = u.reasoning_tokens + excluded.reasoning_tokens,
			allowance_micros = u.allowance_micros + excluded.allowance_micros,
			pool_micros = u.pool_micros + excluded.pool_micros, overrun_micros = u.overrun_micros + excluded.overrun_micros`
)

const (
	// rollUpChunk bounds how many rows of each source one transaction rolls up.
	rollUpChunk = 100_000
	// rollUpTimeout bounds one statement of it.
	rollUpTimeout = time.Minute
)

// Roller rolls usage up on a connection of its own, so that it never takes one from a lane or a reader. It is not safe for
// concurrent use; any number of them, in any number of processes, share the work.
type Roller struct {
	store *Store
	conn  *pgx.Conn
	chunk int64 // How many rows of each source one transaction rolls up.
}

// NewRoller is a roller that has not connected yet.
func (s *Store) NewRoller() *Roller { return &Roller{store: s, chunk: rollUpChunk} }

// Behind lists, in order of id, organizations of which something is not rolled up yet.
func (r *Roller) Behind(ctx context.Context, after string, limit int) ([]string, error) {
	if err := r.connect(ctx); err != nil {
		return nil, fault(err)
	}
	rows, err := r.conn.Query(ctx, readBehind, after, limit)
	if err != nil {
		return nil, fault(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, fault(err)
}

// RollUp rolls up the next rows of an organization in one transaction: what is rolled up and how far it goes are committed
// together, or not at all. It answers whether there is more to do, which there is not for this roller while another one is
// at it.
func (r *Roller) RollUp(ctx context.Context, organizationID string) (more bool, err error) {
	if err := r.connect(ctx); err != nil {
		return false, fault(err)
	}
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, beginWatermark, organizationID); err != nil {
			return err
		}
		var taken string
		if err := tx.QueryRow(ctx, takeWatermark, organizationID).Scan(&taken); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		}
		more, err = r.rollUp(ctx, tx, organizationID)
		return err
	})
	return more, fault(err)
}

// Close ends the connection.
func (r *Roller) Close() {
	if r.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), abandonTimeout)
	defer cancel()
	_ = r.conn.Close(ctx)
	r.conn = nil
}

// rollUp is called under the watermark's lock. The sources are gapless, and each statement sees what was committed before
// it began, so all rows up to the organization's last ones are there.
func (r *Roller) rollUp(ctx context.Context, tx pgx.Tx, organizationID string) (more bool, err error) {
	var m mark
	if err := m.read(ctx, tx, r.store.sql.mark, organizationID); err != nil {
		return false, err
	}
	next := meter.UsageMark{
		Ledger:    min(m.head.Ledger, m.rolledUp.Ledger+r.chunk),
		Uncharged: min(m.head.Uncharged, m.rolledUp.Uncharged+r.chunk),
	}
	if next == m.rolledUp {
		return false, nil
	}
	var raw stretches
	raw.add(m.rolledUp, next, openSpan(meter.Span{}))
	hours, err := hoursOf(ctx, tx, organizationID, &raw)
	if err != nil {
		return false, err
	}
	known, err := daysNear(ctx, tx, organizationID, meter.Span{Start: hours[0], End: hours[len(hours)-1]})
	if err != nil {
		return false, err
	}
	starts, ends, dates := dayColumns(cover(m.organization.Calendar, known, hours))
	if _, err := tx.Exec(ctx, rollUpUsage, append(raw.arguments(organizationID), starts, ends, dates)...); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, moveWatermark, organizationID, next.Ledger, next.Uncharged)
	return next != m.head, err
}

// dayColumns are days as arrays, column by column.
func dayColumns(days []meter.Day) (starts, ends []time.Time, dates []pgtype.Date) {
	for _, d := range days {
		starts, ends = append(starts, d.Start), append(ends, d.End)
		dates = append(dates, pgtype.Date{Time: d.Date.StartIn(time.UTC), Valid: true})
	}
	return starts, ends, dates
}

func (r *Roller) connect(ctx context.Context) error {
	if r.conn != nil && !r.conn.IsClosed() {
		return nil
	}
	config := r.store.writers.Copy()
	for _, pinned := range []string{"plan_cache_mode", "enable_seqscan", "enable_hashjoin", "enable_mergejoin"} {
		delete(config.RuntimeParams, pinned)
	}
	config.RuntimeParams["application_name"] = "meterd roll-up"
	config.RuntimeParams["work_mem"] = "64MB"
	config.RuntimeParams["statement_timeout"] = millis(rollUpTimeout)
	config.RuntimeParams["idle_in_transaction_session_timeout"] = millis(rollUpTimeout)
	// A crash may lose the last roll-up. It loses the watermark with it, so the same rows are rolled up again.
	config.RuntimeParams["synchronous_commit"] = "off"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	r.store.config.Background(conn.PgConn().PID())
	r.conn = conn
	return nil
}
