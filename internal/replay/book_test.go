package replay

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

func told(input, output string) *meterv1.TokenRates {
	return &meterv1.TokenRates{Input: proto.String(input), Output: proto.String(output)}
}

// TestBook prices turns by hand: what holds at the time, what a tier changes and from which token on, and the one rounding.
func TestBook(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	cost, err := newBook(&meterv1.PriceBook{PriceBookId: "b", Models: []*meterv1.ModelPrices{
		{Model: "dated", Aliases: []string{"d"}, Prices: []*meterv1.Price{
			{Rates: told("1", "2")},
			{ValidFrom: timestamppb.New(at), Rates: told("3", "4")},
			{ValidFrom: timestamppb.New(at.Add(time.Second)), Rates: told("5", "6")},
		}},
		{Model: "tiered", Prices: []*meterv1.Price{{Rates: told("0.15", "0.6"), Tiers: []*meterv1.PriceTier{
			{AboveInputTokens: 10, Rates: &meterv1.TokenRates{Input: proto.String("0.3")}},
			{AboveInputTokens: 20, Rates: told("1", "1")},
		}}}},
		{Model: "later", Prices: []*meterv1.Price{{ValidFrom: timestamppb.New(at.Add(time.Hour)), Rates: told("1", "1")}}},
		{Model: "input alone", Prices: []*meterv1.Price{{Rates: &meterv1.TokenRates{Input: proto.String("1")}}}},
	}}, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		model   string
		in, out int64
		want    int64
	}{
		{"dated", 10, 100, 430},
		{"d", 1, 1, 7},
		{"tiered", 10, 0, 2},   // 1.5
		{"tiered", 9, 0, 1},    // 1.35
		{"tiered", 11, 10, 9},  // 3.3 + 6: the tier tells no price of output.
		{"tiered", 20, 1, 7},   // 6 + 0.6
		{"tiered", 21, 19, 40}, // The second tier.
		{"input alone", 7, 0, 7},
	} {
		if got, err := cost(test.model, test.in, test.out); err != nil || got != test.want {
			t.Errorf("%s, %d and %d tokens: %d, %v, want %d", test.model, test.in, test.out, got, err, test.want)
		}
	}
	for model, complaint := range map[string]string{
		"unknown": "no price for model", "later": "no price for model", "input alone": "no price for all its tokens",
		"dated": "more than one amount may be",
	} {
		if _, err := cost(model, 1e15, 1); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", model, err)
		}
	}
}
