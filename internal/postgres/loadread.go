package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

func (l *loader) readOrganizations(rows pgx.Rows) error {
	var row organizationRow
	var writer uint32
	targets := append([]any{&writer}, row.targets()...)
	return each(rows, func() error {
		row = organizationRow{}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		o, err := row.organization()
		if err == nil {
			l.states[o.ID].Organization.Load(o.ID, o)
			l.writers[o.ID] = writer
		}
		return err
	})
}

// readFrame reads what the transaction is, the time, and a row for each organization in which it was time to look.
func (l *loader) readFrame(rows pgx.Rows) error {
	var (
		now          time.Time
		next         time.Time
		organization *string
	)
	err := each(rows, func() error {
		if err := rows.Scan(&l.transaction, instant{&now}, &organization, instant{&next}, nil); err != nil || organization == nil {
			return err
		}
		l.states[*organization].Due = &meter.Due{Next: next, More: !next.IsZero() && !next.After(now)}
		return nil
	})
	l.now = now
	for _, s := range l.states {
		s.Now = now
	}
	return err
}

func (l *loader) readPlans(rows pgx.Rows) error {
	return each(rows, func() error {
		var p meter.Plan
		var writer uint32
		if err := rows.Scan(append([]any{&writer}, planTargets(&p)...)...); err != nil {
			return err
		}
		l.plans[p.ID], l.planWriters[p.ID] = p, writer
		return nil
	})
}

func (l *loader) readBookVersions(rows pgx.Rows) error {
	return each(rows, func() error {
		var id string
		var version int64
		err := rows.Scan(&id, &version)
		l.versions[id] = version
		return err
	})
}

func (l *loader) readTurns(rows pgx.Rows) error {
	var (
		organization string
		r            meter.Reservation
		m            meter.Member
		p            meter.Period
	)
	targets := append([]any{&organization}, reservationTargets(&r)...)
	targets = append(append(targets, memberTargets(&m)...), periodTargets(&p)...)
	return each(rows, func() error {
		r, m, p = meter.Reservation{}, meter.Member{}, meter.Period{}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		s, turn := l.states[organization], r
		l.loadReservation(organization, &turn)
		s.Members.Load(m.ID, m)
		if !p.Start.IsZero() {
			s.LoadPeriod(m.ID, p)
		}
		return nil
	})
}

func (l *loader) loadReservation(organization string, r *meter.Reservation) {
	l.states[organization].LoadReservation(r)
	if r.Book.Version > 0 {
		l.books[r.Book] = nil
	}
}

func (l *loader) readMembers(rows pgx.Rows) error {
	var organization string
	var m meter.Member
	targets := append([]any{&organization}, memberTargets(&m)...)
	return each(rows, func() error {
		m = meter.Member{}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		l.states[organization].Members.Load(m.ID, m)
		return nil
	})
}

func (l *loader) readOtherMembers(rows pgx.Rows) error {
	return each(rows, func() error {
		var organization, member string
		var others int
		if err := rows.Scan(&organization, &member, &others); err != nil {
			return err
		}
		l.states[organization].OtherMembers[member] = others
		return nil
	})
}

func (l *loader) readExtensions(rows pgx.Rows) error {
	return each(rows, func() error {
		var organization string
		var x meter.Extension
		err := rows.Scan(&organization, &x.RequestID, digest{&x.Fingerprint}, &x.ReservationID, instant{&x.At},
			(*int64)(&x.Additional), instant{&x.ExpiresAt})
		if err == nil {
			l.states[organization].Extensions.Load(x.RequestID, x)
		}
		return err
	})
}

func (l *loader) readMovements(rows pgx.Rows) error {
	return each(rows, func() error {
		var organization string
		var e meter.Entry
		var refunded meter.Micros
		targets := append([]any{&organization}, entryTargets(&e)...)
		if err := rows.Scan(append(targets, (*int64)(&refunded))...); err != nil {
			return err
		}
		s := l.states[organization]
		s.Movements.Load(meter.MovementKey{Kind: e.Kind, RequestID: e.RequestID}, e)
		if e.Kind == meter.EntryTopUp {
			s.RefundedOf[e.RequestID] = refunded
		}
		return nil
	})
}

func (l *loader) readAccessChanges(rows pgx.Rows) error {
	return each(rows, func() error {
		var organization string
		var c meter.AccessChange
		if err := rows.Scan(&organization, &c.ID); err != nil {
			return err
		}
		l.states[organization].Changes.Load(c.ID, c)
		return nil
	})
}
