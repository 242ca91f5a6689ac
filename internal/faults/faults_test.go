package faults

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// TestFaults lets round after round of callers loose on two servers under faults, and holds each to what is promised. A
// failure names the seed of its round: -faults.seed makes the same choices again.
func TestFaults(t *testing.T) {
	s := newStretch(openWorld(t, meterdProgram), newDeck(*runOnly, *runFor == 0 && *runRounds == 0))
	for s.goesOn() && !t.Failed() {
		began, n, seed := time.Now(), s.tally.rounds, s.seed
		t.Logf("round %d: -faults.seed=%d", n, seed)
		problems, err := s.next(t.Context())
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, problem := range problems {
			t.Errorf("seed %d: %s", seed, problem)
		}
		t.Logf("round %d took %v", n, time.Since(began).Round(100*time.Millisecond))
	}
	t.Logf("\n%s", s.tally.report(s.world))
}

// stretch is a row of rounds in one world.
type stretch struct {
	world *world
	deck  *deck
	tally *tally
	seed  uint64 // Of the next round.
}

// newStretch begins with the seed that was asked for, or a new one.
func newStretch(w *world, d *deck) *stretch {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64N(1 << 48)
	}
	return &stretch{world: w, deck: d, tally: newTally(), seed: seed}
}

// next lives a round through and answers what was wrong with it.
func (s *stretch) next(ctx context.Context) (problems []string, err error) {
	problems, err = newRound(s.seed, uint64(s.tally.rounds), s.world, s.deck, s.tally).run(ctx)
	s.tally.rounds++
	s.tally.anomalies += len(problems)
	s.seed++
	return problems, err
}

// goesOn says whether there is a further round: until every fault has been dealt and the time is over.
func (s *stretch) goesOn() bool {
	switch {
	case *runRounds > 0 && s.tally.rounds >= *runRounds:
		return false
	case s.tally.rounds == 0:
		return true
	case *runFor == 0:
		return *runRounds > 0 || !s.deck.complete()
	default:
		return time.Since(s.tally.began) < *runFor
	}
}
