package faults

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestFaults lets round after round of callers loose on two servers under faults, and holds each to what is promised. A
// failure names the seed of its round: -faults.seed makes the same choices again.
func TestFaults(t *testing.T) {
	seed := *runSeed
	if seed == 0 {
		seed = rand.Uint64N(1 << 48)
	}
	w, d, counted := openWorld(t), newDeck(*runOnly, *runFor == 0 && *runRounds == 0), newTally()
	for n := uint64(0); goesOn(d, counted, t.Failed()); n++ {
		began := time.Now()
		t.Logf("round %d: -faults.seed=%d", n, seed)
		problems, err := newRound(seed, n, w, d, counted).run(t.Context())
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, problem := range problems {
			t.Errorf("seed %d: %s", seed, problem)
		}
		counted.rounds++
		counted.anomalies += len(problems)
		t.Logf("round %d took %v", n, time.Since(began).Round(100*time.Millisecond))
		seed++
	}
	t.Logf("\n%s", counted.report(w))
}

// goesOn says whether there is a further round: until every fault has been dealt and the time is over. A round that fails
// is the last.
func goesOn(d *deck, c *tally, failed bool) bool {
	switch {
	case failed, *runRounds > 0 && c.rounds >= *runRounds:
		return false
	case c.rounds == 0:
		return true
	case *runFor == 0:
		return *runRounds > 0 || !d.complete()
	default:
		return time.Since(c.began) < *runFor
	}
}
