package faults

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// tolerance is by how much the machine's clock, which the database tells, may differ from this process's, in microseconds.
const tolerance = 3000

// move is one step of a history as the checker sees it: something that took effect, or something that was seen.
type move struct {
	what string
	// apply answers why it is impossible; empty: it is not, and the book has been changed by what took effect.
	apply func(*book) string
}

// effect is a move whose time the books tell. Effects take place in the order of their times, for the organization is
// locked before its time is read. Whoever only reads sees them a little later, once they are committed.
type effect struct {
	at, seen int64
	past     int // How many effects are over with it: those of one transaction go together.
	*move
}

// explainer makes the checker's history: what took effect, by the books and at the times that they tell, and what
// callers were answered. What nobody asked for, and what was acknowledged and is not there, it finds by itself.
type explainer struct {
	firm     *firm
	terms    *terms
	eras     *eras
	books    books
	attempts []*attempt

	turns      map[string]int           // By reservation id.
	requests   map[string]int           // Turns by request id.
	extensions map[string]int           // Turns by the request id of the Extend that took effect.
	first      map[string]proto.Message // What was first asked for under a request id, by kind and id.
	topUps     map[string]int           // By request id, like the refunds.
	refunds    map[string]int
	entered    map[string]*meterv1.LedgerEntry // Charges, by kind and reservation.

	changes    []change // Of access.
	effects    []effect
	untimed    []untimed
	sights     []sight
	gallery    *gallery
	operations []porcupine.Operation
	problems   []string
}

// explain answers a history for the checker, and what is wrong with it at first sight.
func explain(f *firm, t *terms, e *eras, b books) *explainer {
	x := &explainer{
		firm: f, terms: t, eras: e, books: b, attempts: f.history.all(),
		turns: map[string]int{}, requests: map[string]int{}, extensions: map[string]int{}, first: map[string]proto.Message{},
		topUps: map[string]int{}, refunds: map[string]int{}, entered: map[string]*meterv1.LedgerEntry{},
	}
	x.index()
	for i := range slices.Backward(b.reservations) { // The oldest first: so add has them tried.
		x.explainTurn(i)
	}
	for _, entry := range b.entries {
		x.explainEntry(entry)
	}
	for _, change := range b.changes {
		x.explainChange(change)
	}
	x.listChanges()
	x.pairChanges()
	for _, a := range x.attempts {
		x.observe(a)
	}
	x.order()
	x.hang()
	x.end()
	return x
}

func (x *explainer) problem(format string, args ...any) {
	x.problems = append(x.problems, x.firm.id+": "+fmt.Sprintf(format, args...))
}

// index numbers what the books hold, and sees that nothing is there twice.
func (x *explainer) index() {
	for _, a := range x.attempts {
		if key := requestKey(a); x.first[key] == nil {
			x.first[key] = a.request
		}
	}
	for i, r := range x.books.reservations {
		if _, twice := x.requests[r.GetRequestId()]; twice {
			x.problem("two reservations of request %s", r.GetRequestId())
		}
		x.turns[r.GetReservationId()], x.requests[r.GetRequestId()] = i, i
	}
	for i, entry := range x.books.entries {
		if entry.GetSequence() != int64(i+1) {
			x.problem("ledger entry %d has the number %d", i+1, entry.GetSequence())
		}
		x.indexEntry(entry)
	}
}

func (x *explainer) indexEntry(entry *meterv1.LedgerEntry) {
	id, into := entry.GetRequestId(), x.topUps
	switch entry.GetKind() {
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP:
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_REFUND:
		into = x.refunds
	default:
		key := chargeKey(entry.GetKind(), entry.GetReservationId())
		if x.entered[key] != nil {
			x.problem("charged twice: %v", entry)
		}
		x.entered[key] = entry
		return
	}
	if _, twice := into[id]; twice {
		x.problem("applied twice: %v", entry)
	}
	into[id] = len(into)
}

func chargeKey(kind meterv1.LedgerEntryKind, reservation string) string {
	return kind.String() + " " + reservation
}

