package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// loadRefusals looks for what an earlier try of the same batch refused. Only a batch that is carried again asks.
	loadRefusals = `SELECT u.organization_id, u.attempt_id
		FROM unnest($1::text[], $2::text[], $3::uuid[]) AS k (organization_id, request_id, attempt_id) CROSS JOIN LATERAL (
			SELECT * FROM uncharged_turn e WHERE e.organization_id = k.organization_id AND e.request_id = k.request_id
				AND e.attempt_id = k.attempt_id AND e.outcome = 4 LIMIT 1) u`

	insertUncharged = `INSERT INTO uncharged_turn (organization_id, sequence, at, outcome, member_id, reservation_id)
		SELECT v.organization_id, v.sequence, $1::timestamptz, v.outcome, v.member_id, v.reservation_id
		FROM unnest($2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::uuid[])
			AS v (organization_id, sequence, outcome, member_id, reservation_id)`

	insertRefusals = `INSERT INTO uncharged_turn (organization_id, sequence, at, outcome, member_id, attempt_id, request_id,
			reason, model, conversation_id, turn_id, labels, estimate_micros, minimum_micros, allowance_room_micros,
			pool_available_micros, cap_room_micros, access_kind, period_start, resets_at, window_closes_at, price_book_id,
			price_book_version)
		SELECT v.organization_id, v.sequence, $1::timestamptz, 4, v.member_id, v.attempt_id, v.request_id, v.reason, v.model,
			v.conversation_id, v.turn_id, v.labels, v.estimate, v.minimum, v.allowance_room, v.pool_available, v.cap_room,
			v.access_kind, v.period_start, v.resets_at, v.window_closes_at, v.price_book_id, v.price_book_version
		FROM unnest($2::text[], $3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
			$10::text[], $11::jsonb[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
			$17::smallint[], $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $21::text[], $22::bigint[])
			AS v (organization_id, sequence, member_id, attempt_id, request_id, reason, model, conversation_id, turn_id, labels,
			estimate, minimum, allowance_room, pool_available, cap_room, access_kind, period_start, resets_at,
			window_closes_at, price_book_id, price_book_version)`

	refusalColumns = `u.sequence, u.at, u.outcome, u.member_id, u.attempt_id, u.request_id, u.reason, u.model,
		u.conversation_id, u.turn_id, u.labels, coalesce(u.estimate_micros, 0), coalesce(u.minimum_micros, 0),
		u.allowance_room_micros, u.pool_available_micros, coalesce(u.cap_room_micros, 0), u.access_kind, u.period_start,
		u.resets_at, u.window_closes_at, coalesce(u.price_book_id, ''), coalesce(u.price_book_version, 0)`
)

func (l *loader) queueRefusals(attempts []meter.Attempt) {
	if len(attempts) == 0 {
		return
	}
	type row = meter.Attempt
	l.batch.Queue(loadRefusals,
		column(attempts, func(a row) string { return a.OrganizationID }),
		column(attempts, func(a row) string { return a.RequestID }),
		column(attempts, func(a row) meter.UUID { return a.ID })).Query(l.readRefusals)
}

func (l *loader) readRefusals(rows pgx.Rows) error {
	return each(rows, func() error {
		var organization string
		var attempt meter.UUID
		if err := rows.Scan(&organization, &attempt); err != nil {
			return err
		}
		l.states[organization].RefusedBefore[attempt] = true
		return nil
	})
}

// uncharged adds the turns without a ledger entry: nothing is sent where there is none, as in most batches.
func (w *saver) uncharged() {
	var ended, refused []owned[meter.Uncharged]
	for id, s := range w.states {
		uncharged := s.Uncharged()
		for i := range uncharged {
			if row := (owned[meter.Uncharged]{id, &uncharged[i]}); row.row.Refused == nil {
				ended = append(ended, row)
			} else {
				refused = append(refused, row)
			}
		}
	}
	if len(ended) > 0 {
		w.queueUncharged(ended)
	}
	if len(refused) > 0 {
		w.queueRefusals(refused)
	}
}

func (w *saver) queueUncharged(rows []owned[meter.Uncharged]) {
	type row = owned[meter.Uncharged]
	w.batch.Queue(insertUncharged, w.now,
		column(rows, func(u row) string { return u.organization }),
		column(rows, func(u row) int64 { return u.row.Sequence }),
		column(rows, func(u row) int16 { return int16(u.row.Outcome) }),
		column(rows, func(u row) string { return u.row.MemberID }),
		column(rows, func(u row) meter.UUID { return u.row.ReservationID }))
}

func (w *saver) queueRefusals(rows []owned[meter.Uncharged]) {
	type row = owned[meter.Uncharged]
	w.batch.Queue(insertRefusals, w.now,
		column(rows, func(u row) string { return u.organization }),
		column(rows, func(u row) int64 { return u.row.Sequence }),
		column(rows, func(u row) string { return u.row.MemberID }),
		column(rows, func(u row) meter.UUID { return u.row.Refused.AttemptID }),
		column(rows, func(u row) string { return u.row.Refused.RequestID }),
		column(rows, func(u row) string { return string(u.row.Refused.Reason) }),
		column(rows, func(u row) string { return u.row.Refused.Turn.Model }),
		column(rows, func(u row) string { return u.row.Refused.Turn.ConversationID }),
		column(rows, func(u row) string { return u.row.Refused.Turn.TurnID }),
		column(rows, func(u row) any { return labelsOrNull(u.row.Refused.Turn.Labels) }),
		column(rows, func(u row) *int64 { return numberOrNull(int64(u.row.Refused.Estimate)) }),
		column(rows, func(u row) *int64 { return numberOrNull(int64(u.row.Refused.Minimum)) }),
		column(rows, func(u row) int64 { return int64(u.row.Refused.AllowanceRoom) }),
		column(rows, func(u row) int64 { return int64(u.row.Refused.PoolAvailable) }),
		column(rows, func(u row) *int64 { return capRoomOrNull(u.row.Refused) }),
		column(rows, func(u row) int16 { return int16(u.row.Refused.Access) }),
		column(rows, func(u row) time.Time { return u.row.Refused.PeriodStart }),
		column(rows, func(u row) time.Time { return u.row.Refused.ResetsAt }),
		column(rows, func(u row) *time.Time { return orNull(u.row.Refused.WindowClosesAt) }),
		column(rows, func(u row) *string { return textOrNull(u.row.Refused.Book.ID) }),
		column(rows, func(u row) *int64 { return numberOrNull(u.row.Refused.Book.Version) }))
}

func numberOrNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func capRoomOrNull(r *meter.RefusedTurn) *int64 {
	if r.Access != meter.AccessCapped {
		return nil
	}
	return (*int64)(&r.CapRoom)
}

// refusalTargets are where refusalColumns go.
func refusalTargets(u *meter.Uncharged) []any {
	u.Refused = &meter.RefusedTurn{}
	r := u.Refused
	return []any{
		&u.Sequence,
		instant{&u.At},
		(*int16)(&u.Outcome), &u.MemberID, &r.AttemptID, &r.RequestID, (*string)(&r.Reason),
		&r.Turn.Model, &r.Turn.ConversationID, &r.Turn.TurnID, &r.Turn.Labels, (*int64)(&r.Estimate), (*int64)(&r.Minimum),
		(*int64)(&r.AllowanceRoom), (*int64)(&r.PoolAvailable), (*int64)(&r.CapRoom), (*int16)(&r.Access),
		instant{&r.PeriodStart},
		instant{&r.ResetsAt},
		instant{&r.WindowClosesAt},
		&r.Book.ID, &r.Book.Version,
	}
}
