package faults

import (
	"context"
	"errors"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// books are what the service says of an organization once nothing is under way any more.
type books struct {
	reservations []*meterv1.Reservation
	entries      []*meterv1.LedgerEntry
	changes      []*meterv1.AccessChange
}

// listed is how many items are asked for at a time.
const listed = 1000

// readBooks reads everything there is of a firm.
func readBooks(ctx context.Context, r *replica, firm string) (b books, err error) {
	b.reservations, err = pages(func(token string) ([]*meterv1.Reservation, string, error) {
		page, err := r.metering.ListReservations(ctx,
			&meterv1.ListReservationsRequest{OrganizationId: firm, PageSize: listed, PageToken: token})
		return page.GetReservations(), page.GetNextPageToken(), err
	})
	entries, entriesErr := pages(func(token string) ([]*meterv1.LedgerEntry, string, error) {
		page, err := r.pools.ListLedgerEntries(ctx,
			&meterv1.ListLedgerEntriesRequest{OrganizationId: firm, PageSize: listed, PageToken: token})
		return page.GetEntries(), page.GetNextPageToken(), err
	})
	changes, changesErr := pages(func(token string) ([]*meterv1.AccessChange, string, error) {
		page, err := r.pools.ListAccessChanges(ctx,
			&meterv1.ListAccessChangesRequest{OrganizationId: firm, PageSize: listed, PageToken: token})
		return page.GetChanges(), page.GetNextPageToken(), err
	})
	b.entries, b.changes = entries, changes
	return b, errors.Join(err, entriesErr, changesErr)
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
