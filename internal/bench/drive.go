package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// errorPause is how long a caller waits after an error, so that a server that is away is not asked in a tight loop.
	errorPause = 10 * time.Millisecond
	// overtime bounds how long work in flight may last after a slice has ended.
	overtime = 30 * time.Second
)

// sample is how long one piece of work took, in microseconds. What is only one request has no parts.
type sample struct{ reserve, commit, whole uint32 }

// work is what a caller does again and again. Its latencies count from when it should have begun.
type work interface {
	do(ctx context.Context, began time.Time) (sample, error)
}

// caller does its work in one goroutine at a time, and keeps what it measures to itself.
type caller struct {
	work    work
	samples []sample // Since the last slice was counted.
	errors  int64
	first   error // The first error ever.
	done    int64 // All work ever, warming up included.
}

// slice is one stretch of load.
type slice struct {
	length time.Duration
	rate   float64 // Of all callers together, a second. 0: closed loop.
}

// run lets all callers work for the slice's length, and returns when the last has finished what it had begun. elapsed
// includes that, as the work is counted too. missed is how much a fixed rate called for that no caller was free to begin.
func (s slice) run(ctx context.Context, callers []*caller) (elapsed time.Duration, missed int64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// No deadline on the context: one would be sent with each call, and the ceilings have none.
	watchdog := time.AfterFunc(s.length+overtime, cancel)
	defer watchdog.Stop()

	p := &pace{began: time.Now(), length: s.length, rate: s.rate}
	var running sync.WaitGroup
	for _, c := range callers {
		running.Go(func() { c.run(ctx, p) })
	}
	running.Wait()
	return time.Since(p.began), p.missed()
}

// pace says when work begins.
type pace struct {
	began  time.Time
	length time.Duration
	rate   float64
	next   atomic.Int64
}

// begin is when the next piece of work should begin, having waited for that moment; false: the slice is over.
func (p *pace) begin(ctx context.Context, timer *time.Timer) (time.Time, bool) {
	now := time.Now()
	if p.rate == 0 || ctx.Err() != nil {
		return now, ctx.Err() == nil && now.Sub(p.began) < p.length
	}
	if now.Sub(p.began) >= p.length {
		return now, false
	}
	due := time.Duration(float64(p.next.Add(1)-1) / p.rate * float64(time.Second))
	if due >= p.length {
		return now, false
	}
	intended := p.began.Add(due)
	return intended, wait(ctx, timer, intended.Sub(now))
}

// missed is how much of what the rate called for was never begun.
func (p *pace) missed() int64 {
	called := int64(p.rate * p.length.Seconds())
	return max(0, called-p.next.Load())
}

func (c *caller) run(ctx context.Context, p *pace) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		began, ok := p.begin(ctx, timer)
		if !ok {
			return
		}
		took, err := c.work.do(ctx, began)
		if err == nil {
			c.done++
			c.samples = append(c.samples, took)
			continue
		}
		c.errors++
		if c.first == nil {
			c.first = err
		}
		wait(ctx, timer, errorPause)
	}
}

// wait says whether the time has passed before the context ended.
func wait(ctx context.Context, timer *time.Timer, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer.Reset(d)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// micros is a time span as a sample keeps it, at most 71 minutes.
func micros(d time.Duration) uint32 { return uint32(min(max(d.Microseconds(), 0), 1<<32-1)) }
