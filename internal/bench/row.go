package bench

import (
	"context"
	"fmt"
	"time"
)

// row is one number of callers on one number of organizations, with what was measured of it.
type row struct {
	callers, organizations int
	naive, empty, turns    *contestant // The ceilings are nil where they are left out.
	resident, peak         int64       // Bytes of meterd, at the end of its last slice.
}

// contestant is one of the ways that a row compares.
type contestant struct {
	callers []*caller
	tally   *tally
}

func newContestant(callers int, newWork func(i int) work) *contestant {
	c := &contestant{tally: newTally()}
	for i := range callers {
		c.callers = append(c.callers, &caller{work: newWork(i)})
	}
	return c
}

func (r *run) newRow(callers, organizations int) *row {
	p := r.populations[organizations]
	name := func(i int) string { return fmt.Sprintf("%d-%d", callers, i) }
	n := &row{callers: callers, organizations: organizations}
	n.turns = newContestant(callers, func(i int) work {
		return newTurns(r.connections[i%len(r.connections)], p.turns, name(i))
	})
	if !r.Ceilings {
		return n
	}
	n.empty = newContestant(callers, func(i int) work {
		return &emptyCalls{conn: r.connections[i%len(r.connections)]}
	})
	if r.naive != nil {
		n.naive = newContestant(callers, func(i int) work {
			return &naive{
				pool: r.naive, population: p.naive, random: newRandom(), periodStart: p.periodStart, id: []byte(name(i) + "-"),
			}
		})
	}
	return n
}

// slice measures everything for so long, one after the other. The ceilings are always a closed loop: at a fixed rate
// they would only show the rate.
func (r *row) slice(ctx context.Context, length time.Duration, rate float64) error {
	r.naive.slice(ctx, slice{length: length})
	r.empty.slice(ctx, slice{length: length})
	r.turns.slice(ctx, slice{length: length, rate: rate})
	return ctx.Err()
}

func (c *contestant) slice(ctx context.Context, s slice) {
	if c == nil || s.length == 0 || ctx.Err() != nil {
		return
	}
	elapsed, missed := s.run(ctx, c.callers)
	c.tally.add(c.callers, elapsed, missed)
}

// forget drops what was measured, but not what was done.
func (r *row) forget() {
	for _, c := range []*contestant{r.naive, r.empty, r.turns} {
		if c != nil {
			c.tally = newTally()
		}
	}
}

// done is how much work was ever acknowledged, errors how much failed, and first one reason of that.
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
