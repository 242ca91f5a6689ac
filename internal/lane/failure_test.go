package lane_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
)

func TestARefusedCommandDisturbsNobody(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		a := r.step("a")
		no := r.send(r.Context(), step{firm: firm, name: "no", store: r.fake, err: &meter.Refusal{Reason: meter.PoolEmpty}})
		b := r.step("b")
		release()
		r.answered(a, "a")
		r.refused(no, meter.PoolEmpty)
		r.answered(b, "b")
		r.committed([]string{"first"}, []string{"a", "no", "b"})
		if s := r.stats[1]; s.Commands != 3 || s.Err != nil || s.GivenUp {
			r.Errorf("the batch's numbers are %+v", s)
		}
	})
}

// TestAFaultIsItsCommandsAlone has one command of a batch fail for good: in the rules, by a panic, or in the database.
func TestAFaultIsItsCommandsAlone(t *testing.T) {
	for what, bad := range map[string]step{"rules": {err: errFault}, "panic": {panics: true}, "database": {poison: true}} {
		t.Run(what, func(t *testing.T) {
			bubble(t, lane.Config{}, func(r *rig) {
				_, release := r.blocked()
				bad.firm, bad.name, bad.store = firm, "bad", r.fake
				a := r.step("a")
				faulty := r.send(r.Context(), bad)
				b := r.step("b")
				release()
				r.answered(a, "a")
				r.answered(b, "b")
				r.committed([]string{"first"}, []string{"a"}, []string{"b"})
				if err := faulty.err; !faulty.done || err == nil || reasonOf(err) != "" ||
					!errors.Is(err, errFault) && !strings.Contains(err.Error(), "lane_test.step panicked: bad") {
					r.Errorf("the faulty command is answered %t with %v", faulty.done, err)
				}
				if r.fake.abandoned != 2 || r.stats[1].Err == nil || r.stats[1].GivenUp || r.stats[1].Attempts != 1 {
					r.Errorf("%d transactions were abandoned, the batch's numbers are %+v", r.fake.abandoned, r.stats[1])
				}
			})
		})
	}
}

// TestWhatIsTransientIsTriedAgain fails Load and Save in turn, and counts what is abandoned.
func TestWhatIsTransientIsTriedAgain(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		left := 3
		fail := func() error {
			left--
			if left >= 0 {
				return errDown
			}
			return nil
		}
		r.fake.load = func(context.Context, map[string]*meter.State) error {
			if left == 3 {
				return fail()
			}
			return nil
		}
		r.fake.save = func() error { return fail() }
		c := r.step("a")
		r.pass(time.Minute)
		r.answered(c, "a")
		if c.took != (20+80+320)*time.Millisecond {
			r.Errorf("it took %v", c.took)
		}
		r.committed([]string{"a"})
		if s := r.stats[0]; s.Attempts != 4 || s.Err != nil || r.fake.abandoned != 3 {
			r.Errorf("the batch's numbers are %+v, %d were abandoned", s, r.fake.abandoned)
		}
	})
}

func TestWhatStaysTransientIsUnavailable(t *testing.T) {
	bubble(t, lane.Config{Attempts: 2}, func(r *rig) {
		r.fake.save = func() error { return errDown }
		c := r.step("a")
		r.pass(time.Minute)
		r.refused(c, meter.Unavailable)
		if c.took != 20*time.Millisecond {
			r.Errorf("it took %v", c.took)
		}
		if s := r.stats[0]; s.Attempts != 2 || !errors.Is(s.Err, errDown) || len(r.stats) != 1 {
			r.Errorf("the batch's numbers are %+v", r.stats)
		}
		r.fake.save = nil
		r.answered(r.step("b"), "b")
		r.committed([]string{"b"})
	})
}

// TestAStaleBatchIsDecidedAgain at once, and that is no attempt.
func TestAStaleBatchIsDecidedAgain(t *testing.T) {
	bubble(t, lane.Config{Attempts: 1}, func(r *rig) {
		stale := 2
		r.fake.save = func() error {
			if stale > 0 {
				stale--
				return &meter.Refusal{Reason: meter.Unavailable, Cause: fmt.Errorf("confirm: %w", meter.ErrStale)}
			}
			return nil
		}
		c := r.step("a")
		r.answered(c, "a")
		r.committed([]string{"a"})
		if s := r.stats[0]; s.Attempts != 1 || s.Stale != 2 || s.Err != nil || c.took != 0 {
			r.Errorf("after %v the batch's numbers are %+v", c.took, s)
		}
	})
}

