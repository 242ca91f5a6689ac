package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
)

// latencies are the bounds, in seconds, of every histogram of time: from a transaction on a fast disk to a call that
// waits for its deadline.
var latencies = []float64{
	0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2.5, 5, 10,
}

// lanes are the metrics of group commit.
type lanes struct {
	commands          prometheus.Histogram
	organizations     prometheus.Histogram
	load, apply, save prometheus.Histogram
	wait              prometheus.Histogram
	retries, failures prometheus.Counter
	stale, expired    prometheus.Counter
}

func newLanes() lanes {
	sizes := prometheus.ExponentialBuckets(1, 2, 11)
	return lanes{
		commands:      histogram("batch_commands", "Commands of one transaction.", sizes),
		organizations: histogram("batch_organizations", "Organizations of one transaction.", sizes),
		load:          histogram("load_seconds", "Round trip that locks and loads a batch; next to nothing where the session remembers it all.", latencies),
		apply:         histogram("apply_seconds", "Rules applied to a batch.", latencies),
		save:          histogram("save_seconds", "Round trip that writes and commits a batch; locks it, too, where the session remembered it all.", latencies),
		wait:          histogram("oldest_wait_seconds", "Wait of a batch's oldest command before the batch took it.", latencies),
		retries:       counter("lane_retries_total", "Batches tried again after a failure."),
		failures:      counter("lane_failures_total", "Batches given up, whose callers were answered UNAVAILABLE, or INTERNAL where trying again does not help."),
		stale:         counter("lane_stale_total", "Batches decided by what the session remembered, and decided again since it had changed."),
		expired:       counter("expired_reservations_total", "Holds that nobody settled in time, given back."),
	}
}

func (l *lanes) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		l.commands, l.organizations, l.load, l.apply, l.save, l.wait, l.retries, l.failures, l.stale, l.expired,
	}
}

func (l *lanes) observe(b Batch) {
	l.commands.Observe(float64(b.Commands))
	l.organizations.Observe(float64(b.Organizations))
	l.retries.Add(float64(max(0, b.Attempts-1)))
	l.stale.Add(float64(b.Stale))
	l.wait.Observe(b.OldestWait.Seconds())
	if b.GivenUp {
		l.failures.Inc()
	}
	if b.Err != nil {
		return
	}
	l.load.Observe(b.Load.Seconds())
	l.apply.Observe(b.Apply.Seconds())
	l.save.Observe(b.Save.Seconds())
	l.expired.Add(float64(b.Expired))
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "lane", Name: name, Help: help, Buckets: buckets,
	})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}
