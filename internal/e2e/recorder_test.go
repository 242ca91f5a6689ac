package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// recorder keeps every reservation that a server acknowledged to a client, as it was told last.
type recorder struct {
	mu           sync.Mutex
	acknowledged map[string]*meterv1.Reservation
	settled      int
	// onSettled, if set, is told how many turns have been acknowledged as settled.
	onSettled     func(int)
	contradictory []string
}

func newRecorder() *recorder { return &recorder{acknowledged: map[string]*meterv1.Reservation{}} }

// intercept is the client's interceptor that records.
func (r *recorder) intercept(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	err := invoke(ctx, method, request, answer, conn, options...)
	told, ok := answer.(interface{ GetReservation() *meterv1.Reservation })
	if err == nil && ok {
		r.record(told.GetReservation())
	}
	return err
}

func (r *recorder) record(told *meterv1.Reservation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.acknowledged[told.GetReservationId()]
	r.acknowledged[told.GetReservationId()] = proto.CloneOf(told)
	switch {
	case isFinal(before) && !proto.Equal(before, told):
		r.contradictory = append(r.contradictory, fmt.Sprintf("first %v, then %v", before, told))
	case isFinal(told) && !isFinal(before):
		r.settled++
		if r.onSettled != nil {
			r.onSettled(r.settled)
		}
	}
}

func isFinal(r *meterv1.Reservation) bool {
	return r.GetState() == meterv1.ReservationState_RESERVATION_STATE_COMMITTED ||
		r.GetState() == meterv1.ReservationState_RESERVATION_STATE_RELEASED
}

// lookups bounds how many reservations are looked up at once.
const lookups = 16

// check looks every acknowledged reservation up: what was settled must stand exactly as it was acknowledged, and what was
// only held must still be known.
func (r *recorder) check(t testing.TB, c *client) {
	t.Helper()
	for _, said := range r.contradictory {
		t.Errorf("a settled turn changed: %s", said)
	}
	var group errgroup.Group
	group.SetLimit(lookups)
	for id, want := range r.acknowledged {
		group.Go(func() error {
			request := &meterv1.GetReservationRequest{OrganizationId: want.GetOrganizationId(), ReservationId: id}
			answer, err := c.GetReservation(t.Context(), request)
			if err != nil {
				t.Errorf("%s was acknowledged and is lost: %v", id, err)
			} else if got := answer.GetReservation(); !stands(want, got) {
				t.Errorf("acknowledged was %v, but it is %v", want, got)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// stands says whether a reservation is as it was acknowledged, or what may have become of it since.
func stands(acknowledged, now *meterv1.Reservation) bool {
	if isFinal(acknowledged) {
		return proto.Equal(acknowledged, now)
	}
	return now.GetRequestId() == acknowledged.GetRequestId() && now.GetMemberId() == acknowledged.GetMemberId() &&
		proto.Equal(now.GetCreatedAt(), acknowledged.GetCreatedAt()) &&
		proto.Equal(now.GetPeriodStart(), acknowledged.GetPeriodStart())
}

// charged is what the acknowledged turns were charged, by layer.
func (r *recorder) charged() (allowance, pool int64, entries int) {
	for _, a := range r.acknowledged {
		allowance += a.GetCharge().GetAllowanceMicros()
		pool += a.GetCharge().GetPoolMicros()
		for _, part := range []int64{a.GetCharge().GetAllowanceMicros(), a.GetCharge().GetPoolMicros()} {
			if part > 0 {
				entries++
			}
		}
	}
	return allowance, pool, entries
}
