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
	// readBehind finds organizations of which so many rows or more are not rolled up yet.
	readBehind = `SELECT o.organization_id FROM organization o
			LEFT JOIN usage_watermark w ON w.organization_id = o.organization_id
		WHERE o.organization_id > $1 AND o.ledger_sequence - coalesce(w.ledger_sequence, 0)
			+ o.uncharged_sequence - coalesce(w.uncharged_sequence, 0) >= $2::bigint
		ORDER BY o.organization_id LIMIT $3`

	beginWatermark = `INSERT INTO usage_watermark (organization_id) VALUES ($1) ON CONFLICT DO NOTHING`
	// takeWatermark finds nothing while another process rolls the organization's usage up.
	takeWatermark = `SELECT w.organization_id FROM usage_watermark w WHERE w.organization_id = $1 FOR UPDATE SKIP LOCKED`
	moveWatermark = `UPDATE usage_watermark SET ledger_sequence = $2, uncharged_sequence = $3 WHERE organization_id = $1`

	// rollUpUsage adds the raw rows of stretches to the days, given in order by their starts, ends and dates, in which they
	// lie. Rows are added in the order in which reports read them. Entries that are of no turn count for the day's balance only;
	// they are told by having no member, no conversation and no labels. The value of a label is its name, in which what would
	// end it is escaped, an equals sign, and its value: labelPrefix begins the same in Go.
	//
	// It is done under load, so a raw row is read once and added up three times, while it passes: in pairs of member and model,
	// which are few and make up the sums of either and of the day, by conversation, of which there may be as many as turns, and by
	// set of labels, which come again and again and are taken apart once for all turns that have them. Only groups are kept,
	// expanded and sorted. Which columns a group is of is told by GROUPING alone: the others are NULL, and '' is a value.
	rollUpUsage = `
		WITH part AS MATERIALIZED (
			SELECT CASE 0 WHEN GROUPING(e.model) THEN 3 WHEN GROUPING(e.conversation_id) THEN 4 ELSE 5 END AS dimension,
				e.day, e.member_id, e.model, e.conversation_id, e.labels, min(e.at) AS first_at, max(e.at) AS last_at,
				min(e.ledger_sequence) AS first_ledger_sequence, max(e.ledger_sequence) AS last_ledger_sequence,
				min(e.uncharged_sequence) AS first_uncharged_sequence, max(e.uncharged_sequence) AS last_uncharged_sequence,
				` + sumMeasures + `
			FROM (SELECT r.*, width_bucket(r.at, $8::timestamptz[]) AS day FROM (` + rawUsage + `) r) e
			GROUP BY GROUPING SETS ((e.day, e.member_id, e.model), (e.day, e.conversation_id), (e.day, e.labels))
		), days AS (
			INSERT INTO usage_day AS d (organization_id, starts_at, ends_at, date, first_at, last_at, first_ledger_sequence,
				last_ledger_sequence, first_uncharged_sequence, last_uncharged_sequence, pool_balance_micros)
			SELECT $1, ($8::timestamptz[])[p.day], ($9::timestamptz[])[p.day], ($10::date[])[p.day], min(p.first_at), max(p.last_at),
				min(p.first_ledger_sequence), max(p.last_ledger_sequence), min(p.first_uncharged_sequence),
				max(p.last_uncharged_sequence), (SELECT l.pool_balance_after_micros FROM ledger_entry l
					WHERE l.organization_id = $1 AND l.sequence = max(p.last_ledger_sequence))
			FROM part p WHERE p.dimension = 3 GROUP BY p.day
			ON CONFLICT ON CONSTRAINT usage_day_once DO UPDATE SET first_at = least(d.first_at, excluded.first_at),
				last_at = greatest(d.last_at, excluded.last_at),
				first_ledger_sequence = least(d.first_ledger_sequence, excluded.first_ledger_sequence),
				last_ledger_sequence = greatest(d.last_ledger_sequence, excluded.last_ledger_sequence),
				first_uncharged_sequence = least(d.first_uncharged_sequence, excluded.first_uncharged_sequence),
				last_uncharged_sequence = greatest(d.last_uncharged_sequence, excluded.last_uncharged_sequence),
				pool_balance_micros = coalesce(excluded.pool_balance_micros, d.pool_balance_micros)
		)
		INSERT INTO usage_rollup AS u (organization_id, dimension, starts_at, value, ` + usageMeasures + `)
		SELECT $1, g.dimension, ($8::timestamptz[])[g.day], g.value, ` + usageMeasures + `
		FROM (SELECT p.dimension, p.day, p.conversation_id COLLATE "C" AS value, ` + usageMeasures + `
			FROM part p WHERE p.dimension = 4 AND p.conversation_id IS NOT NULL
			UNION ALL
			SELECT CASE 0 WHEN GROUPING(p.member_id) THEN 2 WHEN GROUPING(p.model) THEN 3 ELSE 1 END, p.day,
				CASE 0 WHEN GROUPING(p.member_id) THEN p.member_id WHEN GROUPING(p.model) THEN p.model ELSE '' END, ` + totalMeasures + `
			FROM part p WHERE p.dimension = 3 AND p.member_id IS NOT NULL
			GROUP BY GROUPING SETS ((p.day), (p.day, p.member_id), (p.day, p.model))
			UNION ALL
			SELECT 5, v.day, v.value, ` + totalMeasures + `
			FROM (SELECT p.*, replace(replace(l.key, '\', '\\'), '=', '\=') || '=' || l.value AS value
				FROM part p CROSS JOIN LATERAL jsonb_each_text(p.labels) l WHERE p.dimension = 5) v
			GROUP BY v.day, v.value
			ORDER BY dimension, day, value) g
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

// Behind lists, in order of id, organizations after one of which so many rows or more are not rolled up yet.
func (r *Roller) Behind(ctx context.Context, after string, least int64, limit int) ([]string, error) {
	if err := r.connect(ctx); err != nil {
		return nil, fault(err)
	}
	if _, err := r.conn.Exec(ctx, "discard plans"); err != nil { // Tables have grown since.
		return nil, fault(err)
	}
	rows, err := r.conn.Query(ctx, readBehind, after, least, limit)
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
	tuneRoller(config)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	r.store.config.Background(conn.PgConn().PID())
	r.conn = conn
	return nil
}

// tuneRoller makes a writer's connection one that rolls up. Plans go by index and serve all organizations of one look: to plan
// takes longer than to add up the few turns of a small one.
func tuneRoller(c *pgx.ConnConfig) {
	for _, pinned := range []string{"enable_hashjoin", "enable_mergejoin"} {
		delete(c.RuntimeParams, pinned) // What is not rolled up yet is found by comparing two tables whole.
	}
	for name, value := range map[string]string{
		"application_name": "meterd roll-up",
		"work_mem":         "64MB",
		// Rows are grouped by hash while they pass. The planner cannot tell how many there are, and might sort them for each
		// grouping, or keep every reservation that it looked up, of which hardly one is asked for again.
		"enable_sort":                         "off",
		"enable_memoize":                      "off",
		"statement_timeout":                   millis(rollUpTimeout),
		"idle_in_transaction_session_timeout": millis(rollUpTimeout),
		// A crash may lose the last roll-up. It loses the watermark with it, so the same rows are rolled up again.
		"synchronous_commit": "off",
	} {
		c.RuntimeParams[name] = value
	}
}
