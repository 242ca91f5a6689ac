package meter_test

import (
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// Whatever commands come in whatever batches, the rules decide as the plain model does, and what is promised holds after
// each batch (memory.apply audits it). Time moves on, past expiries and the ends of periods; earlier commands are sent
// again, with the same and with other content; and now and then a whole batch is, as after a COMMIT whose fate nobody
// knows.
func TestRulesFollowTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newRehearsal(t)
		for range rapid.IntRange(1, 45).Draw(t, "batches") {
			p.now = p.now.Add(rapid.SampledFrom(waits).Draw(t, "wait"))
			if rapid.IntRange(0, 7).Draw(t, "new prices") == 0 {
				p.putPrices(t)
			}
			batch := make([]meter.Command, rapid.IntRange(1, 6).Draw(t, "commands"))
			for i := range batch {
				batch[i] = p.draw(t)
			}
			p.sent = append(p.sent, batch...)
			results := p.run(t, batch)
			p.repeatAccepted(t, batch, results)
			if rapid.IntRange(0, 4).Draw(t, "unknown") == 0 {
				p.run(t, batch)
			}
		}
	})
}

// waits between batches: none, to and past expiries, and past the ends of periods.
var waits = []time.Duration{
	0, 0, 0, 0, time.Microsecond, time.Second, 59 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour,
	23 * time.Hour, 11 * 24 * time.Hour,
}

// rehearsal is a firm in the store, and the same firm in the model.
type rehearsal struct {
	now   time.Time
	store *memory
	model *model
	sent  []meter.Command
	fresh int // How many new request ids were drawn.
}

func newRehearsal(t *rapid.T) *rehearsal {
	p := &rehearsal{now: time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC), store: newMemory()}
	for _, plan := range []meter.Plan{
		{ID: "team", SeatAllowance: 80, FailedTurns: meter.FailedTurnFree, Abuse: limitOf(200)},
		{ID: "paid", SeatAllowance: 40, FailedTurns: meter.FailedTurnUseAllowance, Abuse: limitOf(100)},
	} {
		plan.Kind = meter.PlanTeam
		p.store.plans[plan.ID] = plan
	}
	calendar := meter.Calendar{Anchor: meter.Anchor{Date: meter.Date{Year: 2026, Month: time.January, Day: 31}, Zone: time.UTC}}
	p.model = &model{
		calendar: calendar, plans: p.store.plans, seats: map[string]*modelSeat{}, changes: map[meter.UUID]bool{},
	}
	p.run(t, []meter.Command{
		meter.PutOrganization{
			OrganizationID: "acme", PlanID: "team", Unit: meter.UnitUSD, Anchor: calendar.Anchor, State: meter.OrganizationActive,
		},
		meter.PutMember{OrganizationID: "acme", MemberID: "mia", Role: meter.RoleMember},
		meter.PutMember{OrganizationID: "acme", MemberID: "tom", Role: meter.RoleMember},
		meter.TopUp{OrganizationID: "acme", RequestID: "t1", Amount: 300},
		meter.SetAccess{
			OrganizationID: "acme", MemberID: "mia", Access: meter.Access{Kind: meter.AccessUnlimited}, ChangeID: meter.UUID{1},
		},
		meter.SetAccess{
			OrganizationID: "acme", MemberID: "tom", Access: meter.Access{Kind: meter.AccessCapped, Cap: 150}, ChangeID: meter.UUID{2},
		},
	})
	return p
}

// putPrices makes a version of the price book that all turns reserved from now on are priced by.
func (p *rehearsal) putPrices(t *rapid.T) {
	rate := rapid.IntRange(0, 4).Draw(t, "rate")
	p.model.rates = append(p.model.rates, meter.Micros(rate))
	perMillion, err := price.ParseDecimal(strconv.Itoa(rate))
	if err != nil {
		t.Fatal(err)
	}
	p.store.putBook(t, price.Book{ID: meter.DefaultPriceBook, Unit: meter.UnitUSD, Models: []price.Model{
		{Name: "small", Prices: []price.Price{{Rates: price.Rates{Input: &perMillion, Output: &perMillion}}}},
	}})
}

func limitOf(tokens int64) meter.AbuseLimit {
	return meter.AbuseLimit{Tokens: tokens, Window: 2 * time.Hour}
}

// run applies a batch to both and compares what they answer.
func (p *rehearsal) run(t *rapid.T, batch []meter.Command) []result {
	p.model.now = p.now
	p.model.expire()
	results := p.store.apply(t, p.now, batch...)
	for i, c := range batch {
		before := p.model.drawn()
		reason, turn := p.model.do(c)
		switch refusal := results[i].refusal; {
		case refusal == nil && reason != "":
			t.Fatalf("%+v\nis accepted: %+v\nthe model refuses it: %s", c, results[i].outcome, reason)
		case refusal != nil && refusal.Reason != reason:
			t.Fatalf("%+v\nis refused: %v\nthe model says %q", c, refusal, reason)
		case refusal == nil:
			p.compare(t, c, results[i].outcome, turn)
		}
		p.checkCaps(t, c, before)
	}
	return results
}

