package replay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// fake is as much of the service as a replay needs, in memory. It keeps every request, so that a test can see what was
// sent again and with what content.
type fake struct {
	meterv1.UnimplementedMeteringServiceServer
	meterv1.UnimplementedPoolServiceServer
	meterv1.UnimplementedOrganizationServiceServer
	meterv1.UnimplementedPriceServiceServer

	// before is asked ahead of each turn's call and after once it was applied; an error is the answer. Lost answers are
	// errors of after.
	before, after func(rpc string) error
	// charge may falsify a charge.
	charge func(*meterv1.Charge)

	mu           sync.Mutex
	plans        map[string]*meterv1.Plan
	pools        map[string]int64
	topUps       map[string]int64
	access       map[seat]meterv1.AccessKind
	used         map[seat]int64
	reservations map[string]*meterv1.Reservation // By organization and request id.
	byID         map[string]*meterv1.Reservation
	sent         map[string]proto.Message // The first request of each Reserve, by organization and request id.
	complaints   []string
	order        []string // Request ids in the order in which they were first reserved and settled, as "reserve x", "settle x".
	at           map[string]time.Time
}

func newFake() *fake {
	return &fake{
		plans: map[string]*meterv1.Plan{}, pools: map[string]int64{}, topUps: map[string]int64{},
		access: map[seat]meterv1.AccessKind{}, used: map[seat]int64{},
		reservations: map[string]*meterv1.Reservation{}, byID: map[string]*meterv1.Reservation{},
		sent: map[string]proto.Message{}, at: map[string]time.Time{},
	}
}

