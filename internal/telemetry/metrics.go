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
	Commands, Refused, Organizations, Expired, Attempts int

	Load, Apply, Save time.Duration
	OldestWait        time.Duration // Of the command that waited longest before the batch took it.
	Err               error         // Nil unless the batch was given up.
}

// Metrics are all metrics of a server, in a registry of their own.
type Metrics struct {
	registry *prometheus.Registry
	calls    *grpcprom.ServerMetrics
	refusals *prometheus.CounterVec
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
		lanes: newLanes(),
	}
	m.registry.MustRegister(
		m.calls, m.refusals,
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

func newCalls() *grpcprom.ServerMetrics {
	return grpcprom.NewServerMetrics(
		grpcprom.WithServerCounterOptions(grpcprom.WithNamespace(namespace)),
		grpcprom.WithServerHandlingTimeHistogram(
			grpcprom.WithHistogramNamespace(namespace),
			grpcprom.WithHistogramBuckets(latencies),
		),
	)
}
