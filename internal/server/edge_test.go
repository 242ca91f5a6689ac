package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writer is a lane that does what a test says.
type writer func(ctx context.Context, c meter.Command) (meter.Outcome, error)

func (w writer) Do(ctx context.Context, c meter.Command) (meter.Outcome, error) { return w(ctx, c) }

// log is what an edge logged.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// started is an edge that serves, with a connection to it.
type started struct {
	*Edge
	conn *grpc.ClientConn
	log  *log
}

func start(tb testing.TB, do writer) started {
	tb.Helper()
	return startFor(tb, do, auth.Development{}, nil)
}

// startFor is start for callers whom the authenticator tells apart.
func startFor(tb testing.TB, do writer, callers auth.Authenticator, members auth.Directory) started {
	tb.Helper()
	l := &log{}
	edge, err := NewEdge(EdgeConfig{
		Services: rpc.Services{Writer: do}, Metrics: telemetry.NewMetrics(),
		Logger: slog.New(slog.NewTextHandler(l, nil)), DefaultDeadline: 7 * time.Second,
		Authenticator: callers, Directory: members,
	})
	if err != nil {
		tb.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- edge.Serve(listener) }()
	edge.SetServing(true)
	conn, err := grpc.NewClient("passthrough:///edge", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		_ = edge.Drain(tb.Context())
		if err := <-served; err != nil {
			tb.Error(err)
		}
	})
	return started{edge, conn, l}
}

func (s started) topUp(ctx context.Context, options ...grpc.CallOption) error {
	_, err := meterv1.NewPoolServiceClient(s.conn).TopUp(ctx, &meterv1.TopUpRequest{
		OrganizationId: "acme", RequestId: "inv-1", AmountMicros: 1,
	}, options...)
	return err
}

func done(context.Context, meter.Command) (meter.Outcome, error) {
	return meter.Outcome{Organization: &meter.Organization{ID: "acme"}, Entry: &meter.Entry{}}, nil
}

func reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// TestPanic: one call's panic is that call's INTERNAL, told to the log alone, and the server goes on.
func TestPanic(t *testing.T) {
	calls := 0
	s := start(t, func(ctx context.Context, c meter.Command) (meter.Outcome, error) {
		calls++
		if calls == 1 {
			panic("secret state")
		}
		return done(ctx, c)
	})
	err := s.topUp(t.Context())
	if status.Code(err) != codes.Internal || reason(err) != "INTERNAL" || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	line := s.log.String()
	for _, want := range []string{"level=ERROR", `cause="panic: secret state"`, "stack=", "edge_test.go", "organization_id=acme", "reason=INTERNAL"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %s: %s", want, line)
		}
	}
	if err := s.topUp(t.Context()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestLog tells a refusal in one line, an answer in none.
func TestLog(t *testing.T) {
	refusal := error(&meter.Refusal{Reason: meter.PoolEmpty})
	s := start(t, func(context.Context, meter.Command) (meter.Outcome, error) { return meter.Outcome{}, refusal })
	for level, err := range map[string]error{
		"level=INFO":  refusal,
		"level=WARN":  &meter.Refusal{Reason: meter.Unavailable, Cause: errors.New("connection lost")},
		"level=ERROR": errors.New("out of memory"),
	} {
		refusal = err
		before := len(s.log.String())
		if s.topUp(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "call-7")) == nil {
			t.Error("passes")
		}
		line := s.log.String()[before:]
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, level) || !strings.Contains(line, "request_id=call-7") ||
			!strings.Contains(line, "method=/meter.v1.PoolService/TopUp") {
			t.Errorf("%v is logged as %q", err, line)
		}
	}
	if quiet := start(t, done); quiet.topUp(t.Context()) != nil || quiet.log.String() != "" {
		t.Errorf("an answer is logged: %s", quiet.log)
	}
}