// serve serves until the test ends or stop is called, at an address or, if it is empty, at a free one.
func (f *fake) serve(t *testing.T, address string) (at string, stop func()) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(f.intercept))
	meterv1.RegisterMeteringServiceServer(server, f)
	meterv1.RegisterPoolServiceServer(server, f)
	meterv1.RegisterOrganizationServiceServer(server, f)
	meterv1.RegisterPriceServiceServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func (f *fake) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	rpc := info.FullMethod[1+len("meter.v1."):]
	if f.before != nil {
		if err := f.before(rpc); err != nil {
			return nil, err
		}
	}
	answer, err := handle(ctx, request)
	if err == nil && f.after != nil {
		err = f.after(rpc)
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (f *fake) PutPlan(_ context.Context, in *meterv1.PutPlanRequest) (*meterv1.PutPlanResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans[in.GetPlan().GetPlanId()] = in.GetPlan()
	return &meterv1.PutPlanResponse{Plan: in.GetPlan()}, nil
}

func (f *fake) PutOrganization(_ context.Context, in *meterv1.PutOrganizationRequest) (*meterv1.PutOrganizationResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	organization := in.GetOrganization()
	if f.plans[organization.GetPlanId()] == nil {
		return nil, refusal(codes.NotFound, "PLAN_NOT_FOUND")
	}
	f.pools[organization.GetOrganizationId()] += 0
	return &meterv1.PutOrganizationResponse{Organization: organization}, nil
}

func (f *fake) PutMember(_ context.Context, in *meterv1.PutMemberRequest) (*meterv1.PutMemberResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	member := in.GetMember()
	if _, ok := f.pools[member.GetOrganizationId()]; !ok {
		return nil, refusal(codes.NotFound, "ORGANIZATION_NOT_FOUND")
	}
	f.used[seat{member.GetOrganizationId(), member.GetMemberId()}] += 0
	return &meterv1.PutMemberResponse{Member: member}, nil
}

func (f *fake) GrantAccess(_ context.Context, in *meterv1.GrantAccessRequest) (*meterv1.GrantAccessResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := meterv1.AccessKind_ACCESS_KIND_UNLIMITED
	if in.GetCapMicros() > 0 {
		kind = meterv1.AccessKind_ACCESS_KIND_CAPPED
	}
	f.access[seat{in.GetOrganizationId(), in.GetMemberId()}] = kind
	return &meterv1.GrantAccessResponse{}, nil
}

func (f *fake) RevokeAccess(_ context.Context, in *meterv1.RevokeAccessRequest) (*meterv1.RevokeAccessResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.access[seat{in.GetOrganizationId(), in.GetMemberId()}] = meterv1.AccessKind_ACCESS_KIND_NONE
	return &meterv1.RevokeAccessResponse{}, nil
}

func (f *fake) TopUp(_ context.Context, in *meterv1.TopUpRequest) (*meterv1.TopUpResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := in.GetOrganizationId() + " " + in.GetRequestId()
	switch before, ok := f.topUps[key]; {
	case ok && before != in.GetAmountMicros():
		return nil, refusal(codes.AlreadyExists, reasonRequestIDReused)
	case !ok:
		f.topUps[key] = in.GetAmountMicros()
		f.pools[in.GetOrganizationId()] += in.GetAmountMicros()
	}
	return &meterv1.TopUpResponse{}, nil
}

// Reserve holds all of an estimate from the pool where the allowance does not cover it.
func (f *fake) Reserve(_ context.Context, in *meterv1.ReserveRequest) (*meterv1.ReserveResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := in.GetOrganizationId() + " " + in.GetRequestId()
	if first, ok := f.sent[key]; !ok {
		f.sent[key] = proto.Clone(in)
	} else if !proto.Equal(first, in) {
		f.complaints = append(f.complaints, fmt.Sprintf("%s was sent with other content", key))
	}
	if r, ok := f.reservations[key]; ok {
		return &meterv1.ReserveResponse{Reservation: r}, nil
	}
	if err := f.mayRun(in); err != nil {
		return nil, err
	}
	r := &meterv1.Reservation{
		OrganizationId: in.GetOrganizationId(), MemberId: in.GetMemberId(), RequestId: in.GetRequestId(),
		ReservationId: uuid.NewString(), State: meterv1.ReservationState_RESERVATION_STATE_HELD,
		EstimateMicros: in.GetEstimateMicros(), Turn: in.GetTurn(),
	}
	f.reservations[key], f.byID[r.GetReservationId()] = r, r
	f.note("reserve " + in.GetRequestId())
	return &meterv1.ReserveResponse{Reservation: r}, nil
}

func (f *fake) mayRun(in *meterv1.ReserveRequest) error {
	member := seat{in.GetOrganizationId(), in.GetMemberId()}
	used, ok := f.used[member]
	if !ok {
		return refusal(codes.NotFound, "ORGANIZATION_NOT_FOUND")
	}
	beyond := in.GetEstimateMicros() - max(0, f.allowance()-used)
	switch {
	case beyond <= 0:
		return nil
	case f.access[member] == meterv1.AccessKind_ACCESS_KIND_NONE:
		return refusal(codes.ResourceExhausted, "EXTRA_USAGE_NOT_ENABLED")
	case beyond > f.pools[member.organizationID]:
		return refusal(codes.ResourceExhausted, "POOL_EMPTY")
	}
	return nil
}

func (f *fake) allowance() int64 {
	for _, plan := range f.plans {
		return plan.GetSeatAllowanceMicros()
	}
	return 0
}

func (f *fake) Commit(_ context.Context, in *meterv1.CommitRequest) (*meterv1.CommitResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.settle(in.GetReservationId(), meterv1.ReservationState_RESERVATION_STATE_COMMITTED, in.GetActualMicros())
	return &meterv1.CommitResponse{Reservation: r}, err
}

func (f *fake) Release(_ context.Context, in *meterv1.ReleaseRequest) (*meterv1.ReleaseResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.settle(in.GetReservationId(), meterv1.ReservationState_RESERVATION_STATE_RELEASED, 0)
	return &meterv1.ReleaseResponse{Reservation: r}, err
}

func (f *fake) settle(id string, to meterv1.ReservationState, actual int64) (*meterv1.Reservation, error) {
	r, ok := f.byID[id]
	switch {
	case !ok:
		return nil, refusal(codes.NotFound, "RESERVATION_NOT_FOUND")
	case r.GetState() == to && (actual == r.GetCharge().GetActualMicros() || f.charge != nil):
		return r, nil
	case r.GetState() != meterv1.ReservationState_RESERVATION_STATE_HELD:
		return nil, refusal(codes.FailedPrecondition, "ALREADY_COMMITTED")
	}
	member := seat{r.GetOrganizationId(), r.GetMemberId()}
	allowance := min(actual, max(0, f.allowance()-f.used[member]))
	pool := min(actual-allowance, f.pools[member.organizationID])
	f.used[member] += allowance
	f.pools[member.organizationID] -= pool
	r.State = to
	r.Charge = &meterv1.Charge{
		ActualMicros: actual, AllowanceMicros: allowance, PoolMicros: pool, OverrunMicros: actual - allowance - pool,
	}
	if f.charge != nil {
		f.charge(r.GetCharge())
	}
	f.note("settle " + r.GetRequestId())
	return r, nil
}

func (f *fake) note(event string) {
	f.order = append(f.order, event)
	f.at[event] = time.Now()
}

// GetPriceBook has none.
func (f *fake) GetPriceBook(context.Context, *meterv1.GetPriceBookRequest) (*meterv1.GetPriceBookResponse, error) {
	return nil, refusal(codes.NotFound, "PRICE_BOOK_NOT_FOUND")
}

// refusal is an error as the contract has it.
func refusal(code codes.Code, reason string) error {
	s, err := status.New(code, reason).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain})
	if err != nil {
		panic(err)
	}
	return s.Err()
}

