package rpc

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// memory carries commands and answers reads without a database: the rules themselves on one state per organization.
type memory struct {
	mu     sync.Mutex
	now    time.Time
	swept  int // How often SweepOnce was called.
	plans  map[string]meter.Plan
	states map[string]*meter.State
	shelf  shelf
	fails  error // Answered instead of anything else, if set.

	report   meter.UsageReport
	reported []meter.UsageQuery // What reports were asked for.
	runway   meter.Runway
}

func newMemory() *memory {
	return &memory{
		now:    time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC),
		plans:  map[string]meter.Plan{},
		states: map[string]*meter.State{},
		shelf:  shelf{},
		report: meter.UsageReport{Zone: time.UTC, Span: meter.Span{Start: time.Unix(0, 0), End: time.Unix(1, 0)}},
		runway: meter.Runway{Zone: time.UTC},
	}
}

func (m *memory) Do(_ context.Context, c meter.Command) (meter.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return meter.Outcome{}, m.fails
	}
	s := m.state(c.Organization())
	s.ExpireDue()
	return c.Apply(s)
}

func (m *memory) state(organizationID string) *meter.State {
	s, ok := m.states[organizationID]
	if !ok {
		s = meter.NewState(organizationID, m.now)
		m.states[organizationID] = s
	}
	s.Plans = m.plans
	m.shelf.open(s)
	s.Now = m.now
	return s
}

func (m *memory) PutPlan(_ context.Context, p meter.Plan, _ meter.Actor) error {
	if before, exists := m.plans[p.ID]; exists {
		if err := p.Replace(&before); err != nil {
			return err
		}
	}
	m.plans[p.ID] = p
	return m.fails
}

func (m *memory) Plan(_ context.Context, id string) (meter.Plan, error) {
	return found(m.plans[id], m.plans[id].ID != "", meter.PlanNotFound, "plan_id", id)
}

func (m *memory) Plans(_ context.Context, after string, limit int) ([]meter.Plan, error) {
	var plans []meter.Plan
	for _, p := range m.plans {
		plans = append(plans, p)
	}
	return part(plans, func(p meter.Plan) string { return p.ID }, after, limit), m.fails
}

func (m *memory) Organization(_ context.Context, id string) (meter.Organization, error) {
	o, ok := m.state(id).Organization.Get(id)
	return found(o, ok, meter.OrganizationNotFound, "organization_id", id)
}

func (m *memory) Organizations(_ context.Context, after string, limit int) ([]meter.Organization, error) {
	var organizations []meter.Organization
	for id, s := range m.states {
		if o, ok := s.Organization.Get(id); ok {
			organizations = append(organizations, o)
		}
	}
	return part(organizations, func(o meter.Organization) string { return o.ID }, after, limit), m.fails
}

func (m *memory) Member(ctx context.Context, organizationID, memberID string) (meter.MemberView, error) {
	o, err := m.Organization(ctx, organizationID)
	if err != nil {
		return meter.MemberView{}, err
	}
	member, ok := m.state(organizationID).Members.Get(memberID)
	return found(meter.ViewOf(o, m.plans[o.PlanID], member, m.now), ok, meter.MemberNotFound, "member_id", memberID)
}

func (m *memory) Members(ctx context.Context, q meter.MemberQuery) (members []meter.MemberView, all int64, err error) {
	for _, id := range m.state(q.OrganizationID).Members.Keys() {
		view, err := m.Member(ctx, q.OrganizationID, id)
		if err != nil {
			return nil, 0, err
		}
		if strings.Contains(strings.ToLower(view.ID+"\n"+view.DisplayName+"\n"+view.Email), strings.ToLower(q.Search)) {
			members = append(members, view)
		}
	}
	all = int64(len(members))
	return part(members, func(v meter.MemberView) string { return v.ID }, q.After, q.Limit), all, m.fails
}

func (m *memory) Meter(ctx context.Context, organizationID, memberID string) (meter.Meter, error) {
	o, err := m.Organization(ctx, organizationID)
	if err != nil {
		return meter.Meter{}, err
	}
	member, ok := m.state(organizationID).Members.Get(memberID)
	return found(meter.MeterOf(o, m.plans[o.PlanID], member, m.now), ok, meter.MemberNotFound, "member_id", memberID)
}

func (m *memory) Reservation(_ context.Context, organizationID string, id meter.UUID) (meter.Reservation, error) {
	r, ok := m.state(organizationID).Reservations.Get(id)
	return found(r, ok, meter.ReservationNotFound, "reservation_id", meter.UUIDString(id))
}

