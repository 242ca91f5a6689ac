package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// How hot a round is: so many callers make so many choices each, on so few firms.
const (
	callers       = 24
	choicesOfEach = 32
	callersPause  = 50 * time.Millisecond
	// callersTime bounds how long a caller goes on, where faults make it wait.
	callersTime  = 7 * time.Second
	firmsOfRound = 2
	// mostAtOnce bounds how many faults are about at a time.
	mostAtOnce = 4
)

// round is one history of a few new organizations, under faults. All of it is chosen by the seed.
type round struct {
	seed   uint64
	number uint64
	world  *world
	deck   *deck
	tally  *tally
	firms  []*firm
	eras   eras
	anchor time.Time // A month's boundary, around which the clock goes.
	slots  []time.Duration
	random *rand.Rand // The injector's.

	problems []string // What is wrong before anything is checked.
}

// calendarRounds is how many rounds have a month of their own: more than the years that the clock can show.
const calendarRounds = 1500

func newRound(seed, number uint64, w *world, d *deck, t *tally) *round {
	r := &round{seed: seed, number: number, world: w, deck: d, tally: t, random: seeded(seed, 1<<32)}
	r.anchor = time.Date(2030, time.Month(1+number%calendarRounds), 1, 0, 0, 0, 0, time.UTC)
	for _, hours := range r.random.Perm(10) {
		r.slots = append(r.slots, time.Duration(hours-5)*time.Hour) // Five in each month.
	}
	if r.random.IntN(2) == 0 {
		r.slots = append(r.slots, 31*24*time.Hour)
	}
	for i := range firmsOfRound {
		f := newFirm(number, i, r.random)
		f.limitedFiles = !w.disk.inside
		r.firms = append(r.firms, f)
	}
	return r
}

// run lives the round through and answers what was wrong.
func (r *round) run(ctx context.Context) ([]string, error) {
	if err := r.begin(ctx); err != nil {
		return nil, fmt.Errorf("beginning: %w", err)
	}
	if err := r.strike(ctx, r.call(ctx)); err != nil {
		return nil, fmt.Errorf("injecting faults: %w", err)
	}
	if err := r.settle(ctx); err != nil {
		return nil, fmt.Errorf("coming to rest: %w", err)
	}
	return r.judge(ctx)
}

// begin makes the firms, with a little in their pools.
func (r *round) begin(ctx context.Context) error {
	if err := r.jump(ctx); err != nil {
		return err
	}
	first := r.caller(0)
	for _, f := range r.firms {
		if err := f.furnish(ctx, r.world.replicas[0]); err != nil {
			return err
		}
		for i := range 2 {
			first.carry(ctx, f, first.topUp(f), 5)
			first.carry(ctx, f, &meterv1.GrantAccessRequest{
				OrganizationId: f.id, MemberId: seatID(i % f.seats()),
				Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true},
			}, 5)
		}
	}
	return nil
}

func (r *round) caller(number int) *caller {
	return &caller{
		number: number, random: seeded(r.seed, uint64(number)), world: r.world, firms: r.firms, at: number % replicas,
	}
}

// call sets all callers to work, and answers a channel that is closed once they are through.
func (r *round) call(ctx context.Context) <-chan struct{} {
	var working sync.WaitGroup
	for i := range callers {
		working.Go(func() { r.caller(i+1).run(ctx, choicesOfEach, callersPause) })
	}
	done := make(chan struct{})
	go func() {
		working.Wait()
		close(done)
	}()
	return done
}

// strike injects faults until the callers are through, alone and several at once.
func (r *round) strike(ctx context.Context, through <-chan struct{}) error {
	for !isDone(through) {
		n := 1 + r.random.IntN(mostAtOnce)
		if r.deck.once {
			n++ // A short run has less time for each alone.
		}
		some := r.deck.deal(n, r.random)
		if len(some) == 0 { // There are none, or a short run has had each.
			<-through
			return nil
		}
		if err := r.blow(ctx, some); err != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(50+r.random.IntN(250)) * time.Millisecond):
		case <-through:
		}
	}
	return nil
}