// TestRequestID answers the caller's own, if a log can hold it, or a new one.
func TestRequestID(t *testing.T) {
	s := start(t, done)
	for given, kept := range map[string]bool{"call-7": true, "": false, "two words": false, strings.Repeat("x", 129): false} {
		var header metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", given)
		if err := s.topUp(ctx, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		answered := strings.Join(header.Get("x-request-id"), ",")
		id, err := uuid.Parse(answered)
		if isNew := err == nil && id.Version() == 7; kept != (answered == given) || kept == isNew {
			t.Errorf("%q is answered %q", given, answered)
		}
	}
}

// TestDeadline: a call without a deadline gets one, and a call with one gets a little less.
func TestDeadline(t *testing.T) {
	var left time.Duration
	s := start(t, func(ctx context.Context, c meter.Command) (meter.Outcome, error) {
		due, _ := ctx.Deadline()
		left = time.Until(due)
		return done(ctx, c)
	})
	if err := s.topUp(t.Context()); err != nil { // The first connects, which takes time of its own.
		t.Fatal(err)
	}
	for given, most := range map[time.Duration]time.Duration{
		0: 7 * time.Second, time.Minute: time.Minute - 50*time.Millisecond, 900 * time.Millisecond: 855 * time.Millisecond,
	} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if given > 0 {
			ctx, cancel = context.WithTimeout(ctx, given)
		}
		if err := s.topUp(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if left > most || left < most/2 {
			t.Errorf("with %v the call has %v", given, left)
		}
	}
}

// TestDeadlinePasses answers who waited in vain while they still listen, with a reason.
func TestDeadlinePasses(t *testing.T) {
	s := start(t, func(ctx context.Context, _ meter.Command) (meter.Outcome, error) {
		<-ctx.Done()
		return meter.Outcome{}, ctx.Err()
	})
	var err error
	for range 10 { // The margin may not do for one answer, on a machine that has much to do besides.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err = s.topUp(ctx)
		cancel()
		if status.Code(err) != codes.DeadlineExceeded {
			break
		}
		if reason(err) == "DEADLINE_EXCEEDED" {
			return
		}
	}
	t.Errorf("got %v with reason %q", err, reason(err))
}

// TestHealth is told per service, and to those who watch.
func TestHealth(t *testing.T) {
	s := start(t, done)
	client := grpc_health_v1.NewHealthClient(s.conn)
	watch, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "meter.v1.PoolService"})
	if err != nil {
		t.Fatal(err)
	}
	for _, serving := range []bool{true, false, true} {
		s.SetServing(serving)
		want := grpc_health_v1.HealthCheckResponse_NOT_SERVING
		if serving {
			want = grpc_health_v1.HealthCheckResponse_SERVING
		}
		for _, service := range []string{"", "meter.v1.MeteringService", "meter.v1.UsageService"} {
			got, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%q is %v, %v", service, got, err)
			}
		}
		if got, err := watch.Recv(); err != nil || got.GetStatus() != want {
			t.Errorf("who watches is told %v, %v", got, err)
		}
		if s.Serving(t.Context()) != serving {
			t.Errorf("Serving is not %v", serving)
		}
	}
	if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
}

// TestDrain lets a running call end, ends those who watch, and takes no new call.
func TestDrain(t *testing.T) {
	running, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	s := start(t, func(ctx context.Context, c meter.Command) (meter.Outcome, error) {
		if calls.Add(1) == 1 {
			close(running)
			<-release
		}
		return done(ctx, c)
	})
	watch, err := grpc_health_v1.NewHealthClient(s.conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	answered, drained := make(chan error, 1), make(chan error, 1)
	go func() { answered <- s.topUp(t.Context()) }()
	<-running
	go func() { drained <- s.Drain(t.Context()) }()
	for err = nil; err == nil; {
		_, err = watch.Recv()
	}
	if errors.Is(err, io.EOF) || s.Serving(t.Context()) {
		t.Errorf("the watch ended with %v, serving: %v", err, s.Serving(t.Context()))
	}
	for err = nil; err == nil; err = s.topUp(t.Context()) {
		runtime.Gosched() // The client may not have heard yet that the server takes no new call.
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a new call: %v", err)
	}
	close(release)
	if err := errors.Join(<-answered, <-drained); err != nil {
		t.Error(err)
	}
}

// TestDrainIsBounded cuts a call that does not end.
func TestDrainIsBounded(t *testing.T) {
	running := make(chan struct{})
	s := start(t, func(ctx context.Context, _ meter.Command) (meter.Outcome, error) {
		close(running)
		<-ctx.Done()
		return meter.Outcome{}, ctx.Err()
	})
	answered := make(chan error, 1)
	go func() { answered <- s.topUp(t.Context()) }()
	<-running
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); err == nil {
		t.Error("nothing was cut")
	}
	if err := <-answered; status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
		t.Errorf("the call that was cut: %v", err)
	}
}

// BenchmarkInterceptors is what all interceptors cost an empty call, without the wire.
func BenchmarkInterceptors(b *testing.B) {
	s := start(b, done)
	request := &meterv1.ReserveRequest{OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 100}
	handler := func(context.Context, any) (any, error) { return request, nil }
	interceptors := s.unary(time.Second)
	for _, around := range slices.Backward(interceptors) {
		inner := handler
		handler = func(ctx context.Context, req any) (any, error) {
			return around(ctx, req, &grpc.UnaryServerInfo{FullMethod: meterv1.MeteringService_Reserve_FullMethodName}, inner)
		}
	}
	ctx := grpc.NewContextWithServerTransportStream(b.Context(), headers{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handler(ctx, request); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall is one call over a connection in memory, from and to one client.
func BenchmarkCall(b *testing.B) {
	s := start(b, done)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.topUp(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// headers take what a call's interceptors answer beside its message.
type headers struct{}

func (headers) Method() string               { return meterv1.MeteringService_Reserve_FullMethodName }
func (headers) SetHeader(metadata.MD) error  { return nil }
func (headers) SendHeader(metadata.MD) error { return nil }
func (headers) SetTrailer(metadata.MD) error { return nil }
