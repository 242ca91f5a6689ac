// Package rollup keeps the roll-ups of usage close behind what happens, so that reports have little left to add up. Every
// process has a roller; they share the work by the locks of the store, and nothing depends on any of them: a report adds what
// is not rolled up yet.
package rollup

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Store is what a roller works on. It is used by one roller at a time.
type Store interface {
	// Behind lists, in order of id, organizations after one of which something is not rolled up yet.
	Behind(ctx context.Context, after string, limit int) ([]string, error)
	// RollUp rolls up a bounded part of that, and answers whether there is more.
	RollUp(ctx context.Context, organizationID string) (more bool, err error)
	// Close ends its connection.
	Close()
}

// looked is how many organizations are looked for at a time.
const looked = 256

// Roller rolls up usage in the background.
type Roller struct {
	store    Store
	every    time.Duration
	logger   *slog.Logger
	upToDate func()
}

// New is a roller that looks for work every so often, and says when it has left none. It closes the store when it ends.
func New(store Store, every time.Duration, logger *slog.Logger, upToDate func()) *Roller {
	return &Roller{store: store, every: every, logger: logger, upToDate: upToDate}
}

// Run rolls up until the context ends. What fails is tried again at the next tick; the log tells the first of several
// failures, and when it works again.
func (r *Roller) Run(ctx context.Context) {
	defer r.store.Close()
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := r.Once(ctx)
		if err == nil {
			r.upToDate()
		}
		if ctx.Err() != nil || (err != nil) == failing {
			continue
		}
		failing = err != nil
		if failing {
			r.logger.Warn("rolling up usage fails; it is tried again, and reports are exact but slower", "error", err)
		} else {
			r.logger.Info("rolling up usage works again")
		}
	}
}

// Once returns once all that it found is rolled up, but for what others are at. One organization's failure does not keep the
// others from it.
func (r *Roller) Once(ctx context.Context) error {
	var failed error
	for after := ""; ; {
		behind, err := r.store.Behind(ctx, after, looked)
		if err != nil || len(behind) == 0 {
			return errors.Join(failed, err)
		}
		after = behind[len(behind)-1]
		failed = errors.Join(failed, r.rollUp(ctx, behind))
	}
}

// rollUp takes turns between organizations, so that one with much to do does not keep the others waiting.
func (r *Roller) rollUp(ctx context.Context, behind []string) (failed error) {
	for len(behind) > 0 && ctx.Err() == nil {
		var left []string
		for _, id := range behind {
			more, err := r.store.RollUp(ctx, id)
			if failed = errors.Join(failed, err); more && err == nil {
				left = append(left, id)
			}
		}
		behind = left
	}
	return failed
}