// shortBlow bounds a blow of a short run.
const shortBlow = 3500 * time.Millisecond

// blow injects faults together, lets them last, and heals them.
func (r *round) blow(ctx context.Context, some []*fault) error {
	var heal []func(context.Context) error
	var errs []error
	lasts := time.Duration(0)
	for _, f := range some {
		inject := f.inject
		if inject == nil {
			inject = func(ctx context.Context, _ *world, _ *rand.Rand) (func(context.Context) error, error) {
				return healing(), r.jump(ctx)
			}
		}
		undo, err := inject(ctx, r.world, r.random)
		heal = append(heal, undo)
		// A fault that finds PostgreSQL away through another one has nothing to harm.
		if err != nil && len(some) == 1 {
			errs = append(errs, fmt.Errorf("%s: %w", f.name, err))
		}
		if err == nil {
			r.tally.injected(f)
		}
		lasts = max(lasts, f.longest/4+time.Duration(r.random.Int64N(int64(f.longest))*3/4))
	}
	if r.deck.once {
		lasts = min(lasts, shortBlow)
	}
	<-time.After(lasts)
	errs = append(errs, healAll(ctx, heal), r.world.ensureUp(ctx))
	return errors.Join(errs...)
}

// healAll heals at once, for one may need that another is healed.
func healAll(ctx context.Context, heal []func(context.Context) error) error {
	errs := make([]error, len(heal))
	var healing sync.WaitGroup
	for i, one := range heal {
		healing.Go(func() { errs[i] = one(ctx) })
	}
	healing.Wait()
	return errors.Join(errs...)
}

// tries bounds how often one jump of the clock is tried, each time to an era of its own.
const tries = 5

// jump sets the clock to an hour where it has not been in this round.
func (r *round) jump(ctx context.Context) error {
	if len(r.slots) == 0 {
		return nil
	}
	slot := r.slots[0]
	r.slots = r.slots[1:]
	return r.setClock(ctx, r.anchor.Add(slot))
}

func (r *round) setClock(ctx context.Context, target time.Time) (err error) {
	for i := range tries {
		to := target.Add(time.Duration(i) * time.Duration(eraLength) * time.Microsecond)
		from := moment()
		callCtx, cancel := context.WithTimeout(ctx, 2*attemptPatience)
		request := &testingv1.SetTimeRequest{Time: timestamppb.New(to)}
		// A connection that was cut comes back after a pause, within which all tries would be over.
		_, err = r.world.replicas[i%replicas].clock.SetTime(callCtx, request, grpc.WaitForReady(true))
		cancel()
		shift, shiftErr := r.world.database.shift(ctx)
		if shiftErr != nil {
			return shiftErr
		}
		shown := moment() + shift - to.UnixMicro()
		if shown >= 0 && shown < eraLength {
			r.eras.add(era{from: from, start: to.UnixMicro(), shift: shift})
			return nil
		}
	}
	return fmt.Errorf("the clock cannot be set: %w", err)
}

// settle brings everything to rest: no request is under way, and every hold has lapsed.
func (r *round) settle(ctx context.Context) error {
	if err := r.world.ensureUp(ctx); err != nil {
		return err
	}
	if err := r.world.restart(ctx); err != nil {
		return err
	}
	if err := r.setClock(ctx, r.anchor.AddDate(0, 0, 35)); err != nil {
		return err
	}
	last := r.caller(callers + 1)
	for _, f := range r.firms {
		for _, request := range f.asked(last) {
			r.demand(ctx, last, f, request)
		}
	}
	return nil
}

// restTries is how often a request is sent at rest: no fault is about, so that is more than enough.
const restTries = 7

// demand sends a request at rest, where it must be answered: a server that says Unavailable for ever loses nothing and
// doubles nothing, and is of no use.
func (r *round) demand(ctx context.Context, last *caller, f *firm, request proto.Message) {
	if a := last.carry(ctx, f, request, restTries); a.fate() == unknown {
		r.problems = append(r.problems, fmt.Sprintf("%s: it is not answered at rest: %v", f.id, a))
	}
}
