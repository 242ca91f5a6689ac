package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	receiptColumns = reservationColumns + `, coalesce(r.estimate_tokens, '{}'), r.allowance_room_micros IS NOT NULL,
		coalesce(r.allowance_room_micros, 0), coalesce(r.pool_available_micros, 0), coalesce(r.access_kind, 0::smallint),
		coalesce(r.access_cap_micros, 0), coalesce(r.cap_used_micros, 0), r.settled_access_kind IS NOT NULL,
		coalesce(r.settled_access_kind, 0::smallint), coalesce(r.settled_access_cap_micros, 0),
		coalesce(r.settled_cap_used_micros, 0)`
	readReceipt = `SELECT ` + receiptColumns + ` FROM reservation r
		WHERE r.organization_id = $1 AND r.reservation_id = $2`
	readRequested = `SELECT ` + receiptColumns + ` FROM reservation r
		WHERE r.organization_id = $1 AND r.request_id = $2`
	readRefusalsOf = `SELECT ` + refusalColumns + ` FROM uncharged_turn u
		WHERE u.organization_id = $1 AND u.request_id = $2 AND u.outcome = 4 AND ($3 = '' OR u.member_id = $3)
		ORDER BY u.sequence DESC LIMIT $4`
	readExtensionsOf = `SELECT x.request_id, x.reservation_id, x.at, x.additional_micros, x.expires_at,
			(sum(x.additional_micros) OVER ())::bigint
		FROM extension x WHERE x.organization_id = $1 AND x.reservation_id = $2 ORDER BY x.at, x.request_id LIMIT $3`
	readExpiry = `SELECT u.at FROM uncharged_turn u
		WHERE u.organization_id = $1 AND u.reservation_id = $2 AND u.outcome = 3`
	readCharges = `SELECT ` + entryColumns + ` FROM ledger_entry l
		WHERE l.organization_id = $1 AND l.reservation_id = $2 AND l.kind IN (3, 4) ORDER BY l.sequence`
)

// Turn answers all that is on record of a turn, as of one moment. A turn that is not there, or is another member's than the
// query says, is refused with ReservationNotFound.
func (s *Store) Turn(ctx context.Context, q meter.TurnQuery) (meter.TurnRecord, error) {
	var record meter.TurnRecord
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.readers, snapshot, func(tx pgx.Tx) (err error) {
		record, err = turnReader{s, tx, q}.read(ctx)
		return err
	})
	var refusal *meter.Refusal
	if errors.As(err, &refusal) && refusal.Reason == meter.ReservationNotFound {
		return record, cmp.Or(s.orNoOrganization(ctx, nil, q.OrganizationID), err)
	}
	return record, fault(err)
}

// turnReader reads one turn, within a transaction.
type turnReader struct {
	store *Store
	tx    pgx.Tx
	query meter.TurnQuery
}

func (t turnReader) read(ctx context.Context) (meter.TurnRecord, error) {
	var record meter.TurnRecord
	var err error
	if record.Reservation, err = t.reservation(ctx); err != nil {
		return record, err
	}
	if err := t.refusals(ctx, &record); err != nil {
		return record, err
	}
	var member string
	switch {
	case record.Reservation != nil:
		member = record.Reservation.MemberID
	case len(record.Refusals) > 0:
		member = record.Refusals[0].MemberID
	default:
		return record, t.missing()
	}
	if err := t.seat(ctx, member, &record); err != nil || record.Reservation == nil {
		return record, err
	}
	err = errors.Join(t.extensions(ctx, &record), t.ends(ctx, &record))
	return record, err
}

func (t turnReader) missing() error {
	if t.query.RequestID != "" {
		return missing(meter.ReservationNotFound, "request_id", t.query.RequestID)
	}
	return missing(meter.ReservationNotFound, "reservation_id", meter.UUIDString(t.query.ReservationID))
}

// reservation is the turn that ran; nil if none did, or none that the query may see.
func (t turnReader) reservation(ctx context.Context) (*meter.Reservation, error) {
	sql, key := readReceipt, any(t.query.ReservationID)
	if t.query.RequestID != "" {
		sql, key = readRequested, t.query.RequestID
	}
	var row receiptRow
	err := t.tx.QueryRow(ctx, sql, t.query.OrganizationID, key).Scan(row.targets()...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // A turn that never ran may still have been refused.
	case err != nil:
		return nil, err
	case t.query.MemberID != "" && t.query.MemberID != row.MemberID:
		return nil, nil //nolint:nilnil // It is as if it were not there.
	}
	return row.reservation(), nil
}

