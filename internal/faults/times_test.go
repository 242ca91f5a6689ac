package faults

import (
	"math"
	"sync"
)

// era is a stretch of the run in which the test clock went without a jump.
type era struct {
	from  int64 // Moment from which it may have begun.
	until int64 // Moment by which it had ended.
	start int64 // The rules' time to which the clock was set.
	shift int64 // The rules' time less the machine's, in microseconds.
}

// eraLength is how far eras lie apart at least: no two of a round show the same times, so that a time tells its era.
const eraLength = int64(10 * 60 * 1e6)

// eras are those of one round, in order.
type eras struct {
	mu  sync.Mutex
	all []era
}

func (e *eras) add(next era) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.all); n > 0 {
		// Whoever asked before this jump was answered may have seen either time.
		e.all[n-1].until = moment()
	}
	next.until = math.MaxInt64
	e.all = append(e.all, next)
}

// moment is when the rules' clock showed a time.
func (e *eras) moment(now int64) (at int64, ok bool) {
	for _, one := range e.all {
		if now >= one.start && now < one.start+eraLength {
			return now - one.shift, true
		}
	}
	return 0, false
}

// reached is the first moment at or after another at which the rules' clock showed a time or a later one.
func (e *eras) reached(now, after int64) int64 {
	for _, one := range e.all {
		if one.until == math.MaxInt64 || one.until+one.shift >= now {
			if at := max(one.from, now-one.shift); at >= after || one.until >= after {
				return max(at, after)
			}
		}
	}
	return after
}

// windows are the times that the rules' clock may have shown while a call ran.
type windows []window

type window struct{ low, high int64 }

func (e *eras) during(call, ret int64) (w windows) {
	for _, one := range e.all {
		low, high := max(call, one.from), min(ret, one.until)
		if low <= high {
			w = append(w, window{low + one.shift, high + one.shift})
		}
	}
	return w
}

// before says whether any of the times comes before another time.
func (w windows) before(end int64) bool {
	for _, one := range w {
		if one.low < end {
			return true
		}
	}
	return false
}

// some says whether something may hold at one of the times before an end. It is asked at the first and the last of each
// stretch, between which nothing changes twice.
func (w windows) some(end int64, holds func(now int64) bool) bool {
	for _, one := range w {
		if one.low < end && (holds(one.low) || holds(min(one.high, end-1))) {
			return true
		}
	}
	return false
}
