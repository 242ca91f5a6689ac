package lane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// begin sends a command that begins a turn. A step is one that ends a turn, as far as a queue can tell.
func (r *rig) begin() *call {
	return r.send(r.Context(), meter.Reserve{OrganizationID: firm, ReservationID: meter.UUID{1}})
}

// TestAFullQueueHasRoomForTheEndsOfTurns: an organization that begins more turns than can be carried ends those that run,
// which lose no place to one another.
func TestAFullQueueHasRoomForTheEndsOfTurns(t *testing.T) {
	bubble(t, lane.Config{QueueLength: 3}, func(r *rig) {
		_, release := r.blocked()
		first, second := r.begin(), r.begin()
		ends := []*call{r.step("end 0"), r.step("end 1"), r.step("end 2")}
		for n, c := range []*call{second, first, r.begin(), r.step("end 3")} {
			if !c.done {
				r.Errorf("%d still waits", n)
				continue
			}
			r.refused(c, meter.Overloaded)
		}
		release()
		for n, c := range ends {
			r.answered(c, fmt.Sprint("end ", n))
		}
	})
}

// TestALineThatIsSlowBeginsNothing: once its oldest has waited for long, an organization's turns are refused at once,
// however few wait, but not the ends of turns, nor what others begin.
func TestALineThatIsSlowBeginsNothing(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		end := r.step("end")
		r.pass(400 * time.Millisecond)
		if soon := r.begin(); soon.done {
			r.Errorf("refused too soon with %v", soon.err)
		}
		r.pass(200 * time.Millisecond)
		late := r.begin()
		r.refused(late, meter.Overloaded)
		if late.took != 0 {
			r.Errorf("refused after %v", late.took)
		}
		other := r.send(r.Context(), meter.Reserve{OrganizationID: "other"})
		if another := r.step("another end"); another.done || other.done {
			r.Errorf("answered are the end of a turn, %v, or another's turn, %v", another.err, other.err)
		}
		release()
		r.answered(end, "end")
	})
}
