package meter

import "time"

// State is what a batch knows of one organization: the rows that were loaded under the organization's lock, and what the
// batch's commands have made of them so far. Commands read copies and put them back whole, so a refused one leaves
// nothing behind, but that a refused turn is put on record.
type State struct {
	ID           string    // The organization's.
	Now          time.Time // The batch's time, the same for all its commands.
	Organization Table[string, Organization]
	Members      Table[string, Member]
	Periods      Table[PeriodKey, Period] // Those that ended; a seat's last one is in its member.
	Reservations Table[UUID, Reservation]
	Extensions   Table[string, Extension]
	Movements    Table[MovementKey, Entry] // Top-ups and refunds that commands named.
	Changes      Table[UUID, AccessChange]

	Resources      Table[ResourceKey, Resource]
	ResourceCounts Table[ResourceKind, int64] // As far as they count.
	Recounted      map[ResourceKind]int64     // What the resources in the database add up to, if a command asked.

	// Read only, so the states of a batch may share them.
	Plans        map[string]Plan           // By id.
	BookVersions map[string]int64          // The current version of each price book, by its id.
	Books        map[BookVersion]PriceBook // Those that the organization and its reservations name.

	Requests     map[string]UUID   // Reservations by the request id of their Reserve.
	RefundedOf   map[string]Micros // What was refunded of a top-up, by its request id.
	OtherMembers map[string]int    // How many active members there are beside the one named, counted as far as two.
	Due          *Due              // What was found when holds that fell due were looked for; nil: it was not time to.

	// AuditHead is the end of the organization's record, if a command needed it.
	AuditHead AuditHead

	// RefusedBefore are the attempts that were put on record; those of an earlier try of the batch, if there was one.
	RefusedBefore map[UUID]bool

	entries      []Entry
	uncharged    []Uncharged
	auditEntries []AuditEntry
	running      running
}

// PeriodKey names one period of a seat.
type PeriodKey struct {
	MemberID string
	Start    int64 // Unix microseconds: a time.Time is no map key.
}

// Due is where a look at reservations that fell due ended. The open ones among them were loaded.
type Due struct {
	Next time.Time // When the first one expires that was not looked at; zero: there is none.
	More bool      // Whether that one is due already.
}

// NewState is the state of an organization at a time, without any row.
func NewState(id string, now time.Time) *State {
	return &State{
		ID: id, Now: now, Requests: map[string]UUID{}, RefundedOf: map[string]Micros{}, OtherMembers: map[string]int{},
		Recounted: map[ResourceKind]int64{}, RefusedBefore: map[UUID]bool{},
	}
}

// Entries are the ledger entries that the batch adds, in order.
func (s *State) Entries() []Entry { return s.entries }

// LoadReservation adds a reservation that the store found, which may be shared: nobody writes to it.
func (s *State) LoadReservation(r *Reservation) {
	s.Reservations.Share(r.ID, r)
	s.Requests[r.RequestID] = r.ID
}

// LoadPeriod adds a period that the store found.
func (s *State) LoadPeriod(memberID string, p Period) {
	s.Periods.Load(periodKey(memberID, p.Start), p)
}

// organization is the organization, which must exist.
func (s *State) organization() (Organization, error) {
	o, ok := s.Organization.Get(s.ID)
	if !ok {
		return o, about(OrganizationNotFound, "organization_id", s.ID)
	}
	return o, nil
}

// seat is the working copy of a member's seat in the running period.
func (s *State) seat(memberID string) (seat, error) {
	o, err := s.organization()
	if err != nil {
		return seat{}, err
	}
	m, ok := s.Members.Get(memberID)
	if !ok {
		return seat{}, about(MemberNotFound, "member_id", memberID)
	}
	plan := s.Plans[o.PlanID]
	month := s.monthOf(o.Calendar)
	period, _ := m.periodIn(month, o.Calendar)
	return seat{now: s.Now, month: month, org: o, plan: plan, member: m, period: period}, nil
}

// monthOf is the period that runs, which is worked out once for all the commands of a batch that find the same calendar.
func (s *State) monthOf(c Calendar) Span {
	if s.running.calendar != c || s.running.at != s.Now {
		s.running = running{calendar: c, at: s.Now, month: c.PeriodAt(s.Now)}
	}
	return s.running.month
}

// running is the month of a calendar that runs at a time.
type running struct {
	calendar Calendar
	at       time.Time
	month    Span
}

// turn is a reservation, and the working copy of its seat in the period to which it belongs.
func (s *State) turn(id UUID) (Reservation, seat, error) {
	if _, err := s.organization(); err != nil {
		return Reservation{}, seat{}, err
	}
	r, ok := s.Reservations.Get(id)
	if !ok {
		return r, seat{}, about(ReservationNotFound, "reservation_id", UUIDString(id))
	}
	t, err := s.seat(r.MemberID)
	if err != nil {
		return r, seat{}, err
	}
	t.period = s.period(t.member, r.PeriodStart)
	return r, t, nil
}

// period is a seat's use in the period that starts at start, whether it is the seat's last one or ended before.
func (s *State) period(m Member, start time.Time) Period {
	if m.Period.Start.Equal(start) {
		return m.Period
	}
	if p, ok := s.Periods.Get(periodKey(m.ID, start)); ok {
		return p
	}
	return Period{Start: start}
}

// keep writes a seat back. A period later than the member's last takes its place, and the last one is set aside.
func (s *State) keep(t *seat) {
	switch last := t.member.Period; {
	case t.period.Start.Equal(last.Start):
		t.member.Period = t.period
	case t.period.Start.After(last.Start):
		if !last.Empty() {
			s.Periods.Put(periodKey(t.member.ID, last.Start), last)
		}
		t.member.Period = t.period
	default:
		s.Periods.Put(periodKey(t.member.ID, t.period.Start), t.period)
	}
	s.Members.Put(t.member.ID, t.member)
	s.Organization.Put(t.org.ID, t.org)
}

// record adds an entry to the ledger of the organization in hand.
func (s *State) record(o *Organization, e Entry) Entry {
	o.LedgerSequence++
	e.Sequence, e.At, e.BalanceAfter = o.LedgerSequence, s.Now, o.Pool.Balance
	s.entries = append(s.entries, e)
	return e
}

func periodKey(memberID string, start time.Time) PeriodKey {
	return PeriodKey{MemberID: memberID, Start: start.UnixMicro()}
}
