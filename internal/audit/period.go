package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

// readPeriods tells of each period that turns belong to, of each organization, when the first and the last of its turns
// were reserved. It leaves out those reserved before the oldest anchor that is remembered took over.
const readPeriods = `
	SELECT o.organization_id, o.anniversary, o.time_zone, o.anchor_from, coalesce(o.prior_anniversary, o.anniversary),
		coalesce(o.prior_time_zone, o.time_zone), o.prior_from, r.period_start, min(r.created_at), max(r.created_at)
	FROM reservation r JOIN organization o ON o.organization_id = r.organization_id
	WHERE r.created_at >= coalesce(o.prior_from, o.anchor_from, '-infinity')
		AND ($1::text IS NULL OR r.organization_id = $1)
	GROUP BY o.organization_id, r.period_start
	ORDER BY o.organization_id, r.period_start`

// periodRow is a period that turns say they belong to.
type periodRow struct {
	organization            string
	date, priorDate         time.Time
	zone, priorZone         string
	from, priorFrom         *time.Time
	start, earliest, latest time.Time
}

// checkPeriods checks that turns belong to the month in which they were reserved. A month is one stretch of time, so
// those between the first and the last of a period's turns do if these two do.
func (a *audit) checkPeriods(ctx context.Context) error {
	if a.report.TestClock {
		return nil
	}
	rows, err := a.tx.Query(ctx, readPeriods, a.organization)
	if err != nil {
		return fmt.Errorf("reading the turns' periods: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		p, err := scanPeriod(rows)
		if err != nil {
			return fmt.Errorf("reading the turns' periods: %w", err)
		}
		a.checkPeriod(p)
	}
	return rows.Err()
}

func scanPeriod(rows pgx.Rows) (periodRow, error) {
	var p periodRow
	err := rows.Scan(&p.organization, &p.date, &p.zone, &p.from, &p.priorDate, &p.priorZone, &p.priorFrom, &p.start,
		&p.earliest, &p.latest)
	return p, err
}

func (a *audit) checkPeriod(p periodRow) {
	found := Finding{Promise: "period_is_of_the_calendar", Organization: p.organization, Period: p.start.UTC()}
	calendar, err := p.calendar()
	if err != nil {
		found.Expected, found.Found = "a known time zone", err.Error()
		a.add(found)
		return
	}
	for _, created := range []time.Time{p.earliest, p.latest} {
		if month := calendar.PeriodAt(created); !month.Start.Equal(p.start) {
			found.Expected = fmt.Sprintf("period %s of a turn of %s", stamp(month.Start), stamp(created))
			found.Found = "period " + stamp(p.start)
			a.add(found)
			return
		}
	}
}

// calendar is the organization's. Where the anchor never changed, the one before is the same, and means nothing.
func (p periodRow) calendar() (meter.Calendar, error) {
	zone, err := meter.LoadZone(p.zone)
	if err != nil {
		return meter.Calendar{}, err
	}
	priorZone, err := meter.LoadZone(p.priorZone)
	if err != nil {
		return meter.Calendar{}, err
	}
	return meter.Calendar{
		Anchor: meter.Anchor{Date: meter.DateOf(p.date, time.UTC), Zone: zone}, From: orZero(p.from),
		Prior: meter.Anchor{Date: meter.DateOf(p.priorDate, time.UTC), Zone: priorZone}, PriorFrom: orZero(p.priorFrom),
	}, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
