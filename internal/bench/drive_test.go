package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// fakeWork takes as long as it is told, or fails at once.
type fakeWork struct {
	takes time.Duration
	err   error
}

func (w fakeWork) do(_ context.Context, began time.Time) (sample, error) {
	if w.err != nil {
		return sample{}, w.err
	}
	<-time.After(w.takes)
	return sample{whole: micros(time.Since(began))}, nil
}

func fakeCallers(n int, w work) *contestant {
	return newContestant(n, func() time.Duration { return 0 }, func(int) work { return w })
}

func TestClosedLoopBeginsWhenTheLastTurnIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fakeCallers(3, fakeWork{takes: 30 * time.Millisecond})
		c.slice(t.Context(), slice{length: 100 * time.Millisecond})
		// Four turns each: the last begins at 90 ms, and its end counts, in work and in time.
		if c.tally.done != 12 || c.tally.elapsed != 120*time.Millisecond || c.tally.perSecond() != 100 {
			t.Errorf("got %d turns in %s, %v a second", c.tally.done, c.tally.elapsed, c.tally.perSecond())
		}
		if p50 := millis(c.tally.whole, 50); p50 < 29.9 || p50 > 30.1 {
			t.Errorf("got a median of %v ms, want 30", p50)
		}
	})
}

func TestOpenLoopCountsFromTheIntendedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Every 5 ms a turn is called for that takes 10 ms, and there is one caller: each turn waits 5 ms more.
		c := &caller{work: fakeWork{takes: 10 * time.Millisecond}}
		_, missed := slice{length: 100 * time.Millisecond, rate: 200}.run(t.Context(), []*caller{c})
		if len(c.samples) != 10 || missed != 10 {
			t.Fatalf("got %d turns and %d missed, want 10 and 10", len(c.samples), missed)
		}
		for i, s := range c.samples {
			if want := uint32(10_000 + 5_000*i); s.whole != want {
				t.Errorf("turn %d took %d µs, want %d", i, s.whole, want)
			}
		}
	})
}

func TestOpenLoopKeepsItsRateWithEnoughCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fakeCallers(3, fakeWork{takes: 10 * time.Millisecond})
		c.slice(t.Context(), slice{length: 100 * time.Millisecond, rate: 200})
		if c.tally.done != 20 || c.tally.missed != 0 {
			t.Errorf("got %d turns and %d missed, want 20 and none", c.tally.done, c.tally.missed)
		}
		if longest := c.tally.whole.Max(); longest > 10_100 {
			t.Errorf("the longest turn took %d µs: somebody waited", longest)
		}
	})
}

func TestErrorsAreCountedAndNotRepeatedInATightLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		c := fakeCallers(1, fakeWork{err: away})
		c.slice(t.Context(), slice{length: 100 * time.Millisecond})
		done, failed, first := c.totals()
		if done != 0 || failed != 10 || !errors.Is(first, away) {
			t.Errorf("got %d done, %d failed, first %v", done, failed, first)
		}
	})
}

func TestCancelEndsASlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Millisecond)
		defer cancel()
		for _, rate := range []float64{0, 10} {
			c := fakeCallers(1, fakeWork{takes: 10 * time.Millisecond})
			c.slice(ctx, slice{length: time.Hour, rate: rate})
			if c.tally.elapsed > 30*time.Millisecond {
				t.Errorf("rate %v: the slice went on for %s", rate, c.tally.elapsed)
			}
		}
	})
}

func TestWarmingUpCountsAsDoneButNotAsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &row{turns: fakeCallers(1, fakeWork{takes: 10 * time.Millisecond})}
		for range 2 {
			if err := r.slice(t.Context(), 100*time.Millisecond, 0); err != nil {
				t.Fatal(err)
			}
			r.forget()
		}
		if done, _, _ := r.turns.totals(); done != 20 || r.turns.tally.done != 0 {
			t.Errorf("got %d done and %d measured, want 20 and none", done, r.turns.tally.done)
		}
	})
}

func TestSamplesStayInBounds(t *testing.T) {
	if micros(-time.Second) != 0 || micros(100*time.Hour) != 1<<32-1 {
		t.Error("a span out of bounds is not brought into them")
	}
	c := &caller{samples: []sample{{}, {reserve: 1<<32 - 1, commit: 7, whole: 1<<32 - 1}}}
	tally := newTally()
	tally.add([]*caller{c}, time.Second, 0)
	if tally.done != 2 || tally.whole.TotalCount() != 2 || tally.commit.Max() != 7 || len(c.samples) != 0 {
		t.Errorf("got %d done, %d recorded, %d left", tally.done, tally.whole.TotalCount(), len(c.samples))
	}
}
