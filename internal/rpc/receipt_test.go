package rpc

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
)

// explain asks as an operator.
func (a api) explain(t *testing.T, in *meterv1.ExplainTurnRequest) *meterv1.Receipt {
	t.Helper()
	in.OrganizationId = "acme"
	out, err := a.usage.ExplainTurn(t.Context(), in)
	must(t)(out, err)
	return out.GetReceipt()
}

// explainAs asks as a seat of the firm, which the interceptors have let through.
func (a api) explainAs(t *testing.T, role auth.Role, in *meterv1.ExplainTurnRequest) *meterv1.Receipt {
	t.Helper()
	in.OrganizationId = "acme"
	handler := &usage{Services: Services{Reader: a.memory, Prices: a.memory}}
	out, err := handler.ExplainTurn(auth.NewContext(t.Context(), auth.Identity{Role: role}), in)
	must(t)(out, err)
	return out.GetReceipt()
}

// overdrawn is a firm with a pool whose balance its members do not see, and ada capped. Her turn-1 drew on allowance, pool
// and nobody; her turn-2 was refused, and passed once the cap was raised.
func overdrawn(t *testing.T) (a api, turn1 string) {
	t.Helper()
	a, ctx := furnished(t), t.Context()
	o := sampleOrganization()
	o.PoolVisibleToMembers = false
	must(t)(a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: o}))
	must(t)(a.pools.TopUp(ctx, &meterv1.TopUpRequest{OrganizationId: "acme", RequestId: "inv", AmountMicros: 9_000_000}))
	grant := func(most int64) {
		must(t)(a.pools.GrantAccess(ctx, &meterv1.GrantAccessRequest{
			OrganizationId: "acme", MemberId: "ada", Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: most},
		}))
	}
	grant(1_000_000)
	reserved, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 2_500_000, Turn: sampleTurn(),
	})
	must(t)(reserved, err)
	turn1 = reserved.GetReservation().GetReservationId()
	must(t)(a.turns.Extend(ctx, &meterv1.ExtendRequest{
		OrganizationId: "acme", ReservationId: turn1, RequestId: "more", AdditionalMicros: 100_000, TimeToLive: &durationpb.Duration{Seconds: 3600},
	}))
	must(t)(a.turns.Commit(ctx, &meterv1.CommitRequest{OrganizationId: "acme", ReservationId: turn1, ActualMicros: proto.Int64(3_200_000)}))
	again := &meterv1.ReserveRequest{OrganizationId: "acme", MemberId: "ada", RequestId: "turn-2", EstimateMicros: 700_000}
	_, err = a.turns.Reserve(ctx, again)
	wantFailure(t, err, codes.ResourceExhausted, "MEMBER_CAP_REACHED")
	grant(2_000_000)
	must(t)(a.turns.Reserve(ctx, again))
	return a, turn1
}

// TestReceipt looks at every field of a turn that touched everything, as an operator sees it.
func TestReceipt(t *testing.T) {
	a, id := overdrawn(t)
	got := a.explain(t, &meterv1.ExplainTurnRequest{ReservationId: id})
	now := timestamppb.New(a.now)
	want := &meterv1.Receipt{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", Unit: meterv1.Unit_UNIT_ACU, Story: got.GetStory(),
		Turn: &meterv1.TurnReceipt{
			Reservation: got.GetTurn().GetReservation(), FirstEstimateMicros: 2_500_000,
			Rooms: &meterv1.Rooms{
				AllowanceRoomMicros: 2_000_000, PoolAvailableMicros: proto.Int64(9_000_000), CapRoomMicros: proto.Int64(1_000_000),
				AccessKind: meterv1.AccessKind_ACCESS_KIND_CAPPED,
			},
			CapMicros: proto.Int64(1_000_000), FirstHeldAllowanceMicros: 2_000_000, FirstHeldPoolMicros: 500_000,
			Bound: meterv1.HoldBound_HOLD_BOUND_ALLOWANCE,
			Extensions: []*meterv1.ExtensionReceipt{{
				RequestId: "more", At: now, AdditionalMicros: 100_000, ExpiresAt: timestamppb.New(a.now.Add(time.Hour)),
			}},
			Remains: &meterv1.SettlementRemains{
				PoolBalanceMicros: proto.Int64(8_000_000), CapUsedMicros: 1_000_000,
				Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 1_000_000},
			},
			LedgerSequences: []int64{2, 3},
		},
	}
	wantEqual(t, got, want)
	if c := got.GetTurn().GetReservation().GetCharge(); c.GetPoolMicros() != 1_000_000 || c.GetOverrunMicros() != 200_000 {
		t.Errorf("it was charged %v", c)
	}
	wantEqual(t, a.explain(t, &meterv1.ExplainTurnRequest{RequestId: "turn-1"}), got)
}

