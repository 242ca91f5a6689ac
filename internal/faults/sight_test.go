package faults

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
)

// sight is what a caller was answered: something that was so at one moment of its call. It changes nothing, so the
// checker need not choose where in the history it stands: the first place that fits is as good as any. The checker
// therefore searches for an order of the effects alone, and each state on the way sees off the sights that it fits.
type sight struct {
	call, ret int64
	caller    int
	what      string
	see       func(*book) string // Why it does not fit; empty: it does.
	low, high int                // How many timed effects have been by then, at least and at most.
	after     []int              // Untimed effects that were over before.
}

// untimed is an effect whose time the books do not tell.
type untimed struct{ from, to int64 }

// gallery are the sights of one history, for each number of timed effects those that may be seen then, in the order of
// their calls.
type gallery struct {
	sights []sight
	at     [][]int
}

// hang bounds every sight by the effects that came before its call, and after its return.
func (x *explainer) hang() {
	slices.SortStableFunc(x.sights, func(a, b sight) int { return cmp.Compare(a.call, b.call) })
	x.gallery = &gallery{sights: x.sights, at: make([][]int, len(x.effects)+1)}
	for i := range x.sights {
		s := &x.sights[i]
		s.low, s.high = x.past(s.call), x.begun(s.ret)
		for j, u := range x.untimed {
			if u.to < s.call {
				s.after = append(s.after, j)
			}
		}
		if s.low > s.high {
			x.problem("effects contradict the times of their answers around %s", s.what)
		}
		for k := s.low; k <= s.high; k++ {
			x.gallery.at[k] = append(x.gallery.at[k], i)
		}
	}
}

// past is how many effects are over at a moment at least: one that was there to be seen, and all before it.
func (x *explainer) past(moment int64) (n int) {
	for _, e := range x.effects {
		if e.seen < moment {
			n = e.past
		}
	}
	return n
}

// begun is how many effects have begun by a moment.
func (x *explainer) begun(moment int64) int {
	return sort.Search(len(x.effects), func(i int) bool { return x.effects[i].at > moment })
}

// look sees off the sights that fit the book as it is.
func (b *book) look() {
	waiting := int64(math.MaxInt64) // The first return among those that are still to be seen.
	for _, i := range b.gallery.at[b.effects] {
		s := &b.gallery.sights[i]
		if b.seen.get(i) {
			continue
		}
		if waiting >= s.call && b.isPast(s.after) && s.see(b) == "" {
			b.seen.put(i, true)
		} else {
			waiting = min(waiting, s.ret)
		}
	}
}

func (b *book) isPast(untimed []int) bool {
	return !slices.ContainsFunc(untimed, func(i int) bool { return !b.untimed.get(i) })
}

// blind says which sight can no longer be seen once a further timed effect has been; empty: none.
func (b *book) blind() string {
	for _, i := range b.gallery.at[b.effects] {
		if s := &b.gallery.sights[i]; s.high == b.effects && !b.seen.get(i) {
			return "nowhere does it fit: " + s.what + ": " + s.see(b)
		}
	}
	return ""
}

// outOfTurn is how the reason begins of a timed effect that comes too early or too late.
const outOfTurn = "it is effect"

// timed makes a move one of the timed effects: the numbers first to past are taken by those of its transaction.
func (b *book) timed(first, past int, apply func(*book) string) string {
	if b.effects < first || b.effects >= past {
		return fmt.Sprintf(outOfTurn+" %d to %d, and %d have been", first, past, b.effects)
	}
	if why := b.blind(); why != "" {
		return why
	}
	if why := apply(b); why != "" {
		return why
	}
	b.effects++
	b.look()
	return ""
}

// timeless makes a move one of the untimed effects. What returned before it was asked for was seen without it.
func (b *book) timeless(i int, from int64, apply func(*book) string) string {
	for _, j := range b.gallery.at[b.effects] {
		if s := &b.gallery.sights[j]; s.ret < from && !b.seen.get(j) {
			return "it comes before: " + s.what + ": " + s.see(b)
		}
	}
	if why := apply(b); why != "" {
		return why
	}
	b.untimed.put(i, true)
	b.look()
	return ""
}
