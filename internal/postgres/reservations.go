package postgres

import (
	"context"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	readReservations = `SELECT ` + reservationColumns + ` FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id < $2 AND r.reservation_id >= $3 AND ($4::smallint = 0 OR r.state = $4)
		ORDER BY r.reservation_id DESC LIMIT $5`
	readReservationsOf = `SELECT ` + reservationColumns + ` FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id < $2 AND r.reservation_id >= $3 AND ($4::smallint = 0 OR r.state = $4)
			AND r.member_id = $6
		ORDER BY r.reservation_id DESC LIMIT $5`

	// readReach finds the last reservation that a page may look at, and the one after it: without that, all may be looked at.
	readReach = `SELECT r.reservation_id FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id < $2
		ORDER BY r.reservation_id DESC OFFSET $3 - 1 LIMIT 2`
	readReachOf = `SELECT r.reservation_id FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id < $2 AND r.member_id = $4
		ORDER BY r.reservation_id DESC OFFSET $3 - 1 LIMIT 2`

	// readOpenIDs looks at the reservations that expire at next_due_at or later, and so at every open one: a hold that expires
	// before that moment moves it there, and it moves on only past those that were looked at and given back (see loadFrame), in
	// the same transaction. Where next_due_at is NULL none is open. It tells how many it looked at, $5 at most, and the newest
	// open ones among them, $4 at most. The order lets an index do the search however many the planner expects.
	readOpenIDs = `SELECT count(*), coalesce((array_agg(w.reservation_id ORDER BY w.reservation_id DESC)
			FILTER (WHERE w.state = 1 AND w.reservation_id < $2 AND ($3 = '' OR w.member_id = $3)))[1:$4], '{}')
		FROM organization o CROSS JOIN LATERAL (
			SELECT r.reservation_id, r.member_id, r.state FROM reservation r
			WHERE r.organization_id = o.organization_id AND r.expires_at > '-infinity' AND r.expires_at >= o.next_due_at
			ORDER BY r.expires_at LIMIT $5) w
		WHERE o.organization_id = $1`

	// readOpen leaves out what was settled since its id was read.
	readOpen = `SELECT ` + reservationColumns + ` FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id = ANY($2::uuid[]) AND r.state = 1 ORDER BY r.reservation_id DESC`
)

// lastUUID is above every UUID that is made.
var lastUUID = meter.UUID{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}

// Reservations lists an organization's reservations, newest first. Where they are narrowed by state it looks at so many of
// them at most, and says where to go on. The open ones it finds among those that have not fallen due, if these are no more
// than that: else, in an organization that reserves more within its turns' time to live, it comes to them like to others.
func (s *Store) Reservations(ctx context.Context, q meter.ReservationQuery) (meter.ReservationPage, error) {
	if q.Before == (meter.UUID{}) {
		q.Before = lastUUID
	}
	page, found, err := s.openReservations(ctx, q)
	if err == nil && !found {
		page, err = s.nearReservations(ctx, q)
	}
	if err != nil || len(page.Reservations) == 0 && page.Next == (meter.UUID{}) {
		return meter.ReservationPage{}, s.orNoOrganization(ctx, err, q.OrganizationID)
	}
	return page, nil
}

// openReservations is a page of the open ones, if that is asked for and few enough have not fallen due.
func (s *Store) openReservations(ctx context.Context, q meter.ReservationQuery) (page meter.ReservationPage, found bool, err error) {
	if q.State != meter.Held {
		return page, false, nil
	}
	var looked int
	var ids []meter.UUID
	err = s.readers.QueryRow(ctx, readOpenIDs, q.OrganizationID, q.Before, q.MemberID, q.Limit+1, s.config.EntriesLooked+1).
		Scan(&looked, &ids)
	if err != nil || looked > s.config.EntriesLooked {
		return page, false, fault(err)
	}
	if len(ids) > q.Limit {
		ids = ids[:q.Limit]
		page.Next = ids[q.Limit-1]
	}
	if len(ids) > 0 {
		page.Reservations, err = list(ctx, s, reservationTargets, readOpen, q.OrganizationID, ids)
	}
	return page, true, err
}

// nearReservations is a page of those that a query comes to first.
func (s *Store) nearReservations(ctx context.Context, q meter.ReservationQuery) (page meter.ReservationPage, err error) {
	reach, err := s.reach(ctx, q)
	if err != nil {
		return page, err
	}
	sql, args := readReservations, []any{q.OrganizationID, q.Before, reach, int16(q.State), q.Limit + 1}
	if q.MemberID != "" {
		sql, args = readReservationsOf, append(args, q.MemberID)
	}
	page.Reservations, err = list(ctx, s, reservationTargets, sql, args...)
	page.Next = reach
	if len(page.Reservations) > q.Limit {
		page.Reservations = page.Reservations[:q.Limit]
		page.Next = page.Reservations[q.Limit-1].ID
	}
	return page, err
}

// reach is the last reservation that a page may look at; zero: all of them.
func (s *Store) reach(ctx context.Context, q meter.ReservationQuery) (last meter.UUID, err error) {
	if q.State == 0 {
		return last, nil
	}
	sql, args := readReach, []any{q.OrganizationID, q.Before, s.config.EntriesLooked}
	if q.MemberID != "" {
		sql, args = readReachOf, append(args, q.MemberID)
	}
	ids, err := list(ctx, s, func(id *meter.UUID) []any { return []any{id} }, sql, args...)
	if len(ids) == 2 {
		last = ids[0]
	}
	return last, err
}
