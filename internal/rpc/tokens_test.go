package rpc

import (
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// TestTurnByTokens walks one turn that tells its tokens only, through a change of the price book.
func TestTurnByTokens(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	estimate := sampleEstimate()
	estimate.EstimatePolicy = meterv1.EstimatePolicy_ESTIMATE_POLICY_UNSPECIFIED
	reserved, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateUsage: estimate,
	})
	must(t)(reserved, err)
	r := reserved.GetReservation()
	// (60 × 1.1 + 40 × 7) USD a million, times 2.5.
	if r.GetEstimateMicros() != 865 || r.GetHeldAllowanceMicros() != 865 || r.GetTurn().GetModel() != "large" ||
		r.GetPriceBookId() != "book" || r.GetPriceBookVersion() != 1 || r.GetCostBasis() != 0 ||
		r.GetEstimatePolicy() != meterv1.EstimatePolicy_ESTIMATE_POLICY_MAXIMUM {
		t.Errorf("got %v", r)
	}
	dearer := samplePriceBook()
	dearer.Models[0].Prices[1].Rates.Output = proto.String("700")
	must(t)(a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: dearer}))
	commit := &meterv1.CommitRequest{
		OrganizationId: "acme", ReservationId: r.GetReservationId(),
		TokenUsage: &meterv1.TokenUsage{InputTokens: 1, OutputTokens: 2, ReasoningTokens: 3, TotalTokens: proto.Int64(6)},
	}
	committed, err := a.turns.Commit(ctx, commit)
	must(t)(committed, err)
	// (1.1 + 5 × 7) × 2.5 = 90.25
	wantEqual(t, committed.GetReservation().GetCharge(), &meterv1.Charge{ActualMicros: 90, AllowanceMicros: 90})
	wantEqual(t, committed.GetReservation().GetTokenUsage(), &meterv1.TokenUsage{InputTokens: 1, OutputTokens: 2, ReasoningTokens: 3})
	if basis := committed.GetReservation().GetCostBasis(); basis != meterv1.CostBasis_COST_BASIS_TOKENS {
		t.Errorf("the basis is %v", basis)
	}
	again, err := a.turns.Commit(ctx, commit)
	must(t)(again, err)
	wantEqual(t, again.GetReservation(), committed.GetReservation())
	commit.TokenUsage = &meterv1.TokenUsage{InputTokens: 1, OutputTokens: 3, ReasoningTokens: 2}
	_, err = a.turns.Commit(ctx, commit)
	wantFailure(t, err, codes.FailedPrecondition, "ALREADY_COMMITTED")
}

// TestUnpricedTurn: at Reserve a model without a price is refused, at Commit the turn costs what it held.
func TestUnpricedTurn(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	_, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateUsage: &meterv1.EstimateUsage{Model: "larg", InputTokens: 1},
	})
	wantFailure(t, err, codes.FailedPrecondition, "UNPRICED_MODEL")
	facts := infoOf(err).GetMetadata()
	if facts["model"] != "larg" || facts["nearest"] != "large, large-latest" || facts["price_book_id"] != "book" ||
		facts["price_book_version"] != "1" {
		t.Errorf("got facts %v", facts)
	}
	id := reserveAmount(t, a, "turn-1", "larg")
	committed, err := a.turns.Commit(ctx, &meterv1.CommitRequest{
		OrganizationId: "acme", ReservationId: id, TokenUsage: sampleTokens(),
	})
	must(t)(committed, err)
	wantEqual(t, committed.GetReservation().GetCharge(), &meterv1.Charge{ActualMicros: 500, AllowanceMicros: 500})
	if basis := committed.GetReservation().GetCostBasis(); basis != meterv1.CostBasis_COST_BASIS_HELD {
		t.Errorf("the basis is %v", basis)
	}
}

func reserveAmount(t *testing.T, a api, request, model string) (id string) {
	t.Helper()
	reserved, err := a.turns.Reserve(t.Context(), &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: request, EstimateMicros: 500, Turn: &meterv1.Turn{Model: model},
	})
	must(t)(reserved, err)
	return reserved.GetReservation().GetReservationId()
}

// TestSettlingByAmountOrTokens: of both the amount counts, tokens alone are priced, and a release needs neither.
func TestSettlingByAmountOrTokens(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	tokens := &meterv1.TokenUsage{OutputTokens: 2} // 35 micros.
	committed, err := a.turns.Commit(ctx, &meterv1.CommitRequest{
		OrganizationId: "acme", ReservationId: reserveAmount(t, a, "1", "large"), ActualMicros: proto.Int64(0), TokenUsage: tokens,
	})
	must(t)(committed, err)
	wantSettled(t, committed.GetReservation(), 0, meterv1.CostBasis_COST_BASIS_AMOUNT)
	for i, c := range []struct {
		amount *int64
		tokens *meterv1.TokenUsage
		want   int64
		basis  meterv1.CostBasis
	}{
		{nil, tokens, 35, meterv1.CostBasis_COST_BASIS_TOKENS},
		{proto.Int64(7), tokens, 7, meterv1.CostBasis_COST_BASIS_AMOUNT},
		{proto.Int64(0), tokens, 0, meterv1.CostBasis_COST_BASIS_AMOUNT},
		{nil, nil, 0, meterv1.CostBasis_COST_BASIS_AMOUNT},
	} {
		released, err := a.turns.Release(ctx, &meterv1.ReleaseRequest{
			OrganizationId: "acme", ReservationId: reserveAmount(t, a, "release-"+strconv.Itoa(i), "large"),
			ActualMicros: c.amount, TokenUsage: c.tokens,
		})
		must(t)(released, err)
		wantSettled(t, released.GetReservation(), c.want, c.basis)
	}
}