// TestALockedOrganizationIsItsOwnTrouble holds one organization's lock, for which every batch with it waits in vain. Those of
// others are carried apart from it, each in the order in which their commands came.
func TestALockedOrganizationIsItsOwnTrouble(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		_, release := r.blocked()
		r.fake.load = func(_ context.Context, states map[string]*meter.State) error {
			if _, locked := states["locked"]; !locked {
				return nil
			}
			<-time.After(time.Second)
			return &meter.Refusal{Reason: meter.Unavailable, Cause: fmt.Errorf("held: %w", meter.ErrLocked)}
		}
		in := func(firm, name string) *call { return r.send(r.Context(), step{firm: firm, name: name, store: r.fake}) }
		a, held, b, also, c := in("one", "a"), in("locked", "x"), in("two", "b"), in("locked", "y"), in("one", "c")
		release()
		r.pass(time.Minute)
		r.answered(a, "a")
		r.answered(b, "b")
		r.answered(c, "c")
		r.refused(held, meter.Unavailable)
		r.refused(also, meter.Unavailable)
		r.committed([]string{"first"}, []string{"a", "c"}, []string{"b"})
		if s := r.stats[1]; s.Attempts != 1 || s.Commands != 5 || b.took > 3*time.Second {
			r.Errorf("the batch's numbers are %+v, and the last of the others waited %v", s, b.took)
		}
	})
}

// TestABatchHasItsTime bounds the tries of a batch on a store that does not answer, and on one that takes long to say no.
func TestABatchHasItsTime(t *testing.T) {
	for what, answers := range map[string]time.Duration{"silent": time.Hour, "slow": 3 * time.Second} {
		t.Run(what, func(t *testing.T) { batchHasItsTime(t, answers) })
	}
}

func batchHasItsTime(t *testing.T, answers time.Duration) {
	t.Helper()
	bubble(t, lane.Config{BatchTimeout: 8 * time.Second}, func(r *rig) {
		r.fake.load = func(ctx context.Context, _ map[string]*meter.State) error {
			select {
			case <-ctx.Done():
				return &meter.Refusal{Reason: meter.Unavailable, Cause: ctx.Err()}
			case <-time.After(answers):
				return errDown
			}
		}
		c := r.step("a")
		r.pass(time.Minute)
		r.refused(c, meter.Unavailable)
		if c.took != 8*time.Second {
			r.Errorf("it took %v", c.took)
		}
	})
}

// TestMoreDueIsGivenBackFirst has more due than one transaction takes: commands wait for those before theirs.
func TestMoreDueIsGivenBackFirst(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		more := 2
		r.fake.load = func(_ context.Context, states map[string]*meter.State) error {
			states[firm].Due = &meter.Due{More: more > 0}
			more--
			return nil
		}
		r.answered(r.step("a"), "a")
		r.committed(nil, nil, []string{"a"})
		if s := r.stats[0]; s.Attempts != 1 || len(r.stats) != 1 {
			r.Errorf("the batches' numbers are %+v", r.stats)
		}
	})
}

func TestCloseDrainsAndThenRefuses(t *testing.T) {
	bubble(t, lane.Config{}, func(r *rig) {
		first, release := r.blocked()
		waiting := r.step("waiting")
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if err := r.lanes.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("with a batch in flight closing answers %v", err)
		}
		late := r.step("late")
		r.refused(late, meter.Unavailable)
		if late.took != 0 || waiting.done || r.fake.closed != 0 {
			r.Errorf("the refusal took %v, who waits is answered %t, the session closed %d times",
				late.took, waiting.done, r.fake.closed)
		}
		release()
		r.answered(first, "first")
		r.answered(waiting, "waiting")
		r.committed([]string{"first"}, []string{"waiting"})
	})
}

// TestCloseWhileCallersArrive closes lanes under many callers: each is answered, and what was answered was carried.
func TestCloseWhileCallersArrive(t *testing.T) {
	f := &fake{}
	lanes := lane.New([]lane.Session{f}, lane.Config{})
	var callers sync.WaitGroup
	var mu sync.Mutex
	answered := map[string]bool{}
	started := make(chan struct{})
	for n := range 50 {
		callers.Go(func() {
			for i := range 50 {
				name := fmt.Sprint(n, ".", i)
				_, err := lanes.Do(t.Context(), step{firm: firm, name: name, store: f})
				if err == nil {
					mu.Lock()
					answered[name] = true
					mu.Unlock()
				} else if reasonOf(err) != meter.Unavailable {
					t.Errorf("%s: %v", name, err)
				}
				if n == 25 && i == 5 {
					close(started)
				}
			}
		})
	}
	<-started
	must(t, lanes.Close(within(t)))
	callers.Wait()
	carried := slices.Concat(f.batches...)
	if len(carried) != len(answered) || len(carried) == 0 {
		t.Errorf("%d were carried, %d answered", len(carried), len(answered))
	}
	for _, name := range carried {
		if !answered[name] {
			t.Errorf("%s was carried and not answered", name)
		}
	}
}
