package lane

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// item is a command that waits for its outcome.
type item struct {
	ctx     context.Context // The caller's: looked at once, before the command is taken into a batch.
	command meter.Command
	queued  time.Time
	number  int64         // In order of arrival at its lane.
	begins  bool          // Whether it begins a turn; others end one, or are few.
	applied bool          // Whether it was, by a try that may have been committed.
	done    chan struct{} // Closed once outcome and err are set.
	outcome meter.Outcome
	err     error
}

func (it *item) answer(o meter.Outcome, err error) {
	it.outcome, it.err = o, err
	close(it.done)
}

// worker is one lane.
type worker struct {
	config  Config
	session Session
	queue   *queue
}

// run carries batch after batch until the queue is closed and empty.
func (w *worker) run() {
	defer w.session.Close()
	for {
		taken := w.queue.next(w.config.MaxBatch)
		if taken == nil {
			return
		}
		if batch := slices.DeleteFunc(taken, w.late); len(batch) > 0 {
			w.carry(batch)
		}
	}
}

// late answers a command that waited too long, or whose caller has gone: it was not applied, and will not be.
func (w *worker) late(it *item) bool {
	switch {
	case it.ctx.Err() != nil:
		it.answer(noOutcome, it.ctx.Err())
	case time.Since(it.queued) > w.config.MaxQueueAge:
		it.answer(noOutcome, overloaded(errOld))
	default:
		return false
	}
	return true
}

// carry applies a batch, again while the store is unavailable and there are attempts and time left: what its commands make
// is named before the first attempt, so that after a COMMIT whose fate is unknown a second attempt is the same as once. A
// batch that waits in vain for the lock of one organization is carried organization by organization, and one that fails
// through a fault command by command, so that the trouble of one is not another's.
func (w *worker) carry(batch []*item) {
	ctx, cancel := context.WithTimeout(context.Background(), w.config.BatchTimeout)
	defer cancel()
	stats := BatchStats{Commands: len(batch), OldestWait: time.Since(batch[0].queued)}
	err := w.attempt(ctx, batch, &stats)
	parts := apart(batch, err)
	stats.Err, stats.GivenUp = err, err != nil && len(parts) < 2
	w.config.Observe(stats)
	switch {
	case err == nil:
		return
	case !stats.GivenUp:
		for _, part := range parts {
			w.carry(part)
		}
		return
	}
	w.config.Logger.Error("batch given up", "commands", len(batch), "attempts", stats.Attempts, "error", err)
	for _, it := range batch {
		it.answer(noOutcome, err)
	}
}

// attempt tries a batch until it is carried, or trying again does not help.
func (w *worker) attempt(ctx context.Context, batch []*item, stats *BatchStats) error {
	for {
		stats.Attempts++
		err := w.try(ctx, batch, stats)
		if errors.Is(err, meter.ErrStale) && ctx.Err() == nil {
			stats.Attempts--
			stats.Stale++
			continue
		}
		if !unavailable(err) || errors.Is(err, meter.ErrLocked) || stats.Attempts == w.config.Attempts || ctx.Err() != nil {
			return err
		}
		w.pause(stats.Attempts)
	}
}

// pause waits before a further attempt, longer each time: 20, 80, 320 ms.
func (w *worker) pause(attempts int) {
	<-time.After(5 * time.Millisecond << (2 * attempts))
}

// try is one attempt at a batch: load, apply, save, answer. While more holds are due than one transaction takes, it
// first gives those back in transactions of their own.
func (w *worker) try(ctx context.Context, batch []*item, stats *BatchStats) error {
	for {
		more, err := w.transaction(ctx, batch, stats)
		if err != nil {
			w.session.Abandon()
			return err
		}
		if !more {
			return nil
		}
	}
}

// transaction carries the batch, unless more holds are due than were loaded: then it only gives those back, and answers
// that there are more.
func (w *worker) transaction(ctx context.Context, batch []*item, stats *BatchStats) (more bool, err error) {
	began := time.Now()
	organizations, needs := needsOf(batch)
	states, err := w.session.Load(ctx, organizations, needs)
	if err != nil {
		return false, err
	}
	loaded := time.Now()
	expired := 0
	for _, s := range states {
		expired += s.ExpireDue()
		more = more || s.MoreDue()
	}
	var answers []answer
	if !more {
		answers, err = apply(batch, states)
		if err != nil {
			return false, err
		}
	}
	applied := time.Now()
	if err := w.session.Save(ctx, states); err != nil {
		return false, err
	}
	stats.Organizations = len(organizations)
	stats.Expired += expired
	stats.Load, stats.Apply, stats.Save = loaded.Sub(began), applied.Sub(loaded), time.Since(applied)
	deliver(batch, answers)
	return more, nil
}
