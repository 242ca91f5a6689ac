package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

// saver builds the round trip that ends a batch: what changed, set by set. Rows are written in the order
// in which foreign keys need them.
type saver struct {
	batch   pgx.Batch
	now     time.Time
	states  map[string]*meter.State
	written []*meter.Organization // Whose rows are, in order of their ids.
	ahead   *loader               // By whose memory the batch was decided; nil: it was loaded.
}

// owned is a row with the organization it belongs to.
type owned[R any] struct {
	organization string
	row          *R
}

func newSaver(states map[string]*meter.State, loaded *loader) *saver {
	w := &saver{states: states}
	if loaded.ahead {
		w.ahead = loaded
	}
	for _, s := range states {
		w.now = s.Now
	}
	return w
}

func (w *saver) queue() {
	w.organizations()
	w.members()
	w.periods()
	w.reservations()
	w.extensions()
	w.entries()
	w.uncharged()
	w.accessChanges()
	w.resources()
	w.auditEntries()
}

// organizations writes those that changed. What is decided by memory writes all, also what stays as it is: whatever else would
// lock them costs as much.
func (w *saver) organizations() {
	var added, profiles []*meter.Organization
	for id, s := range w.states {
		before, o, exists := s.Organization.Row(id)
		if !exists || w.ahead == nil && !changed(s, before, o) {
			continue
		}
		switch {
		case before == nil:
			added = append(added, o)
		case profileChanged(*before, *o):
			profiles = append(profiles, o)
		}
		w.written = append(w.written, o)
	}
	// In one order, as loads lock them: a key that another transaction adds at the same time is waited for.
	byID := func(a, b *meter.Organization) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(added, byID)
	slices.SortFunc(w.written, byID)
	for _, o := range added {
		w.batch.Queue(insertOrganization, organizationProfile(o)...)
	}
	switch {
	case w.ahead != nil:
		w.ahead.queueRemembered(w)
	case len(w.written) > 0:
		w.batch.Queue(updateOrganizations, hotOrganizations(w.written)...)
	}
	for _, o := range profiles {
		w.batch.Queue(updateOrganizationProfile, organizationProfile(o)...)
	}
}

// changed says whether an organization's row is written: with itself, and with whatever a session may remember of it, see
// memory.
func changed(s *meter.State, before, o *meter.Organization) bool {
	return s.Members.Changed() || s.Reservations.Changed() || before == nil || *before != *o
}

// profileChanged says whether more changed than what a turn changes.
func profileChanged(a, b meter.Organization) bool {
	b.Pool, b.LedgerSequence, b.UnchargedSequence, b.NextDue = a.Pool, a.LedgerSequence, a.UnchargedSequence, a.NextDue
	return a != b
}

func (w *saver) members() {
	var added, profiles, hot []owned[meter.Member]
	for id, s := range w.states {
		s.Members.Each(func(_ string, before, m *meter.Member) {
			row := owned[meter.Member]{id, m}
			hot = append(hot, row)
			switch {
			case before == nil:
				added = append(added, row)
			case memberProfileChanged(*before, *m):
				profiles = append(profiles, row)
			}
		})
	}
	for _, m := range added {
		w.batch.Queue(insertMember, memberProfile(m)...)
	}
	for _, m := range profiles {
		w.batch.Queue(updateMemberProfile, memberProfile(m)...)
	}
	w.hotMembers(hot)
}

// memberProfileChanged says whether more changed than what a turn changes.
func memberProfileChanged(a, b meter.Member) bool {
	b.PoolUsedLifetime, b.Abuse, b.Period = a.PoolUsedLifetime, a.Abuse, a.Period
	return a != b
}

func (w *saver) periods() {
	var rows []owned[meter.Period]
	var members []string
	for id, s := range w.states {
		s.Periods.Each(func(k meter.PeriodKey, _, p *meter.Period) {
			rows = append(rows, owned[meter.Period]{id, p})
			members = append(members, k.MemberID)
		})
	}
	if len(rows) > 0 {
		w.queuePeriods(rows, members)
	}
}

// reservations adds the new ones as they were made, then raises those that were extended, and then settles: one batch may do
// all three to the same turn.
func (w *saver) reservations() {
	var added, settled, extended []owned[meter.Reservation]
	for id, s := range w.states {
		s.Reservations.Each(func(_ meter.UUID, before, r *meter.Reservation) {
			row := owned[meter.Reservation]{id, r}
			switch {
			case before == nil:
				added = append(added, row)
			case raised(before, r):
				extended = append(extended, row)
			}
			if r.State != meter.Held {
				settled = append(settled, row)
			}
		})
	}
	w.queueReservations(added)
	w.queueExtended(extended)
	w.queueSettled(settled)
}

// raised says whether a reservation was extended, be it settled since.
func raised(a, b *meter.Reservation) bool {
	return a.Estimate != b.Estimate || !a.ExpiresAt.Equal(b.ExpiresAt)
}

func (w *saver) extensions() {
	for id, s := range w.states {
		s.Extensions.Each(func(_ string, _, x *meter.Extension) {
			w.batch.Queue(insertExtension, id, x.RequestID, x.Fingerprint[:], x.ReservationID, x.At, int64(x.Additional),
				x.ExpiresAt)
		})
	}
}

func (w *saver) entries() {
	var rows []owned[meter.Entry]
	for id, s := range w.states {
		entries := s.Entries()
		for i := range entries {
			rows = append(rows, owned[meter.Entry]{id, &entries[i]})
		}
	}
	if len(rows) > 0 {
		w.queueEntries(rows)
	}
}

func (w *saver) accessChanges() {
	for id, s := range w.states {
		s.Changes.Each(func(_ meter.UUID, _, c *meter.AccessChange) {
			w.batch.Queue(insertAccessChange, id, c.ID, c.MemberID, c.At, c.Actor, int16(c.Before.Kind), int64(c.Before.Cap),
				int16(c.After.Kind), int64(c.After.Cap))
		})
	}
}

// orNull is a time as the database has it: NULL for the zero one.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
