package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// readFirst finds when an organization's first entry was made, of either source.
	readFirst = `SELECT least(
			(SELECT l.at FROM ledger_entry l WHERE l.organization_id = $1 AND l.sequence = 1),
			(SELECT u.at FROM uncharged_turn u WHERE u.organization_id = $1 AND u.sequence = 1))`

	readSeats = `SELECT ` + memberColumns + ` FROM member m WHERE m.organization_id = $1 AND m.state = 1`
)

// Runway estimates how long an organization's pool and allowances last, from the use of so many days.
func (s *Store) Runway(ctx context.Context, organizationID string, days int) (runway meter.Runway, err error) {
	err = s.inSnapshot(ctx, func(tx pgx.Tx) error {
		runway, err = s.estimateRunway(ctx, tx, organizationID, days)
		return err
	})
	return runway, err
}

func (s *Store) estimateRunway(
	ctx context.Context, tx pgx.Tx, organizationID string, days int,
) (meter.Runway, error) {
	var none meter.Runway
	var m mark
	if err := m.read(ctx, tx, s.sql.mark, organizationID); err != nil {
		return none, err
	}
	var first time.Time
	if err := tx.QueryRow(ctx, readFirst, organizationID).Scan(instant{&first}); err != nil {
		return none, err
	}
	if first.IsZero() {
		first = m.now
	}
	span, n := meter.RunwaySpan(m.organization.Calendar, m.now, days, first)
	u, err := s.openUsage(ctx, tx, organizationID, span, m.head)
	if err != nil {
		return none, err
	}
	_, totals, err := u.rows(ctx, meter.UsageQuery{Grouping: meter.UsageByDay})
	if err != nil {
		return none, err
	}
	var plan meter.Plan
	if err := tx.QueryRow(ctx, readPlan, m.organization.PlanID).Scan(planTargets(&plan)...); err != nil {
		return none, err
	}
	seats, err := u.seats(ctx, plan)
	basis := meter.RunwayBasis{Span: span, Days: n, Turns: totals.Turns + totals.Failed, Pool: totals.Pool, At: m.now}
	return meter.EstimateRunway(m.organization, plan, basis, seats), err
}

// seats are an organization's active seats as they stand, with what their turns cost.
func (u *usage) seats(ctx context.Context, plan meter.Plan) ([]meter.SeatUse, error) {
	costs, err := u.costs(ctx)
	if err != nil {
		return nil, err
	}
	organization := u.mark.organization
	members, err := collect(ctx, u.tx, memberTargets, readSeats, organization.ID)
	seats := make([]meter.SeatUse, 0, len(members))
	for _, member := range members {
		seats = append(seats, meter.SeatUse{
			Meter:       meter.MeterOf(organization, plan, member, u.mark.now),
			DisplayName: member.DisplayName, Cost: costs[member.ID],
		})
	}
	return seats, err
}
