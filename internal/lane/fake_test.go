package lane_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
)

// step is a command that writes down that it was applied, and answers an outcome that tells it from the others.
type step struct {
	firm, name string
	store      *fake
	err        error
	panics     bool // In the rules.
	poison     bool // The database refuses a batch with it in.
}

func (s step) Organization() string { return s.firm }

func (s step) Need(*meter.Needs) {}

func (s step) Apply(*meter.State) (meter.Outcome, error) {
	if s.panics {
		panic(s.name)
	}
	s.store.pending = append(s.store.pending, s.name)
	s.store.poisoned = s.store.poisoned || s.poison
	if s.err != nil {
		return meter.Outcome{}, s.err
	}
	return meter.Outcome{Organization: &meter.Organization{ID: s.name}}, nil
}

// fake is a session that keeps the names of steps, batch by batch. What it does is up to the test.
type fake struct {
	load func(ctx context.Context, states map[string]*meter.State) error
	save func() error

	pending   []string   // Applied since Load.
	poisoned  bool       // Among them is one that the database refuses.
	batches   [][]string // Committed.
	loaded    [][]string // Organizations of each Load.
	abandoned int
	closed    int
}

func (f *fake) Load(
	ctx context.Context, organizations []string, _ meter.Needs,
) (map[string]*meter.State, error) {
	f.pending, f.poisoned, f.loaded = nil, false, append(f.loaded, organizations)
	states := map[string]*meter.State{}
	for _, id := range organizations {
		states[id] = meter.NewState(id, time.Now())
	}
	if f.load != nil {
		return states, f.load(ctx, states)
	}
	return states, nil
}

func (f *fake) Save(_ context.Context, _ map[string]*meter.State) error {
	if f.save != nil {
		if err := f.save(); err != nil {
			return err
		}
	}
	if f.poisoned {
		return errFault
	}
	f.batches = append(f.batches, f.pending)
	return nil
}

func (f *fake) Abandon() { f.abandoned++ }

func (f *fake) Close() { f.closed++ }

// rig is one lane on a fake session, in a bubble where time passes only when all wait.
type rig struct {
	*testing.T
	fake  *fake
	lanes *lane.Lanes
	stats []lane.BatchStats
}

// bubble runs a test on a rig, and sees that its lane ends.
func bubble(t *testing.T, config lane.Config, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, fake: &fake{}}
		config.Observe = func(s lane.BatchStats) { r.stats = append(r.stats, s) }
		r.lanes = lane.New([]lane.Session{r.fake}, config)
		test(r)
		if err := r.lanes.Close(t.Context()); err != nil || r.fake.closed != 1 {
			t.Errorf("closing the lanes: %v, their session was closed %d times", err, r.fake.closed)
		}
	})
}

// call is a caller's wait for a command.
type call struct {
	outcome meter.Outcome
	err     error
	took    time.Duration
	done    bool
}

// send has a caller send a command, and returns once it waits for the answer, or has it.
func (r *rig) send(ctx context.Context, c meter.Command) *call {
	sent := &call{}
	began := time.Now()
	go func() {
		sent.outcome, sent.err = r.lanes.Do(ctx, c)
		sent.took, sent.done = time.Since(began), true
	}()
	synctest.Wait()
	return sent
}

// step sends a step of the firm.
func (r *rig) step(name string) *call {
	return r.send(r.Context(), step{firm: firm, name: name, store: r.fake})
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// blocked makes the store's next Save wait until the function that it answers is called, with a step on its way there.
func (r *rig) blocked() (first *call, release func()) {
	gate := make(chan struct{})
	r.fake.save = func() error { <-gate; return nil }
	return r.step("first"), func() {
		close(gate)
		synctest.Wait()
	}
}

// committed holds the store to what it must have committed, batch by batch.
func (r *rig) committed(want ...[]string) {
	r.Helper()
	if !slices.EqualFunc(r.fake.batches, want, slices.Equal) {
		r.Errorf("committed are %q, not %q", r.fake.batches, want)
	}
}

// answered holds a call to its outcome.
func (r *rig) answered(c *call, name string) {
	r.Helper()
	if !c.done || c.err != nil || c.outcome.Organization == nil || c.outcome.Organization.ID != name {
		r.Errorf("%s: answered %t with %+v, %v", name, c.done, c.outcome.Organization, c.err)
	}
}

// refused holds a call to the reason of its refusal.
func (r *rig) refused(c *call, reason meter.Reason) {
	r.Helper()
	if !c.done || reasonOf(c.err) != reason {
		r.Errorf("answered %t with %v, not %s", c.done, c.err, reason)
	}
}

var (
	errDown  = &meter.Refusal{Reason: meter.Unavailable, Cause: errors.New("the database is down")}
	errFault = errors.New("SQLSTATE 23514")
)
