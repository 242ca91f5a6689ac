package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const (
	loadCallers  = 8
	loadEstimate = 100 // What every turn holds.
	loadCost     = 60  // What every committed turn costs.
	loadPack     = 500 // What every top-up of a caller buys.
	loadSeats    = 4
)

// loadFirms are the organizations on which the callers work, each with every second caller.
var loadFirms = []string{"hot", "warm"}

// journal is what a server acknowledged: turns, and top-ups by their request ids.
type journal struct {
	turns  *recorder
	mu     sync.Mutex
	topUps map[string]*meterv1.LedgerEntry
}

func newJournal() *journal {
	return &journal{turns: newRecorder(), topUps: map[string]*meterv1.LedgerEntry{}}
}

// soFar is a copy that grows no more.
func (j *journal) soFar() *journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.turns.mu.Lock()
	defer j.turns.mu.Unlock()
	return &journal{
		turns: &recorder{
			acknowledged: maps.Clone(j.turns.acknowledged), settled: j.turns.settled,
			contradictory: slices.Clone(j.turns.contradictory),
		},
		topUps: maps.Clone(j.topUps),
	}
}

func (j *journal) settled() int {
	j.turns.mu.Lock()
	defer j.turns.mu.Unlock()
	return j.turns.settled
}

func (j *journal) recordTopUp(e *meterv1.LedgerEntry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.topUps[e.GetRequestId()] = e
}

// check sees that all that was acknowledged stands as it was told.
func (j *journal) check(t *testing.T, c *client) {
	t.Helper()
	j.turns.check(t, c)
	entered := map[string]*meterv1.LedgerEntry{}
	for _, firm := range loadFirms {
		for _, e := range c.ledger(t, firm) {
			if e.GetKind() == meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP {
				entered[firm+e.GetRequestId()] = e
			}
		}
	}
	for id, want := range j.topUps {
		if got := entered[want.GetOrganizationId()+id]; !proto.Equal(want, got) {
			t.Errorf("acknowledged was %v, but it is %v", want, got)
		}
	}
}

// load is several callers that run turns and top up, each request sent until it is answered.
type load struct {
	t       *testing.T
	client  *client
	told    *journal
	callers sync.WaitGroup
	end     context.CancelFunc
}

// startLoad furnishes the firms and lets the callers begin. They end with stop, or else with the test.
func startLoad(t *testing.T, address string) *load {
	t.Helper()
	told := newJournal()
	l := &load{t: t, told: told, client: dial(t, address, grpc.WithUnaryInterceptor(told.turns.intercept))}
	for _, id := range loadFirms {
		l.client.furnish(t, firm{id: id, allowance: 20_000, pool: 1_000_000_000, seats: loadSeats})
	}
	ctx, end := context.WithCancel(t.Context())
	l.end = end
	for i := range loadCallers {
		l.callers.Go(func() { l.call(ctx, i) })
	}
	t.Cleanup(l.stop)
	return l
}

// stop ends the callers, answered or not.
func (l *load) stop() {
	l.end()
	l.callers.Wait()
}

// more waits until some more turns have been settled than were.
func (l *load) more(turns int) {
	l.t.Helper()
	want := l.told.settled() + turns
	eventually(l.t, fmt.Sprintf("%d turns are settled", want), func() bool { return l.told.settled() >= want })
}

// call runs one caller's turns, one after the other.
func (l *load) call(ctx context.Context, caller int) {
	firm := loadFirms[caller%len(loadFirms)]
	for i := 0; ; i++ {
		err := l.turn(ctx, firm, seat(caller%loadSeats), fmt.Sprintf("turn-%d-%d", caller, i), i)
		if err == nil && i%16 == 0 {
			err = l.topUp(ctx, firm, fmt.Sprintf("pack-%d-%d", caller, i))
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.t.Errorf("caller %d, turn %d: %v", caller, i, err)
			return
		}
	}
}

// turn runs a turn: most are committed, some fail, a few are left open.
func (l *load) turn(ctx context.Context, firm, member, request string, i int) error {
	held, err := persist(ctx, func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
		return c.reserve(ctx, firm, member, request, loadEstimate)
	}, l.client)
	if err != nil || i%11 == 10 {
		return err
	}
	_, err = persist(ctx, func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
		if i%7 != 6 {
			return c.commit(ctx, held, loadCost)
		}
		answer, err := c.Release(ctx, &meterv1.ReleaseRequest{
			OrganizationId: firm, ReservationId: held.GetReservationId(), ActualMicros: proto.Int64(loadCost),
		})
		return answer.GetReservation(), err
	}, l.client)
	return err
}

func (l *load) topUp(ctx context.Context, firm, request string) error {
	entry, err := persist(ctx, func(ctx context.Context, c *client) (*meterv1.LedgerEntry, error) {
		answer, err := c.TopUp(ctx, &meterv1.TopUpRequest{
			OrganizationId: firm, RequestId: request, AmountMicros: loadPack, Reference: "invoice " + request,
		})
		return answer.GetEntry(), err
	}, l.client)
	if err == nil {
		l.told.recordTopUp(entry)
	}
	return err
}
