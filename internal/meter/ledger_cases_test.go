package meter_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

//go:embed testdata/ledger.jsonl
var ledgerCases []byte

// ledgerCase is one line of ledger.jsonl. Each kind has fields of its own.
type ledgerCase struct {
	ID      string
	Type    string
	Expect  json.RawMessage
	Balance meter.Micros
	Held    meter.Micros
	Queued  meter.Micros
	Amount  meter.Micros
	Usage   meter.Micros
	Limit   string
	Deposit meter.Micros `json:"deposited"`
	Amounts []string
	Steps   []ledgerStep
	Sources []struct {
		Name    string
		Balance meter.Micros
		Cap     *meter.Micros
	}
	Grants []struct {
		Name    string
		Balance meter.Micros
	}
	Overage meter.Micros `json:"expect_overage"`
	Input   struct {
		ResetAt time.Time `json:"reset_at"`
		QueryAt time.Time `json:"query_at"`
	}
}

// ledgerKinds run the cases of a kind.
var ledgerKinds = map[string]func(*testing.T, ledgerCase){
	"available_to_spend":    runAvailableToSpend,
	"burn_order":            runBurnOrder,
	"can_reserve":           runCanReserve,
	"lifecycle":             runLifecycle,
	"ordered_sources":       runOrderedSources,
	"ordered_sources_batch": runOrderedSourcesBatch,
	"reset":                 runReset,
}

// notOurLedger are the cases that follow another policy than the semantics, with what the semantics say.
var notOurLedger = map[string]string{
	"lg-93810958": "there is no overdraft: the pool can never go below zero",
	"lg-d9b48bb4": "there is no balance below zero from which to spend",
	"lg-412f32ea": "there is no overdraft",
	"lg-a1773332": "there is no overdraft",
	"lg-fc73a68e": "there is no overdraft",
	"lg-bce8ee37": "there is no overdraft, and so no limit of one to pass",
	"lg-c3aacbf8": "there is no overdraft, and no balance below zero",
	"lg-3c59b804": "there is no overdraft",
	"lg-18c00fdc": "there is no overdraft",
	"lg-7eb1bbf2": "there is no overdraft",
	"lg-edc8cb51": "there is no overdraft",
	"lg-8e493c82": "there are two layers, the allowance and the pool, and no third",
	"lg-a1a70e96": "there are two layers, the allowance and the pool, and no third",
	"lg-5f7d541b": "a commit closes the hold: what it leaves goes back and cannot be committed later",
	"lg-e38cb376": "a commit closes the hold: there is nothing left to release",
	"lg-b324ea7f": "releasing again is the same as once, and not refused",
	"lg-32e93051": "a hold is of at least one micro: a turn for which nothing is left is hard-stopped",
	"lg-90dc9781": "a batch is not atomic for its callers: a refused command disturbs no other",
	"lg-d23112bd": "a release names no amount to return: the whole hold goes back",
	"lg-1c009e20": "a settlement has no id of its own that could be used again",
	"lg-c9e7d08c": "a commit has no id of its own: the same content again is the same commit, and not refused",
	"lg-5449464e": "an allowance does not roll over",
}

// TestLedgerCases runs the cases that other ledgers state, as far as their policies are those of the semantics.
func TestLedgerCases(t *testing.T) {
	known := map[string]bool{}
	for line := range bytes.Lines(ledgerCases) {
		var c ledgerCase
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if known[c.ID] {
			t.Errorf("%s is there twice", c.ID)
		}
		known[c.ID] = true
		run, ok := ledgerKinds[c.Type]
		if notOurLedger[c.ID] != "" {
			continue
		}
		if !ok {
			t.Errorf("%s is of the unknown kind %q: run it, or list it with a reason", c.ID, c.Type)
			continue
		}
		t.Run(c.ID, func(t *testing.T) { run(t, c) })
	}
	for id := range notOurLedger {
		if !known[id] {
			t.Errorf("%s is listed, but there is no such case", id)
		}
	}
	if len(known) != 50 {
		t.Errorf("%d cases, want 50", len(known))
	}
}

// What can be spent of a balance is what a turn can hold of it.
func runAvailableToSpend(t *testing.T, c ledgerCase) {
	desk := newDesk(t, 0)
	desk.deposit(c.Balance)
	got := desk.must(desk.reserve("r1", meter.MaxAmount, 1)).Reservation.HeldPool
	wantJSON(t, c, c.Expect, int64(got))
}

