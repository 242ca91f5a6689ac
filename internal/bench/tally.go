package bench

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest bounds what is told apart; what takes longer counts as this.
const longest = 10 * time.Minute

// tally is what was measured of one kind of work, over all its slices.
type tally struct {
	elapsed                time.Duration
	busy                   time.Duration // Processor time of meterd, if it was started here.
	done, missed           int64
	reserve, commit, whole *hdrhistogram.Histogram
}

func newTally() *tally {
	return &tally{reserve: newHistogram(), commit: newHistogram(), whole: newHistogram()}
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest.Microseconds(), 3) }

// add counts what callers kept of a slice, and empties it. They must not be working.
func (t *tally) add(callers []*caller, elapsed time.Duration, missed int64) {
	t.elapsed += elapsed
	t.missed += missed
	for _, c := range callers {
		t.done += int64(len(c.samples))
		for _, s := range c.samples {
			record(t.reserve, s.reserve)
			record(t.commit, s.commit)
			record(t.whole, s.whole)
		}
		c.samples = c.samples[:0]
	}
}

// record never fails: what is out of a histogram's bounds is brought into them.
func record(h *hdrhistogram.Histogram, micros uint32) {
	_ = h.RecordValue(min(int64(micros), longest.Microseconds()))
}

func (t *tally) perSecond() float64 {
	return ratio(float64(t.done), t.elapsed.Seconds())
}

// busyMicros is the processor time of meterd for one piece of work, in microseconds.
func (t *tally) busyMicros() float64 { return ratio(float64(t.busy.Microseconds()), float64(t.done)) }

// millis is a percentile in milliseconds.
func millis(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtPercentile(percentile)) / 1000
}
