package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	readPlan  = `SELECT ` + planColumns + ` FROM plan p WHERE p.plan_id = $1`
	readPlans = `SELECT ` + planColumns + ` FROM plan p WHERE p.plan_id > $1 ORDER BY p.plan_id LIMIT $2`

	readOrganization  = `SELECT ` + organizationColumns + ` FROM organization o WHERE o.organization_id = $1`
	readOrganizations = `SELECT ` + organizationColumns + ` FROM organization o
		WHERE o.organization_id > $1 ORDER BY o.organization_id LIMIT $2`

	readSeat = `SELECT {now}, ` + organizationColumns + `, ` + planColumns + `, ` + memberColumns + `
		FROM organization o JOIN plan p ON p.plan_id = o.plan_id
			JOIN member m ON m.organization_id = o.organization_id AND m.member_id = $2
		WHERE o.organization_id = $1`

	readReservation = `SELECT ` + reservationColumns + ` FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id = $2`
	// readAccessChanges goes by the database's clock: ids are made before the organization is locked, on clocks that differ.
	readAccessChanges = `SELECT c.change_id, c.member_id, c.at, c.actor, c.before_kind, c.before_cap_micros, c.after_kind,
			c.after_cap_micros
		FROM access_change c WHERE c.organization_id = $1 AND ($2 = '' OR c.member_id = $2) AND c.at > '-infinity'
			AND (c.at, c.change_id) > (coalesce((SELECT a.at FROM access_change a
				WHERE a.organization_id = $1 AND a.change_id = $3), '-infinity'), $3::uuid)
			AND (c.before_kind, c.before_cap_micros) <> (c.after_kind, c.after_cap_micros)
		ORDER BY c.at, c.change_id LIMIT $4`
)

// Plan answers one plan.
func (s *Store) Plan(ctx context.Context, id string) (meter.Plan, error) {
	var p meter.Plan
	err := s.readers.QueryRow(ctx, readPlan, id).Scan(planTargets(&p)...)
	return p, orMissing(err, meter.PlanNotFound, "plan_id", id)
}

// Plans lists plans in order of id.
func (s *Store) Plans(ctx context.Context, after string, limit int) ([]meter.Plan, error) {
	return list(ctx, s, planTargets, readPlans, after, limit)
}

// Organization answers one organization with its pool.
func (s *Store) Organization(ctx context.Context, id string) (meter.Organization, error) {
	var row organizationRow
	if err := s.readers.QueryRow(ctx, readOrganization, id).Scan(row.targets()...); err != nil {
		return meter.Organization{}, orMissing(err, meter.OrganizationNotFound, "organization_id", id)
	}
	return row.organization()
}

// Organizations lists organizations in order of id.
func (s *Store) Organizations(ctx context.Context, after string, limit int) ([]meter.Organization, error) {
	rows, err := list(ctx, s, (*organizationRow).targets, readOrganizations, after, limit)
	if err != nil {
		return nil, err
	}
	organizations := make([]meter.Organization, len(rows))
	for i := range rows {
		if organizations[i], err = rows[i].organization(); err != nil {
			return nil, err
		}
	}
	return organizations, nil
}

// Meter answers a seat's meter as it stands now.
func (s *Store) Meter(ctx context.Context, organizationID, memberID string) (meter.Meter, error) {
	f, m, err := s.seat(ctx, organizationID, memberID)
	if err != nil {
		return meter.Meter{}, err
	}
	return meter.MeterOf(f.organization, f.plan, m, f.now), nil
}

// Member answers one member as it stands now.
func (s *Store) Member(ctx context.Context, organizationID, memberID string) (meter.MemberView, error) {
	f, m, err := s.seat(ctx, organizationID, memberID)
	if err != nil {
		return meter.MemberView{}, err
	}
	return meter.ViewOf(f.organization, f.plan, m, f.now), nil
}

func (s *Store) seat(ctx context.Context, organizationID, memberID string) (firm, meter.Member, error) {
	f, m, err := s.seatIn(ctx, s.readers, organizationID, memberID)
	if err != nil {
		return f, m, s.noMember(ctx, err, organizationID, memberID)
	}
	return f, m, nil
}

// asked is what answers a query: all readers, or one in a transaction.
type asked interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// seatIn is a seat as it stands in what is asked.
func (s *Store) seatIn(ctx context.Context, in asked, organizationID, memberID string) (f firm, m meter.Member, err error) {
	var row organizationRow
	targets := append(append([]any{instant{&f.now}}, row.targets()...), planTargets(&f.plan)...)
	err = in.QueryRow(ctx, s.sql.seat, organizationID, memberID).Scan(append(targets, memberTargets(&m)...)...)
	if err != nil {
		return f, m, err
	}
	if f.organization, err = row.organization(); err != nil {
		return f, m, &unreadable{err}
	}
	return f, m, nil
}

// Reservation answers one reservation as it stands now.
func (s *Store) Reservation(ctx context.Context, organizationID string, id meter.UUID) (meter.Reservation, error) {
	var r meter.Reservation
	err := s.readers.QueryRow(ctx, readReservation, organizationID, id).Scan(reservationTargets(&r)...)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := s.orNoOrganization(ctx, nil, organizationID); err != nil {
			return r, err
		}
	}
	return r, orMissing(err, meter.ReservationNotFound, "reservation_id", meter.UUIDString(id))
}

// AccessChanges lists who changed whose access, oldest first.
func (s *Store) AccessChanges(
	ctx context.Context, organizationID, memberID string, after meter.UUID, limit int,
) ([]meter.AccessChange, error) {
	targets := func(c *meter.AccessChange) []any {
		return []any{
			&c.ID, &c.MemberID,
			instant{&c.At},
			&c.Actor, (*int16)(&c.Before.Kind), (*int64)(&c.Before.Cap),
			(*int16)(&c.After.Kind), (*int64)(&c.After.Cap),
		}
	}
	rows, err := list(ctx, s, targets, readAccessChanges, organizationID, memberID, after, limit)
	if err != nil || len(rows) == 0 {
		return nil, s.orNoOrganization(ctx, err, organizationID)
	}
	return rows, nil
}

// list reads all rows of a query.
func list[R any](ctx context.Context, s *Store, targets func(*R) []any, sql string, args ...any) ([]R, error) {
	all, err := collect(ctx, s.readers, targets, sql, args...)
	return all, fault(err)
}

// querier is what a query is sent to: the readers, or a transaction of one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// collect is list wherever the query is sent, with the database's error as it is.
func collect[R any](ctx context.Context, q querier, targets func(*R) []any, sql string, args ...any) ([]R, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []R
	err = each(rows, func() error {
		var r R
		if err := rows.Scan(targets(&r)...); err != nil {
			return err
		}
		all = append(all, r)
		return nil
	})
	return all, err
}

// orMissing turns a query without a row into a refusal.
func orMissing(err error, reason meter.Reason, name, id string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return missing(reason, name, id)
	}
	return fault(err)
}

// noMember says whether it was the organization or the member that was not found.
func (s *Store) noMember(ctx context.Context, err error, organizationID, memberID string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		if err := s.orNoOrganization(ctx, nil, organizationID); err != nil {
			return err
		}
	}
	return orMissing(err, meter.MemberNotFound, "member_id", memberID)
}

// orNoOrganization passes an error on; without one it refuses an organization that does not exist.
func (s *Store) orNoOrganization(ctx context.Context, err error, id string) error {
	if err == nil {
		_, err = s.Organization(ctx, id)
	}
	return err
}
