package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/localpg"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
	"github.com/spillway-metering/spillway/internal/rollup"
	"github.com/spillway-metering/spillway/internal/rpc"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

// Config is every setting of a server.
type Config struct {
	Listen      string // Address of the gRPC API: host:port, only on loopback without TLS, or unix:/path.
	HTTPListen  string // Address of the page, JSON, metrics and probes; empty: none.
	DatabaseURL string // Empty: a private PostgreSQL under DataDir.
	DataDir     string // Empty: localpg.DefaultDataDir.
	PostgresBin string // Directory of the private PostgreSQL's programs; empty: they are searched.
	Dev         bool   // Serves the test clock, to operators only: without TLS, on loopback, everybody is one.
	Identity    Identity
	SignIn      SignIn
	BuyMoreURL  string // Where an organization buys more for its pool; empty: nowhere.

	Lanes           int           // Transactions in flight at a time.
	MaxBatch        int           // Commands in one transaction, at most.
	QueueLength     int           // Commands that wait for one lane, at most.
	QueueAge        time.Duration // How long a command waits, at most.
	DefaultDeadline time.Duration // Of a call whose caller gives none.
	CallerLimits    CallerLimits
	NoReflection    bool          // Whether the contract cannot be asked for.
	DrainTimeout    time.Duration // How long calls may still run once the server is told to stop.
	SweepInterval   time.Duration // How often expired holds are looked for.
	RollUpInterval  time.Duration // How often usage is rolled up.

	Logger *slog.Logger
	// Ready is called once, when the server answers calls, with the addresses it listens on.
	Ready func(ctx context.Context, at Addresses) error
}

// Addresses are where a server serves.
type Addresses struct {
	GRPC string // As clients of gRPC dial it.
	Page string // As a browser is told; empty: there is no page.
}

// pingEvery is how often the database is asked whether it is there.
const pingEvery = time.Second

// Run is a server's life: it starts everything, serves until the context ends or a part fails, drains, and stops
// everything in reverse order. An error is one clear line.
func Run(ctx context.Context, config Config) (err error) {
	s := &server{Config: config, metrics: telemetry.NewMetrics(), failed: make(chan error, 1)}
	defer func() {
		if closeErr := s.parts.close(); closeErr != nil {
			s.Logger.Warn("not everything stopped in order", "error", closeErr)
		}
	}()
	if err := s.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Told to stop while it was starting.
		}
		return err
	}
	return s.wait(ctx)
}

// server is a server's parts, as far as they have been started.
type server struct {
	Config
	metrics *telemetry.Metrics
	parts   stack
	failed  chan error // A part that ended by itself.
	callers callers
	signIn  signIn
	private *localpg.Server
	store   *postgres.Store
	lanes   *lane.Lanes
	sweeper *lane.Sweeper
	edge    *Edge
}

// start starts the parts in order. Addresses are taken first: they are what fails most often, and most cheaply.
func (s *server) start(ctx context.Context) error {
	grpcListener, httpListener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if err := s.openCallers(ctx); err != nil {
		return err
	}
	if err := s.openSignIn(ctx); err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	s.startLanes()
	if err := s.openEdge(); err != nil {
		return err
	}
	if httpListener != nil {
		web, err := s.openWeb()
		if err != nil {
			return err
		}
		s.parts.push("HTTP", serveHTTP(httpListener, s.callers.webTLS, web, s.Logger))
	}
	s.serve(ctx, grpcListener)
	if s.Ready == nil {
		return nil
	}
	return s.Ready(ctx, Addresses{GRPC: addressOf(grpcListener), Page: s.pageAt(httpListener)})
}

// pageAt is the URL of the page.
func (s *server) pageAt(listener net.Listener) string {
	switch {
	case listener == nil || (!s.Dev && s.SignIn.ClientID == ""):
		return ""
	case s.Dev:
		return "http://" + listener.Addr().String() + "/"
	default:
		return strings.TrimSuffix(s.SignIn.PublicURL, "/") + "/"
	}
}

func (s *server) listen(ctx context.Context) (grpcListener, httpListener net.Listener, err error) {
	if grpcListener, err = s.listenGRPC(ctx); err != nil {
		return nil, nil, err
	}
	s.parts.push("listener", closing(grpcListener))
	if s.HTTPListen == "" {
		return grpcListener, nil, nil
	}
	if httpListener, err = s.listenHTTP(ctx); err != nil {
		return nil, nil, err
	}
	s.parts.push("HTTP listener", closing(httpListener))
	return grpcListener, httpListener, nil
}

// openStore makes the database ready: the given one, or a private one.
func (s *server) openStore(ctx context.Context) (err error) {
	url := s.DatabaseURL
	if url == "" {
		options := localpg.Options{DataDir: s.DataDir, BinDir: s.PostgresBin, Logger: s.Logger}
		if s.private, err = localpg.Start(ctx, options); err != nil {
			return err
		}
		s.parts.push("PostgreSQL", s.private.Stop)
		url = s.private.URL()
	}
	if err := postgres.Migrate(ctx, url); err != nil {
		return err
	}
	s.store, err = postgres.Open(ctx, postgres.Config{
		URL: url, TestClock: s.Dev, Background: s.giveWay, Foreground: s.goFirst, Logger: s.Logger,
	})
	if err != nil {
		return err
	}
	s.parts.push("store", func(context.Context) error { s.store.Close(); return nil })
	return nil
}

