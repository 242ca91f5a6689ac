package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Each statement of a load sees what was committed before the organizations were locked, because under READ COMMITTED
// each takes a snapshot of its own, after the lock.
const (
	lockOrganizations = `SELECT o.xmin, ` + organizationColumns + ` FROM organization o
		WHERE o.organization_id = ANY($1::text[]) ORDER BY o.organization_id FOR NO KEY UPDATE`

	// loadFrame tells the batch's time, and looks at the reservations that fell due, in organizations in which it is time to:
	// it tells when the first expires that was not looked at. It stops at a bound, but never between two that fall due at the
	// same instant. It leaves the time to loadTurns, so that both look at the same reservations, and whether one of them is
	// still open: mostly none is, and then loadTurns need not look.
	loadFrame = `SELECT pg_current_xact_id()::xid, c.now, d.organization_id, d.next_due, d.lapsed
		FROM (SELECT set_config('meter.now', {now}::text, true)::timestamptz AS now) c
		LEFT JOIN LATERAL (
			SELECT o.organization_id, v.lapsed, (
				SELECT n.expires_at FROM reservation n WHERE n.organization_id = o.organization_id
					AND n.expires_at > '-infinity' AND n.expires_at > coalesce(v.until, c.now)
				ORDER BY n.expires_at LIMIT 1) AS next_due
			FROM organization o CROSS JOIN LATERAL (
				SELECT max(w.expires_at) AS until,
					CASE WHEN bool_or(w.state = 1) THEN set_config('meter.lapsed', 'yes', true) END AS lapsed
				FROM (
					SELECT r.expires_at, r.state FROM reservation r WHERE r.organization_id = o.organization_id
						AND r.expires_at > '-infinity' AND r.expires_at >= o.next_due_at AND r.expires_at <= c.now
					ORDER BY r.expires_at FETCH FIRST ($2::bigint) ROWS WITH TIES) w) v
			WHERE o.organization_id = ANY($1::text[]) AND o.next_due_at <= c.now) d ON true`

	loadPlans = `SELECT p.xmin, ` + planColumns + ` FROM plan p WHERE p.plan_id = ANY($1::text[])`

	loadBookVersions = `SELECT k.price_book_id, coalesce((
			SELECT max(b.version) FROM price_book b WHERE b.price_book_id = k.price_book_id), 0)
		FROM unnest($1::text[]) AS k (price_book_id)`

	// loadTurns loads reservations by id, by the request id of their Reserve, and those that loadFrame looked at which are
	// still open; each with its member and, where that period has ended, its period. OFFSET 0 keeps a plan from beginning with
	// the members: where those are few it would read all turns that they ever had.
	loadTurns = `SELECT r.organization_id, ` + reservationColumns + `, ` + memberColumns + `, ` + periodColumns + `
		FROM (
			SELECT k.organization_id, k.reservation_id
				FROM unnest($1::text[], $2::uuid[]) AS k (organization_id, reservation_id)
			UNION ALL
			SELECT q.organization_id, q.reservation_id
				FROM unnest($3::text[], $4::text[]) AS k (organization_id, request_id)
				JOIN reservation q ON q.organization_id = k.organization_id AND q.request_id = k.request_id
			UNION ALL
			SELECT q.organization_id, q.reservation_id FROM organization o CROSS JOIN LATERAL (
					SELECT * FROM reservation r WHERE r.organization_id = o.organization_id
						AND r.expires_at > '-infinity' AND r.expires_at >= o.next_due_at
						AND r.expires_at <= current_setting('meter.now', true)::timestamptz
					ORDER BY r.expires_at FETCH FIRST ($6::bigint) ROWS WITH TIES) q
				WHERE o.organization_id = ANY($5::text[]) AND q.state = 1
					AND current_setting('meter.lapsed', true) = 'yes') t
		JOIN reservation r ON r.organization_id = t.organization_id AND r.reservation_id = t.reservation_id
		CROSS JOIN LATERAL (SELECT * FROM member m
			WHERE m.organization_id = r.organization_id AND m.member_id = r.member_id OFFSET 0) m
		LEFT JOIN LATERAL (SELECT * FROM member_period p WHERE p.organization_id = r.organization_id
			AND p.member_id = r.member_id AND p.period_start = r.period_start
			AND r.period_start IS DISTINCT FROM m.period_start OFFSET 0) e ON true`

	loadMembers = `SELECT m.organization_id, ` + memberColumns + `
		FROM unnest($1::text[], $2::text[]) AS k (organization_id, member_id)
		JOIN member m ON m.organization_id = k.organization_id AND m.member_id = k.member_id`

	loadOtherMembers = `SELECT k.organization_id, k.member_id, (SELECT count(*) FROM (
			SELECT FROM member m WHERE m.organization_id = k.organization_id AND m.member_id <> k.member_id AND m.state = 1
			LIMIT 2) o)
		FROM unnest($1::text[], $2::text[]) AS k (organization_id, member_id)`

	loadExtensions = `SELECT x.organization_id, x.request_id, x.request_fingerprint, x.reservation_id, x.at,
			x.additional_micros, x.expires_at
		FROM unnest($1::text[], $2::text[]) AS k (organization_id, request_id)
		JOIN extension x ON x.organization_id = k.organization_id AND x.request_id = k.request_id`

	// loadTopUps and loadRefunds look up each key by itself, which the limit sees to: joined, a plan made while the ledger
	// is empty reads all top-ups or refunds there are.
	loadTopUps = `SELECT l.organization_id, ` + entryColumns + `, (SELECT coalesce(sum(f.amount_micros), 0)::bigint
			FROM ledger_entry f WHERE f.organization_id = l.organization_id AND f.top_up_request_id = l.request_id)
		FROM unnest($1::text[], $2::text[]) AS k (organization_id, request_id) CROSS JOIN LATERAL (
			SELECT * FROM ledger_entry m
			WHERE m.organization_id = k.organization_id AND m.kind = 1 AND m.request_id = k.request_id LIMIT 1) l`

	loadRefunds = `SELECT l.organization_id, ` + entryColumns + `, 0::bigint
		FROM unnest($1::text[], $2::text[]) AS k (organization_id, request_id) CROSS JOIN LATERAL (
			SELECT * FROM ledger_entry m
			WHERE m.organization_id = k.organization_id AND m.kind = 2 AND m.request_id = k.request_id LIMIT 1) l`

	loadAccessChanges = `SELECT c.organization_id, c.change_id
		FROM unnest($1::text[], $2::uuid[]) AS k (organization_id, change_id)
		JOIN access_change c ON c.organization_id = k.organization_id AND c.change_id = k.change_id`
)

