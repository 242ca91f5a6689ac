package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// reportUsage groups what is rolled up of whole days ($13 to $17) and what is not, the raw rows of stretches ($1 to $7) in
	// days ($8 to $10). It answers the sum of all groups first, then $20 groups after the first $19. {range} narrows values
	// to those of a label.
	reportUsage = `
		WITH part AS (
			SELECT CASE WHEN $18 THEN to_char(d.date, 'YYYY-MM-DD') ELSE substr(u.value, 1 + length($12::text)) END AS value,
				CASE WHEN $18 THEN d.starts_at END AS starts_at, CASE WHEN $18 THEN d.ends_at END AS ends_at,
				CASE WHEN $18 THEN ARRAY[d.sequence, d.balance] END AS closing, ` + usageMeasures + `
			FROM unnest($13::timestamptz[], $14::timestamptz[], $15::date[], $16::bigint[], $17::bigint[])
					AS d (starts_at, ends_at, date, sequence, balance)
				LEFT JOIN LATERAL (SELECT r.value, ` + usageMeasures + ` FROM usage_rollup r
					WHERE r.organization_id = $1 AND r.dimension = $11::smallint AND r.starts_at = d.starts_at {range} OFFSET 0) u ON true
			WHERE $18 OR u.value IS NOT NULL
			UNION ALL
			SELECT CASE WHEN $18 THEN to_char(($10::date[])[e.day], 'YYYY-MM-DD') WHEN $11 = 1 THEN ''
					WHEN $11 = 2 THEN e.member_id WHEN $11 = 3 THEN e.model WHEN $11 = 4 THEN e.conversation_id
					ELSE e.labels ->> $21 END,
				CASE WHEN $18 THEN ($8::timestamptz[])[e.day] END, CASE WHEN $18 THEN ($9::timestamptz[])[e.day] END,
				CASE WHEN $18 AND e.ledger_sequence IS NOT NULL THEN ARRAY[e.ledger_sequence, e.pool_balance_after_micros] END,
				` + usageMeasures + `
			FROM (SELECT r.*, width_bucket(r.at, $8::timestamptz[]) AS day FROM (` + rawUsage + `) r) e
			WHERE $18 OR (e.member_id IS NOT NULL AND ($11 < 5 OR e.labels ? $21))
		), grouped AS MATERIALIZED (
			SELECT value, starts_at, ends_at, (max(closing))[2] AS balance, ` + sumMeasures + `
			FROM part GROUP BY value, starts_at, ends_at
		)
		SELECT true, '', '', NULL::timestamptz, NULL::timestamptz, NULL::bigint, ` + totalMeasures + ` FROM grouped
		UNION ALL
		(SELECT false, p.value, CASE WHEN $11 = 2 THEN coalesce((SELECT m.display_name FROM member m
				WHERE m.organization_id = $1 AND m.member_id = p.value), '') ELSE '' END,
			p.starts_at, p.ends_at, p.balance, ` + usageMeasures + `
		FROM (SELECT g.*, CASE WHEN $22 THEN -(g.allowance_micros + g.pool_micros + g.overrun_micros) END AS rank
				FROM grouped g ORDER BY rank, g.starts_at, g.value COLLATE "C" LIMIT $20 OFFSET $19) p
		ORDER BY p.rank, p.starts_at, p.value COLLATE "C")`

	// labelRange is the range of a label's values: what comes next after an equals sign is a greater-than sign.
	labelRange = `AND r.value >= $12 AND r.value < left($12, -1) || '>'`

	// reportSettings give a report memory for its groups, leave the other cores to the turns, and give it nearly as long as a
	// call has by default.
	reportSettings = `SET LOCAL work_mem = '64MB'; SET LOCAL max_parallel_workers_per_gather = 0;
		SET LOCAL statement_timeout = '8s'`
)

var (
	reportAll   = strings.ReplaceAll(reportUsage, "{range}", "")
	reportLabel = strings.ReplaceAll(reportUsage, "{range}", labelRange)
)