// compare compares an outcome with the model as it stands after the same command.
func (p *rehearsal) compare(t *rapid.T, c meter.Command, o meter.Outcome, turn *modelTurn) {
	if o.Reservation != nil {
		if got, want := turnOf(*o.Reservation), turn.without(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nanswers %+v\nwant    %+v", c, got, want)
		}
	}
	if o.Meter != nil {
		member := o.Meter.MemberID
		use, room := p.model.use(member, p.model.period()), p.model.allowanceRoom(member, p.model.period())
		if o.Meter.Period != use || o.Meter.Remaining != room || o.Meter.Allowance != p.model.allowance(member) {
			t.Fatalf("%+v\nanswers the meter %+v\nwant %+v, room %d", c, *o.Meter, use, room)
		}
	}
	if o.Pool != nil && (o.Pool.Balance != p.model.balance() || o.Pool.Available() != p.model.available()) {
		t.Fatalf("%+v\nanswers the pool %+v, want %d, of it %d available", c, *o.Pool, p.model.balance(), p.model.available())
	}
	if o.Member != nil {
		seat := p.model.seats[o.Member.ID]
		access := seat.access
		if set, ok := c.(meter.SetAccess); ok {
			access = set.Access // Sent again after another has set it, it answers what it did.
		}
		if o.Member.Access != access || (o.Member.State == meter.MemberRemoved) != seat.removed ||
			o.Member.PoolUsedPeriod != p.model.use(o.Member.ID, p.model.period()).PoolUsed {
			t.Fatalf("%+v\nanswers the member %+v, want %+v", c, *o.Member, *seat)
		}
	}
}

// turnOf is a reservation in the model's terms, and without is a turn of the model without what only a caller said.
func turnOf(r meter.Reservation) modelTurn {
	return modelTurn{
		asked: meter.Reserve{ReservationID: r.ID, MemberID: r.MemberID, RequestID: r.RequestID},
		state: r.State, allowance: r.HeldAllowance, pool: r.HeldPool, estimate: r.Estimate, period: r.PeriodStart,
		expires: r.ExpiresAt, charge: r.Charge, tokens: r.Tokens, late: r.Late, version: int(r.Book.Version), basis: r.Basis,
		seen: r.Seen, left: r.Left,
	}
}

func (turn modelTurn) without() modelTurn {
	turn.asked = meter.Reserve{
		ReservationID: turn.asked.ReservationID, MemberID: turn.asked.MemberID, RequestID: turn.asked.RequestID,
	}
	return turn
}

// drawn is what each seat used and holds of the pool in the running period.
func (m *model) drawn() map[string]meter.Micros {
	sums := map[string]meter.Micros{}
	for member := range m.seats {
		use := m.use(member, m.period())
		sums[member] = use.PoolUsed + use.PoolHeld
	}
	return sums
}

// checkCaps checks that no command brought a seat past its cap, or further past one that was lowered under what it used
// and held.
func (p *rehearsal) checkCaps(t *rapid.T, c meter.Command, before map[string]meter.Micros) {
	for member, drawn := range p.model.drawn() {
		limit := before[member]
		switch access := p.model.seats[member].access; access.Kind {
		case meter.AccessNone: // No more than it held when access was revoked.
		case meter.AccessCapped:
			limit = max(limit, access.Cap)
		case meter.AccessUnlimited:
			limit = max(limit, drawn)
		}
		if drawn > limit {
			t.Fatalf("%+v\nbrings %s to %d of the pool, past %d", c, member, drawn, limit)
		}
	}
}

// repeatAccepted applies the accepted commands of a batch once more, on a copy of the store: nothing may change, and
// what is final must be answered as before.
func (p *rehearsal) repeatAccepted(t *rapid.T, batch []meter.Command, results []result) {
	var again []meter.Command
	var first []meter.Outcome
	for i, c := range batch {
		if results[i].refusal == nil {
			again, first = append(again, c), append(first, results[i].outcome)
		}
	}
	replica := p.store.clone()
	for i, r := range replica.apply(t, p.now, again...) {
		if r.refusal != nil {
			t.Fatalf("%+v\nwas accepted, and again is refused: %v", again[i], r.refusal)
		}
		if !reflect.DeepEqual(r.outcome.Entry, first[i].Entry) {
			t.Fatalf("%+v\nanswered the entry %+v, and again %+v", again[i], first[i].Entry, r.outcome.Entry)
		}
		now, final := r.outcome.Reservation, first[i].Reservation
		settled := final != nil && (final.State == meter.Committed || final.State == meter.Released)
		if settled && !reflect.DeepEqual(now, final) {
			t.Fatalf("%+v\nanswered %+v, and again %+v", again[i], *final, *now)
		}
	}
	if !reflect.DeepEqual(replica, p.store) {
		t.Fatalf("again, %s changed something", fmt.Sprintf("%+v", again))
	}
}