// refusals adds the attempts of one member: of who ran the turn, of whom the query names, or else of who tried last.
func (t turnReader) refusals(ctx context.Context, record *meter.TurnRecord) error {
	request, member := t.query.RequestID, t.query.MemberID
	if r := record.Reservation; r != nil {
		request, member = r.RequestID, r.MemberID
	}
	if request == "" {
		return nil
	}
	found, err := collect(ctx, t.tx, refusalTargets, readRefusalsOf, t.query.OrganizationID, request, member, t.query.Limit+1)
	if err != nil || len(found) == 0 {
		return err
	}
	if member == "" {
		last := found[0].MemberID
		found = slices.DeleteFunc(found, func(u meter.Uncharged) bool { return u.MemberID != last })
	}
	record.MoreRefusals = len(found) > t.query.Limit
	record.Refusals = found[:min(len(found), t.query.Limit)]
	slices.Reverse(record.Refusals)
	return nil
}

// seat adds the member's seat as it is now.
func (t turnReader) seat(ctx context.Context, member string, record *meter.TurnRecord) error {
	var o organizationRow
	targets := append(append([]any{instant{&record.Now}}, o.targets()...), planTargets(&record.Plan)...)
	err := t.tx.QueryRow(ctx, t.store.sql.meter, t.query.OrganizationID, member).
		Scan(append(targets, memberTargets(&record.Member)...)...)
	if err != nil {
		return err
	}
	record.Organization, err = o.organization()
	return err
}

func (t turnReader) extensions(ctx context.Context, record *meter.TurnRecord) error {
	targets := func(x *meter.Extension) []any {
		return []any{
			&x.RequestID,
			identifier{&x.ReservationID},
			instant{&x.At},
			(*int64)(&x.Additional),
			instant{&x.ExpiresAt},
			(*int64)(&record.Added),
		}
	}
	found, err := collect(ctx, t.tx, targets, readExtensionsOf, t.query.OrganizationID, record.Reservation.ID, t.query.Limit+1)
	record.MoreExtensions = len(found) > t.query.Limit
	record.Extensions = found[:min(len(found), t.query.Limit)]
	return err
}

// ends adds what the turn's end left elsewhere: the charges in the ledger, and when it had expired if it was late.
func (t turnReader) ends(ctx context.Context, record *meter.TurnRecord) (err error) {
	r := record.Reservation
	if record.Entries, err = collect(ctx, t.tx, entryTargets, readCharges, t.query.OrganizationID, r.ID); err != nil || !r.Late {
		return err
	}
	instants, err := collect(ctx, t.tx, func(at *time.Time) []any { return []any{instant{at}} }, readExpiry, t.query.OrganizationID, r.ID)
	if len(instants) > 0 {
		record.ExpiredAt = instants[0]
	}
	return err
}

// receiptRow is a reservation with what a batch does not load of it.
type receiptRow struct {
	meter.Reservation

	seen     meter.Sight
	left     meter.Remains
	saw, was bool // Whether what Reserve saw, and what the settlement left, is on record.
}

func (r *receiptRow) targets() []any {
	return append(reservationTargets(&r.Reservation),
		(*tokensColumn)(&r.seen.Expected), &r.saw, (*int64)(&r.seen.AllowanceRoom), (*int64)(&r.seen.PoolAvailable),
		(*int16)(&r.seen.Access.Kind), (*int64)(&r.seen.Access.Cap), (*int64)(&r.seen.CapUsed),
		&r.was, (*int16)(&r.left.Access.Kind), (*int64)(&r.left.Access.Cap), (*int64)(&r.left.CapUsed))
}

func (r *receiptRow) reservation() *meter.Reservation {
	if r.saw {
		r.Seen = &r.seen
	}
	if r.was {
		r.Left = &r.left
	}
	return &r.Reservation
}

// tokensColumn is tokens by class as a column has them in JSON.
type tokensColumn struct {
	Input       int64 `json:"input,omitzero"`
	CachedInput int64 `json:"cached_input,omitzero"`
	CacheWrite  int64 `json:"cache_write,omitzero"`
	Output      int64 `json:"output,omitzero"`
	Reasoning   int64 `json:"reasoning,omitzero"`
}
