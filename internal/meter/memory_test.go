package meter_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// memory is a store that keeps rows in maps. For each batch it loads what the commands asked for and nothing else, as
// the real store does, so a rule that looks at a row it did not ask for does not find it.
type memory struct {
	plans map[string]meter.Plan
	books map[string][]meter.PriceBook // Their versions, from the first.
	firms map[string]*firm
}

// firm is all rows of one organization.
type firm struct {
	organization map[string]meter.Organization
	members      map[string]meter.Member
	periods      map[meter.PeriodKey]meter.Period
	reservations map[meter.UUID]meter.Reservation
	extensions   map[string]meter.Extension
	movements    map[meter.MovementKey]meter.Entry
	changes      map[meter.UUID]meter.AccessChange
	entries      []meter.Entry
	uncharged    []meter.Uncharged
}

// result is what a command came to: an outcome, or a refusal.
type result struct {
	outcome meter.Outcome
	refusal *meter.Refusal
}

func newMemory() *memory {
	return &memory{plans: map[string]meter.Plan{}, books: map[string][]meter.PriceBook{}, firms: map[string]*firm{}}
}

// apply runs the commands as one batch: load, give back what is due, apply in order, save. It checks on the way that a
// refused command changed nothing, that rows are added or replaced as the rules say, and that all promises hold after.
func (m *memory) apply(t rapid.TB, now time.Time, commands ...meter.Command) []result {
	t.Helper()
	needs := meter.Needs{Again: true} // What was sent before may be sent again.
	for _, c := range commands {
		c.Need(&needs)
	}
	states := map[string]*meter.State{}
	results := make([]result, 0, len(commands))
	for _, c := range commands {
		id := c.Organization()
		if states[id] == nil {
			states[id] = m.load(id, now, needs)
			states[id].ExpireDue()
		}
		results = append(results, applyOne(t, states[id], c))
	}
	for id, s := range states {
		m.save(t, id, s)
		audit(t, m.firm(id))
	}
	return results
}

func applyOne(t rapid.TB, s *meter.State, c meter.Command) result {
	t.Helper()
	before, told := pictureOf(s), len(s.Uncharged())
	known := maps.Clone(s.RefusedBefore)
	outcome, err := c.Apply(s)
	if err == nil {
		return result{outcome: outcome}
	}
	refusal := new(meter.Refusal)
	if !errors.As(err, &refusal) {
		t.Fatalf("%+v failed and was not refused: %v", c, err)
	}
	if after := pictureOf(s); !reflect.DeepEqual(before, after) {
		t.Fatalf("%+v was refused with %v and left something behind:\nbefore %+v\nafter  %+v", c, err, before, after)
	}
	checkTold(t, s, c, refusal.Reason, known, s.Uncharged()[told:])
	if !reflect.DeepEqual(outcome, meter.Outcome{}) {
		t.Fatalf("%+v was refused with %v and has the outcome %+v", c, err, outcome)
	}
	return result{refusal: refusal}
}

// firm is the organization of that id, without any row if it is new.
func (m *memory) firm(id string) *firm {
	if m.firms[id] == nil {
		m.firms[id] = &firm{
			organization: map[string]meter.Organization{}, members: map[string]meter.Member{},
			periods: map[meter.PeriodKey]meter.Period{}, reservations: map[meter.UUID]meter.Reservation{},
			extensions: map[string]meter.Extension{}, movements: map[meter.MovementKey]meter.Entry{},
			changes: map[meter.UUID]meter.AccessChange{},
		}
	}
	return m.firms[id]
}

// load answers the state that a batch sees of an organization.
func (m *memory) load(id string, now time.Time, n meter.Needs) *meter.State {
	s, f := meter.NewState(id, now), m.firm(id)
	load(&s.Organization, f.organization, id)
	s.Plans = map[string]meter.Plan{}
	for _, planID := range append(n.Plans, f.organization[id].PlanID) {
		if plan, ok := m.plans[planID]; ok {
			s.Plans[planID] = plan
		}
	}
	s.BookVersions, s.Books = map[string]int64{}, map[meter.BookVersion]meter.PriceBook{}
	for _, bookID := range append(n.PriceBooks, f.organization[id].PriceBook()) {
		s.BookVersions[bookID] = int64(len(m.books[bookID]))
		m.openBook(s, meter.BookVersion{ID: bookID, Version: s.BookVersions[bookID]})
	}
	load(&s.Members, f.members, keysOf(id, n.Members)...)
	load(&s.Extensions, f.extensions, keysOf(id, n.Extensions)...)
	load(&s.Changes, f.changes, idsOf(id, n.AccessChanges)...)
	f.loadRefused(s, n)
	for _, memberID := range keysOf(id, n.OtherMembers) {
		s.OtherMembers[memberID] = f.othersThan(memberID)
	}
	for _, requestID := range keysOf(id, n.TopUps) {
		load(&s.Movements, f.movements, meter.MovementKey{Kind: meter.EntryTopUp, RequestID: requestID})
		s.RefundedOf[requestID] = f.refundedOf(requestID)
	}
	for _, requestID := range keysOf(id, n.Refunds) {
		load(&s.Movements, f.movements, meter.MovementKey{Kind: meter.EntryRefund, RequestID: requestID})
	}
	f.loadReservations(s, n)
	for _, reservationID := range s.Reservations.Keys() {
		r, _ := s.Reservations.Get(reservationID)
		m.openBook(s, r.Book)
	}
	return s
}

// openBook adds a version of a price book to a state, if there is one.
func (m *memory) openBook(s *meter.State, v meter.BookVersion) {
	if v.Version > 0 {
		s.Books[v] = m.books[v.ID][v.Version-1]
	}
}