// once adds an effect that a request can have once: whoever was answered OK was so after it. An answer is a move of its
// own even where one attempt alone can have had the effect: a server that does not learn the fate of its COMMIT does
// the same again, and answers with what it then finds.
func (x *explainer) once(now int64, m *move, asked []*attempt) {
	seen := int64(never)
	for _, a := range asked {
		if a.fate() == answered {
			seen = min(seen, a.ret+tolerance)
		}
	}
	if at, ok := x.moment(now, m); ok {
		if seen < at {
			x.problem("it was answered before it took effect: %s; asked were %v", m.what, asked)
		}
		x.timed(at, seen, x.whoAsked(at, m, asked), m)
	}
}

// again adds an effect that the same request can have again and again: it was seen by those who may have had it.
func (x *explainer) again(now int64, m *move, asked []*attempt) {
	at, ok := x.moment(now, m)
	if !ok {
		return
	}
	seen := at
	for _, a := range asked {
		switch {
		case !a.possible(at, tolerance):
		case a.fate() == answered:
			seen = max(seen, a.ret+tolerance)
		default:
			seen = never
		}
	}
	x.timed(at, seen, x.whoAsked(at, m, asked), m)
}

// moment is when the rules' clock showed an effect's time.
func (x *explainer) moment(now int64, m *move) (at int64, ok bool) {
	if at, ok = x.eras.moment(now); !ok {
		x.problem("at %d, which the clock never showed: %s", now, m.what)
	}
	return at, ok
}

// never is the moment that comes after all others but the end.
const never = math.MaxInt64 - 2

// timed adds an effect that took place at a moment, and was there to be seen by another.
func (x *explainer) timed(at, seen int64, client int, m *move) {
	x.effects = append(x.effects, effect{at: at, seen: max(at, seen), move: m})
	x.add(at, max(at, seen), client, m)
}

// somewhen adds an effect whose time the books do not tell: it lies between two moments.
func (x *explainer) somewhen(from, to int64, m *move) {
	i, apply := len(x.untimed), m.apply
	x.untimed = append(x.untimed, untimed{from, to})
	m.apply = func(b *book) string { return b.timeless(i, from, apply) }
	x.add(from, to, nobody, m)
}

// end is the last move: all has been seen by then.
func (x *explainer) end() {
	x.add(math.MaxInt64-1, math.MaxInt64, nobody, &move{what: "the end", apply: (*book).blind})
}

// order lets each effect take place only after all that came before it. Those of one moment are of one transaction, in
// whatever order.
func (x *explainer) order() {
	slices.SortStableFunc(x.effects, func(a, b effect) int { return cmp.Compare(a.at, b.at) })
	for first, past := 0, 0; first < len(x.effects); first = past {
		for past < len(x.effects) && x.effects[past].at == x.effects[first].at {
			past++
		}
		for i := first; i < past; i++ {
			e := &x.effects[i]
			apply := e.apply
			e.past = past
			e.apply = func(b *book) string { return b.timed(first, past, apply) }
		}
	}
}

// whoAsked is the caller that an effect is to be shown with. Somebody must have asked for it at that time.
func (x *explainer) whoAsked(at int64, m *move, asked []*attempt) (client int) {
	could := 0
	for _, a := range asked {
		if a.possible(at, tolerance) {
			could++
			client = a.caller
		}
	}
	if could == 0 {
		x.problem("nobody asked for it at that time: %s; asked were %v", m.what, asked)
	}
	if could != 1 {
		return nobody
	}
	return client
}

// nobody is the caller of what the service did by itself, or what it is not known who asked for.
const nobody = callers + 2

