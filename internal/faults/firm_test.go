package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// seats is how many seats a firm has: few, so that callers meet on them.
const seats = 3

// firm is an organization of one round, with all that was sent to it.
type firm struct {
	id           string
	allowance    int64
	abuseTokens  int64 // 0: no limit.
	useAllowance bool  // Whether failed turns use allowance.
	solo         bool  // A solo individual: one seat, no grants.
	limitedFiles bool  // Whether a full disk is played by a limit to files, see diskFull.
	history      history

	mu       sync.Mutex
	turns    []*turn
	topUps   []*meterv1.TopUpRequest
	answered []proto.Message // Requests that were answered OK and have a request id, to be replayed.
}

// turn is what callers know of a reservation.
type turn struct {
	id      string
	reserve *meterv1.ReserveRequest
	extend  *meterv1.ExtendRequest // At most one, so that what came of it can be read off the reservation.
}

func seatID(i int) string { return fmt.Sprintf("seat-%d", i) }

func (f *firm) seats() int {
	if f.solo {
		return 1
	}
	return seats
}

const abuseWindow = 30 * time.Minute

// newFirm chooses a firm.
func newFirm(round uint64, i int, r *rand.Rand) *firm {
	f := &firm{id: fmt.Sprintf("round-%d-firm-%d", round, i), allowance: 500 + r.Int64N(2500)}
	f.useAllowance = r.IntN(2) == 0
	f.solo = r.IntN(5) == 0
	if r.IntN(3) == 0 {
		f.abuseTokens = 600 + r.Int64N(1200)
	}
	return f
}

// furnish makes the firm. No fault is about, and nobody calls yet.
func (f *firm) furnish(ctx context.Context, r *replica) error {
	kind, policy := meterv1.PlanKind_PLAN_KIND_TEAM, meterv1.FailedTurnPolicy_FAILED_TURN_POLICY_FREE
	if f.solo {
		kind = meterv1.PlanKind_PLAN_KIND_INDIVIDUAL
	}
	if f.useAllowance {
		policy = meterv1.FailedTurnPolicy_FAILED_TURN_POLICY_USE_ALLOWANCE
	}
	plan := &meterv1.Plan{PlanId: f.id, Kind: kind, SeatAllowanceMicros: f.allowance, FailedTurnPolicy: policy}
	if f.abuseTokens > 0 {
		plan.AbuseLimit = &meterv1.AbuseLimit{Tokens: f.abuseTokens, Window: durationpb.New(abuseWindow)}
	}
	if err := insist(ctx, func(ctx context.Context) error {
		_, err := r.firms.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: plan})
		return err
	}); err != nil {
		return err
	}
	if err := insist(ctx, func(ctx context.Context) error {
		_, err := r.firms.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
			OrganizationId: f.id, PlanId: f.id, Unit: meterv1.Unit_UNIT_ACU, TimeZone: "UTC",
			Anniversary: &meterv1.Date{Year: 2026, Month: 1, Day: 1},
		}})
		return err
	}); err != nil {
		return err
	}
	for i := range f.seats() {
		if err := insist(ctx, func(ctx context.Context) error {
			_, err := r.firms.PutMember(ctx, &meterv1.PutMemberRequest{
				Member: &meterv1.Member{OrganizationId: f.id, MemberId: seatID(i)},
			})
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// insist sends a call that may be sent again until it goes well.
func insist(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	var final error
	err := retry(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, 2*attemptPatience)
		defer cancel()
		err := call(ctx)
		switch status.Code(err) {
		case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded, codes.OK:
			return err
		default:
			final = err
			return nil
		}
	})
	if final != nil {
		return final
	}
	return err
}

// note remembers what an answered attempt makes possible for others.
func (f *firm) note(a *attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch q := a.request.(type) {
	case *meterv1.ReserveRequest:
		f.answered = append(f.answered, q)
		answer, _ := a.answer.(*meterv1.ReserveResponse)
		id := answer.GetReservation().GetReservationId()
		for _, t := range f.turns {
			if t.id == id {
				return
			}
		}
		f.turns = append(f.turns, &turn{id: id, reserve: q})
	case *meterv1.TopUpRequest:
		f.answered = append(f.answered, q)
		f.topUps = append(f.topUps, q)
	case *meterv1.RefundRequest, *meterv1.ExtendRequest:
		f.answered = append(f.answered, q)
	}
}

// anyTurn is one of the turns; nil if there is none. Of three draws the latest wins: the others are mostly settled.
func (f *firm) anyTurn(r *rand.Rand) *turn {
	draws := [3]float64{r.Float64(), r.Float64(), r.Float64()}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.turns) == 0 {
		return nil
	}
	latest := max(draws[0], draws[1], draws[2])
	return f.turns[int(latest*float64(len(f.turns)))]
}

// askedAgain is how many requests of each kind that were answered are sent once more at rest.
const askedAgain = 3

// asked are the requests of a firm at rest: what its pool and its meters are in the end, something new, and some of what
// was answered once more.
func (f *firm) asked(c *caller) []proto.Message {
	requests := []proto.Message{c.topUp(f)}
	old, left := f.history.all(), map[string]int{}
	for _, i := range c.random.Perm(len(old)) {
		if kind := kindOf(old[i].request); old[i].fate() == answered && repeatable(old[i].request) && left[kind] < askedAgain {
			left[kind]++
			requests = append(requests, old[i].request)
		}
	}
	requests = append(requests, c.getPool(f))
	for i := range f.seats() {
		requests = append(requests, &meterv1.GetMeterRequest{OrganizationId: f.id, MemberId: seatID(i)})
	}
	return requests
}

// repeatable says whether a write that is sent again is the same as once.
func repeatable(q proto.Message) bool {
	switch q.(type) {
	case *meterv1.ReserveRequest, *meterv1.CommitRequest, *meterv1.ReleaseRequest, *meterv1.ExtendRequest,
		*meterv1.TopUpRequest, *meterv1.RefundRequest:
		return true
	default:
		return false
	}
}

func pick[T any](f *firm, from *[]T, draw float64) (one T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(*from) > 0 {
		one = (*from)[int(draw*float64(len(*from)))]
	}
	return one
}
