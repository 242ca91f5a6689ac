package e2e

import (
	"testing"

	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// putPrices puts the default book with one model, at a price of a million tokens in and out, and answers its version.
func (c *client) putPrices(t testing.TB, input, output string) int64 {
	t.Helper()
	return must(c.PutPriceBook(t.Context(), &meterv1.PutPriceBookRequest{PriceBook: &meterv1.PriceBook{
		PriceBookId: "default", Unit: meterv1.Unit_UNIT_USD, AcuMicrosPerUsd: 2_000_000,
		Models: []*meterv1.ModelPrices{{Model: "large", Aliases: []string{"large-latest"}, Prices: []*meterv1.Price{
			{Rates: &meterv1.TokenRates{Input: &input, Output: &output}},
		}}},
	}}))(t).GetPriceBook().GetVersion()
}

// reserveUsage holds what 1000 tokens in and at most 200 out cost.
func (c *client) reserveUsage(t testing.TB, request, model string) (*meterv1.Reservation, error) {
	t.Helper()
	answer, err := c.Reserve(t.Context(), &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: seat(0), RequestId: request, EstimateUsage: &meterv1.EstimateUsage{
			Model: model, InputTokens: 1000, MaxOutputTokens: 200,
		},
	})
	return answer.GetReservation(), err
}

func (c *client) commitTokens(t testing.TB, r *meterv1.Reservation, input, output int64) *meterv1.Reservation {
	t.Helper()
	return must(c.Commit(t.Context(), &meterv1.CommitRequest{
		OrganizationId: "acme", ReservationId: r.GetReservationId(),
		TokenUsage: &meterv1.TokenUsage{InputTokens: input, OutputTokens: output, TotalTokens: proto.Int64(input + output)},
	}))(t).GetReservation()
}

// TestTurnsByTokens runs turns that tell tokens and no amount, on two servers of one database, while the prices change: a
// turn keeps the price under which it was reserved, the next one has the new price, and the audit prices all of them again.
func TestTurnsByTokens(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	first, second := start(t, "--database-url="+url), start(t, "--database-url="+url)
	here, there := dial(t, first.address), dial(t, second.address)
	here.furnish(t, firm{id: "acme", allowance: 5_000, pool: 1_000_000, seats: 1})
	if _, err := here.reserveUsage(t, "old", "large"); reasonOf(err) != "UNPRICED_MODEL" {
		t.Errorf("without a price book: %v", err)
	}
	bookless := must(here.reserve(t.Context(), "acme", seat(0), "bookless", 40))(t)
	if v := here.putPrices(t, "1.5", "6.25"); v != 1 {
		t.Errorf("the first version is %d", v)
	}
	old := must(here.reserveUsage(t, "old", "large"))(t)
	if old.GetEstimateMicros() != 5500 || old.GetHeldAllowanceMicros() != 4960 || old.GetPriceBookVersion() != 1 {
		t.Errorf("(1000 × 1.5 + 200 × 6.25) × 2 = 5500, but the hold is %v", old)
	}
	if v := there.putPrices(t, "15", "62.5"); v != 2 {
		t.Errorf("the second version is %d", v)
	}
	recent := must(here.reserveUsage(t, "recent", "large-latest"))(t)
	if recent.GetEstimateMicros() != 55_000 || recent.GetPriceBookVersion() != 2 {
		t.Errorf("after the change the hold is %v", recent)
	}
	for _, c := range []struct {
		turn    *meterv1.Reservation
		via     *client
		cost    int64
		version int64
		basis   meterv1.CostBasis
	}{
		{old, there, 1578, 1, meterv1.CostBasis_COST_BASIS_TOKENS}, // (501 × 1.5 + 6 × 6.25) × 2
		{recent, here, 15_780, 2, meterv1.CostBasis_COST_BASIS_TOKENS},
		{bookless, there, 40, 0, meterv1.CostBasis_COST_BASIS_HELD},
	} {
		settled := c.via.commitTokens(t, c.turn, 501, 6)
		if settled.GetCharge().GetActualMicros() != c.cost || settled.GetPriceBookVersion() != c.version || settled.GetCostBasis() != c.basis {
			t.Errorf("want %d by version %d, %v, got %v", c.cost, c.version, c.basis, settled)
		}
		quote := must(c.via.Quote(t.Context(), &meterv1.QuoteRequest{
			OrganizationId: "acme", Model: "large", Version: max(1, c.version), TokenUsage: settled.GetTokenUsage(),
		}))(t)
		if c.version > 0 && quote.GetAmountMicros() != c.cost {
			t.Errorf("the turn cost %d, and is quoted %v", c.cost, quote)
		}
	}
	if _, err := there.reserveUsage(t, "misspelt", "larg"); reasonOf(err) != "UNPRICED_MODEL" {
		t.Errorf("a model that no book has: %v", err)
	}
	if p := here.pool(t, "acme"); p.GetHeldMicros() != 0 {
		t.Errorf("all turns are settled, and the pool is %v", p)
	}
	if report := verify(t, "--database-url="+url); report.Reservations.Committed != 3 {
		t.Errorf("verified were %+v", report)
	}
}

// TestReplayedByTokens replays a trace whose turns the server prices.
func TestReplayedByTokens(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	server := start(t, "--database-url="+url)
	c := dial(t, server.address)
	c.putPrices(t, "2.5", "10")
	report := meterctlReplay(t, server, "--limit=200", "--model=large", "--allowance=0.001")
	books := c.books(t)
	if report.Completed != 200 || books.allowance+books.pool != report.Charged.ActualMicros || books.pool == 0 || books.held != 0 {
		t.Errorf("replayed %+v, and the books say %+v", report, books)
	}
	if verified := verify(t, "--database-url="+url); verified.Reservations.Committed != 200 {
		t.Errorf("verified were %+v", verified)
	}
}