// labelPrefix is how the values of a label begin: see rollUpUsage.
func labelPrefix(key string) string {
	return strings.NewReplacer(`\`, `\\`, `=`, `\=`).Replace(key) + "="
}

// dimensions are where the rows of each grouping are rolled up.
var dimensions = map[meter.UsageGrouping]int16{
	meter.UsageByMember: dimensionMember, meter.UsageByModel: dimensionModel, meter.UsageByDay: dimensionTotal,
	meter.UsageByConversation: dimensionConversation, meter.UsageByLabel: dimensionLabel,
}

// Usage reports what an organization's turns used: from what is rolled up where a whole day lies in the span, and from the
// raw rows at its ragged ends and where nothing is rolled up yet. So it is exact, whether or not anybody rolls up.
func (s *Store) Usage(ctx context.Context, q meter.UsageQuery) (report meter.UsageReport, err error) {
	err = s.inSnapshot(ctx, func(tx pgx.Tx) error {
		u, err := s.openUsage(ctx, tx, q.OrganizationID, q.Span, q.AsOf)
		if err != nil {
			return err
		}
		report, err = u.report(ctx, q)
		return err
	})
	return report, err
}

// usage is a span of an organization's life at a mark, parted into what is rolled up and what is not.
type usage struct {
	tx   pgx.Tx
	mark mark
	span meter.Span
	asOf meter.UsageMark

	whole []usageDay  // All that happened on them lies in the span, before the mark, and is rolled up.
	raw   stretches   // All else in the span.
	days  []meter.Day // In which the raw rows lie, and maybe others.
}

// openUsage parts a span. Of a zero span each end is that of the running period; of a zero mark each source is read to its
// end.
func (s *Store) openUsage(
	ctx context.Context, tx pgx.Tx, organizationID string, span meter.Span, asOf meter.UsageMark,
) (*usage, error) {
	u := &usage{tx: tx, span: span, asOf: asOf}
	if err := u.mark.read(ctx, tx, s.sql.mark, organizationID); err != nil {
		return nil, err
	}
	period := u.mark.organization.Calendar.PeriodAt(u.mark.now)
	if u.span.Start.IsZero() {
		u.span.Start = period.Start
	}
	if u.span.End.IsZero() {
		u.span.End = period.End
	}
	if u.asOf == (meter.UsageMark{}) {
		u.asOf = u.mark.head
	}
	known, err := daysNear(ctx, tx, organizationID, u.span)
	if err != nil {
		return nil, err
	}
	u.part(known)
	hours, err := hoursOf(ctx, tx, organizationID, &u.raw)
	if err != nil {
		return nil, err
	}
	u.days = cover(u.mark.organization.Calendar, known, hours)
	return u, nil
}

// part parts known days into whole ones and ragged ones. Beyond the watermark everything is raw.
func (u *usage) part(known []usageDay) {
	for _, d := range known {
		switch {
		case !d.first.Before(u.span.End) || d.last.Before(u.span.Start):
		case !d.first.Before(u.span.Start) && d.last.Before(u.span.End) && d.lastLedger <= u.asOf.Ledger &&
			d.lastUncharged <= u.asOf.Uncharged:
			u.whole = append(u.whole, d)
		default:
			u.raw.add(
				meter.UsageMark{Ledger: d.firstLedger - 1, Uncharged: d.firstUncharged - 1},
				meter.UsageMark{Ledger: min(d.lastLedger, u.asOf.Ledger), Uncharged: min(d.lastUncharged, u.asOf.Uncharged)},
				meter.Span{Start: later(d.Start, u.span.Start), End: earlier(d.End, u.span.End)})
		}
	}
	u.raw.add(u.mark.rolledUp, u.asOf, u.span)
}

// report reads a page of rows, with the sums of all.
func (u *usage) report(ctx context.Context, q meter.UsageQuery) (meter.UsageReport, error) {
	rows, totals, err := u.rows(ctx, q)
	report := meter.UsageReport{
		Rows: rows, Totals: totals, Span: u.span, Zone: u.mark.organization.Calendar.Anchor.Zone,
		Unit: u.mark.organization.Unit, AsOf: u.asOf,
	}
	if err == nil && q.Grouping == meter.UsageByLabel {
		_, report.Totals, err = u.rows(ctx, meter.UsageQuery{Grouping: meter.UsageByDay})
		report.Unlabelled = report.Totals.Less(totals)
	}
	return report, err
}

// rows reads the rows of a grouping from Offset on, at most Limit of them, and the sum of all.
func (u *usage) rows(ctx context.Context, q meter.UsageQuery) ([]meter.UsageRow, meter.UsageFigures, error) {
	sql, prefix := reportAll, ""
	if q.Grouping == meter.UsageByLabel {
		sql, prefix = reportLabel, labelPrefix(q.LabelKey)
	}
	starts, ends, dates := dayColumns(u.days)
	whole := u.wholeColumns()
	arguments := append(u.raw.arguments(u.mark.organization.ID), starts, ends, dates, dimensions[q.Grouping], prefix,
		whole.starts, whole.ends, whole.dates, whole.sequences, whole.balances, q.Grouping == meter.UsageByDay, q.Offset,
		q.Limit, q.LabelKey, q.ByCost)
	var totals meter.UsageFigures
	found, err := collect(ctx, u.tx, (*usageRow).targets, sql, arguments...)
	rows := make([]meter.UsageRow, 0, len(found))
	for _, r := range found {
		if r.grand {
			totals = r.UsageFigures
		} else {
			rows = append(rows, r.UsageRow)
		}
	}
	return rows, totals, err
}

// usageRow is a row of a report, or the sum of them all.
type usageRow struct {
	grand bool
	meter.UsageRow
}

func (r *usageRow) targets() []any {
	targets := []any{
		&r.grand, &r.Value, &r.DisplayName,
		instant{&r.Day.Start},
		instant{&r.Day.End},
		&r.Balance,
	}
	return append(targets, figureTargets(&r.UsageFigures)...)
}

// wholeDays are the whole days as arrays, column by column.
type wholeDays struct {
	starts, ends        []time.Time
	dates               []pgtype.Date
	sequences, balances []*int64
}

func (u *usage) wholeColumns() (c wholeDays) {
	days := make([]meter.Day, len(u.whole))
	for i, d := range u.whole {
		days[i] = d.Day
		var sequence *int64
		if d.balance != nil {
			sequence = &u.whole[i].lastLedger
		}
		c.sequences, c.balances = append(c.sequences, sequence), append(c.balances, d.balance)
	}
	c.starts, c.ends, c.dates = dayColumns(days)
	return c
}

// inSnapshot reads in one snapshot of the database.
func (s *Store) inSnapshot(ctx context.Context, do func(tx pgx.Tx) error) error {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return fault(pgx.BeginTxFunc(ctx, s.readers, snapshot, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, reportSettings); err != nil {
			return err
		}
		return do(tx)
	}))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