// add adds a move that lies between two moments. Moves of one moment are tried in the order in which they are added: the
// effects of one transaction in the order of their ids, which is nearly always theirs, and in any other where that does not fit.
// Told in no order, those of twenty turns could not all be tried. So moments are counted finer, and each move may come a
// thousandth of a tick sooner than the next: a way that was open stays open.
func (x *explainer) add(call, ret int64, client int, m *move) {
	if call < never {
		call = call*finer - max(0, finer-int64(len(x.operations)))
	}
	if ret < never {
		ret *= finer
	}
	x.operations = append(x.operations, porcupine.Operation{ClientId: client, Input: m, Call: call, Return: ret})
}

// finer is how much finer moments are counted where histories are checked.
const finer = 1000

// coarse is a moment as it is counted elsewhere.
func coarse(moment int64) int64 {
	if moment >= never {
		return moment
	}
	return (moment + finer - 1) / finer
}

// asking are the attempts whose request is one that a function says yes to.
func asking[Q proto.Message](x *explainer, is func(Q) bool) (found []*attempt) {
	for _, a := range x.attempts {
		if q, ok := a.request.(Q); ok && is(q) {
			found = append(found, a)
		}
	}
	return found
}

func (x *explainer) explainEntry(entry *meterv1.LedgerEntry) {
	now := entry.GetAt().AsTime().UnixMicro()
	q := moving{
		now: now, amount: entry.GetAmountMicros(), sequence: entry.GetSequence(), balance: entry.GetPoolBalanceAfterMicros(),
	}
	m := &move{what: fmt.Sprintf("effect {%v}", entry)}
	switch entry.GetKind() {
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP:
		q.index = x.topUps[entry.GetRequestId()]
		m.apply = func(b *book) string { return b.topUp(q) }
		x.once(now, m, asking(x, func(a *meterv1.TopUpRequest) bool {
			return a.GetRequestId() == entry.GetRequestId() && a.GetAmountMicros() == entry.GetAmountMicros()
		}))
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_REFUND:
		of, bought := x.topUps[entry.GetTopUpRequestId()]
		if !bought {
			x.problem("a refund of nothing: %v", entry)
			return
		}
		q.index, q.of = x.refunds[entry.GetRequestId()], of
		m.apply = func(b *book) string { return b.refund(q) }
		x.once(now, m, asking(x, func(a *meterv1.RefundRequest) bool {
			return a.GetRequestId() == entry.GetRequestId() && a.GetAmountMicros() == entry.GetAmountMicros() &&
				a.GetTopUpRequestId() == entry.GetTopUpRequestId()
		}))
	default:
		if i, ok := x.turns[entry.GetReservationId()]; !ok || x.books.reservations[i].GetCharge() == nil {
			x.problem("a charge of no settled turn: %v", entry)
		}
	}
}

func (x *explainer) explainChange(change *meterv1.AccessChange) {
	seat, now := seatNumber(change.GetMemberId()), change.GetAt().AsTime().UnixMicro()
	before, after := accessOf(change.GetBefore()), accessOf(change.GetAfter())
	m := &move{what: fmt.Sprintf("effect {%v}", change)}
	m.apply = func(b *book) string { return b.setAccess(seat, now, before, after) }
	asked := asking(x, func(q *meterv1.GrantAccessRequest) bool {
		return q.GetMemberId() == change.GetMemberId() && granted(q) == after
	})
	if after.kind == noAccess {
		asked = asking(x, func(q *meterv1.RevokeAccessRequest) bool { return q.GetMemberId() == change.GetMemberId() })
	}
	x.again(now, m, asked)
	x.changes = append(x.changes, x.asChange(now, m, asked))
}

func accessOf(a *meterv1.Access) access {
	kind := int(a.GetKind())
	if kind == 0 {
		kind = noAccess
	}
	return access{kind, a.GetCapMicros()}
}

// granted is the access that a GrantAccess asks for.
func granted(q *meterv1.GrantAccessRequest) access {
	if limited, ok := q.GetAccess().(*meterv1.GrantAccessRequest_CapMicros); ok {
		return access{capped, limited.CapMicros}
	}
	return access{kind: unlimited}
}

func seatNumber(member string) (i int) {
	_, _ = fmt.Sscanf(member, "seat-%d", &i)
	return i
}
