package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// row is one number of callers on one number of organizations, with what was measured of it.
type row struct {
	callers, organizations int
	naive, empty, turns    *contestant // The ceilings are nil where they are left out,
	tokens, identified     *contestant // and so are turns that tell tokens, and those of callers with an identity.
	resident, peak         int64       // Bytes of meterd, at the end of its last slice.
	slices                 int         // How many there were.
}

// contestant is one of the ways that a row compares.
type contestant struct {
	callers []*caller
	tally   *tally
	busy    func() time.Duration // Processor time of meterd so far.
}

func newContestant(callers int, busy func() time.Duration, newWork func(i int) work) *contestant {
	c := &contestant{tally: newTally(), busy: busy}
	for i := range callers {
		c.callers = append(c.callers, &caller{work: newWork(i)})
	}
	return c
}

func (r *run) newRow(callers, organizations int) *row {
	p := r.populations[organizations]
	name := func(i int) string { return fmt.Sprintf("%d-%d", callers, i) }
	n := &row{callers: callers, organizations: organizations}
	n.turns = newContestant(callers, r.server.busy, func(i int) work { return r.newTurns(&r.server, i, p.turns, name(i)) })
	if r.Tokens {
		n.tokens = newContestant(callers, r.server.busy, func(i int) work {
			return newTokenTurns(r.server.connection(i), p.turns, "t"+name(i))
		})
	}
	if r.Identity {
		n.identified = newContestant(callers, r.identified.busy, func(i int) work {
			return r.newTurns(&r.identified, i, p.turns, "i"+name(i))
		})
	}
	if !r.Ceilings {
		return n
	}
	n.empty = newContestant(callers, r.server.busy, func(i int) work { return &emptyCalls{conn: r.server.connection(i)} })
	if r.comparesNaive() {
		n.naive = newContestant(callers, r.server.busy, func(i int) work {
			return &naive{
				pool: r.database, population: p.naive, random: newRandom(), periodStart: p.periodStart, id: []byte(name(i) + "-"),
			}
		})
	}
	return n
}

// newTurns is the work of the i-th caller of a server: the same with an identity and without.
func (r *run) newTurns(of *target, i int, p population, name string) work {
	t := newTurns(of.connection(i), p, name)
	if r.Tokens {
		t.tellTokens() // So that, beside turns priced by tokens, the pricing is what differs.
	}
	return t
}

// contestants are all of them, nil those that are left out.
func (r *row) contestants() []*contestant {
	return []*contestant{r.naive, r.empty, r.tokens, r.turns, r.identified}
}

// slice measures everything for so long, one after the other, and the next time in the opposite order: what comes later
// meets a database with more in it. The ceilings are always a closed loop: at a fixed rate they would only show the rate.
func (r *row) slice(ctx context.Context, length time.Duration, rate float64) error {
	order := r.contestants()
	r.slices++
	if r.slices%2 == 0 {
		slices.Reverse(order)
	}
	for _, c := range order {
		s := slice{length: length}
		if c != r.naive && c != r.empty {
			s.rate = rate
		}
		c.slice(ctx, s)
	}
	return ctx.Err()
}

func (c *contestant) slice(ctx context.Context, s slice) {
	if c == nil || s.length == 0 || ctx.Err() != nil {
		return
	}
	busy := c.busy()
	elapsed, missed := s.run(ctx, c.callers)
	c.tally.busy += c.busy() - busy
	c.tally.add(c.callers, elapsed, missed)
}

// forget drops what was measured, but not what was done.
func (r *row) forget() {
	for _, c := range r.contestants() {
		if c != nil {
			c.tally = newTally()
		}
	}
}

// totals are how much work was ever acknowledged, how much failed, and one reason of that.
func (c *contestant) totals() (done, errors int64, first error) {
	if c == nil {
		return 0, 0, nil
	}
	for _, caller := range c.callers {
		done += caller.done
		errors += caller.errors
		if first == nil {
			first = caller.first
		}
	}
	return done, errors, first
}
