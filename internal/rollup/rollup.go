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
	// Behind lists, in order of id, organizations after one of which so many rows or more are not rolled up yet.
	Behind(ctx context.Context, after string, rows int64, limit int) ([]string, error)
	// RollUp rolls up a bounded part of that, and answers whether there is more.
	RollUp(ctx context.Context, organizationID string) (more bool, err error)
	// Close ends its connection.
	Close()
}

// looked is how many organizations are looked for at a time.
const looked = 256

// An organization with few new rows waits for the next of the looks that take all: a roll-up has costs beside its rows, which
// thousands of organizations with a few turns each would pay at every look, and a report adds up so few itself.
const (
	few      = 256
	allEvery = 60 // The last of so many looks takes all.
)

// Roller rolls up usage in the background.
type Roller struct {
	store    Store
	every    time.Duration
	logger   *slog.Logger
	upToDate func()
}

// New is a roller that looks for work every so often, and says when it has left none that it looked for. It closes the store
// when it ends.
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
	for look := 0; ; look++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		rows := int64(few)
		if look%allEvery == allEvery-1 {
			rows = 1
		}
		err := r.Once(ctx, rows)
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

// Once returns once all organizations that are so many rows behind are rolled up, but for those that others are at. One's
// failure does not keep the others from it.
func (r *Roller) Once(ctx context.Context, rows int64) error {
	var failed error
	for after := ""; ; {
		behind, err := r.store.Behind(ctx, after, rows, looked)
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
