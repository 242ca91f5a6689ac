package postgres

import (
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// A statement takes its rows as arrays, one for each column. Where a column's values are all of one width and none is NULL,
// a value is found at once by its number v.n, which costs less than one more column of unnest: that copies it twice.
const (
	insertOrganization = `INSERT INTO organization (organization_id, display_name, plan_id, unit, anniversary, time_zone,
			anchor_from, prior_anniversary, prior_time_zone, prior_from, state, pool_visible_to_members, price_book_id,
			pool_balance_micros, pool_held_micros, pool_purchased_micros, pool_refunded_micros, pool_consumed_micros,
			ledger_sequence)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, 0, 0, 0)`

	updateOrganizationProfile = `UPDATE organization SET display_name = $2, plan_id = $3, unit = $4, anniversary = $5,
			time_zone = $6, anchor_from = $7, prior_anniversary = $8, prior_time_zone = $9, prior_from = $10, state = $11,
			pool_visible_to_members = $12, price_book_id = $13
		WHERE organization_id = $1`

	updateOrganizations = `UPDATE organization o SET pool_balance_micros = ($2::bigint[])[v.n],
			pool_held_micros = ($3::bigint[])[v.n], pool_purchased_micros = ($4::bigint[])[v.n],
			pool_refunded_micros = ($5::bigint[])[v.n], pool_consumed_micros = ($6::bigint[])[v.n],
			ledger_sequence = ($7::bigint[])[v.n], uncharged_sequence = ($8::bigint[])[v.n], next_due_at = v.next_due
		FROM unnest($1::text[], $9::timestamptz[]) WITH ORDINALITY AS v (organization_id, next_due, n)
		WHERE o.organization_id = v.organization_id`

	insertMember = `INSERT INTO member (organization_id, member_id, display_name, email, avatar_url, role, state,
			allowance_micros, access_kind, access_cap_micros, pool_used_lifetime_micros, abuse_tokens, allowance_used_micros,
			allowance_held_micros, pool_used_micros, pool_held_micros, overrun_micros)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, 0, 0, 0, 0)`

	updateMemberProfile = `UPDATE member SET display_name = $3, email = $4, avatar_url = $5, role = $6, state = $7,
			allowance_micros = $8, access_kind = $9, access_cap_micros = $10
		WHERE organization_id = $1 AND member_id = $2`

	updateMembers = `UPDATE member m SET pool_used_lifetime_micros = ($3::bigint[])[v.n], abuse_tokens = ($4::bigint[])[v.n],
			abuse_opened_at = v.abuse_opened_at, period_start = v.period_start,
			allowance_used_micros = ($7::bigint[])[v.n], allowance_held_micros = ($8::bigint[])[v.n],
			pool_used_micros = ($9::bigint[])[v.n], pool_held_micros = ($10::bigint[])[v.n],
			overrun_micros = ($11::bigint[])[v.n]
		FROM unnest($1::text[], $2::text[], $5::timestamptz[], $6::timestamptz[]) WITH ORDINALITY
			AS v (organization_id, member_id, abuse_opened_at, period_start, n)
		WHERE m.organization_id = v.organization_id AND m.member_id = v.member_id`

	upsertPeriods = `INSERT INTO member_period (organization_id, member_id, period_start, allowance_used_micros,
			allowance_held_micros, pool_used_micros, pool_held_micros, overrun_micros)
		SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[],
			$7::bigint[], $8::bigint[])
		ON CONFLICT ON CONSTRAINT member_period_once DO UPDATE SET
			allowance_used_micros = excluded.allowance_used_micros, allowance_held_micros = excluded.allowance_held_micros,
			pool_used_micros = excluded.pool_used_micros, pool_held_micros = excluded.pool_held_micros,
			overrun_micros = excluded.overrun_micros`

	insertReservations = `INSERT INTO reservation (organization_id, reservation_id, member_id, request_id,
			request_fingerprint, estimate_micros, held_allowance_micros, held_pool_micros, period_start, created_at, expires_at,
			model, conversation_id, turn_id, labels, price_book_id, price_book_version, estimate_policy, estimate_tokens,
			allowance_room_micros, pool_available_micros, access_kind, access_cap_micros, cap_used_micros)
		SELECT v.organization_id, ($3::uuid[])[v.n], v.member_id, v.request_id, v.request_fingerprint, ($7::bigint[])[v.n],
			($8::bigint[])[v.n], ($9::bigint[])[v.n], ($10::timestamptz[])[v.n], $1::timestamptz, ($11::timestamptz[])[v.n],
			v.model, v.conversation_id, v.turn_id, v.labels, v.price_book_id, ($17::bigint[])[v.n], ($18::smallint[])[v.n],
			v.estimate_tokens, ($20::bigint[])[v.n], ($21::bigint[])[v.n], ($22::smallint[])[v.n], ($23::bigint[])[v.n],
			($24::bigint[])[v.n]
		FROM unnest($2::text[], $4::text[], $5::text[], $6::bytea[], $12::text[], $13::text[], $14::text[], $15::jsonb[],
			$16::text[], $19::jsonb[]) WITH ORDINALITY AS v (organization_id, member_id, request_id, request_fingerprint, model,
			conversation_id, turn_id, labels, price_book_id, estimate_tokens, n)`

	updateExtended = `UPDATE reservation r SET estimate_micros = v.estimate, held_allowance_micros = v.held_allowance,
			held_pool_micros = v.held_pool, expires_at = v.expires_at
		FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
			AS v (organization_id, reservation_id, estimate, held_allowance, held_pool, expires_at)
		WHERE r.organization_id = v.organization_id AND r.reservation_id = v.reservation_id`

	updateSettled = `UPDATE reservation r SET state = ($4::smallint[])[v.n], settled_at = $1::timestamptz,
			actual_micros = ($5::bigint[])[v.n], allowance_micros = ($6::bigint[])[v.n], pool_micros = ($7::bigint[])[v.n],
			overrun_micros = ($8::bigint[])[v.n], input_tokens = ($9::bigint[])[v.n],
			cached_input_tokens = ($10::bigint[])[v.n], cache_write_tokens = ($11::bigint[])[v.n],
			output_tokens = ($12::bigint[])[v.n], reasoning_tokens = ($13::bigint[])[v.n], late = ($14::boolean[])[v.n],
			release_reason = v.reason, cost_basis = ($16::smallint[])[v.n], settled_access_kind = ($17::smallint[])[v.n],
			settled_access_cap_micros = ($18::bigint[])[v.n], settled_cap_used_micros = ($19::bigint[])[v.n]
		FROM unnest($2::text[], $3::uuid[], $15::text[]) WITH ORDINALITY AS v (organization_id, reservation_id, reason, n)
		WHERE r.organization_id = v.organization_id AND r.reservation_id = v.reservation_id`

	insertExtension = `INSERT INTO extension (organization_id, request_id, request_fingerprint, reservation_id, at,
			additional_micros, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`

	insertEntries = `INSERT INTO ledger_entry (organization_id, sequence, at, kind, amount_micros,
			pool_balance_after_micros, member_id, reservation_id, reference, request_id, top_up_request_id,
			request_fingerprint)
		SELECT v.organization_id, ($3::bigint[])[v.n], $1::timestamptz, ($4::smallint[])[v.n], ($5::bigint[])[v.n],
			($6::bigint[])[v.n], v.member_id, v.reservation_id, v.reference, v.request_id, v.top_up_request_id,
			v.request_fingerprint
		FROM unnest($2::text[], $7::text[], $8::uuid[], $9::text[], $10::text[], $11::text[], $12::bytea[]) WITH ORDINALITY
			AS v (organization_id, member_id, reservation_id, reference, request_id, top_up_request_id, request_fingerprint, n)`

	insertAccessChange = `INSERT INTO access_change (organization_id, change_id, member_id, at, actor, before_kind,
			before_cap_micros, after_kind, after_cap_micros)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

func organizationProfile(o *meter.Organization) []any {
	c := o.Calendar
	var priorDate *time.Time
	var priorZone *string
	if !c.From.IsZero() {
		date, zone := dateOf(c.Prior.Date), c.Prior.Zone.String()
		priorDate, priorZone = &date, &zone
	}
	return []any{
		o.ID, o.DisplayName, o.PlanID, int16(o.Unit), dateOf(c.Anchor.Date), c.Anchor.Zone.String(), orNull(c.From),
		priorDate, priorZone, orNull(c.PriorFrom), int16(o.State), o.PoolVisibleToMembers, o.PriceBookID,
	}
}

func dateOf(d meter.Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// hotOrganizations are the parameters of updateOrganizations.
func hotOrganizations(rows []*meter.Organization) []any {
	type row = *meter.Organization
	return []any{
		column(rows, func(o row) string { return o.ID }),
		column(rows, func(o row) int64 { return int64(o.Pool.Balance) }),
		column(rows, func(o row) int64 { return int64(o.Pool.Held) }),
		column(rows, func(o row) int64 { return int64(o.Pool.Purchased) }),
		column(rows, func(o row) int64 { return int64(o.Pool.Refunded) }),
		column(rows, func(o row) int64 { return int64(o.Pool.Consumed) }),
		column(rows, func(o row) int64 { return o.LedgerSequence }),
		column(rows, func(o row) int64 { return o.UnchargedSequence }),
		column(rows, func(o row) *time.Time { return orNull(o.NextDue) }),
	}
}

func memberProfile(m owned[meter.Member]) []any {
	r := m.row
	return []any{
		m.organization, r.ID, r.DisplayName, r.Email, r.AvatarURL, int16(r.Role), int16(r.State), (*int64)(r.Allowance),
		int16(r.Access.Kind), int64(r.Access.Cap),
	}
}

func (w *saver) hotMembers(rows []owned[meter.Member]) {
	if len(rows) == 0 {
		return
	}
	type row = owned[meter.Member]
	w.batch.Queue(updateMembers,
		column(rows, func(m row) string { return m.organization }),
		column(rows, func(m row) string { return m.row.ID }),
		column(rows, func(m row) int64 { return int64(m.row.PoolUsedLifetime) }),
		column(rows, func(m row) int64 { return m.row.Abuse.Tokens }),
		column(rows, func(m row) *time.Time { return orNull(m.row.Abuse.OpenedAt) }),
		column(rows, func(m row) *time.Time { return orNull(m.row.Period.Start) }),
		column(rows, func(m row) int64 { return int64(m.row.Period.AllowanceUsed) }),
		column(rows, func(m row) int64 { return int64(m.row.Period.AllowanceHeld) }),
		column(rows, func(m row) int64 { return int64(m.row.Period.PoolUsed) }),
		column(rows, func(m row) int64 { return int64(m.row.Period.PoolHeld) }),
		column(rows, func(m row) int64 { return int64(m.row.Period.Overrun) }))
}

func (w *saver) queuePeriods(rows []owned[meter.Period], members []string) {
	type row = owned[meter.Period]
	w.batch.Queue(upsertPeriods,
		column(rows, func(p row) string { return p.organization }),
		members,
		column(rows, func(p row) time.Time { return p.row.Start }),
		column(rows, func(p row) int64 { return int64(p.row.AllowanceUsed) }),
		column(rows, func(p row) int64 { return int64(p.row.AllowanceHeld) }),
		column(rows, func(p row) int64 { return int64(p.row.PoolUsed) }),
		column(rows, func(p row) int64 { return int64(p.row.PoolHeld) }),
		column(rows, func(p row) int64 { return int64(p.row.Overrun) }))
}

func (w *saver) queueReservations(rows []owned[meter.Reservation]) {
	if len(rows) == 0 {
		return
	}
	type row = owned[meter.Reservation]
	w.batch.Queue(insertReservations, w.now,
		column(rows, func(r row) string { return r.organization }),
		column(rows, func(r row) meter.UUID { return r.row.ID }),
		column(rows, func(r row) string { return r.row.MemberID }),
		column(rows, func(r row) string { return r.row.RequestID }),
		column(rows, func(r row) []byte { return r.row.Fingerprint[:] }),
		column(rows, func(r row) int64 { return int64(r.row.Estimate) }),
		column(rows, func(r row) int64 { return int64(r.row.HeldAllowance) }),
		column(rows, func(r row) int64 { return int64(r.row.HeldPool) }),
		column(rows, func(r row) time.Time { return r.row.PeriodStart }),
		column(rows, func(r row) time.Time { return r.row.ExpiresAt }),
		column(rows, func(r row) string { return r.row.Turn.Model }),
		column(rows, func(r row) string { return r.row.Turn.ConversationID }),
		column(rows, func(r row) string { return r.row.Turn.TurnID }),
		column(rows, func(r row) any { return labelsOrNull(r.row.Turn.Labels) }),
		column(rows, func(r row) string { return r.row.Book.ID }),
		column(rows, func(r row) int64 { return r.row.Book.Version }),
		column(rows, func(r row) int16 { return int16(r.row.Policy) }),
		column(rows, func(r row) any { return expectedOrNull(r.row) }),
		column(rows, func(r row) int64 { return int64(r.row.Seen.AllowanceRoom) }),
		column(rows, func(r row) int64 { return int64(r.row.Seen.PoolAvailable) }),
		column(rows, func(r row) int16 { return int16(r.row.Seen.Access.Kind) }),
		column(rows, func(r row) int64 { return int64(r.row.Seen.Access.Cap) }),
		column(rows, func(r row) int64 { return int64(r.row.Seen.CapUsed) }))
}

func labelsOrNull(labels map[string]string) any {
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// expectedOrNull are the tokens that an estimate was the price of.
func expectedOrNull(r *meter.Reservation) any {
	if r.Policy == 0 {
		return nil
	}
	return (*tokensColumn)(&r.Seen.Expected)
}

func (w *saver) queueExtended(rows []owned[meter.Reservation]) {
	if len(rows) == 0 {
		return
	}
	type row = owned[meter.Reservation]
	w.batch.Queue(updateExtended,
		column(rows, func(r row) string { return r.organization }),
		column(rows, func(r row) meter.UUID { return r.row.ID }),
		column(rows, func(r row) int64 { return int64(r.row.Estimate) }),
		column(rows, func(r row) int64 { return int64(r.row.HeldAllowance) }),
		column(rows, func(r row) int64 { return int64(r.row.HeldPool) }),
		column(rows, func(r row) time.Time { return r.row.ExpiresAt }))
}

func (w *saver) queueSettled(rows []owned[meter.Reservation]) {
	if len(rows) == 0 {
		return
	}
	type row = owned[meter.Reservation]
	w.batch.Queue(updateSettled, w.now,
		column(rows, func(r row) string { return r.organization }),
		column(rows, func(r row) meter.UUID { return r.row.ID }),
		column(rows, func(r row) int16 { return int16(r.row.State) }),
		column(rows, func(r row) int64 { return int64(r.row.Charge.Actual) }),
		column(rows, func(r row) int64 { return int64(r.row.Charge.Allowance) }),
		column(rows, func(r row) int64 { return int64(r.row.Charge.Pool) }),
		column(rows, func(r row) int64 { return int64(r.row.Charge.Overrun) }),
		column(rows, func(r row) int64 { return r.row.Tokens.Input }),
		column(rows, func(r row) int64 { return r.row.Tokens.CachedInput }),
		column(rows, func(r row) int64 { return r.row.Tokens.CacheWrite }),
		column(rows, func(r row) int64 { return r.row.Tokens.Output }),
		column(rows, func(r row) int64 { return r.row.Tokens.Reasoning }),
		column(rows, func(r row) bool { return r.row.Late }),
		column(rows, func(r row) string { return r.row.Reason }),
		column(rows, func(r row) int16 { return int16(r.row.Basis) }),
		column(rows, func(r row) int16 { return int16(r.row.Left.Access.Kind) }),
		column(rows, func(r row) int64 { return int64(r.row.Left.Access.Cap) }),
		column(rows, func(r row) int64 { return int64(r.row.Left.CapUsed) }))
}

func (w *saver) queueEntries(rows []owned[meter.Entry]) {
	type row = owned[meter.Entry]
	w.batch.Queue(insertEntries, w.now,
		column(rows, func(e row) string { return e.organization }),
		column(rows, func(e row) int64 { return e.row.Sequence }),
		column(rows, func(e row) int16 { return int16(e.row.Kind) }),
		column(rows, func(e row) int64 { return int64(e.row.Amount) }),
		column(rows, func(e row) int64 { return int64(e.row.BalanceAfter) }),
		column(rows, func(e row) *string { return textOrNull(e.row.MemberID) }),
		column(rows, func(e row) *meter.UUID { return idOrNull(e.row.ReservationID) }),
		column(rows, func(e row) string { return e.row.Reference }),
		column(rows, func(e row) string { return e.row.RequestID }),
		column(rows, func(e row) *string { return textOrNull(e.row.TopUpRequestID) }),
		column(rows, func(e row) []byte { return digestOrNull(e.row.Fingerprint) }))
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func idOrNull(id meter.UUID) *meter.UUID {
	if id == (meter.UUID{}) {
		return nil
	}
	return &id
}

func digestOrNull(f meter.Fingerprint) []byte {
	if f == (meter.Fingerprint{}) {
		return nil
	}
	return f[:]
}