// loader builds the round trip that opens a batch, and reads what it answers into states.
type loader struct {
	store         *Store
	batch         pgx.Batch
	organizations []string
	states        map[string]*meter.State
	now           time.Time         // The database's, when it told it.
	transaction   uint32            // The batch's.
	writers       map[string]uint32 // The transactions that wrote the organizations' rows last.
	members       []meter.Key       // Those of the members needed that are remembered,
	turns         []meter.IDKey     // and of the reservations.
	requests      []meter.Key       // Those taken to be new.

	ahead bool // Whether all is from memory, for Save to confirm.

	// Shared by the states.
	terms
	books map[meter.BookVersion]meter.PriceBook
}

func newLoader(s *Store, organizations []string) *loader {
	l := &loader{
		store: s, organizations: organizations, states: make(map[string]*meter.State, len(organizations)),
		writers: make(map[string]uint32, len(organizations)), books: map[meter.BookVersion]meter.PriceBook{},
		terms: terms{map[string]meter.Plan{}, map[string]uint32{}, map[string]int64{}},
	}
	for _, id := range organizations {
		s := meter.NewState(id, time.Time{})
		s.Plans, s.BookVersions, s.Books = l.plans, l.versions, l.books
		l.states[id] = s
	}
	return l
}

// queue adds the statements of a load; those that always find nothing are left out. The organizations are expected to be
// on the plans, and to name the price books, that were met before, and what is remembered of them to be right.
func (l *loader) queue(n meter.Needs, met acquaintance, m *memory) {
	l.batch.Queue("begin")
	l.batch.Queue(lockOrganizations, l.organizations).Query(l.readOrganizations)
	l.batch.Queue(l.store.sql.frame, l.organizations, l.store.config.DueLimit).Query(l.readFrame)
	l.queuePlans(slices.Concat(met.plans, n.Plans))
	l.queueBooks(slices.Concat(met.books, n.PriceBooks))
	var members []meter.Key
	var turns []meter.IDKey
	l.members, members = apart(distinct(n.Members), func(k meter.Key) bool { return m.member(k) != nil })
	l.turns, turns = apart(distinct(n.Reservations), func(k meter.IDKey) bool { r, _ := m.turn(k); return r != nil })
	l.queueTurns(turns, distinct(n.ReserveRequests), l.organizations)
	l.queueKeys(loadMembers, members, l.readMembers)
	l.queueKeys(loadOtherMembers, n.OtherMembers, l.readOtherMembers)
	l.queueKeys(loadExtensions, n.Extensions, l.readExtensions)
	l.queueKeys(loadTopUps, n.TopUps, l.readMovements)
	l.queueKeys(loadRefunds, n.Refunds, l.readMovements)
	l.queueIDs(loadAccessChanges, n.AccessChanges, l.readAccessChanges)
	l.queueRefusals(n.Attempts)
	l.queueQuota(n)
	l.queueAuditChains(n.AuditHeads)
}