// chance answers a transient error in one of n cases, the same ones for the same seed.
func chance(n int, seed uint64) func(string) error {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	transients := []codes.Code{codes.Unavailable, codes.Aborted, codes.DeadlineExceeded}
	return func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(n) > 0 {
			return nil
		}
		return status.Error(transients[random.IntN(len(transients))], "injected")
	}
}

// audit holds what was stored to what the report says, and the requests to the rules of a replay.
func (f *fake) audit(t *testing.T, report Report) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, complaint := range f.complaints {
		t.Error(complaint)
	}
	var charged Charge
	var settled int64
	for _, r := range f.reservations {
		if final(r.GetState()) {
			settled++
			charged = charged.plus(chargeOf(r.GetCharge()))
		}
	}
	if settled != report.Completed+report.Failed || charged != report.Charged {
		t.Errorf("stored: %d settled, %+v; reported: %d completed, %d failed, %+v",
			settled, charged, report.Completed, report.Failed, report.Charged)
	}
	for organization, balance := range f.pools {
		if balance < 0 {
			t.Errorf("the pool of %s is at %d", organization, balance)
		}
	}
	f.auditSessions(t)
}

// auditSessions checks that the turns of a session ran one after the other, in the order of the trace.
func (f *fake) auditSessions(t *testing.T) {
	t.Helper()
	running := map[string]string{}
	last := map[string]int{}
	position := map[string]int{}
	for i, event := range f.order {
		position[event] = i
	}
	requests := make([]*meterv1.Reservation, 0, len(f.reservations))
	for _, r := range f.reservations {
		requests = append(requests, r)
	}
	slices.SortFunc(requests, func(a, b *meterv1.Reservation) int {
		return position["reserve "+a.GetRequestId()] - position["reserve "+b.GetRequestId()]
	})
	for _, r := range requests {
		session := r.GetTurn().GetConversationId()
		if session == "" {
			continue
		}
		began, row := position["reserve "+r.GetRequestId()], 0
		if _, err := fmt.Sscanf(r.GetRequestId(), "made:%d", &row); err != nil {
			t.Fatal(err)
		}
		if before := running[session]; before != "" && (position["settle "+before] > began || last[session] > row) {
			t.Errorf("session %s: %s began before %s had ended", session, r.GetRequestId(), before)
		}
		running[session], last[session] = r.GetRequestId(), row
	}
}
