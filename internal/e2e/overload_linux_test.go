package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

const (
	burstConnections = 4
	burstCallers     = 500 // On each connection.
	burstQueue       = 16  // What waits at most.
)

// burst is many callers who all begin a turn at once.
type burst struct {
	t         *testing.T
	committed atomic.Int64
	refused   atomic.Int64
}

// TestBurst lets two thousand callers begin a turn each at the same time, on a server where sixteen requests may wait:
// every request is answered, with OK or with when to come again, what was begun is settled, and afterwards it is as
// before. Of a server as it is shipped, not of one that looks for races, the memory stays in bounds meanwhile.
func TestBurst(t *testing.T) {
	t.Parallel()
	shipped := t.TempDir()
	if err := build(shipped); err != nil {
		t.Fatal(err)
	}
	url := postgres.Database(t)
	server := launch(t, filepath.Join(shipped, "meterd"), "--dev", "--listen=127.0.0.1:0", "--database-url="+url,
		"--max-batch=8", fmt.Sprint("--queue-length=", burstQueue), "--caller-rate=0", "--caller-concurrency=0")
	server.awaitReady(t)
	c := dial(t, server.address)
	c.furnish(t, firm{id: "hot", allowance: 100, pool: 1_000_000_000, seats: 10})

	b := &burst{t: t}
	b.run(server.address)
	t.Logf("%d turns, %d answers to come again", b.committed.Load(), b.refused.Load())
	if b.committed.Load() == 0 || b.refused.Load() == 0 {
		t.Errorf("%d turns were settled and %d requests refused: that was no burst", b.committed.Load(), b.refused.Load())
	}
	if resident := b.resident(server); resident > maxResident {
		t.Errorf("%d MiB, more than %d", resident>>10, maxResident>>10)
	}

	if err := c.turn(t.Context(), "hot", seat(0), "afterwards"); err != nil {
		t.Errorf("a turn after the burst: %v", err)
	}
	settled := b.committed.Load() + 1
	if books := c.books(t); books.pool+books.allowance != 60*settled || books.held != 0 {
		t.Errorf("%d turns were settled, but %d were charged and %d are held", settled, books.pool+books.allowance, books.held)
	}
	audittest.Check(t, url)
}

// run begins all turns at once, and returns when each was refused or settled.
func (b *burst) run(address string) {
	clients := make([]*client, burstConnections)
	for i := range clients {
		clients[i] = dial(b.t, address)
		if _, err := clients[i].GetPool(b.t.Context(), &meterv1.GetPoolRequest{OrganizationId: "hot"}); err != nil {
			b.t.Fatal(err)
		}
	}
	begin := make(chan struct{})
	var callers sync.WaitGroup
	for i := range burstConnections * burstCallers {
		callers.Go(func() {
			<-begin
			b.turn(clients[i%burstConnections], i)
		})
	}
	close(begin)
	callers.Wait()
}

// turn begins a turn, and if it may run, ends it, however often that is refused.
func (b *burst) turn(c *client, i int) {
	ctx := b.t.Context()
	held, err := c.reserveOnce(ctx, "hot", seat(i%10), fmt.Sprint("turn-", i), 100)
	if err != nil {
		b.turnedAway(err)
		return
	}
	for {
		_, err := c.commit(ctx, held, 60)
		if err == nil {
			b.committed.Add(1)
			return
		}
		again := b.turnedAway(err)
		if again == 0 || after(ctx, again) != nil {
			return
		}
	}
}

// turnedAway holds an answer other than OK to what the contract promises when there are too many, and says when to come
// again.
func (b *burst) turnedAway(err error) time.Duration {
	again := detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration()
	if status.Code(err) != codes.Unavailable || reasonOf(err) != "OVERLOADED" || again <= 0 || again > time.Minute {
		b.t.Errorf("refused with %v, reason %q, to come again after %v", err, reasonOf(err), again)
		return 0
	}
	b.refused.Add(1)
	return again
}

// resident is how much memory the server has, in kB as the kernel counts it.
func (b *burst) resident(server *meterd) int {
	text := must(os.ReadFile(fmt.Sprintf("/proc/%d/status", server.cmd.Process.Pid)))(b.t)
	now := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(text)
	if now == nil {
		b.t.Fatalf("the kernel does not tell it: %s", text)
	}
	return must(strconv.Atoi(string(now[1])))(b.t)
}