// loadReservations adds the reservations that were asked for and those that are due, with their members and periods.
func (f *firm) loadReservations(s *meter.State, n meter.Needs) {
	ids, requests := idsOf(s.ID, n.Reservations), keysOf(s.ID, n.ReserveRequests)
	next := f.organization[s.ID].NextDue
	if !next.IsZero() && !next.After(s.Now) {
		s.Due = &meter.Due{Next: f.expiryAfter(s.Now)}
	}
	for _, r := range f.reservations {
		due := s.Due != nil && r.State == meter.Held && !r.ExpiresAt.Before(next) && !r.ExpiresAt.After(s.Now)
		if due || slices.Contains(ids, r.ID) || slices.Contains(requests, r.RequestID) {
			s.LoadReservation(&r)
			load(&s.Members, f.members, r.MemberID)
			if p, ok := f.periods[meter.PeriodKey{MemberID: r.MemberID, Start: r.PeriodStart.UnixMicro()}]; ok {
				s.LoadPeriod(r.MemberID, p)
			}
		}
	}
}

// expiryAfter is the first expiry after a time; zero: there is none.
func (f *firm) expiryAfter(at time.Time) (first time.Time) {
	for _, r := range f.reservations {
		if r.ExpiresAt.After(at) && (first.IsZero() || r.ExpiresAt.Before(first)) {
			first = r.ExpiresAt
		}
	}
	return first
}

// save keeps what a batch changed.
func (m *memory) save(t rapid.TB, id string, s *meter.State) {
	t.Helper()
	f := m.firm(id)
	save(t, f.organization, &s.Organization)
	save(t, f.members, &s.Members)
	save(t, f.periods, &s.Periods)
	save(t, f.reservations, &s.Reservations)
	save(t, f.extensions, &s.Extensions)
	save(t, f.movements, &s.Movements)
	save(t, f.changes, &s.Changes)
	f.entries = append(f.entries, s.Entries()...)
	f.uncharged = append(f.uncharged, s.Uncharged()...)
}

// clone answers a store of its own with the same rows. Rows are never changed in place, so copying the maps will do.
func (m *memory) clone() *memory {
	other := &memory{plans: maps.Clone(m.plans), books: maps.Clone(m.books), firms: map[string]*firm{}}
	for id, f := range m.firms {
		other.firms[id] = &firm{
			organization: maps.Clone(f.organization), members: maps.Clone(f.members), periods: maps.Clone(f.periods),
			reservations: maps.Clone(f.reservations), extensions: maps.Clone(f.extensions),
			movements: maps.Clone(f.movements), changes: maps.Clone(f.changes), entries: slices.Clone(f.entries),
			uncharged: slices.Clone(f.uncharged),
		}
	}
	return other
}

func (f *firm) othersThan(memberID string) (others int) {
	for id, m := range f.members {
		if id != memberID && m.State == meter.MemberActive {
			others++
		}
	}
	return min(others, 2)
}

func (f *firm) refundedOf(topUp string) (sum meter.Micros) {
	for _, e := range f.entries {
		if e.Kind == meter.EntryRefund && e.TopUpRequestID == topUp {
			sum += e.Amount
		}
	}
	return sum
}

func load[K comparable, V any](table *meter.Table[K, V], rows map[K]V, keys ...K) {
	for _, k := range keys {
		if v, ok := rows[k]; ok {
			table.Load(k, v)
		}
	}
}

// save replaces the rows that a batch changed, and fails if a row is not the one that the batch thinks it replaces.
func save[K comparable, V any](t rapid.TB, rows map[K]V, table *meter.Table[K, V]) {
	t.Helper()
	table.Each(func(k K, before, v *V) {
		stored, exists := rows[k]
		switch {
		case exists && before == nil:
			t.Fatalf("a row is added that exists: %+v, new %+v", stored, *v)
		case !exists && before != nil:
			t.Fatalf("a row is replaced that does not exist: %+v", *v)
		case exists && !reflect.DeepEqual(stored, *before):
			t.Fatalf("a row is replaced that is not the one loaded: %+v, loaded %+v", stored, *before)
		}
		rows[k] = *v
	})
}

func keysOf(organizationID string, keys []meter.Key) (ids []string) {
	for _, k := range keys {
		if k.OrganizationID == organizationID {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func idsOf(organizationID string, keys []meter.IDKey) (ids []meter.UUID) {
	for _, k := range keys {
		if k.OrganizationID == organizationID {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

// pictureOf is all that a state holds but uncharged turns, to be compared with what it held before.
func pictureOf(s *meter.State) []any {
	organization, _ := s.Organization.Get(s.ID)
	organization.UnchargedSequence = 0 // checkTold sees to what a refused turn leaves.
	return []any{
		organization, maps.Clone(s.Plans), rowsOf(&s.Members), rowsOf(&s.Periods), rowsOf(&s.Reservations),
		rowsOf(&s.Extensions), rowsOf(&s.Movements), rowsOf(&s.Changes), maps.Clone(s.Requests), maps.Clone(s.RefundedOf),
		maps.Clone(s.OtherMembers), slices.Clone(s.Entries()), s.Due, maps.Clone(s.BookVersions), maps.Clone(s.Books),
	}
}

// rowsOf is the rows of a table, and the keys of those that the batch added or changed.
func rowsOf[K comparable, V any](table *meter.Table[K, V]) []any {
	rows := map[K]V{}
	for _, k := range table.Keys() {
		rows[k], _ = table.Get(k)
	}
	var touched []K
	table.Each(func(k K, _, _ *V) { touched = append(touched, k) })
	return []any{rows, touched}
}
