package lane_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
)

func TestALoneCommandDoesNotWait(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		for _, name := range []string{"a", "b"} {
			c := r.step(name)
			r.answered(c, name)
			if c.took != 0 {
				r.Errorf("%s took %v", name, c.took)
			}
		}
		r.committed([]string{"a"}, []string{"b"})
	})
}

func TestWhatArrivesMeanwhileIsTheNextBatch(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		first, release := r.blocked()
		var calls []*call
		var names []string
		for n := range 20 {
			names = append(names, fmt.Sprint(n))
			calls = append(calls, r.step(names[n]))
		}
		if n := r.lanes.Queued(); n != 20 || first.done {
			r.Errorf("%d are queued behind one, which is answered: %t", n, first.done)
		}
		release()
		r.answered(first, "first")
		for n, c := range calls {
			r.answered(c, names[n])
		}
		r.committed([]string{"first"}, names)
		if n := r.lanes.Queued(); n != 0 {
			r.Errorf("%d are still queued", n)
		}
	})
}

func TestABatchIsBounded(t *testing.T) {
	bubble(t, lane.Config{MaxBatch: 3}, func(r *rig) {
		_, release := r.blocked()
		for n := range 7 {
			r.step(fmt.Sprint(n))
		}
		release()
		r.committed([]string{"first"}, []string{"0", "1", "2"}, []string{"3", "4", "5"}, []string{"6"})
	})
}

// TestABatchNamesItsOrganizationsOnce keeps the order of arrival among commands of different organizations, too.
func TestABatchNamesItsOrganizationsOnce(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		for n, id := range []string{"c", "a", "c", "b", "a"} {
			r.send(r.Context(), step{firm: id, name: fmt.Sprint(id, n), store: r.fake})
		}
		release()
		r.committed([]string{"first"}, []string{"c0", "a1", "c2", "b3", "a4"})
		if got := r.fake.loaded[1]; !slices.Equal(got, []string{"a", "b", "c"}) {
			r.Errorf("loaded are %s", got)
		}
		want := lane.BatchStats{Commands: 5, Organizations: 3, Attempts: 1}
		if r.stats[1] != want {
			r.Errorf("the batch's numbers are %+v", r.stats[1])
		}
	})
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	bubble(t, lane.Config{QueueLength: 2}, func(r *rig) {
		_, release := r.blocked()
		waiting := []*call{r.step("a"), r.step("b")}
		extra := r.step("c")
		r.refused(extra, meter.Overloaded)
		if extra.took != 0 {
			r.Errorf("the refusal took %v", extra.took)
		}
		release()
		r.answered(waiting[0], "a")
		r.answered(waiting[1], "b")
		r.answered(r.step("d"), "d")
		r.committed([]string{"first"}, []string{"a", "b"}, []string{"d"})
	})
}

func TestACommandThatWaitedTooLongIsNotApplied(t *testing.T) {
	bubble(t, lane.Config{MaxQueueAge: 3 * time.Second}, func(r *rig) {
		_, release := r.blocked()
		old := r.step("old")
		r.pass(3 * time.Second)
		young := r.step("young")
		r.pass(time.Millisecond)
		release()
		r.refused(old, meter.Overloaded)
		r.answered(young, "young")
		r.committed([]string{"first"}, []string{"young"})
		if wait := r.stats[1].OldestWait; wait != time.Millisecond {
			r.Errorf("the oldest of the batch waited %v", wait)
		}
	})
}

func TestACallerThatHasGoneIsNotApplied(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		ctx, leave := context.WithCancel(r.Context())
		gone := r.send(ctx, step{firm: firm, name: "gone", store: r.fake})
		stays := r.step("stays")
		leave()
		synctest.Wait()
		if !gone.done || !errors.Is(gone.err, context.Canceled) {
			r.Errorf("who left is answered %t with %v", gone.done, gone.err)
		}
		release()
		r.answered(stays, "stays")
		r.committed([]string{"first"}, []string{"stays"})
	})
}

func TestACallerThatLeavesDuringItsBatchDisturbsNobody(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		leaves := r.send(ctx, step{firm: firm, name: "leaves", store: r.fake})
		stays := r.step("stays")
		gate := make(chan struct{})
		r.fake.save = func() error { <-gate; return nil }
		release()
		r.pass(2 * time.Second)
		if !leaves.done || !errors.Is(leaves.err, context.DeadlineExceeded) || stays.done {
			r.Errorf("who left is answered %t with %v, who stays %t", leaves.done, leaves.err, stays.done)
		}
		close(gate)
		synctest.Wait()
		r.answered(stays, "stays")
		r.committed([]string{"first"}, []string{"leaves", "stays"})
	})
}

// TestLanesRunInParallel finds two organizations of different lanes, and has both in flight at once. One organization's
// commands never are.
func TestLanesRunInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sessions := make([]lane.Session, 4)
		fakes := make([]*fake, len(sessions))
		for i := range sessions {
			fakes[i] = &fake{save: func() error { <-gate; return nil }}
			sessions[i] = fakes[i]
		}
		lanes := lane.New(sessions, lane.Config{})
		for n := range 64 {
			id := fmt.Sprint("firm", n%16)
			go func() {
				if _, err := lanes.Do(t.Context(), meter.Sweep{OrganizationID: id}); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		inFlight := 0
		for _, f := range fakes {
			inFlight += len(f.loaded)
		}
		if inFlight < 2 {
			t.Errorf("%d lanes carry 16 organizations", inFlight)
		}
		close(gate)
		must(t, lanes.Close(t.Context()))
		lanesOf := map[string]int{}
		for i, f := range fakes {
			for _, organizations := range f.loaded {
				for _, id := range organizations {
					if before, seen := lanesOf[id]; seen && before != i {
						t.Errorf("%s is carried by lanes %d and %d", id, before, i)
					}
					lanesOf[id] = i
				}
			}
		}
	})
}