// giveWay lets the turns go before reports where they share processors: on the private PostgreSQL. What others run is theirs.
func (s *server) giveWay(backend uint32) {
	if s.private == nil {
		return
	}
	if err := s.private.GiveWay(backend); err != nil {
		s.Logger.Warn("reports do not give way to turns", "error", err)
	}
}

// goFirst lets the batches of turns go before what comes before and after them, also where they share processors: all turns of
// an organization wait for its batch, and a turn only for its own call.
func (s *server) goFirst(backend uint32) {
	if s.private == nil {
		return
	}
	if err := s.private.GoFirst(backend); err != nil {
		s.Logger.Warn("turns do not go first", "error", err)
	}
}

func (s *server) startLanes() {
	sessions := make([]lane.Session, s.Lanes)
	for i := range sessions {
		sessions[i] = s.store.NewSession()
	}
	s.lanes = lane.New(sessions, lane.Config{
		MaxBatch: s.MaxBatch, QueueLength: s.QueueLength, MaxQueueAge: s.QueueAge, Logger: s.Logger,
		Observe: func(b lane.BatchStats) { s.metrics.Batch(telemetry.Batch(b)) },
	})
	s.metrics.Queue(s.lanes.Queued)
	s.parts.push("lanes", s.lanes.Close)
	s.sweeper = lane.NewSweeper(s.lanes, s.store.DueOrganizations, s.SweepInterval, s.Logger)
	s.parts.push("sweeper", background(s.sweeper.Run))
	s.parts.push("roll-up", background(rollup.New(s.store.NewRoller(), s.RollUpInterval, s.Logger, s.metrics.RolledUp).Run))
}

// learnedModels bounds of how many models, each in an organization, the answers are remembered.
const learnedModels = 100_000

// settled shows how well a turn's hold fitted, or that it had no price.
func (s *server) settled(r meter.Reservation) {
	switch {
	case r.Basis == meter.CostHeld:
		s.metrics.Unpriced()
		return
	case r.State != meter.Committed:
		return
	}
	estimate := telemetry.EstimateAmount
	switch r.Policy {
	case meter.EstimateMaximum:
		estimate = telemetry.EstimateMaximum
	case meter.EstimateLearned:
		estimate = telemetry.EstimateLearned
	}
	s.metrics.Settled(estimate, int64(r.HeldAllowance+r.HeldPool), int64(r.Charge.Actual))
}

func (s *server) openEdge() (err error) {
	if s.Dev {
		s.callers.authenticator = auth.Development{Directory: s.store}
	}
	config := EdgeConfig{
		Services: rpc.Services{
			Writer: s.lanes, Reader: s.store, Plans: s.store, Prices: s.store, Learner: price.NewLearner(learnedModels),
			Settled: s.settled,
		},
		Metrics:         s.metrics,
		Logger:          s.Logger,
		Authenticator:   s.callers.authenticator,
		Directory:       s.store,
		TLS:             s.callers.tls,
		DefaultDeadline: s.DefaultDeadline,
		CallerLimits:    s.CallerLimits,
		Reflection:      !s.NoReflection,
	}
	if s.Dev {
		config.TestClock = &rpc.TestClock{Clock: s.store, Sweeper: s.sweeper}
	}
	if s.edge, err = NewEdge(config); err != nil {
		return err
	}
	s.parts.push("record of denials", background(s.edge.KeepRecord))
	return nil
}

// serve answers calls from here on.
func (s *server) serve(ctx context.Context, listener net.Listener) {
	s.edge.SetServing(true)
	s.parts.push("health", background(s.watchDatabase))
	go func() {
		if err := s.edge.Serve(listener); err != nil {
			s.failed <- err
		}
	}()
	s.parts = append(s.parts, part{"calls", s.DrainTimeout, s.edge.Drain})
	s.Logger.InfoContext(ctx, "serving", "address", addressOf(listener), "dev", s.Dev, "lanes", s.Lanes)
}

// wait returns when the server is told to stop, or a part has failed.
func (s *server) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		s.Logger.Info("told to stop: draining", "at_most", s.DrainTimeout)
		return nil
	case err := <-s.failed:
		return err
	case <-s.privateEnded():
		return fmt.Errorf("the private PostgreSQL ended: %w", s.private.Err())
	}
}

func (s *server) privateEnded() <-chan struct{} {
	if s.private == nil {
		return nil
	}
	return s.private.Done()
}

// watchDatabase keeps the health true: a server without its database serves nothing.
func (s *server) watchDatabase(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	serving := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.ping(ctx)
		if ctx.Err() != nil || (err == nil) == serving {
			continue
		}
		serving = err == nil
		s.edge.SetServing(serving)
		if serving {
			s.Logger.Info("the database is back")
		} else {
			s.Logger.Warn("the database is away", "error", err)
		}
	}
}

func (s *server) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*pingEvery)
	defer cancel()
	return s.store.Ping(ctx)
}

// addressOf is a listener's address as clients of gRPC dial it.
func addressOf(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}

// closing closes a listener, which whoever served on it may have done.
func closing(l net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
