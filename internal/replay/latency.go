package replay

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longestLatency bounds what is told apart; a call that takes longer counts as this.
const longestLatency = 10 * time.Minute

// latencies keeps how long the answers of each RPC took.
type latencies struct {
	mu    sync.Mutex
	byRPC map[string]*latency
}

type latency struct {
	micros  *hdrhistogram.Histogram
	retries int64
}

func newLatencies() *latencies {
	return &latencies{byRPC: map[string]*latency{}}
}

func (l *latencies) answered(rpc string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A value within the histogram's bounds is always taken.
	_ = l.of(rpc).micros.RecordValue(min(took, longestLatency).Microseconds())
}

func (l *latencies) retry(rpc string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(rpc).retries++
}

func (l *latencies) of(rpc string) *latency {
	if l.byRPC[rpc] == nil {
		l.byRPC[rpc] = &latency{micros: hdrhistogram.New(1, longestLatency.Microseconds(), 3)}
	}
	return l.byRPC[rpc]
}

// summaries are the figures of every RPC that was called, by name.
func (l *latencies) summaries() []RPC {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rpcs []RPC
	for _, name := range slices.Sorted(maps.Keys(l.byRPC)) {
		h := l.byRPC[name].micros
		rpcs = append(rpcs, RPC{
			Name: name, Answers: h.TotalCount(), Retries: l.byRPC[name].retries,
			P50Millis: milliseconds(h.ValueAtPercentile(50)), P90Millis: milliseconds(h.ValueAtPercentile(90)),
			P99Millis: milliseconds(h.ValueAtPercentile(99)), MaxMillis: milliseconds(h.Max()),
		})
	}
	return rpcs
}

func milliseconds(micros int64) float64 { return float64(micros) / 1000 }
