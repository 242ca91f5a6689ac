package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

const (
	drainConnections = 15
	drainCallers     = 20 // On each connection.
	// drainAfter is how many turns have been settled when the server is told to stop.
	drainAfter = 600
)

// TestDrain tells a busy server to stop. Each call must be answered, or fail as one that can be sent again.
func TestDrain(t *testing.T) {
	t.Parallel()
	dir, told := dataDir(t), newRecorder()
	server := start(t, "--data-dir="+dir)
	dial(t, server.address).furnish(t, firm{id: "busy", allowance: 1000, pool: 1_000_000_000, seats: 10})
	enough := make(chan struct{})
	told.onSettled = func(n int) {
		if n == drainAfter {
			close(enough)
		}
	}
	unanswered := make(chan error, drainConnections*drainCallers)
	var callers sync.WaitGroup
	for i := range drainConnections {
		c := dial(t, server.address, grpc.WithUnaryInterceptor(told.intercept))
		for j := range drainCallers {
			callers.Go(func() { unanswered <- c.turnsUntilAnError(t.Context(), i*drainCallers+j) })
		}
	}
	ended := make(chan struct{})
	go func() {
		callers.Wait()
		close(ended)
	}()
	select {
	case <-enough:
	case <-ended: // Too early: what follows tells why.
	}
	if code := server.stop(t); code != 0 {
		t.Errorf("exit code %d: %s", code, server.stderr)
	}
	<-ended
	close(unanswered)
	for err := range unanswered {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("a call ended with %v", err)
		}
	}
	if privateRuns(t, dir) {
		t.Error("its PostgreSQL was left running")
	}
	t.Logf("%d turns had been settled, %d reservations acknowledged", told.settled, len(told.acknowledged))
	server = start(t, "--data-dir="+dir)
	told.check(t, dial(t, server.address))
	audittest.Check(t, privateURL(t, dir))
}

// turnsUntilAnError runs turns one after the other until a call fails.
func (c *client) turnsUntilAnError(ctx context.Context, caller int) error {
	for i := 0; ; i++ {
		held, err := c.reserve(ctx, "busy", seat(caller%10), fmt.Sprintf("turn-%d-%d", caller, i), 100)
		if err != nil {
			return err
		}
		if _, err := c.commit(ctx, held, 60); err != nil {
			return err
		}
	}
}
