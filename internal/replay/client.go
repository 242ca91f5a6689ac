package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const (
	errorDomain = "meter.v1"

	// Between two attempts of one call: from the first of these, doubling up to the second, less up to half by chance.
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// errUnanswered marks a call that was sent again for as long as allowed and never got an answer.
var errUnanswered = errors.New("no answer")

// stub is the services over one connection.
type stub struct {
	meterv1.MeteringServiceClient
	meterv1.PoolServiceClient
	meterv1.OrganizationServiceClient
	meterv1.PriceServiceClient
}

// client sends calls over several connections, again and again until they are answered.
type client struct {
	connections []*grpc.ClientConn
	stubs       []stub
	next        atomic.Uint64
	latencies   *latencies
	timeout     time.Duration
	retryFor    time.Duration
}

// dial makes the connections; the first call opens each. A server that comes back is found within a second.
func dial(o Options) (*client, error) {
	c := &client{latencies: newLatencies(), timeout: o.CallTimeout, retryFor: o.RetryFor}
	reconnect := backoff.Config{BaseDelay: firstPause, Multiplier: 2, Jitter: 0.2, MaxDelay: time.Second}
	options := append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: time.Second}),
	}, o.DialOptions...)
	for range o.Connections {
		conn, err := grpc.NewClient(o.Address, options...)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("connecting to %s: %w", o.Address, err)
		}
		c.connections = append(c.connections, conn)
		c.stubs = append(c.stubs, stub{
			meterv1.NewMeteringServiceClient(conn), meterv1.NewPoolServiceClient(conn), meterv1.NewOrganizationServiceClient(conn),
			meterv1.NewPriceServiceClient(conn),
		})
	}
	return c, nil
}

func (c *client) close() {
	for _, conn := range c.connections {
		_ = conn.Close() // Nothing is written any more; what closing says cannot matter.
	}
}

// do sends one call until it is answered, over another connection at each attempt. The answer may be a refusal: a status
// that is no invitation to try again. Otherwise the error is errUnanswered, or that the context ended.
func (c *client) do(ctx context.Context, rpc string, send func(context.Context, stub) error) error {
	patience := time.After(c.retryFor)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := c.attempt(ctx, rpc, send)
		switch {
		case ctx.Err() != nil && err != nil:
			return fmt.Errorf("%s: %w", rpc, ctx.Err())
		case !transient(err):
			return err
		}
		c.latencies.retry(rpc)
		select {
		case <-time.After(max(retryDelay(err), pause-rand.N(pause/2))):
		case <-patience:
			return fmt.Errorf("%s: %w within %v: %w", rpc, errUnanswered, c.retryFor, err)
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", rpc, ctx.Err())
		}
	}
}

// attempt sends the call once and keeps how long its answer took.
func (c *client) attempt(ctx context.Context, rpc string, send func(context.Context, stub) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	began := time.Now()
	err := send(ctx, c.stubs[c.next.Add(1)%uint64(len(c.stubs))])
	if !transient(err) && ctx.Err() == nil {
		c.latencies.answered(rpc, time.Since(began))
	}
	return err
}

// transient reports whether the contract says to send the same request again.
func transient(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded:
		return true
	default:
		return false
	}
}

// retryDelay is how long the server asked to wait; 0 if it did not.
func retryDelay(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// reasonOf is the contract's reason of an error, and whether it names one. Without one it is the name of the status.
func reasonOf(err error) (string, bool) {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			return info.GetReason(), true
		}
	}
	return status.Code(err).String(), false
}
