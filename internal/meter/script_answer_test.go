package meter_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// answer is what a script is answered: a word, and facts by their names; or a list of words.
type answer struct {
	word  string
	facts map[string]string
	list  []string
}

// String shows all of it.
func (a answer) String() string {
	words := append([]string{a.word}, a.list...)
	for _, key := range slices.Sorted(maps.Keys(a.facts)) {
		words = append(words, key+"="+a.facts[key])
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// differs says in what an answer is not the expected one, which names the word and those facts that matter: key=value,
// key~part of the value, or !key for a fact that must not be told. A list is expected whole.
func (a answer) differs(expected []string) string {
	if a.facts == nil {
		if !slices.Equal(a.list, expected) {
			return "want " + strings.Join(expected, " ")
		}
		return ""
	}
	if len(expected) == 0 {
		return "the line expects nothing"
	}
	if expected[0] != a.word {
		return "want " + expected[0]
	}
	for _, want := range expected[1:] {
		if complaint := a.lacks(want); complaint != "" {
			return complaint
		}
	}
	return ""
}

func (a answer) lacks(want string) string {
	if key, ok := strings.CutPrefix(want, "!"); ok {
		if _, told := a.facts[key]; told {
			return key + " must not be told"
		}
		return ""
	}
	at := strings.IndexAny(want, "=~")
	if at < 0 {
		return want + " is no expectation"
	}
	key, value := want[:at], want[at+1:]
	got, told := a.facts[key]
	if !told || want[at] == '=' && got != value || !strings.Contains(got, value) {
		return fmt.Sprintf("want %s", want)
	}
	return ""
}

// answerOf puts into words what a command came to.
func (s *script) answerOf(c meter.Command, r result) answer {
	if r.refusal != nil {
		return refusalAnswer(r.refusal)
	}
	a := answer{word: "ok", facts: map[string]string{}}
	if v := r.outcome.Member; v != nil {
		maps.Copy(a.facts, memberFacts(*v))
	}
	if p := r.outcome.Pool; p != nil {
		maps.Copy(a.facts, poolFacts(*p))
		a.facts["entry"] = strconv.FormatInt(r.outcome.Entry.Sequence, 10)
	}
	if o := r.outcome.Organization; o != nil {
		a.facts["state"], a.facts["plan"], a.facts["unit"] = organizationStates[o.State], o.PlanID, units[o.Unit]
	}
	if m := r.outcome.Meter; m != nil {
		maps.Copy(a.facts, s.meterFacts(*m))
	}
	if turn := r.outcome.Reservation; turn != nil {
		a.word = reservationStates[turn.State]
		maps.Copy(a.facts, s.turnFacts(*turn))
	}
	return a
}

func refusalAnswer(r *meter.Refusal) answer {
	facts := map[string]string{"says": r.Message()}
	for key, value := range r.Facts {
		facts[strings.TrimSuffix(key, "_micros")] = value
	}
	if r.RetryAfter > 0 {
		facts["retry"] = r.RetryAfter.String()
	}
	return answer{word: string(r.Reason), facts: facts}
}

func memberFacts(v meter.MemberView) map[string]string {
	return map[string]string{
		"access": accessWord(v.Access), "state": memberStates[v.State], "role": roles[v.Role], "name": v.DisplayName,
		"pool_used": v.PoolUsedPeriod.String(), "pool_used_lifetime": v.PoolUsedLifetime.String(),
	}
}

func poolFacts(p meter.Pool) map[string]string {
	return map[string]string{
		"balance": p.Balance.String(), "held": p.Held.String(), "available": p.Available().String(),
		"purchased": p.Purchased.String(), "refunded": p.Refunded.String(), "consumed": p.Consumed.String(),
	}
}

func (s *script) meterFacts(m meter.Meter) map[string]string {
	return map[string]string{
		"of": m.Allowance.String(), "remaining": m.Remaining.String(), "access": accessWord(m.Access),
		"used": m.Period.AllowanceUsed.String(), "held": m.Period.AllowanceHeld.String(),
		"pool_used": m.Period.PoolUsed.String(), "pool_held": m.Period.PoolHeld.String(),
		"overran": m.Period.Overrun.String(), "since": s.clock(m.Span.Start), "resets": s.clock(m.Span.End),
	}
}

// turnFacts tells of an open turn what each layer holds for it, of a settled one what each was charged.
func (s *script) turnFacts(r meter.Reservation) map[string]string {
	facts := map[string]string{
		"made": "by another try", "member": r.MemberID, "estimate": r.Estimate.String(),
		"period": s.clock(r.PeriodStart), "expires": s.clock(r.ExpiresAt), "late": yesNo(r.Late),
		"tokens": strconv.FormatInt(r.Tokens.Total(), 10), "book": "none", "policy": policies[r.Policy],
		"basis": bases[r.Basis],
	}
	if r.Book != (meter.BookVersion{}) {
		facts["book"] = fmt.Sprintf("%s:%d", r.Book.ID, r.Book.Version)
	}
	if r.ID == uuidOf(s.org, r.RequestID, "") {
		facts["made"] = "by the first try"
	}
	if r.State == meter.Held {
		facts["allowance"], facts["pool"] = r.HeldAllowance.String(), r.HeldPool.String()
		return facts
	}
	facts["allowance"], facts["pool"] = r.Charge.Allowance.String(), r.Charge.Pool.String()
	facts["actual"], facts["overrun"] = r.Charge.Actual.String(), r.Charge.Overrun.String()
	facts["settled"], facts["because"] = s.clock(r.SettledAt), r.Reason
	return facts
}

// clock is what the clocks of the organization show.
func (s *script) clock(at time.Time) string { return at.In(s.zone()).Format(time.RFC3339Nano) }

// views are the verbs that only look.
var views = map[string]func(*script, *request) answer{
	"meter":   viewMeter,
	"pool":    func(s *script, _ *request) answer { return answer{word: "ok", facts: poolFacts(s.organization().Pool)} },
	"turn":    viewTurn,
	"ledger":  viewLedger,
	"changes": viewChanges,
	"explain": viewExplained,
}

// meter mia, or meter mia from=2026-01-31T00:00:00Z for a period that ended.
func viewMeter(s *script, r *request) answer {
	r.t.Helper()
	f, o := s.store.firm(s.org), s.organization()
	m, ok := f.members[r.arg()]
	if !ok {
		r.fail("there is no such member")
	}
	now := s.now
	if from := r.option("from", ""); from != "" {
		now = moment(r.t, from)
		m.Period = f.periods[meter.PeriodKey{MemberID: m.ID, Start: now.UnixMicro()}]
	}
	return answer{word: "ok", facts: s.meterFacts(meter.MeterOf(o, s.store.plans[o.PlanID], m, now))}
}

func viewTurn(s *script, r *request) answer {
	r.t.Helper()
	turn, ok := s.store.firm(s.org).reservations[uuidOf(s.org, r.arg(), "")]
	if !ok {
		r.fail("there is no such turn")
	}
	return answer{word: reservationStates[turn.State], facts: s.turnFacts(turn)}
}

// ledger, or ledger after=3: sequence:kind:amount=balance.
func viewLedger(s *script, r *request) answer {
	r.t.Helper()
	a := answer{}
	for _, e := range s.store.firm(s.org).entries[r.number64(r.option("after", "0")):] {
		a.list = append(a.list, fmt.Sprintf("%d:%s:%d=%d", e.Sequence, entryKinds[e.Kind], e.Amount, e.BalanceAfter))
	}
	return a
}

// changes mia: before>after@who, in the order in which they were made.
func viewChanges(s *script, r *request) answer {
	r.t.Helper()
	member, a := r.arg(), answer{}
	changes := slices.SortedFunc(maps.Values(s.store.firm(s.org).changes), func(c, d meter.AccessChange) int {
		return cmp.Or(c.At.Compare(d.At), cmp.Compare(c.Actor, d.Actor))
	})
	for _, c := range changes {
		if c.MemberID == member && c.Before != c.After {
			a.list = append(a.list, accessWord(c.Before)+">"+accessWord(c.After)+"@"+c.Actor)
		}
	}
	return a
}

func accessWord(a meter.Access) string {
	if a.Kind == meter.AccessCapped {
		return "CAPPED:" + a.Cap.String()
	}
	return accessKinds[a.Kind]
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
