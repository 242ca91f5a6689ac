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
	// reportDays has a row for each day: what is rolled up of whole days ($11 to $15), and the raw rows of stretches ($1 to $7)
	// in days ($8 to $10). It answers the sum of all days first, then $17 days after the first $16.
	reportDays = `
		WITH part AS (
			SELECT d.date, d.starts_at, d.ends_at, CASE WHEN d.sequence IS NOT NULL THEN ARRAY[d.sequence, d.balance] END AS closing,
				` + usageMeasures + `
			FROM unnest($11::timestamptz[], $12::timestamptz[], $13::date[], $14::bigint[], $15::bigint[])
					AS d (starts_at, ends_at, date, sequence, balance)
				LEFT JOIN LATERAL (SELECT ` + usageMeasures + ` FROM usage_rollup r
					WHERE r.organization_id = $1 AND r.dimension = 1 AND r.starts_at = d.starts_at OFFSET 0) u ON true
			UNION ALL
			SELECT ($10::date[])[e.day], ($8::timestamptz[])[e.day], ($9::timestamptz[])[e.day],
				CASE WHEN e.ledger_sequence IS NOT NULL THEN ARRAY[e.ledger_sequence, e.pool_balance_after_micros] END,
				` + usageMeasures + `
			FROM (SELECT r.*, width_bucket(r.at, $8::timestamptz[]) AS day FROM (` + rawUsage + `) r) e
		), days AS MATERIALIZED (
			SELECT date, starts_at, ends_at, (max(closing))[2] AS balance, ` + sumMeasures + `
			FROM part GROUP BY date, starts_at, ends_at
		)
		SELECT true, '', '', NULL::timestamptz, NULL::timestamptz, NULL::bigint, ` + totalMeasures + ` FROM days
		UNION ALL
		(SELECT false, to_char(d.date, 'YYYY-MM-DD'), '', d.starts_at, d.ends_at, d.balance, ` + usageMeasures + ` FROM days d
			ORDER BY CASE WHEN $18 THEN -(d.allowance_micros + d.pool_micros + d.overrun_micros) END, d.starts_at LIMIT $17 OFFSET $16)`

	// rankUsage is what the turns of each value of a dimension ($8) cost: from what is rolled up of whole days ($10), where
	// values begin with a label's prefix ($9), and from the raw rows of stretches ($1 to $7), for a label ($11) of those that
	// have it. It reads no more of what is rolled up than that: there are as many values as conversations. {range} narrows
	// values to those of a label.
	rankUsage = `
		WITH raw AS MATERIALIZED (
			SELECT v.value, ` + sumMeasures + `
			FROM (SELECT CASE $8::smallint WHEN 2 THEN e.member_id WHEN 3 THEN e.model WHEN 4 THEN e.conversation_id
						ELSE e.labels ->> $11 END AS value, ` + usageMeasures + `
					FROM (` + rawUsage + `) e WHERE e.member_id IS NOT NULL AND ($8 < 5 OR e.labels ? $11)) v
			GROUP BY v.value
		), ranked AS (
			SELECT c.value, sum(c.cost)::bigint AS cost
			FROM (SELECT w.value, w.allowance_micros + w.pool_micros + w.overrun_micros AS cost FROM raw w
				UNION ALL
				SELECT substr(u.value, 1 + length($9::text)), u.cost FROM unnest($10::timestamptz[]) AS d (starts_at) CROSS JOIN LATERAL (
					SELECT r.value, r.allowance_micros + r.pool_micros + r.overrun_micros AS cost FROM usage_rollup r
					WHERE r.organization_id = $1 AND r.dimension = $8 AND r.starts_at = d.starts_at {range} OFFSET 0) u) c
			GROUP BY c.value
		)`

	// reportValues has a row for each value of a dimension, ranked as rankUsage says. It answers the sum of all first, then $13
	// values after the first $12, whose figures it looks up by their keys.
	reportValues = rankUsage + `, page AS MATERIALIZED (
			SELECT r.value, CASE WHEN $14 THEN -r.cost END AS rank FROM ranked r ORDER BY rank, r.value COLLATE "C" LIMIT $13 OFFSET $12
		)
		SELECT true, '', '', NULL::timestamptz, NULL::timestamptz, NULL::bigint, ` + totalMeasures + `
		FROM (SELECT ` + usageMeasures + ` FROM raw
			UNION ALL
			SELECT ` + usageMeasures + ` FROM unnest($10::timestamptz[]) AS d (starts_at) CROSS JOIN LATERAL (
				SELECT ` + usageMeasures + ` FROM usage_rollup r WHERE r.organization_id = $1
					AND r.dimension = CASE $8 WHEN 5 THEN 5 ELSE 1 END AND r.starts_at = d.starts_at {range} OFFSET 0) u) f
		UNION ALL
		(SELECT false, f.value, CASE WHEN $8 = 2 THEN coalesce((SELECT m.display_name FROM member m
				WHERE m.organization_id = $1 AND m.member_id = f.value), '') ELSE '' END,
			NULL, NULL, NULL, ` + sumMeasures + `
		FROM (SELECT p.rank, p.value, ` + usageMeasures + ` FROM page p JOIN raw USING (value)
			UNION ALL
			SELECT p.rank, p.value, ` + usageMeasures + `
			FROM page p CROSS JOIN unnest($10::timestamptz[]) AS d (starts_at) CROSS JOIN LATERAL (
				SELECT ` + usageMeasures + ` FROM usage_rollup r WHERE r.organization_id = $1 AND r.dimension = $8
					AND r.starts_at = d.starts_at AND r.value = $9 || p.value OFFSET 0) u) f
		GROUP BY f.rank, f.value ORDER BY f.rank, f.value COLLATE "C")`

	readCosts = rankUsage + ` SELECT r.value, r.cost FROM ranked r`

	// labelRange is the range of a label's values: what comes next after an equals sign is a greater-than sign.
	labelRange = `AND r.value >= $9 AND r.value < left($9, -1) || '>'`
)

