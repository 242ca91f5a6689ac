package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/spillway-metering/spillway/internal/meter"
)

// A batch of turns whose seats and open turns are all remembered is decided before its transaction begins, which then is one
// round trip: write, and confirm that all it was decided by is still so. What is sent together is one transaction, so there
// is no BEGIN, and the end of it is the COMMIT. Whoever sends again what was reserved before, whatever another server wrote,
// a new plan or price book, a clock that was set: the statement that confirms fails, or the key that is there already makes
// an insert fail, nothing is written, and the batch is carried again by what there is.
//
// writeRemembered writes organizations, which locks them, and divides by zero unless everything is as it is remembered: SQL has
// no other way to fail. It sees what was committed before it waited for a lock, but for the rows that it writes: those it sees as
// they are then, and leaves one alone that another transaction wrote. If nobody else wrote an organization, nothing else of it
// has changed, and plans and price books may be taken as they were when the batch came.
const writeRemembered = `WITH written AS (` + updateOrganizations + ` AND o.xmin = ($10::xid[])[v.n] RETURNING 1)
	SELECT pg_current_xact_id()::xid, 1 / coalesce((
			c.written = cardinality($1)
			AND (SELECT count(*) FROM unnest($11::text[], $12::xid[]) AS k (plan_id, writer)
				JOIN plan p ON p.plan_id = k.plan_id WHERE p.xmin = k.writer) = cardinality($11)
			AND (SELECT count(*) FROM unnest($13::text[], $14::bigint[]) AS k (price_book_id, version)
				WHERE k.version = coalesce((
					SELECT max(b.version) FROM price_book b WHERE b.price_book_id = k.price_book_id), 0)) = cardinality($13)
			AND NOT EXISTS (SELECT FROM unnest($15::text[], $16::text[]) AS k (organization_id, request_id)
				WHERE (SELECT r.reservation_id FROM reservation r
					WHERE r.organization_id = k.organization_id AND r.request_id = k.request_id) IS NOT NULL)
			AND $17::timestamptz BETWEEN c.now - $18::interval AND c.now)::int, 0)
	FROM (SELECT (SELECT count(*) FROM written) AS written, {now} AS now) c`

const (
	// mostBehind is how far the time of a batch that is not loaded may be behind the database's, by what the session knows.
	// A turn would show a time before it was asked for.
	mostBehind = 3 * time.Millisecond
	// mostAgo is how long ago that may be when it is confirmed.
	mostAgo = time.Second
)

// doubtFor is for how many batches nothing is decided by memory once it was wrong.
const doubtFor = 64

// ahead is a loader that has all that a batch needs from memory; nil: it must be loaded. Which request ids were used is not
// remembered: they are taken to be new, which the insert confirms, or the statement that confirms where a turn was refused.
func (s *Session) ahead(organizations []string, n meter.Needs) *loader {
	m := &s.memory
	if m.doubt > 0 {
		m.doubt--
		return nil
	}
	if !n.OnlyTurns() {
		return nil
	}
	now, behind := m.clock.read()
	if behind > mostBehind {
		return nil
	}
	l := newLoader(s.store, organizations)
	l.ahead, l.now = true, now
	for _, id := range organizations {
		if !l.remind(id, m) {
			return nil
		}
	}
	l.members, l.turns, l.requests = distinct(n.Members), distinct(n.Reservations), n.ReserveRequests
	if members, turns := l.recall(m); len(members)+len(turns) > 0 {
		return nil
	}
	return l
}

// remind takes an organization and its terms from memory, unless they are not there, or it is time to look for what is due.
func (l *loader) remind(id string, m *memory) bool {
	f := m.organizations[id]
	if f == nil || f.row == nil || !f.row.NextDue.IsZero() && !f.row.NextDue.After(l.now) {
		return false
	}
	if !l.remindTerms(f.row.PlanID, f.row.PriceBook(), m.terms) {
		return false
	}
	l.writers[id] = f.writer
	l.states[id].Now = l.now
	l.states[id].Organization.Share(id, f.row)
	return true
}

// remindTerms takes a plan and the version of a price book from memory, unless they are not there. Most organizations of a
// batch share them.
func (l *loader) remindTerms(plan, book string, t terms) bool {
	if _, there := l.planWriters[plan]; !there {
		p, known := t.plans[plan]
		if !known {
			return false
		}
		l.plans[plan], l.planWriters[plan] = p, t.planWriters[plan]
	}
	if _, there := l.versions[book]; !there {
		version, known := t.versions[book]
		if !known {
			return false
		}
		l.versions[book] = version
	}
	return true
}

// queueRemembered adds what writes the organizations of a batch that was decided by memory.
func (l *loader) queueRemembered(w *saver) {
	writers := column(w.written, func(o *meter.Organization) uint32 { return l.writers[o.ID] })
	plans, planWriters := columns(l.planWriters)
	books, versions := columns(l.versions)
	_, refused := apart(l.requests, func(k meter.Key) bool {
		_, made := l.states[k.OrganizationID].Requests[k.ID]
		return made
	})
	w.batch.Queue(l.store.sql.writeRemembered, append(hotOrganizations(w.written),
		writers, plans, planWriters, books, versions,
		column(refused, func(k meter.Key) string { return k.OrganizationID }),
		column(refused, func(k meter.Key) string { return k.ID }), l.now, mostAgo)...)
}

// readConfirmed reads the only row that a save answers.
func (l *loader) readConfirmed(row [][]byte) error {
	if len(row) != 2 || len(row[0]) != 4 {
		return &unreadable{fmt.Errorf("a save answered %x", row)}
	}
	l.transaction = binary.BigEndian.Uint32(row[0])
	return nil
}

// columns are the keys and the values of a map.
func columns[V any](m map[string]V) (keys []string, values []V) {
	for k, v := range m {
		keys, values = append(keys, k), append(values, v)
	}
	return keys, values
}

// refuted is why a batch was not saved: as fault says, or because it was decided by what is not so any more.
func (s *Session) refuted(err error) error {
	const divisionByZero, uniqueViolation = "22012", "23505"
	var pg *pgconn.PgError
	if !s.loaded.ahead || !errors.As(err, &pg) || pg.Code != divisionByZero && pg.Code != uniqueViolation {
		return fault(err)
	}
	s.memory.doubt, s.memory.clock = doubtFor, clock{}
	return &meter.Refusal{Reason: meter.Unavailable, Cause: fmt.Errorf("%w: %w", meter.ErrStale, err)}
}
