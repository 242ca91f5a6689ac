// Package telemetry is what an operator sees of a running server: metrics for Prometheus and the log.
package telemetry

import (
	"net/http"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
)

const namespace = "meter"

// Batch is what one transaction of a lane did and how long its parts took.
type Batch struct {
	Commands, Organizations, Expired, Attempts int

	Stale int // How often it was decided by what had changed, which is no attempt.

	Load, Apply, Save time.Duration
	OldestWait        time.Duration // Of the command that waited longest before the batch took it.
	Err               error         // Why it failed; nil: it was committed.
	GivenUp           bool          // Whether that is what its callers are told: it is not carried again in parts.
}

// Metrics are all metrics of a server, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry
	calls    *grpcprom.ServerMetrics
	refusals *prometheus.CounterVec
	holdFit  *prometheus.HistogramVec
	unpriced prometheus.Counter
	rolledUp prometheus.Gauge
	lanes    lanes
}

// NewMetrics makes the metrics; all begin at zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls:    newCalls(),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "refusals_total", Help: "Calls answered other than OK, by reason.",
		}, []string{"reason"}),
		holdFit: newHoldFit(),
		unpriced: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "unpriced_turns_total",
			Help: "Settled turns whose tokens had no price, and that cost what was held.",
		}),
		rolledUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "rolled_up_timestamp_seconds",
			Help: "When all usage was last found rolled up, in seconds since 1970; 0: not yet.",
		}),
		lanes: newLanes(),
	}
	m.registry.MustRegister(
		m.calls, m.refusals, m.holdFit, m.unpriced, m.rolledUp,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registry.MustRegister(m.lanes.collectors()...)
	return m
}

// Calls counts and times every call of a gRPC server. Its interceptors belong outermost.
func (m *Metrics) Calls() *grpcprom.ServerMetrics { return m.calls }

// Begin shows every RPC of the server and every reason at zero, so that the first of each is seen as a rise.
func (m *Metrics) Begin(server *grpc.Server, reasons []string) {
	m.calls.InitializeMetrics(server)
	for _, reason := range reasons {
		m.refusals.WithLabelValues(reason)
	}
}

// Refused counts an answer other than OK.
func (m *Metrics) Refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// Settled shows how well a committed turn's hold fitted its cost: 1 is exact, 4 held four times too much, less than 1 too
// little. The estimate says how the hold came about. A turn that cost nothing says nothing of its hold.
func (m *Metrics) Settled(estimate string, held, cost int64) {
	if cost > 0 {
		m.holdFit.WithLabelValues(estimate).Observe(float64(held) / float64(cost))
	}
}

// Unpriced counts a settled turn whose tokens had no price.
func (m *Metrics) Unpriced() { m.unpriced.Inc() }

// RolledUp notes that all usage is rolled up now.
func (m *Metrics) RolledUp() { m.rolledUp.SetToCurrentTime() }

// Batch counts what a lane's transaction did.
func (m *Metrics) Batch(b Batch) { m.lanes.observe(b) }

// Queue shows how many commands wait, as queued tells whenever somebody looks.
func (m *Metrics) Queue(queued func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "lane", Name: "queued_commands", Help: "Commands that wait for a lane.",
	}, func() float64 { return float64(queued()) }))
}

// Handler answers /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Estimates are how a hold comes about.
const (
	EstimateAmount  = "amount"
	EstimateMaximum = "maximum"
	EstimateLearned = "learned"
)

func newHoldFit() *prometheus.HistogramVec {
	fit := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "hold_to_cost_ratio", Help: "What committed turns held, as a multiple of what they cost.",
		Buckets: []float64{0.5, 0.8, 0.95, 1, 1.05, 1.25, 1.5, 2, 3, 5, 10, 30, 100},
	}, []string{"estimate"})
	for _, estimate := range []string{EstimateAmount, EstimateMaximum, EstimateLearned} {
		fit.WithLabelValues(estimate)
	}
	return fit
}

func newCalls() *grpcprom.ServerMetrics {
	return grpcprom.NewServerMetrics(
		grpcprom.WithServerCounterOptions(grpcprom.WithNamespace(namespace)),
		grpcprom.WithServerHandlingTimeHistogram(
			grpcprom.WithHistogramNamespace(namespace),
			grpcprom.WithHistogramBuckets(latencies),
		),
	)
}
