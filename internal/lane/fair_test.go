package lane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
)

// crowd sends so many steps of a firm.
func (r *rig) crowd(id string, n int) (calls []*call) {
	for i := range n {
		calls = append(calls, r.send(r.Context(), step{firm: id, name: fmt.Sprint(id, " ", i), store: r.fake}))
	}
	return calls
}

// shares are how many steps of each firm a batch had, in order of the firms' ids.
func shares(batch []string) string {
	count := map[string]int{}
	var ids []string
	for _, name := range batch {
		id, _, _ := strings.Cut(name, " ")
		count[id]++
		if count[id] == 1 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var said []string
	for _, id := range ids {
		said = append(said, fmt.Sprint(id, ":", count[id]))
	}
	return strings.Join(said, " ")
}

func (r *rig) shared(want ...string) {
	r.Helper()
	var got []string
	for _, batch := range r.fake.batches[1:] {
		got = append(got, shares(batch))
	}
	if !slices.Equal(got, want) {
		r.Errorf("the batches had %q, not %q", got, want)
	}
}

// TestANoisyOrganizationIsHeldToItsShare while others take part, and gets all that is left of each batch again once they
// have not for a while.
func TestANoisyOrganizationIsHeldToItsShare(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		noisy := r.crowd("noisy", 150)
		quiet := r.crowd("quiet", 2)
		release()
		r.shared("noisy:64 quiet:2", "noisy:64", "noisy:22")
		for n, c := range append(noisy, quiet...) {
			if !c.done || c.err != nil {
				r.Fatalf("call %d is answered %t with %v", n, c.done, c.err)
			}
		}
		for range 14 { // With the two above, the batches for which company lasts.
			r.step("alone")
		}
		gate := make(chan struct{})
		r.fake.save = func() error { <-gate; return nil }
		r.step("alone")
		r.fake.batches = r.fake.batches[:1]
		r.crowd("noisy", 150)
		close(gate)
		r.pass(1)
		r.fake.batches = r.fake.batches[1:]
		r.shared("noisy:150")
	})
}

// TestTheLoudShareABatch: organizations that want the same get the same, and in all no less than one alone would.
func TestTheLoudShareABatch(t *testing.T) {
	bubble(t, lane.Config{MaxBatch: 300}, func(r *rig) {
		_, release := r.blocked()
		r.crowd("a", 200)
		r.crowd("b", 200)
		release()
		r.shared("a:150 b:150", "a:50 b:50")
	})
}

// TestTheManyTakeTurns: where a batch cannot hold some of each, those left out are first in the next one.
func TestTheManyTakeTurns(t *testing.T) {
	bubble(t, lane.Config{MaxBatch: 2}, func(r *rig) {
		_, release := r.blocked()
		for _, id := range []string{"a", "b", "c"} {
			r.crowd(id, 2)
		}
		release()
		r.shared("a:1 b:1", "a:1 c:1", "b:1 c:1")
	})
}

// TestAFullQueueHasRoomForTheQuiet: who waits with most loses the newest place to who comes with little; who comes with as
// much does not get one.
func TestAFullQueueHasRoomForTheQuiet(t *testing.T) {
	bubble(t, lane.Config{QueueLength: 4}, func(r *rig) {
		_, release := r.blocked()
		noisy := r.crowd("noisy", 4)
		quiet := r.crowd("quiet", 3)
		r.refused(noisy[3], meter.Overloaded)
		r.refused(noisy[2], meter.Overloaded)
		r.refused(quiet[2], meter.Overloaded)
		if n := r.lanes.Queued(); n != 4 {
			r.Errorf("%d are queued", n)
		}
		release()
		r.committed([]string{"first"}, []string{"noisy 0", "noisy 1", "quiet 0", "quiet 1"})
	})
}
