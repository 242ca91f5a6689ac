package faults

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// books are what the service says of an organization once nothing is under way any more.
type books struct {
	reservations []*meterv1.Reservation
	entries      []*meterv1.LedgerEntry
	listed       []*meterv1.AccessChange
	// changes are as the database has them: the service does not list those that set what was set already.
	changes []*meterv1.AccessChange
}

// listed is how many items are asked for at a time.
const listed = 1000

// readBooks reads everything there is of a firm.
func readBooks(ctx context.Context, r *replica, firm string) (b books, err error) {
	b.reservations, err = pages(func(token string) ([]*meterv1.Reservation, string, error) {
		page, err := r.metering.ListReservations(ctx,
			&meterv1.ListReservationsRequest{OrganizationId: firm, PageSize: listed, PageToken: token}, grpc.WaitForReady(true))
		return page.GetReservations(), page.GetNextPageToken(), err
	})
	entries, entriesErr := pages(func(token string) ([]*meterv1.LedgerEntry, string, error) {
		page, err := r.pools.ListLedgerEntries(ctx,
			&meterv1.ListLedgerEntriesRequest{OrganizationId: firm, PageSize: listed, PageToken: token}, grpc.WaitForReady(true))
		return page.GetEntries(), page.GetNextPageToken(), err
	})
	changes, changesErr := pages(func(token string) ([]*meterv1.AccessChange, string, error) {
		page, err := r.pools.ListAccessChanges(ctx,
			&meterv1.ListAccessChangesRequest{OrganizationId: firm, PageSize: listed, PageToken: token}, grpc.WaitForReady(true))
		return page.GetChanges(), page.GetNextPageToken(), err
	})
	b.entries, b.listed = entries, changes
	if err := errors.Join(err, entriesErr, changesErr); err != nil {
		return b, err
	}
	b.changes, err = r.world.database.changes(ctx, firm)
	return b, err
}

// changes are all changes of access of a firm, in order of their times.
func (d *database) changes(ctx context.Context, firm string) ([]*meterv1.AccessChange, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT member_id, at, before_kind, before_cap_micros, after_kind, after_cap_micros
		FROM access_change WHERE organization_id = $1 ORDER BY at, change_id`, firm)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*meterv1.AccessChange, error) {
		before, after := &meterv1.Access{}, &meterv1.Access{}
		change := &meterv1.AccessChange{OrganizationId: firm, Before: before, After: after}
		var at time.Time
		err := row.Scan(&change.MemberId, &at, &before.Kind, &before.CapMicros, &after.Kind, &after.CapMicros)
		change.At = timestamppb.New(at)
		return change, err
	})
}

// pages reads all pages of a list.
func pages[T any](page func(token string) ([]T, string, error)) (all []T, err error) {
	for token, first := "", true; first || token != ""; first = false {
		var some []T
		if some, token, err = page(token); err != nil {
			return all, err
		}
		all = append(all, some...)
	}
	return all, nil
}
