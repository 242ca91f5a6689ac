package e2e

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

const (
	hammerCallers = 24
	hammerTurns   = 20 // Of each caller.
	hammerCost    = 7  // What every committed turn costs, less than it holds.
)

// hammer sends every request of every turn to two servers at once.
type hammer struct {
	t       *testing.T
	a, b    *client
	ended   atomic.Int64
	onEnded func(n int64)

	mu        sync.Mutex
	committed int64
	abandoned []string // Reservations that nobody settles.
}

// TestTwoServersOnOneDatabase lets two servers meet on one organization with every request sent to both at once, kills one
// in the middle, and sees everything applied once, what expires included.
func TestTwoServersOnOneDatabase(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	first, second := start(t, "--database-url="+url), start(t, "--database-url="+url)
	h := &hammer{t: t, a: dial(t, first.address), b: dial(t, second.address)}
	h.a.furnish(t, firm{id: "hot", allowance: 100, pool: 1_000_000, seats: 3})
	half := make(chan struct{})
	h.onEnded = func(n int64) {
		if n == hammerCallers*hammerTurns/2 {
			close(half)
		}
	}
	var callers sync.WaitGroup
	for i := range hammerCallers {
		callers.Go(func() { h.call(t.Context(), i) })
	}
	<-half
	first.kill(t)
	callers.Wait()
	h.checkSums(t)
	audited := audittest.Check(t, url)
	if audited.Reservations.Committed != h.committed || audited.Reservations.Expired != int64(len(h.abandoned)) {
		t.Errorf("%d turns were committed and %d abandoned, but the audit sees %+v",
			h.committed, len(h.abandoned), audited.Reservations)
	}
}

// call runs one caller's turns, one after the other: committed, released or abandoned in turn.
func (h *hammer) call(ctx context.Context, caller int) {
	for i := range hammerTurns {
		request := &meterv1.ReserveRequest{
			OrganizationId: "hot", MemberId: seat(i % 3), RequestId: fmt.Sprintf("turn-%d-%d", caller, i), EstimateMicros: 10,
		}
		if i%5 == 4 {
			request.TimeToLive = &durationpb.Duration{Seconds: 1}
		}
		held := both(ctx, h, request.GetRequestId(), func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
			answer, err := c.Reserve(ctx, request)
			return answer.GetReservation(), err
		})
		h.settle(ctx, i, held)
		if n := h.ended.Add(1); h.onEnded != nil {
			h.onEnded(n)
		}
	}
}

func (h *hammer) settle(ctx context.Context, i int, held *meterv1.Reservation) {
	h.mu.Lock()
	if i%5 == 4 {
		h.abandoned = append(h.abandoned, held.GetReservationId())
	}
	if i%5 < 3 {
		h.committed++
	}
	h.mu.Unlock()
	switch {
	case i%5 < 3:
		both(ctx, h, held.GetRequestId(), func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
			return c.commit(ctx, held, hammerCost)
		})
	case i%5 == 3:
		both(ctx, h, held.GetRequestId(), func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
			answer, err := c.Release(ctx, &meterv1.ReleaseRequest{
				OrganizationId: "hot", ReservationId: held.GetReservationId(), ActualMicros: proto.Int64(hammerCost),
			})
			return answer.GetReservation(), err
		})
	}
}

// both sends a request to each server at once, to the other one too when the first is gone. The answers must be of one
// and the same turn.
func both(
	ctx context.Context, h *hammer, what string, send func(context.Context, *client) (*meterv1.Reservation, error),
) *meterv1.Reservation {
	var answers [2]*meterv1.Reservation
	var errs [2]error
	var sending sync.WaitGroup
	sending.Go(func() { answers[0], errs[0] = persist(ctx, send, h.a, h.b) })
	sending.Go(func() { answers[1], errs[1] = persist(ctx, send, h.b, h.a) })
	sending.Wait()
	// The one that comes second to an abandoned turn may find it expired already.
	same := answers[0].GetReservationId() == answers[1].GetReservationId() &&
		proto.Equal(answers[0].GetCharge(), answers[1].GetCharge())
	if errs[0] != nil || errs[1] != nil || !same {
		h.t.Errorf("%s: one server answered %v, %v; the other %v, %v", what, answers[0], errs[0], answers[1], errs[1])
	}
	return answers[0]
}

// checkSums waits until what was abandoned has expired, and sees that every turn was charged once.
func (h *hammer) checkSums(t *testing.T) {
	t.Helper()
	eventually(t, "what was abandoned is given back", func() bool { return h.b.pool(t, "hot").GetHeldMicros() == 0 })
	for _, id := range h.abandoned {
		r := h.b.reservation(t, "hot", id)
		if r.GetState() != meterv1.ReservationState_RESERVATION_STATE_EXPIRED ||
			r.GetSettledAt().AsTime().Before(r.GetExpiresAt().AsTime()) {
			t.Errorf("nobody settled it, but it is %v", r)
		}
	}
	books := h.b.books(t)
	if spent := h.committed * hammerCost; books.allowance+books.pool != spent || books.purchased-books.balance != books.pool {
		t.Errorf("the turns cost %d micros, the books say %+v", spent, books)
	}
	var used, held int64
	for i := range 3 {
		m := h.b.meter(t, "hot", seat(i))
		used, held = used+m.GetUsedMicros()+m.GetPoolUsedMicros(), held+m.GetHeldMicros()+m.GetPoolHeldMicros()
	}
	if used != h.committed*hammerCost || held != 0 {
		t.Errorf("the seats used %d micros and hold %d, the turns cost %d", used, held, h.committed*hammerCost)
	}
}
