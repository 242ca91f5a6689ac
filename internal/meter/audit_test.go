package meter_test

import (
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// audit recomputes from the ledger and the reservations what the semantics promise of an organization at all times, and
// fails on the first row that says otherwise.
func audit(t rapid.TB, f *firm) {
	t.Helper()
	auditLedger(t, f)
	auditCharges(t, f)
	auditHolds(t, f)
	auditSeats(t, f)
	auditUncharged(t, f)
}

// auditLedger checks the balance against its movements: balance = top-ups - refunds - pool charges, never below 0, the
// sequence without a gap, the balance after each entry right.
func auditLedger(t rapid.TB, f *firm) {
	t.Helper()
	var pool meter.Pool
	for i, e := range f.entries {
		switch e.Kind {
		case meter.EntryTopUp:
			pool.Purchased += e.Amount
		case meter.EntryRefund:
			pool.Refunded += e.Amount
		case meter.EntryPoolCharge:
			pool.Consumed += e.Amount
		case meter.EntryAllowanceCharge: // It leaves the pool alone.
		}
		pool.Balance = pool.Purchased - pool.Refunded - pool.Consumed
		if e.Sequence != int64(i+1) || e.Amount < 1 || e.BalanceAfter != pool.Balance || pool.Balance < 0 {
			t.Fatalf("entry %d is %+v, the balance %d", i+1, e, pool.Balance)
		}
	}
	for _, o := range f.organization {
		pool.Held = o.Pool.Held // auditHolds has its say on it.
		if o.Pool != pool || o.LedgerSequence != int64(len(f.entries)) {
			t.Fatalf("the pool is %+v after entry %d, the ledger says %+v after entry %d",
				o.Pool, o.LedgerSequence, pool, len(f.entries))
		}
	}
}

// auditCharges checks that a charge's parts add up and that each layer it touched has exactly one entry.
func auditCharges(t rapid.TB, f *firm) {
	t.Helper()
	type layer struct {
		turn meter.UUID
		kind meter.EntryKind
	}
	paid, recorded := map[layer]meter.Micros{}, map[layer]meter.Micros{}
	for id, r := range f.reservations {
		c := r.Charge
		if settled := r.State == meter.Committed || r.State == meter.Released; settled != (r.Basis != 0) {
			t.Fatalf("%s is %s and its cost has the basis %s", r.RequestID, reservationStates[r.State], bases[r.Basis])
		}
		if held := r.HeldAllowance + r.HeldPool; r.Basis == meter.CostHeld && c.Actual != held {
			t.Fatalf("%s held %d and is charged %d for it", r.RequestID, held, c.Actual)
		}
		if min(c.Actual, c.Allowance, c.Pool, c.Overrun) < 0 || c.Allowance+c.Pool+c.Overrun != c.Actual {
			t.Fatalf("the charge of %s does not add up: %+v", r.RequestID, c)
		}
		if c.Allowance > 0 {
			paid[layer{id, meter.EntryAllowanceCharge}] = c.Allowance
		}
		if c.Pool > 0 {
			paid[layer{id, meter.EntryPoolCharge}] = c.Pool
		}
	}
	for _, e := range f.entries {
		if e.Kind != meter.EntryAllowanceCharge && e.Kind != meter.EntryPoolCharge {
			continue
		}
		r, at := f.reservations[e.ReservationID], layer{e.ReservationID, e.Kind}
		if _, twice := recorded[at]; twice || e.MemberID != r.MemberID || e.RequestID != r.RequestID {
			t.Fatalf("the entry %+v is not the one of its turn %+v", e, r)
		}
		recorded[at] = e.Amount
	}
	if !reflect.DeepEqual(paid, recorded) {
		t.Fatalf("charges %v, their entries %v", paid, recorded)
	}
}

// auditHolds checks that the pool holds what its open turns do, that it has that much, and that none is overlooked.
func auditHolds(t rapid.TB, f *firm) {
	t.Helper()
	var held meter.Micros
	for _, o := range f.organization {
		for _, r := range f.reservations {
			if r.State != meter.Held {
				continue
			}
			held += r.HeldPool
			if o.NextDue.IsZero() || r.ExpiresAt.Before(o.NextDue) {
				t.Fatalf("%s is open, expires %s, and is not looked for before %s", r.RequestID, r.ExpiresAt, o.NextDue)
			}
		}
		if o.Pool.Held != held || held > o.Pool.Balance {
			t.Fatalf("the pool is %+v, the open turns hold %d of it", o.Pool, held)
		}
	}
}

// auditSeats checks each seat's use and holds in each period, and in all, against its turns.
func auditSeats(t rapid.TB, f *firm) {
	t.Helper()
	want, lifetime := periodsOfTurns(f), map[string]meter.Micros{}
	for _, r := range f.reservations {
		lifetime[r.MemberID] += r.Charge.Pool
	}
	got := map[meter.PeriodKey]meter.Period{}
	for key, p := range f.periods {
		if last := f.members[key.MemberID].Period; !p.Start.Before(last.Start) {
			t.Fatalf("%s has %+v set aside, though its last period is %+v", key.MemberID, p, last)
		}
		got[key] = p
	}
	for id, m := range f.members {
		got[meter.PeriodKey{MemberID: id, Start: m.Period.Start.UnixMicro()}] = m.Period
		if m.PoolUsedLifetime != lifetime[id] {
			t.Fatalf("%s used %d of the pool in all, its turns %d", id, m.PoolUsedLifetime, lifetime[id])
		}
	}
	if got, want := withUse(got), withUse(want); !reflect.DeepEqual(got, want) {
		t.Fatalf("the seats' periods are %+v, their turns make them %+v", got, want)
	}
}

// periodsOfTurns adds up the turns of each seat and period.
func periodsOfTurns(f *firm) map[meter.PeriodKey]meter.Period {
	periods := map[meter.PeriodKey]meter.Period{}
	for _, r := range f.reservations {
		key := meter.PeriodKey{MemberID: r.MemberID, Start: r.PeriodStart.UnixMicro()}
		p := periods[key]
		p.AllowanceUsed += r.Charge.Allowance
		p.PoolUsed += r.Charge.Pool
		p.Overrun += r.Charge.Overrun
		if r.State == meter.Held {
			p.AllowanceHeld += r.HeldAllowance
			p.PoolHeld += r.HeldPool
		}
		periods[key] = p
	}
	return periods
}

// withUse leaves out the periods in which nothing was used or is held: they need no row. The start is in the key.
func withUse(periods map[meter.PeriodKey]meter.Period) map[meter.PeriodKey]meter.Period {
	used := map[meter.PeriodKey]meter.Period{}
	for key, p := range periods {
		if p.Start = (time.Time{}); !p.Empty() {
			used[key] = p
		}
	}
	return used
}
