package postgres

import "github.com/spillway-metering/spillway/internal/meter"

// memory is what a session remembers of organizations, so that batch after batch need not load the same rows. Whoever writes
// a member or a reservation also writes the organization's row, in the same transaction and under its lock; so as long as
// the transaction that wrote that row last is the one that was remembered with them, what is remembered is what a load would
// find, whichever servers there are. A load asks for that under the lock, and loads what it finds to be remembered wrongly;
// a batch that was decided by memory alone confirms it there (ahead.go).
type memory struct {
	organizations map[string]*remembered
	bytes         int
	terms         terms
	clock         clock
	doubt         int // For how many batches nothing is decided by memory.
}

// terms are what organizations are served by: the plans and the current versions of price books, by their ids.
type terms struct {
	plans       map[string]meter.Plan
	planWriters map[string]uint32 // The transactions that wrote the plans last.
	versions    map[string]int64
}

// remembered is what there is of one organization. Its rows are shared with the states of batches, so they are not written to.
type remembered struct {
	writer  uint32              // The transaction that wrote its row last.
	row     *meter.Organization // Nil: there is none.
	members map[string]*meter.Member
	turns   map[meter.UUID]*meter.Reservation // Open ones.
	bytes   int
	strange int // For how many batches nothing is remembered.
}

// mostRemembered bounds the bytes of one memory, about: beyond that all is forgotten, and found again.
const mostRemembered = 32 << 20

// strangeFor is for how many batches an organization that another server wrote is not remembered.
const strangeFor = 64

// member is a seat as it is remembered; nil: it is not.
func (m *memory) member(k meter.Key) *meter.Member {
	if f := m.organizations[k.OrganizationID]; f != nil {
		return f.members[k.ID]
	}
	return nil
}

// turn is an open turn as it is remembered, with its seat; nil: one of both is not.
func (m *memory) turn(k meter.IDKey) (*meter.Reservation, *meter.Member) {
	f := m.organizations[k.OrganizationID]
	if f == nil {
		return nil, nil
	}
	r := f.turns[k.ID]
	if r == nil || f.members[r.MemberID] == nil {
		return nil, nil
	}
	return r, f.members[r.MemberID]
}

// check compares with the transactions that wrote organizations' rows last. Of one that another server wrote since, all is
// forgotten, and nothing is remembered for some batches: where servers take turns, each loads what it needs at once.
func (m *memory) check(writers map[string]uint32) {
	for id, writer := range writers {
		if f := m.organizations[id]; f != nil && f.writer != writer {
			m.bytes -= f.bytes
			*f = remembered{writer: writer, strange: strangeFor}
		}
	}
}

// keep remembers the members and open turns of a state that is on disk, and the transaction that wrote its organization last.
func (m *memory) keep(s *meter.State, writer uint32) {
	f := m.of(s.ID)
	if f.writer = writer; f.strange > 0 {
		f.strange--
		return
	}
	_, f.row, _ = s.Organization.Row(s.ID)
	m.bytes -= f.bytes
	for id, seat := range s.Members.All() {
		f.bytes += sizeOfMember(seat) - sizeOfMember(f.members[id])
		f.members[id] = seat
	}
	for id, r := range s.Reservations.All() {
		f.bytes -= sizeOfTurn(f.turns[id])
		delete(f.turns, id)
		if r.State == meter.Held {
			if r.Seen != nil {
				open := *r
				open.Seen = nil // As a load leaves it out.
				r = &open
			}
			f.bytes += sizeOfTurn(r)
			f.turns[id] = r
		}
	}
	m.bytes += f.bytes
}

// of is what is remembered of an organization. What is too much is forgotten first.
func (m *memory) of(organization string) *remembered {
	if m.organizations == nil || m.bytes > mostRemembered {
		m.organizations, m.bytes = map[string]*remembered{}, 0
	}
	f := m.organizations[organization]
	if f == nil {
		f = &remembered{bytes: sizeOfRow}
		m.organizations[organization] = f
		m.bytes += f.bytes
	}
	if f.members == nil && f.strange == 0 {
		f.members, f.turns = map[string]*meter.Member{}, map[meter.UUID]*meter.Reservation{}
	}
	return f
}

// sizeOfRow is about what a row takes beside its text. One that is not there takes nothing.
const sizeOfRow = 512

func sizeOfMember(m *meter.Member) int {
	if m == nil {
		return 0
	}
	return sizeOfRow + len(m.ID) + len(m.DisplayName) + len(m.Email) + len(m.AvatarURL)
}

func sizeOfTurn(r *meter.Reservation) int {
	if r == nil {
		return 0
	}
	n := sizeOfRow + len(r.MemberID) + len(r.RequestID) + len(r.Turn.Model) + len(r.Turn.ConversationID) + len(r.Turn.TurnID)
	for k, v := range r.Turn.Labels {
		n += len(k) + len(v)
	}
	return n
}
