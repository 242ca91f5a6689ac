package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/rpc"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

// Bounds of what one client may ask of the gRPC server.
const (
	maxMessageBytes = 1 << 20
	// maxHeaderBytes and maxConcurrentStreams bound what somebody without credentials can have unpacked: a header of a few
	// bytes may stand for one of kilobytes, many times over. A token is 16 KiB at most.
	maxHeaderBytes       = 32 << 10
	maxConcurrentStreams = 1024
	// windowBytes is how much a connection may send before it is read. The usual 64 KB are a few hundred requests, and a
	// connection that carries more at a time would wait for each of these windows to be granted.
	windowBytes    = 1 << 20
	connectTimeout = 10 * time.Second
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
	// Authenticator tells who calls.
	Authenticator auth.Authenticator
	// Directory is where the claims of members and admins are looked up.
	Directory auth.Directory
	// TLS is how connections are encrypted. Nil: not at all.
	TLS *tls.Config
	// DefaultDeadline is how long a call may take if its caller gives no deadline.
	DefaultDeadline time.Duration
	// CallerLimits are how many calls one caller may make.
	CallerLimits CallerLimits
	// Reflection is whether the contract can be asked for.
	Reflection bool
}

// Edge is the gRPC side of a server: its services, interceptors and health.
type Edge struct {
	grpc      *grpc.Server
	health    *health.Server
	metrics   *telemetry.Metrics
	validator *rpc.Validator
	callers   auth.Authenticator
	// authorizer is made once all services are registered, which is after the interceptors.
	authorizer *auth.Authorizer
	limits     *callerLimits
	callLog    callLog
	denials    *denials
	door       *door
	web        *gate   // What came over HTTP.
	direct     *direct // For what this process asks on behalf of those who ask it over HTTP.

	draining context.Context // Done once Drain has begun.
	drain    context.CancelFunc
}

// NewEdge makes an edge that is not serving yet: until SetServing(true) its health says NOT_SERVING.
func NewEdge(config EdgeConfig) (*Edge, error) {
	if config.Authenticator == nil {
		return nil, errors.New("nobody tells who calls")
	}
	validator, err := rpc.NewValidator()
	if err != nil {
		return nil, err
	}
	e := &Edge{
		health: health.NewServer(), metrics: config.Metrics, validator: validator, callers: config.Authenticator,
		limits:  newCallerLimits(config.CallerLimits),
		callLog: newCallLog(config.Logger),
		denials: newDenials(config.Services.Writer, config.Logger),
		door:    newDoor(config.Metrics.Refused, config.Logger),
		web:     newGate(),
	}
	e.draining, e.drain = context.WithCancel(context.Background())
	e.grpc = grpc.NewServer(
		grpc.Creds(transport(config.TLS)),
		grpc.ChainUnaryInterceptor(e.unary(config.DefaultDeadline)...),
		grpc.ChainStreamInterceptor(e.stream()...),
		grpc.InTapHandle(e.door.tap),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxConcurrentStreams),
		grpc.InitialConnWindowSize(windowBytes),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	e.direct = newDirect(e.unary(config.DefaultDeadline))
	config.Services.Register(both{e.grpc, e.direct})
	if config.TestClock != nil {
		config.TestClock.Register(e.grpc)
	}
	grpc_health_v1.RegisterHealthServer(e.grpc, e.health)
	if config.Reflection {
		reflection.Register(e.grpc)
	}
	if e.authorizer, err = auth.NewAuthorizer(e.grpc.GetServiceInfo(), config.Directory); err != nil {
		return nil, err
	}
	e.metrics.Begin(e.grpc, rpc.Reasons())
	e.SetServing(false)
	return e, nil
}

func transport(config *tls.Config) credentials.TransportCredentials {
	if config == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(config)
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

// KeepRecord writes, until the context ends, how often denials that are on record were repeated.
func (e *Edge) KeepRecord(ctx context.Context) { e.denials.run(ctx) }

// Drain takes no new call and lets those that run end. Once the context is done it cuts them, and says so.
func (e *Edge) Drain(ctx context.Context) error {
	e.health.Shutdown()
	e.drain()
	if err := e.web.close(ctx); err != nil {
		e.grpc.Stop()
		return fmt.Errorf("calls were cut: %w", err)
	}
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
