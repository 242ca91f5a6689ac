package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/spillway-metering/spillway/internal/meter"
)

// The columns of each table as the load and read statements select them, in the order of the functions below.
const (
	planColumns = `p.plan_id, p.kind, p.seat_allowance_micros, p.limit_orchestrators, p.limit_devices,
		p.limit_private_projects, p.abuse_tokens, p.abuse_window, p.failed_turn_policy`
	organizationColumns = `o.organization_id, o.display_name, o.plan_id, o.unit, o.anniversary, o.time_zone, o.anchor_from,
		o.prior_anniversary, o.prior_time_zone, o.prior_from, o.state, o.pool_visible_to_members, o.price_book_id,
		o.pool_balance_micros, o.pool_held_micros, o.pool_purchased_micros, o.pool_refunded_micros, o.pool_consumed_micros,
		o.ledger_sequence, o.uncharged_sequence, o.next_due_at`
	memberColumns = `m.member_id, m.display_name, m.email, m.avatar_url, m.role, m.state, m.allowance_micros, m.access_kind,
		m.access_cap_micros, m.pool_used_lifetime_micros, m.abuse_tokens, m.abuse_opened_at, m.period_start,
		m.allowance_used_micros, m.allowance_held_micros, m.pool_used_micros, m.pool_held_micros, m.overrun_micros`
	periodColumns = `e.period_start, coalesce(e.allowance_used_micros, 0), coalesce(e.allowance_held_micros, 0),
		coalesce(e.pool_used_micros, 0), coalesce(e.pool_held_micros, 0), coalesce(e.overrun_micros, 0)`
	reservationColumns = `r.reservation_id, r.member_id, r.request_id, r.request_fingerprint, r.state, r.estimate_micros,
		r.held_allowance_micros, r.held_pool_micros, r.period_start, r.created_at, r.expires_at, r.settled_at,
		r.actual_micros, r.allowance_micros, r.pool_micros, r.overrun_micros, r.model, r.conversation_id, r.turn_id, r.labels,
		r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.late,
		r.release_reason, r.price_book_id, r.price_book_version, r.estimate_policy, r.cost_basis`
	entryColumns = `l.sequence, l.at, l.kind, l.amount_micros, l.pool_balance_after_micros, coalesce(l.member_id, ''),
		l.reservation_id, l.reference, l.request_id, coalesce(l.top_up_request_id, ''), l.request_fingerprint`
)

// instant reads a timestamp in UTC; NULL is the zero time.
type instant struct{ to *time.Time }

// ScanTimestamptz is how pgx hands a timestamp over.
func (i instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	*i.to = time.Time{}
	if v.Valid {
		*i.to = v.Time.UTC()
	}
	return nil
}

// day reads a date; NULL is the zero date.
type day struct{ to *meter.Date }

// ScanDate is how pgx hands a date over.
func (d day) ScanDate(v pgtype.Date) error {
	*d.to = meter.Date{}
	if v.Valid {
		*d.to = meter.Date{Year: v.Time.Year(), Month: v.Time.Month(), Day: v.Time.Day()}
	}
	return nil
}

// digest reads a fingerprint; NULL is the zero one.
type digest struct{ to *meter.Fingerprint }

// ScanBytes is how pgx hands a bytea over.
func (d digest) ScanBytes(v []byte) error {
	*d.to = meter.Fingerprint{}
	copy(d.to[:], v)
	return nil
}

// identifier reads a uuid; NULL is the zero one.
type identifier struct{ to *meter.UUID }

// ScanUUID is how pgx hands a uuid over.
func (i identifier) ScanUUID(v pgtype.UUID) error {
	*i.to = v.Bytes
	return nil
}

func planTargets(p *meter.Plan) []any {
	return []any{
		&p.ID, (*int16)(&p.Kind), (*int64)(&p.SeatAllowance), &p.Limits.Orchestrators, &p.Limits.Devices,
		&p.Limits.PrivateProjects, &p.Abuse.Tokens, &p.Abuse.Window, (*int16)(&p.FailedTurns),
	}
}

// organizationRow is an organization with its zones still by name.
type organizationRow struct {
	meter.Organization
	zone      string
	priorZone *string
}