var (
	reportAll    = strings.ReplaceAll(reportValues, "{range}", "")
	reportLabel  = strings.ReplaceAll(reportValues, "{range}", labelRange)
	costsOfTurns = strings.ReplaceAll(readCosts, "{range}", "")
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
	var sql string
	var arguments []any
	switch q.Grouping {
	case meter.UsageByDay:
		starts, ends, dates := dayColumns(u.days)
		whole := u.wholeColumns()
		sql, arguments = reportDays, append(u.raw.arguments(u.mark.organization.ID), starts, ends, dates, whole.starts,
			whole.ends, whole.dates, whole.sequences, whole.balances)
	case meter.UsageByLabel:
		sql, arguments = reportLabel, u.rankArguments(q)
	default:
		sql, arguments = reportAll, u.rankArguments(q)
	}
	var totals meter.UsageFigures
	found, err := collect(ctx, u.tx, (*usageRow).targets, sql, append(arguments, q.Offset, q.Limit, q.ByCost)...)
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

// costs are what the turns of each member cost.
func (u *usage) costs(ctx context.Context) (map[string]meter.Micros, error) {
	type cost struct {
		member string
		micros meter.Micros
	}
	found, err := collect(ctx, u.tx, func(c *cost) []any { return []any{&c.member, &c.micros} }, costsOfTurns,
		u.rankArguments(meter.UsageQuery{Grouping: meter.UsageByMember})...)
	costs := make(map[string]meter.Micros, len(found))
	for _, c := range found {
		costs[c.member] = c.micros
	}
	return costs, err
}

// rankArguments are the eleven of rankUsage.
func (u *usage) rankArguments(q meter.UsageQuery) []any {
	prefix := ""
	if q.Grouping == meter.UsageByLabel {
		prefix = labelPrefix(q.LabelKey)
	}
	return append(u.raw.arguments(u.mark.organization.ID), dimensions[q.Grouping], prefix, u.wholeColumns().starts, q.LabelKey)
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

// mostRest is how long the connection of reports rests at most: whoever waited for a long report is still answered in time.
const mostRest = 3 * time.Second

// inSnapshot reads a report in one snapshot of the database. Then the connection rests for twice as long as that took: who asks
// without a pause takes a third of a processor from turns.
func (s *Store) inSnapshot(ctx context.Context, do func(tx pgx.Tx) error) error {
	conn, err := s.reports.Acquire(ctx)
	if err != nil {
		return fault(err)
	}
	began := time.Now()
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, snapshot, do)
	time.AfterFunc(min(2*time.Since(began), mostRest), conn.Release)
	return fault(err)
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