// TestReceiptOfARefusal looks at every field of what was refused first, and let run then.
func TestReceiptOfARefusal(t *testing.T) {
	a, _ := overdrawn(t)
	got := a.explain(t, &meterv1.ExplainTurnRequest{RequestId: "turn-2"})
	if len(got.GetRefusals()) != 1 || got.GetTurn().GetReservation().GetRequestId() != "turn-2" {
		t.Fatalf("told is %v", got)
	}
	wantEqual(t, got.GetRefusals()[0], &meterv1.RefusalReceipt{
		At: timestamppb.New(a.now), Reason: "MEMBER_CAP_REACHED", EstimateMicros: 700_000, MinimumMicros: 700_000,
		Rooms: &meterv1.Rooms{
			PoolAvailableMicros: proto.Int64(8_000_000), CapRoomMicros: proto.Int64(0), AccessKind: meterv1.AccessKind_ACCESS_KIND_CAPPED,
		},
		PeriodStart: timestamppb.New(periodStart), ResetsAt: timestamppb.New(time.Date(2026, time.March, 30, 22, 0, 0, 0, time.UTC)),
		Healed: true, Remedy: "A later attempt of the same request was let run.",
	})
}

// TestReceiptHidesThePool: a plain member is told nothing that shows the balance, in fields or words; an admin is.
func TestReceiptHidesThePool(t *testing.T) {
	a, _ := overdrawn(t)
	for _, request := range []string{"turn-1", "turn-2"} {
		ask := &meterv1.ExplainTurnRequest{MemberId: "ada", RequestId: request}
		hidden, shown := a.explainAs(t, auth.Member, ask), a.explainAs(t, auth.Admin, ask)
		if toOrchestrator := a.explainAs(t, auth.Orchestrator, ask); !proto.Equal(toOrchestrator, hidden) {
			t.Errorf("an orchestrator is told %v", toOrchestrator)
		}
		if shown.GetTurn().GetRooms().PoolAvailableMicros == nil || !mentions(shown, "8 ACU") {
			t.Errorf("an admin is told %v", shown)
		}
		if hidden.GetTurn().GetRooms().PoolAvailableMicros != nil || hidden.GetTurn().GetRemains().GetPoolBalanceMicros() != 0 ||
			mentions(hidden, "8 ACU") || mentions(hidden, "9 ACU") {
			t.Errorf("a member is told %v", hidden)
		}
		for _, r := range hidden.GetRefusals() {
			if r.GetRooms().PoolAvailableMicros != nil || r.GetRooms().CapRoomMicros == nil {
				t.Errorf("a member is told of the rooms %v", r.GetRooms())
			}
		}
	}
}

func mentions(r *meterv1.Receipt, text string) bool {
	return strings.Contains(strings.Join(r.GetStory(), " "), text)
}

// TestReceiptOfTokens: estimate and cost come with the parts of their prices; and a turn that nobody settled says so.
func TestReceiptOfTokens(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	reserved, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateUsage: sampleEstimate(),
		TimeToLive: &durationpb.Duration{Seconds: 60},
	})
	must(t)(reserved, err)
	ask := &meterv1.ExplainTurnRequest{RequestId: "turn-1"}
	got := a.explain(t, ask).GetTurn().GetEstimatePrice()
	if got.GetPriceBookId() != "book" || got.GetPriceBookVersion() != 1 || len(got.GetParts()) == 0 || got.GetTokenUsage() == nil {
		t.Errorf("the estimate is %v", got)
	}
	a.now = a.now.Add(time.Minute)
	a.state("acme").ExpireDue()
	if r := a.explain(t, ask); !r.GetTurn().GetExpiredAt().AsTime().Equal(a.now) || !mentions(r, "it expired") {
		t.Errorf("told is %v", r)
	}
	must(t)(a.turns.Commit(ctx, &meterv1.CommitRequest{
		OrganizationId: "acme", ReservationId: reserved.GetReservation().GetReservationId(), TokenUsage: sampleTokens(),
	}))
	r := a.explain(t, ask)
	if parts := r.GetTurn().GetSettledPrice().GetParts(); len(parts) != 5 || !mentions(r, "cached input at") || !mentions(r, "late") {
		t.Errorf("told is %v", r)
	}
}

// TestExplainingNothing: what is not there, and what is another's, are one answer.
func TestExplainingNothing(t *testing.T) {
	a, id := overdrawn(t)
	for _, in := range []*meterv1.ExplainTurnRequest{
		{OrganizationId: "acme", ReservationId: someID},
		{OrganizationId: "acme", RequestId: "none"},
		{OrganizationId: "acme", MemberId: "cy", ReservationId: id},
		{OrganizationId: "acme", MemberId: "cy", RequestId: "turn-2"},
	} {
		_, err := a.usage.ExplainTurn(t.Context(), in)
		wantFailure(t, err, codes.NotFound, "RESERVATION_NOT_FOUND")
	}
	_, err := a.usage.ExplainTurn(t.Context(), &meterv1.ExplainTurnRequest{OrganizationId: "none", RequestId: "turn-1"})
	wantFailure(t, err, codes.NotFound, "ORGANIZATION_NOT_FOUND")
	for _, in := range []*meterv1.ExplainTurnRequest{
		{OrganizationId: "acme"}, {OrganizationId: "acme", ReservationId: id, RequestId: "turn-1"},
	} {
		_, err := a.usage.ExplainTurn(t.Context(), in)
		wantField(t, err, "reservation_id")
	}
}
