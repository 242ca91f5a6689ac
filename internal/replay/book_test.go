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

// TestAServerWithoutTheBook: a book that was named must be there; where none was, amounts are told, and one line says so.
func TestAServerWithoutTheBook(t *testing.T) {
	f := newFake()
	o := options(t, f)
	var notices []string
	o.Notice = func(line string) { notices = append(notices, line) }
	o.Book = "default"
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no price book default") || len(notices) != 0 {
		t.Errorf("a book that was named: %v, %q", err, notices)
	}
	o.BookOptional = true
	report := run(t, o)
	want := "The server has no price book default: turns are priced at 2.50 USD per million input tokens and 10.00 per million " +
		"output tokens, and told as amounts."
	if len(notices) != 1 || notices[0] != want || report.Completed+report.Failed != turnsMade || report.Problem() != nil {
		t.Errorf("%q, %+v", notices, report)
	}
	f.audit(t, report)
	for _, sent := range f.sent {
		if reserve, ok := sent.(*meterv1.ReserveRequest); !ok || reserve.GetEstimateMicros() == 0 || reserve.EstimateUsage != nil {
			t.Fatalf("no amount: %v", sent)
		}
	}
}

// TestPriceIsShownAsItIsRead keeps every digit that a price has.
func TestPriceIsShownAsItIsRead(t *testing.T) {
	for price, want := range map[Price]string{0: "0.00", 2_500_000: "2.50", 10_000_000: "10.00", 150_001: "0.150001", 75_000: "0.075"} {
		var read Price
		if got := price.String(); got != want || read.UnmarshalText([]byte(got)) != nil || read != price {
			t.Errorf("%d is shown as %q, want %q", price, got, want)
		}
	}
}
