package price

import (
	"math"
	"math/bits"
)

const (
	// longAnswer is the first count of tokens that is only known to be long: no model answers as much.
	longAnswer = 1 << 24
	// historyBuckets are four to an octave, from 0 to longAnswer, and the last for what is longer.
	historyBuckets = 4*(24-1) + 1
	// maxHistory is how many turns a history weighs. Then each counts half, so that it follows a change within a few times
	// as many.
	maxHistory = 1024
)

// history counts turns by how many output tokens they had.
type history struct {
	total  int
	counts [historyBuckets]uint16
}

func (h *history) observe(output int64) {
	h.counts[bucketOf(output)]++
	h.total++
	if h.total < maxHistory {
		return
	}
	h.total = 0
	for i := range h.counts {
		h.counts[i] /= 2
		h.total += int(h.counts[i])
	}
}

// quantile is the last count of tokens of the bucket in which the turn stands than which learnedPercent have no more.
func (h *history) quantile() int64 {
	rank := (h.total*learnedPercent + 99) / 100
	bucket := 0
	for before := int(h.counts[0]); before < rank; before += int(h.counts[bucket]) {
		bucket++
	}
	return lastOf(bucket)
}

// bucketOf is the bucket that a count of tokens falls into: its own up to 7, then one of four of its octave.
func bucketOf(tokens int64) int {
	switch {
	case tokens < 4:
		return int(max(tokens, 0))
	case tokens >= longAnswer:
		return historyBuckets - 1
	}
	octave := bits.Len64(uint64(tokens)) - 3 // Of 4 to 7: 0.
	return 4*octave + int(tokens>>octave)
}

// lastOf is the largest count of tokens that falls into a bucket.
func lastOf(bucket int) int64 {
	switch {
	case bucket < 4:
		return int64(bucket)
	case bucket == historyBuckets-1:
		return math.MaxInt64
	}
	octave, quarter := bucket/4-1, bucket%4
	return int64(4+quarter+1)<<octave - 1
}
