package postgres

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// reportsAtOnce is how many reports run at a time, so that they leave connections to other reads.
	reportsAtOnce = 2
	// reportBurst is how many milliseconds reports may run before their share counts: nobody who looks at a page waits.
	reportBurst = 1000
)

// pace keeps reports from taking the database from the turns: over time they run for no more than their share of it.
type pace struct {
	running chan struct{}
	share   *rate.Limiter // Of milliseconds that reports run.
	waited  func(time.Duration)
}

// newPace lets reports run for so many seconds of each; 0: all of them.
func newPace(share float64, waited func(time.Duration)) *pace {
	limit := rate.Limit(share * 1000)
	if share == 0 {
		limit = rate.Inf
	}
	return &pace{running: make(chan struct{}, reportsAtOnce), share: rate.NewLimiter(limit, reportBurst), waited: waited}
}

var errReportsShare = errors.New("reports have had their share of the database: see --report-share")

// enter waits until a report may run. What would wait for longer than its caller does is refused at once. Whoever is let
// in calls leave.
func (p *pace) enter(ctx context.Context) (leave func(), err error) {
	asked := time.Now()
	select {
	case p.running <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := p.share.Wait(ctx); err != nil {
		<-p.running
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &meter.Refusal{Reason: meter.Overloaded, Cause: errReportsShare}
	}
	began := time.Now()
	p.waited(began.Sub(asked))
	return func() {
		for ran := int(time.Since(began).Milliseconds()); ran > 0; ran -= reportBurst {
			p.share.ReserveN(time.Now(), min(ran, reportBurst))
		}
		<-p.running
	}, nil
}