// Usage burns the grant, here the allowance, and what none covers is recorded as overrun. A turn that has no room at
// all does not start: the room goes while it runs.
func runBurnOrder(t *testing.T, c ledgerCase) {
	var granted meter.Micros
	for _, grant := range c.Grants {
		granted += grant.Balance
	}
	desk := newDesk(t, max(granted, c.Usage))
	desk.must(desk.reserve("r1", c.Usage, c.Usage))
	desk.allow(granted)
	o := desk.must(desk.commit("r1", c.Usage))
	left := map[string]int64{}
	for _, grant := range c.Grants {
		left[grant.Name] = int64(o.Meter.Remaining)
	}
	wantJSON(t, c, c.Expect, left)
	if got := o.Reservation.Charge.Overrun; got != c.Overage {
		t.Errorf("overrun %d, want %d", got, c.Overage)
	}
}

// What is queued there is held here.
func runCanReserve(t *testing.T, c ledgerCase) {
	desk := newDesk(t, 0)
	desk.deposit(c.Balance)
	for name, amount := range map[string]meter.Micros{"held": c.Held, "queued": c.Queued} {
		if amount > 0 {
			desk.must(desk.reserve(name, amount, amount))
		}
	}
	word := "ok"
	if r := desk.do(desk.reserve("r1", c.Amount, c.Amount)); r.refusal != nil {
		word = ledgerWord(t, r.refusal.Reason)
	}
	wantJSON(t, c, c.Expect, word)
}

// The first source is the allowance, its cap the member's own one; the second is the pool.
func runOrderedSources(t *testing.T, c ledgerCase) {
	sources := c.Sources
	desk := newDesk(t, sources[0].Balance)
	if most := sources[0].Cap; most != nil {
		desk.must(meter.PutMember{OrganizationID: "acme", MemberID: "mia", Role: meter.RoleMember, Allowance: most})
	}
	if len(sources) > 1 {
		desk.deposit(sources[1].Balance)
	}
	desk.must(desk.reserve("r1", c.Amount, c.Amount))
	charge := desk.must(desk.commit("r1", c.Amount)).Reservation.Charge
	var got [][]any
	for i, amount := range []meter.Micros{charge.Allowance, charge.Pool} {
		if amount > 0 {
			got = append(got, []any{sources[i].Name, int64(amount)})
		}
	}
	wantJSON(t, c, c.Expect, got)
}

// All that is left, twice in one batch: the second turn finds nothing.
func runOrderedSourcesBatch(t *testing.T, c ledgerCase) {
	desk := newDesk(t, 0)
	desk.deposit(c.Sources[0].Balance)
	var batch []meter.Command
	for i, amount := range c.Amounts {
		if amount != "all" {
			t.Fatalf("cannot take %q", amount)
		}
		batch = append(batch, desk.reserve(strconv.Itoa(i), meter.MaxAmount, 1))
	}
	var held meter.Micros
	for i, r := range desk.store.apply(t, desk.now, batch...) {
		if r.refusal == nil {
			held += r.outcome.Reservation.HeldPool
		} else if i == 0 {
			t.Errorf("the first is refused: %v", r.refusal)
		}
	}
	wantJSON(t, c, c.Expect, [][]any{{c.Sources[0].Name, int64(held)}})
}

// A look at exactly the instant of the reset is in the new period.
func runReset(t *testing.T, c ledgerCase) {
	desk := newDesk(t, 100)
	desk.now = c.Input.ResetAt.Add(-time.Hour)
	desk.must(desk.reserve("r1", 10, 10))
	desk.must(desk.commit("r1", 10))
	desk.now = c.Input.QueryAt
	m := desk.meter()
	wantJSON(t, c, c.Expect, map[string]any{
		"used_since_reset": int64(m.Period.AllowanceUsed), "since": m.Span.Start.Format(time.RFC3339),
	})
}

// wantJSON compares what came out with what a case states, as JSON.
func wantJSON(t *testing.T, c ledgerCase, want json.RawMessage, got any) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(decoded(t, text), decoded(t, want)) {
		t.Errorf("%s: %s, want %s", c.ID, text, want)
	}
}

func decoded(t *testing.T, text []byte) (v any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
