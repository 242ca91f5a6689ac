package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Run replays a trace and reports what the server answered. When the context ends, no further turn starts and the report
// tells what was done. The error says why a replay could not begin; what went wrong later is in Report.Problem.
func Run(ctx context.Context, options Options) (Report, error) {
	if err := options.validate(); err != nil {
		return Report{}, err
	}
	turns, err := loadTurns(options)
	if err != nil {
		return Report{}, err
	}
	if len(turns) == 0 {
		return Report{}, fmt.Errorf("%s: no turn in it", options.Trace)
	}
	client, err := dial(options)
	if err != nil {
		return Report{}, err
	}
	defer client.close()
	r := newReplayer(options, client, turns)
	cost, err := r.costs(ctx)
	if err != nil {
		return Report{}, err
	}
	for _, t := range turns {
		if err := t.price(cost, options.OutputMaximum); err != nil {
			return Report{}, fmt.Errorf("%s: row %d: %w", options.Trace, t.Number, err)
		}
	}
	if err := r.setUp(ctx, turns); err != nil {
		return Report{}, err
	}
	r.play(ctx)
	r.report.add(r.turns, cost)
	r.report.Interrupted = ctx.Err() != nil && r.report.Unsettled+r.report.NotStarted > 0
	r.report.RPCs = client.latencies.summaries()
	return r.report, nil
}

// replayer is one replay under way.
type replayer struct {
	options  Options
	client   *client
	turns    []*turn // Those to be replayed, in order of arrival.
	sessions *sessions
	progress progress
	report   Report
}

func newReplayer(options Options, client *client, turns []*turn) *replayer {
	r := &replayer{options: options, client: client, turns: turns, sessions: newSessions()}
	r.report = Report{Trace: turns[0].Trace, Synthetic: synthetic(options, turns)}
	r.progress.hook = options.Progress
	if options.Limit > 0 {
		r.turns = turns[:min(options.Limit, len(turns))]
	}
	return r
}

// play starts every turn when it arrives, or at full speed when a caller is free, and returns when all have ended. It
// starts no more once one of them was left without an answer for as long as allowed: the server is gone.
func (r *replayer) play(ctx context.Context) {
	r.progress.begin("replay", len(r.turns))
	defer r.progress.end()
	admission, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var playing sync.WaitGroup
	began := time.Now()
	defer func() {
		playing.Wait()
		r.report.Seconds = time.Since(began).Seconds()
	}()
	slots := make(chan struct{}, r.slots())
	for _, t := range r.turns {
		if !wait(admission, time.Until(began.Add(r.scaled(t.Start-r.turns[0].Start)))) {
			return
		}
		if !r.sessions.enter(t) {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-admission.Done():
			return
		}
		playing.Go(func() {
			defer func() { <-slots }()
			r.playSession(ctx, admission, giveUp, t)
		})
	}
}

// slots is how many turns may run at once: at a finite speed all of them, as arrivals do not wait for a slow server.
func (r *replayer) slots() int {
	if r.options.Speed == 0 {
		return r.options.Callers
	}
	return len(r.turns)
}

// scaled is a span of the trace's time at the speed of the replay.
func (r *replayer) scaled(span time.Duration) time.Duration {
	if r.options.Speed == 0 {
		return 0
	}
	return time.Duration(float64(span) / r.options.Speed)
}

// playSession plays a turn, and then those of its session that came to wait for it.
func (r *replayer) playSession(ctx, admission context.Context, giveUp context.CancelFunc, t *turn) {
	for t != nil && admission.Err() == nil {
		if err := r.playTurn(ctx, t); errors.Is(err, errUnanswered) {
			giveUp()
		}
		r.progress.step()
		t = r.sessions.leave(t)
	}
}

// wait reports whether the span passed before the context ended.
func wait(ctx context.Context, span time.Duration) bool {
	if span <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