// recall takes from memory what is remembered rightly, and answers what must be loaded after all: what another server has
// written since, and turns whose period has ended, which is not their member's last one.
func (l *loader) recall(m *memory) (members []meter.Key, turns []meter.IDKey) {
	m.check(l.writers)
	for _, k := range l.members {
		if seat := m.member(k); seat != nil {
			l.states[k.OrganizationID].Members.Share(k.ID, seat)
		} else {
			members = append(members, k)
		}
	}
	for _, k := range l.turns {
		r, seat := m.turn(k)
		if r != nil && seat.Period.Start.Equal(r.PeriodStart) {
			l.states[k.OrganizationID].Members.Share(seat.ID, seat)
			l.loadReservation(k.OrganizationID, r)
		} else {
			turns = append(turns, k)
		}
	}
	return members, turns
}

func (l *loader) queuePlans(ids []string) {
	if ids = distinct(ids); len(ids) > 0 {
		l.batch.Queue(loadPlans, ids).Query(l.readPlans)
	}
}

func (l *loader) queueBooks(ids []string) {
	if ids = distinct(ids); len(ids) > 0 {
		l.batch.Queue(loadBookVersions, ids).Query(l.readBookVersions)
	}
}

// unmet are the plans and price books of organizations that were not among those loaded.
func (l *loader) unmet() (unmet acquaintance) {
	for _, s := range l.states {
		o, exists := s.Organization.Get(s.ID)
		if !exists {
			continue
		}
		if _, loaded := l.plans[o.PlanID]; !loaded {
			unmet.plans = append(unmet.plans, o.PlanID)
		}
		if _, loaded := l.versions[o.PriceBook()]; !loaded {
			unmet.books = append(unmet.books, o.PriceBook())
		}
	}
	return acquaintance{distinct(unmet.plans), distinct(unmet.books)}
}

// openBooks adds the price books that organizations and reservations name, from memory but for those that this process
// sees for the first time.
func (l *loader) openBooks(ctx context.Context) error {
	for id, version := range l.versions {
		if version > 0 {
			l.books[meter.BookVersion{ID: id, Version: version}] = nil
		}
	}
	for v := range l.books {
		table, err := l.store.PriceTable(ctx, v.ID, v.Version)
		if err != nil {
			return err
		}
		l.books[v] = table
	}
	return nil
}

// queueTurns adds the load of reservations by id, by request id, and of those that lapsed in organizations.
func (l *loader) queueTurns(ids []meter.IDKey, requests []meter.Key, lapsedIn []string) {
	l.batch.Queue(loadTurns,
		column(ids, func(k meter.IDKey) string { return k.OrganizationID }),
		column(ids, func(k meter.IDKey) meter.UUID { return k.ID }),
		column(requests, func(k meter.Key) string { return k.OrganizationID }),
		column(requests, func(k meter.Key) string { return k.ID }),
		lapsedIn, l.store.config.DueLimit).Query(l.readTurns)
}

func (l *loader) queueKeys(sql string, keys []meter.Key, read func(pgx.Rows) error) {
	if keys = distinct(keys); len(keys) > 0 {
		organizations := column(keys, func(k meter.Key) string { return k.OrganizationID })
		l.batch.Queue(sql, organizations, column(keys, func(k meter.Key) string { return k.ID })).Query(read)
	}
}

func (l *loader) queueIDs(sql string, keys []meter.IDKey, read func(pgx.Rows) error) {
	if keys = distinct(keys); len(keys) > 0 {
		organizations := column(keys, func(k meter.IDKey) string { return k.OrganizationID })
		l.batch.Queue(sql, organizations, column(keys, func(k meter.IDKey) meter.UUID { return k.ID })).Query(read)
	}
}

// distinct drops what is there already, in place.
func distinct[K comparable](keys []K) []K {
	seen := make(map[K]struct{}, len(keys))
	kept := keys[:0]
	for _, k := range keys {
		if _, again := seen[k]; !again {
			seen[k] = struct{}{}
			kept = append(kept, k)
		}
	}
	return kept
}

// apart parts keys into those of a kind and the others.
func apart[K any](keys []K, is func(K) bool) (of, others []K) {
	for _, k := range keys {
		if is(k) {
			of = append(of, k)
		} else {
			others = append(others, k)
		}
	}
	return of, others
}

// column is one attribute of all rows, as a statement's array parameter.
func column[R, V any](rows []R, of func(R) V) []V {
	values := make([]V, len(rows))
	for i, row := range rows {
		values[i] = of(row)
	}
	return values
}