func (o *organizationRow) targets() []any {
	c := &o.Calendar
	return []any{
		&o.ID, &o.DisplayName, &o.PlanID, (*int16)(&o.Unit),
		day{&c.Anchor.Date},
		&o.zone,
		instant{&c.From},
		day{&c.Prior.Date},
		&o.priorZone,
		instant{&c.PriorFrom},
		(*int16)(&o.State), &o.PoolVisibleToMembers, &o.PriceBookID,
		(*int64)(&o.Pool.Balance), (*int64)(&o.Pool.Held), (*int64)(&o.Pool.Purchased), (*int64)(&o.Pool.Refunded),
		(*int64)(&o.Pool.Consumed), &o.LedgerSequence, &o.UnchargedSequence,
		instant{&o.NextDue},
	}
}

// organization is the row with its zones loaded. A name that was stored is one that was loaded before.
func (o *organizationRow) organization() (meter.Organization, error) {
	var err error
	if o.Calendar.Anchor.Zone, err = meter.LoadZone(o.zone); err != nil {
		return meter.Organization{}, fmt.Errorf("organization %q: %w", o.ID, err)
	}
	if o.priorZone != nil {
		if o.Calendar.Prior.Zone, err = meter.LoadZone(*o.priorZone); err != nil {
			return meter.Organization{}, fmt.Errorf("organization %q: %w", o.ID, err)
		}
	}
	return o.Organization, nil
}

func memberTargets(m *meter.Member) []any {
	return []any{
		&m.ID, &m.DisplayName, &m.Email, &m.AvatarURL, (*int16)(&m.Role), (*int16)(&m.State), &m.Allowance,
		(*int16)(&m.Access.Kind), (*int64)(&m.Access.Cap), (*int64)(&m.PoolUsedLifetime), &m.Abuse.Tokens,
		instant{&m.Abuse.OpenedAt},
		instant{&m.Period.Start},
		(*int64)(&m.Period.AllowanceUsed),
		(*int64)(&m.Period.AllowanceHeld), (*int64)(&m.Period.PoolUsed), (*int64)(&m.Period.PoolHeld),
		(*int64)(&m.Period.Overrun),
	}
}

func periodTargets(p *meter.Period) []any {
	return []any{
		instant{&p.Start},
		(*int64)(&p.AllowanceUsed), (*int64)(&p.AllowanceHeld), (*int64)(&p.PoolUsed),
		(*int64)(&p.PoolHeld), (*int64)(&p.Overrun),
	}
}

func reservationTargets(r *meter.Reservation) []any {
	return []any{
		&r.ID, &r.MemberID, &r.RequestID,
		digest{&r.Fingerprint},
		(*int16)(&r.State), (*int64)(&r.Estimate),
		(*int64)(&r.HeldAllowance), (*int64)(&r.HeldPool),
		instant{&r.PeriodStart},
		instant{&r.CreatedAt},
		instant{&r.ExpiresAt},
		instant{&r.SettledAt},
		(*int64)(&r.Charge.Actual), (*int64)(&r.Charge.Allowance),
		(*int64)(&r.Charge.Pool), (*int64)(&r.Charge.Overrun), &r.Turn.Model, &r.Turn.ConversationID, &r.Turn.TurnID,
		&r.Turn.Labels, &r.Tokens.Input, &r.Tokens.CachedInput, &r.Tokens.CacheWrite, &r.Tokens.Output,
		&r.Tokens.Reasoning, &r.Late, &r.Reason, &r.Book.ID, &r.Book.Version, (*int16)(&r.Policy), (*int16)(&r.Basis),
	}
}

func entryTargets(e *meter.Entry) []any {
	return []any{
		&e.Sequence,
		instant{&e.At},
		(*int16)(&e.Kind), (*int64)(&e.Amount), (*int64)(&e.BalanceAfter), &e.MemberID,
		identifier{&e.ReservationID},
		&e.Reference, &e.RequestID, &e.TopUpRequestID,
		digest{&e.Fingerprint},
	}
}

// each reads every row of a result.
func each(rows pgx.Rows, read func() error) error {
	for rows.Next() {
		if err := read(); err != nil {
			return &unreadable{err}
		}
	}
	return rows.Err()
}