func (m *memory) Reservations(_ context.Context, q meter.ReservationQuery) (meter.ReservationPage, error) {
	s := m.state(q.OrganizationID)
	var rs []meter.Reservation
	for _, id := range s.Reservations.Keys() {
		r, _ := s.Reservations.Get(id)
		wanted := (q.MemberID == "" || q.MemberID == r.MemberID) && (q.State == 0 || q.State == r.State)
		if wanted && (q.Before == meter.UUID{} || slices.Compare(id[:], q.Before[:]) < 0) {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b meter.Reservation) int { return slices.Compare(b.ID[:], a.ID[:]) })
	page := meter.ReservationPage{Reservations: rs[:min(len(rs), q.Limit)]}
	if len(rs) > q.Limit {
		page.Next = rs[q.Limit-1].ID
	}
	return page, m.fails
}

func (m *memory) PlanUsage(ctx context.Context, organizationID string) ([]meter.PlanUsage, error) {
	o, err := m.Organization(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	used := map[meter.ResourceKind]int64{}
	for _, kind := range meter.ResourceKinds {
		used[kind], _ = m.state(organizationID).ResourceCounts.Get(kind)
	}
	return meter.PlanUsageOf(m.plans[o.PlanID], used), nil
}

func (m *memory) AuditEntries(
	_ context.Context, organizationID string, after int64, limit int,
) ([]meter.AuditEntry, error) {
	entries := m.state(organizationID).AuditEntries()
	entries = entries[min(len(entries), int(after)):]
	return entries[:min(len(entries), limit)], m.fails
}

func (m *memory) Entries(_ context.Context, q meter.EntryQuery) (meter.EntryPage, error) {
	entries := slices.DeleteFunc(slices.Clone(m.state(q.OrganizationID).Entries()), func(e meter.Entry) bool {
		return (!q.NewestFirst && e.Sequence <= q.After) || (q.NewestFirst && q.After > 0 && e.Sequence >= q.After) || e.At.Before(q.Span.Start) || (!q.Span.End.IsZero() && !e.At.Before(q.Span.End)) ||
			(len(q.Kinds) > 0 && !slices.Contains(q.Kinds, e.Kind))
	})
	if q.NewestFirst {
		slices.Reverse(entries)
	}
	if len(entries) <= q.Limit {
		return meter.EntryPage{Entries: entries}, m.fails
	}
	return meter.EntryPage{Entries: entries[:q.Limit], Next: entries[q.Limit-1].Sequence}, m.fails
}

// Usage answers as many rows as are asked for of a report of a thousand, and remembers what was asked.
func (m *memory) Usage(_ context.Context, q meter.UsageQuery) (meter.UsageReport, error) {
	m.reported = append(m.reported, q)
	report := m.report
	report.Rows = nil
	for n := q.Offset; n < min(q.Offset+q.Limit, 1000); n++ {
		report.Rows = append(report.Rows, meter.UsageRow{Value: strconv.Itoa(n)})
	}
	return report, m.fails
}

func (m *memory) Runway(_ context.Context, organizationID string, days int) (meter.Runway, error) {
	runway := m.runway
	runway.OrganizationID, runway.Basis.Days = organizationID, days
	return runway, m.fails
}

func (m *memory) AccessChanges(
	_ context.Context, organizationID, memberID string, after meter.UUID, limit int,
) ([]meter.AccessChange, error) {
	s := m.state(organizationID)
	var changes []meter.AccessChange
	for _, id := range s.Changes.Keys() {
		if c, _ := s.Changes.Get(id); memberID == "" || memberID == c.MemberID {
			changes = append(changes, c)
		}
	}
	last := ""
	if after != (meter.UUID{}) {
		last = changeKey(meter.AccessChange{ID: after})
	}
	return part(changes, changeKey, last, limit), m.fails
}

func (m *memory) Now(context.Context) (time.Time, error) { return m.now, m.fails }

func (m *memory) ShiftClock(_ context.Context, by time.Duration) (time.Time, error) {
	m.now = m.now.Add(by)
	return m.now, m.fails
}

func (m *memory) SetClock(_ context.Context, to time.Time) (time.Time, error) {
	m.now = to
	return m.now, m.fails
}

func (m *memory) SweepOnce(context.Context) error {
	m.swept++
	for id := range m.states {
		m.state(id).ExpireDue()
	}
	return m.fails
}

func found[T any](v T, ok bool, reason meter.Reason, name, id string) (T, error) {
	if !ok {
		return v, &meter.Refusal{Reason: reason, Facts: map[string]string{name: id}}
	}
	return v, nil
}

// part is what a list answers: in the order of the key, after one key, up to a limit.
func part[T any](items []T, key func(T) string, after string, limit int) []T {
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	items = slices.DeleteFunc(items, func(v T) bool { return key(v) <= after })
	return items[:min(len(items), limit)]
}
