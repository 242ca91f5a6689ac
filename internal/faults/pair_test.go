package faults

import (
	"fmt"
	"slices"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// change is a change of access in the books, with the attempts that may have made it. A grant has no request id: sent
// again it is another change. So each attempt makes one at most, however often a server tried it, and one exactly if it
// was answered.
type change struct {
	what  string
	asked []*attempt
}

// listChanges sees that the service lists each change of access that changed something, and nothing else.
func (x *explainer) listChanges() {
	key := func(c *meterv1.AccessChange) string {
		return fmt.Sprintf("%s %v %+v %+v", c.GetMemberId(), c.GetAt().AsTime(), accessOf(c.GetBefore()), accessOf(c.GetAfter()))
	}
	listed := map[string]int{}
	for _, c := range x.books.listed {
		listed[key(c)]++
	}
	for _, c := range x.books.changes {
		if accessOf(c.GetBefore()) != accessOf(c.GetAfter()) {
			listed[key(c)]--
		}
	}
	for what, n := range listed {
		if n != 0 {
			x.problem("a change of access is listed %d times more than it was made: %s", n, what)
		}
	}
}

// asChange is a change of access at a time, as asked for by one of some attempts.
func (x *explainer) asChange(now int64, m *move, asked []*attempt) change {
	at, _ := x.eras.moment(now) // Another check says if the clock never showed it.
	return change{m.what, slices.DeleteFunc(asked, func(a *attempt) bool { return !a.possible(at, tolerance) })}
}

// pairChanges gives each change an attempt of its own, and each attempt that was answered a change of its own. If both can
// be done, both can be done at once: of two matchings that cover one side each there is one that covers what both do.
func (x *explainer) pairChanges() {
	attempts := slices.DeleteFunc(slices.Clone(x.attempts), func(a *attempt) bool { return !setsAccess(a) })
	byChange, byAttempt := make([][]int, len(x.changes)), make([][]int, len(attempts))
	for i, c := range x.changes {
		for j, a := range attempts {
			if !slices.Contains(c.asked, a) {
				continue
			}
			byChange[i] = append(byChange[i], j)
			if a.fate() == answered { // Only these must have one.
				byAttempt[j] = append(byAttempt[j], i)
			}
		}
	}
	for i, alone := range unpaired(byChange, len(attempts)) {
		if alone && len(byChange[i]) > 0 { // Of what nobody asked for another check tells.
			x.problem("applied twice: %s; asked were %v", x.changes[i].what, x.changes[i].asked)
		}
	}
	for i, alone := range unpaired(byAttempt, len(x.changes)) {
		if alone && attempts[i].fate() == answered {
			x.problem("LOST: acknowledged, but it is no change of access: %v", attempts[i])
		}
	}
}

func setsAccess(a *attempt) bool {
	switch a.request.(type) {
	case *meterv1.GrantAccessRequest, *meterv1.RevokeAccessRequest:
		return true
	default:
		return false
	}
}

// unpaired says who finds no partner of its own among those it may have, where as many as possible are to find one.
func unpaired(may [][]int, partners int) []bool {
	partnerOf := make([]int, partners)
	for i := range partnerOf {
		partnerOf[i] = -1
	}
	var find func(who int, tried []bool) bool
	find = func(who int, tried []bool) bool {
		for _, one := range may[who] {
			if tried[one] {
				continue
			}
			tried[one] = true
			if partnerOf[one] < 0 || find(partnerOf[one], tried) {
				partnerOf[one] = who
				return true
			}
		}
		return false
	}
	alone := make([]bool, len(may))
	for who := range may {
		alone[who] = !find(who, make([]bool, partners))
	}
	return alone
}
