package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/spillway-metering/spillway/internal/rpc"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

// Bounds of what one client may ask of the gRPC server.
const (
	maxMessageBytes      = 1 << 20
	maxConcurrentStreams = 8192
	connectTimeout       = 10 * time.Second
	// streamWorkers is how many goroutines are kept for calls. Most calls wait for a commit, so many are under way at
	// once; those beyond the workers get a goroutine of their own.
	streamWorkers = 256
)

// EdgeConfig is what the gRPC side of a server is made of.
type EdgeConfig struct {
	Services  rpc.Services
	TestClock *rpc.TestClock // Nil: not served.
	Metrics   *telemetry.Metrics
	Logger    *slog.Logger
	// DefaultDeadline is how long a call may take if its caller gives no deadline.
	DefaultDeadline time.Duration
}

// Edge is the gRPC side of a server: its services, interceptors and health.
type Edge struct {
	grpc      *grpc.Server
	health    *health.Server
	metrics   *telemetry.Metrics
	validator *rpc.Validator
	logger    *slog.Logger

	draining context.Context // Done once Drain has begun.
	drain    context.CancelFunc
}

// NewEdge makes an edge that is not serving yet: until SetServing(true) its health says NOT_SERVING.
func NewEdge(config EdgeConfig) (*Edge, error) {
	validator, err := rpc.NewValidator()
	if err != nil {
		return nil, err
	}
	e := &Edge{health: health.NewServer(), metrics: config.Metrics, validator: validator, logger: config.Logger}
	e.draining, e.drain = context.WithCancel(context.Background())
	e.grpc = grpc.NewServer(
		grpc.ChainUnaryInterceptor(e.unary(config.DefaultDeadline)...),
		grpc.ChainStreamInterceptor(e.stream()...),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.MaxConcurrentStreams(maxConcurrentStreams),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	config.Services.Register(e.grpc)
	if config.TestClock != nil {
		config.TestClock.Register(e.grpc)
	}
	grpc_health_v1.RegisterHealthServer(e.grpc, e.health)
	reflection.Register(e.grpc)
	e.metrics.Begin(e.grpc, rpc.Reasons())
	e.SetServing(false)
	return e, nil
}

// Serve answers calls until Drain; its error is nil then.
func (e *Edge) Serve(listener net.Listener) error {
	if err := e.grpc.Serve(listener); err != nil {
		return fmt.Errorf("serve gRPC: %w", err)
	}
	return nil
}

// SetServing tells the health of every service. After Drain has begun it stays NOT_SERVING.
func (e *Edge) SetServing(serving bool) {
	state := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = grpc_health_v1.HealthCheckResponse_SERVING
	}
	e.health.SetServingStatus("", state)
	for name := range e.grpc.GetServiceInfo() {
		e.health.SetServingStatus(name, state)
	}
}

// Serving says whether the health of the whole is SERVING.
func (e *Edge) Serving(ctx context.Context) bool {
	answer, err := e.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
}

// Drain takes no new call and lets those that run end. Once the context is done it cuts them, and says so.
func (e *Edge) Drain(ctx context.Context) error {
	e.health.Shutdown()
	e.drain()
	ended := make(chan struct{})
	go func() {
		e.grpc.GracefulStop()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		e.grpc.Stop()
		<-ended
		return fmt.Errorf("calls were cut: %w", ctx.Err())
	}
}

// endWhenDraining ends streams when Drain begins: those who watch the health would keep it waiting for them.
func (e *Edge) endWhenDraining(
	srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler,
) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(e.draining, cancel)()
	bound := middleware.WrapServerStream(stream)
	bound.WrappedContext = ctx
	return handler(srv, bound)
}
