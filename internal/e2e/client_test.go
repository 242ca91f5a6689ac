package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// client is every service of a server over one connection.
type client struct {
	conn *grpc.ClientConn
	meterv1.MeteringServiceClient
	meterv1.PoolServiceClient
	meterv1.OrganizationServiceClient
	meterv1.UsageServiceClient
	meterv1.PriceServiceClient
	testingv1.TestClockServiceClient
}

// dial makes a client for a server, which need not run yet. One that comes back is found soon.
func dial(t testing.TB, address string, options ...grpc.DialOption) *client {
	t.Helper()
	reconnect := backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 500 * time.Millisecond}
	conn, err := grpc.NewClient(address, append(options,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: time.Second}),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{
		conn, meterv1.NewMeteringServiceClient(conn), meterv1.NewPoolServiceClient(conn),
		meterv1.NewOrganizationServiceClient(conn), meterv1.NewUsageServiceClient(conn), meterv1.NewPriceServiceClient(conn),
		testingv1.NewTestClockServiceClient(conn),
	}
}

// must is for calls whose failure leaves a test nothing to look at: must(call())(t).
func must[T any](answer T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// poll is how often a test looks whether what it waits for has come.
const poll = 20 * time.Millisecond

// eventually waits until something holds, and fails the test if it does not in time.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for deadline := time.After(endPatience); !holds(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("still not so after %v: %s", endPatience, what)
		}
	}
}

// persist sends a call again and again, as the contract asks of callers, until it is answered or refused for good. The
// attempts go round the clients.
func persist[T any](ctx context.Context, send func(context.Context, *client) (T, error), clients ...*client) (T, error) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for i := 0; ; i++ {
		answer, err := send(ctx, clients[i%len(clients)])
		if !transient(err) {
			return answer, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return answer, errors.Join(err, ctx.Err())
		}
	}
}

// after waits for so long, unless the context ends before.
func after(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transient says whether the contract asks for the same request again.
func transient(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}

// reasonOf is the reason of an answer other than OK; empty if it has none of the contract's.
func reasonOf(err error) string {
	if info := detail[*errdetails.ErrorInfo](err); info.GetDomain() == "meter.v1" {
		return info.GetReason()
	}
	return ""
}

// detail is the detail of a type of an answer other than OK; nil if it has none.
func detail[D any](err error) (found D) {
	for _, d := range status.Convert(err).Details() {
		if d, ok := d.(D); ok {
			return d
		}
	}
	return found
}

// health is what the standard health service says of the whole server.
func (c *client) health(ctx context.Context) grpc_health_v1.HealthCheckResponse_ServingStatus {
	answer, err := grpc_health_v1.NewHealthClient(c.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return grpc_health_v1.HealthCheckResponse_UNKNOWN
	}
	return answer.GetStatus()
}
