package meter_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// ledgerStep is one step of a lifecycle: a request and what it comes to, a tick of the clock, or a look at the state.
type ledgerStep struct {
	Op        string
	ID        string
	Hold      string
	Account   string
	Amount    json.RawMessage // A number, or "full" for all that is held.
	Clamp     bool            // Less will do.
	Effective meter.Micros
	TTL       int64 `json:"ttl_s"`
	Seconds   int64
	Expect    string
	Held      meter.Micros
	Spent     meter.Micros
}

// A hold is a reservation, a charge is one committed at once, an account is an organization.
func runLifecycle(t *testing.T, c ledgerCase) {
	desk := newDesk(t, 0)
	desk.deposit(c.Deposit)
	if c.Limit == "unlimited" {
		desk.deposit(meter.MaxAmount)
	}
	for _, step := range c.Steps {
		switch step.Op {
		case "tick":
			desk.now = desk.now.Add(time.Duration(step.Seconds) * time.Second)
		case "state":
			desk.must(meter.Sweep{OrganizationID: "acme"})
			if pool := desk.pool(); pool.Held != step.Held || pool.Consumed != step.Spent {
				t.Errorf("the pool is %+v, want held %d, spent %d", pool, step.Held, step.Spent)
			}
		default:
			desk.step(step)
		}
	}
}

// desk is where cases of ledgers are handled: a firm of one seat with access to all of the pool, whose months begin on
// the second. B is another firm.
type desk struct {
	t     *testing.T
	now   time.Time
	store *memory
	packs int
	first map[string]meter.Outcome // What a request was answered when it was made.
}

func newDesk(t *testing.T, allowance meter.Micros) *desk {
	t.Helper()
	d := &desk{
		t: t, now: time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC), store: newMemory(), first: map[string]meter.Outcome{},
	}
	d.allow(allowance)
	for _, id := range []string{"acme", "B"} {
		d.must(meter.PutOrganization{
			OrganizationID: id, PlanID: "team", Unit: meter.UnitUSD, State: meter.OrganizationActive,
			Anchor: meter.Anchor{Date: meter.Date{Year: 2024, Month: time.January, Day: 2}, Zone: time.UTC},
		})
	}
	d.must(meter.PutMember{OrganizationID: "acme", MemberID: "mia", Role: meter.RoleMember})
	d.must(meter.SetAccess{
		OrganizationID: "acme", MemberID: "mia", Access: meter.Access{Kind: meter.AccessUnlimited}, ChangeID: uuidOf("access"),
	})
	return d
}

// allow sets the plan's allowance.
func (d *desk) allow(allowance meter.Micros) {
	d.store.plans["team"] = meter.Plan{ID: "team", Kind: meter.PlanTeam, SeatAllowance: allowance}
}

func (d *desk) deposit(amount meter.Micros) {
	d.t.Helper()
	if amount > 0 {
		d.packs++
		d.must(meter.TopUp{OrganizationID: "acme", RequestID: string(rune('a' + d.packs)), Amount: amount})
	}
}

func (d *desk) reserve(id string, estimate, least meter.Micros) meter.Reserve {
	return meter.Reserve{
		OrganizationID: "acme", ReservationID: uuidOf(id), RequestID: id, MemberID: "mia", Estimate: estimate, Minimum: least,
		TimeToLive: meter.DefaultTimeToLive,
	}
}

func (d *desk) commit(id string, actual meter.Micros) meter.Commit {
	return meter.Commit{OrganizationID: "acme", ReservationID: uuidOf(id), Actual: actual}
}

func (d *desk) do(c meter.Command) result {
	d.t.Helper()
	return d.store.apply(d.t, d.now, c)[0]
}

func (d *desk) must(c meter.Command) meter.Outcome {
	d.t.Helper()
	r := d.do(c)
	if r.refusal != nil {
		d.t.Fatalf("%+v is refused: %v", c, r.refusal)
	}
	return r.outcome
}

func (d *desk) pool() meter.Pool { return d.store.firm("acme").organization["acme"].Pool }