func wantSettled(t *testing.T, r *meterv1.Reservation, actual int64, basis meterv1.CostBasis) {
	t.Helper()
	if r.GetCharge().GetActualMicros() != actual || r.GetCostBasis() != basis {
		t.Errorf("got %v, want %d by %v", r, actual, basis)
	}
}

// TestTellingUsage are the rules of requests by tokens that no single field can tell.
func TestTellingUsage(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	reserve := func(change func(*meterv1.ReserveRequest)) error {
		request := &meterv1.ReserveRequest{
			OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateUsage: sampleEstimate(),
		}
		change(request)
		_, err := a.turns.Reserve(ctx, request)
		return err
	}
	wantField(t, reserve(func(r *meterv1.ReserveRequest) { r.EstimateUsage = nil }), "estimate_micros")
	wantField(t, reserve(func(r *meterv1.ReserveRequest) { r.EstimateMicros = 5 }), "estimate_micros")
	wantField(t, reserve(func(r *meterv1.ReserveRequest) { r.Turn = &meterv1.Turn{Model: "small"} }), "turn.model")
	if err := reserve(func(r *meterv1.ReserveRequest) { r.Turn, r.MinimumMicros = sampleTurn(), proto.Int64(1e15) }); err != nil {
		t.Errorf("the same model, and a minimum above the price: %v", err)
	}
	id := reserveAmount(t, a, "turn-2", "large")
	doubled := &meterv1.TokenUsage{InputTokens: 100, CachedInputTokens: 80, OutputTokens: 20, TotalTokens: proto.Int64(120)}
	_, err := a.turns.Commit(ctx, &meterv1.CommitRequest{OrganizationId: "acme", ReservationId: id})
	wantField(t, err, "actual_micros")
	_, err = a.turns.Commit(ctx, &meterv1.CommitRequest{OrganizationId: "acme", ReservationId: id, TokenUsage: doubled})
	wantField(t, err, "token_usage.total_tokens")
	_, err = a.turns.Release(ctx, &meterv1.ReleaseRequest{OrganizationId: "acme", ReservationId: id, TokenUsage: doubled})
	wantField(t, err, "token_usage.total_tokens")
	_, err = a.turns.Release(ctx, &meterv1.ReleaseRequest{
		OrganizationId: "acme", ReservationId: id, TokenUsage: &meterv1.TokenUsage{OutputTokens: 1, TotalTokens: proto.Int64(0)},
	})
	wantField(t, err, "token_usage.total_tokens")
	got, err := a.turns.GetReservation(ctx, &meterv1.GetReservationRequest{OrganizationId: "acme", ReservationId: id})
	if err != nil || got.GetReservation().GetState() != meterv1.ReservationState_RESERVATION_STATE_HELD {
		t.Errorf("refused, it is %v, %v", got, err)
	}
}

// learnt reserves a turn of at most so many tokens under the policy LEARNED, and answers its estimate and its id.
func learnt(t *testing.T, a api, request string, maximum int64) (estimate int64, id string) {
	t.Helper()
	reserved, err := a.turns.Reserve(t.Context(), &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: request, EstimateUsage: &meterv1.EstimateUsage{
			Model: "large", MaxOutputTokens: maximum, EstimatePolicy: meterv1.EstimatePolicy_ESTIMATE_POLICY_LEARNED,
		},
	})
	must(t)(reserved, err)
	return reserved.GetReservation().GetEstimateMicros(), reserved.GetReservation().GetReservationId()
}

// TestLearnedEstimates: what committed turns answered with is what is expected of the next, and never more than the
// maximum; what failed turns did is not.
func TestLearnedEstimates(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	plan := samplePlan()
	plan.AbuseLimit = nil
	must(t)(a.organizations.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: plan}))
	priceOf := func(tokens int64) int64 { return (tokens*7*25 + 5) / 10 } // Each costs 7 micros of USD, or 17.5 of an ACU.
	for i := range 30 {
		estimate, id := learnt(t, a, "good-"+strconv.Itoa(i), 1000)
		if estimate != priceOf(1000) {
			t.Fatalf("nothing is learned yet, and turn %d is estimated at %d", i, estimate)
		}
		must(t)(a.turns.Commit(ctx, &meterv1.CommitRequest{
			OrganizationId: "acme", ReservationId: id, ActualMicros: proto.Int64(0),
			TokenUsage: &meterv1.TokenUsage{InputTokens: 9_000, OutputTokens: 99, ReasoningTokens: 1},
		}))
		_, id = learnt(t, a, "bad-"+strconv.Itoa(i), 1000)
		must(t)(a.turns.Release(ctx, &meterv1.ReleaseRequest{
			OrganizationId: "acme", ReservationId: id, TokenUsage: &meterv1.TokenUsage{OutputTokens: 900},
			ActualMicros: proto.Int64(0),
		}))
	}
	tokens, learned := a.learner.Expect("acme", "large", 1000)
	if !learned || tokens < 100 || tokens > 127 {
		t.Fatalf("of answers of 100 tokens it learned %d, %t", tokens, learned)
	}
	if estimate, _ := learnt(t, a, "after", 1000); estimate != priceOf(tokens) {
		t.Errorf("%d tokens are expected, and estimated at %d", tokens, estimate)
	}
	if estimate, _ := learnt(t, a, "short", 50); estimate != priceOf(50) {
		t.Errorf("with a maximum of 50 tokens it is estimated at %d", estimate)
	}
	if len(*a.settled) != 60 {
		t.Errorf("60 turns were settled, and %d told of", len(*a.settled))
	}
}
