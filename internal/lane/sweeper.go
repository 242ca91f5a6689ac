package lane

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/meter"
)

// sweepsAtOnce bounds how many organizations a sweeper has in the lanes at a time, so that it never crowds callers out.
const sweepsAtOnce = 8

// Sweeper gives back holds that fell due in organizations nobody calls for. Every process has one; what two of them find
// is given back once, because both go through the organization's lock.
type Sweeper struct {
	lanes  *Lanes
	due    func(context.Context) ([]string, error)
	every  time.Duration
	logger *slog.Logger
}

// NewSweeper is a sweeper that asks for due organizations every so often.
func NewSweeper(
	l *Lanes, due func(context.Context) ([]string, error), every time.Duration, logger *slog.Logger,
) *Sweeper {
	return &Sweeper{lanes: l, due: due, every: every, logger: logger}
}

// Run sweeps until the context ends. A sweep that fails is tried again at the next tick; the log tells the first of
// several, and when it works again.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.SweepOnce(ctx)
		if ctx.Err() != nil || (err != nil) == failing {
			continue
		}
		failing = err != nil
		if failing {
			s.logger.Warn("sweeps fail; they are tried again", "error", err)
		} else {
			s.logger.Info("sweeps work again")
		}
	}
}

// SweepOnce returns once all that was due when it began is given back.
func (s *Sweeper) SweepOnce(ctx context.Context) error {
	for {
		organizations, err := s.due(ctx)
		if err != nil || len(organizations) == 0 {
			return err
		}
		if err := s.sweep(ctx, organizations); err != nil {
			return err
		}
	}
}

// sweep goes through all of them, though one may fail: that one must not keep the others from being swept.
func (s *Sweeper) sweep(ctx context.Context, organizations []string) error {
	var group errgroup.Group
	group.SetLimit(sweepsAtOnce)
	for _, id := range organizations {
		group.Go(func() error {
			_, err := s.lanes.Do(ctx, meter.Sweep{OrganizationID: id})
			return err
		})
	}
	return group.Wait()
}