func (d *desk) meter() meter.Meter {
	f := d.store.firm("acme")
	return meter.MeterOf(f.organization["acme"], d.store.plans["team"], f.members["mia"], d.now)
}

// step sends the request of a step and checks its word.
func (d *desk) step(s ledgerStep) {
	d.t.Helper()
	var got string
	switch s.Op {
	case "hold":
		got = d.hold(s, s.ID)
	case "charge":
		if got = d.hold(s, s.ID); got == "ok" || got == "replay" {
			got = d.settle(d.commit(s.ID, d.amount(s)), s)
		}
	case "commit":
		got = d.settle(d.commit(s.Hold, d.amount(s)), s)
	case "release":
		release := meter.Release{OrganizationID: "acme", ReservationID: uuidOf(s.Hold)}
		if s.Account != "" && s.Account != "A" {
			release.OrganizationID = s.Account
		}
		got = d.settle(release, s)
	default:
		d.t.Fatalf("%+v is no step", s)
	}
	if got != s.Expect {
		d.t.Errorf("%+v: %s", s, got)
	}
}

func (d *desk) hold(s ledgerStep, id string) string {
	d.t.Helper()
	amount := d.amount(s)
	least := amount
	if s.Clamp {
		least = 1
	}
	c := d.reserve(id, amount, least)
	if s.TTL > 0 {
		c.TimeToLive = time.Duration(s.TTL) * time.Second
	}
	r := d.do(c)
	if r.refusal != nil {
		return ledgerWord(d.t, r.refusal.Reason)
	}
	if s.Clamp && r.outcome.Reservation.HeldPool != s.Effective {
		d.t.Errorf("%+v holds %d", s, r.outcome.Reservation.HeldPool)
	}
	return d.replayed("hold "+id, r.outcome)
}

// settle sends a commit or a release. A refusal is said in the words of the cases: another amount under an id is a
// conflict there, what is settled cannot be released, and another account's hold is wrong, which we do not say exists.
func (d *desk) settle(c meter.Command, s ledgerStep) string {
	d.t.Helper()
	r := d.do(c)
	switch {
	case r.refusal == nil && r.outcome.Reservation.Late:
		return "hold_expired"
	case r.refusal == nil:
		return d.replayed("settle "+r.outcome.Reservation.RequestID, r.outcome)
	case r.refusal.Reason == meter.AlreadyCommitted && s.Op == "commit":
		return "id_conflict"
	case r.refusal.Reason == meter.AlreadyCommitted:
		return "not_a_hold"
	case r.refusal.Reason == meter.ReservationNotFound && s.Account != "":
		return "wrong_account"
	default:
		return ledgerWord(d.t, r.refusal.Reason)
	}
}

// replayed says whether a request was answered before. A replay must be answered the same.
func (d *desk) replayed(request string, o meter.Outcome) string {
	d.t.Helper()
	first, seen := d.first[request]
	if !seen {
		d.first[request] = o
		return "ok"
	}
	if first.Reservation.Charge != o.Reservation.Charge && first.Reservation.State == o.Reservation.State {
		d.t.Errorf("%s was answered %+v, and again %+v", request, *first.Reservation, *o.Reservation)
	}
	return "replay"
}

// amount reads a step's amount; "full" is all that the turn holds.
func (d *desk) amount(s ledgerStep) (amount meter.Micros) {
	d.t.Helper()
	if string(s.Amount) == `"full"` {
		return d.first["hold "+s.Hold].Reservation.HeldPool
	}
	if err := json.Unmarshal(s.Amount, &amount); err != nil {
		d.t.Fatalf("%+v: %v", s, err)
	}
	return amount
}

// ledgerWord is the cases' word for a reason.
func ledgerWord(t *testing.T, reason meter.Reason) string {
	t.Helper()
	word, ok := map[meter.Reason]string{
		meter.PoolEmpty: "insufficient", meter.ReservationNotFound: "hold_not_found", meter.AlreadyReleased: "already_released",
	}[reason]
	if !ok {
		t.Fatalf("%s has no word in the cases", reason)
	}
	return word
}
