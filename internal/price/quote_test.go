package price_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

func TestQuoteSaysHow(t *testing.T) {
	rates := price.Rates{
		Input: rate("2.5"), CachedInput: rate("0.1"), CacheWrite: rate("3.125"), Output: rate("10"), Reasoning: rate("12"),
	}
	made := table(t, dollars(simple("gpt-4o", rates, "gpt-4o-latest")))
	tokens := meter.TokenUsage{Input: 1001, CachedInput: 7, CacheWrite: 3, Output: 20, Reasoning: 5}
	for unit, want := range map[meter.Unit]struct {
		amount meter.Micros
		texts  []string
	}{
		// The parts are 2502.5, 0.7, 9.375, 200 and 60 micros.
		meter.UnitUSD: {2773, []string{"0.0025025", "0.0000007", "0.000009375", "0.0002", "0.00006"}},
		// Twenty-five times as much, which is rounded after, not before.
		meter.UnitACU: {69314, []string{"0.0625625", "0.0000175", "0.000234375", "0.005", "0.0015"}},
	} {
		got, err := made.Quote("gpt-4o-latest", tokens, now, unit)
		if err != nil {
			t.Fatal(err)
		}
		if got.BookID != "b" || got.Version != 3 || got.Model != "gpt-4o" || got.AboveInputTokens != 0 ||
			!got.ValidFrom.IsZero() || got.Amount != want.amount || len(got.Parts) != 5 {
			t.Errorf("unit %d: got %+v, want %d", unit, got, want.amount)
		}
		counts := []int64{1001, 7, 3, 20, 5}
		for i, part := range got.Parts {
			if class := price.Class(i + 1); part.Class != class || part.Tokens != counts[i] || part.Rate != *rates.Of(class) {
				t.Errorf("part %d is %+v", i, part)
			}
			if part.AmountText() != want.texts[i] {
				t.Errorf("unit %d, %s: %s, want %s", unit, part.Class, part.AmountText(), want.texts[i])
			}
		}
	}
}

// An amount that has no end as a decimal is told as a fraction.
func TestEndlessAmountIsAFraction(t *testing.T) {
	book := price.Book{ID: "b", Unit: meter.UnitACU, ACUMicrosPerUSD: 3_000_000, Models: []price.Model{simple("m", inOut("1", "2"))}}
	quote, err := table(t, book).Quote("m", meter.TokenUsage{Input: 1_000_000, Output: 3}, now, meter.UnitUSD)
	if err != nil || quote.Amount != 333_335 {
		t.Fatalf("got %+v, %v; want 333335 micros", quote, err)
	}
	if in, out := quote.Parts[0].AmountText(), quote.Parts[1].AmountText(); in != "1/3" || out != "0.000002" {
		t.Errorf("the parts are %s and %s", in, out)
	}
}

func TestRoundedHalfUpOnce(t *testing.T) {
	for _, test := range []struct {
		input, output string
		tokens        meter.TokenUsage
		want          meter.Micros
	}{
		{"0.5", "0.5", meter.TokenUsage{Input: 1}, 1},
		{"0.499999999999999999999999999999", "1", meter.TokenUsage{Input: 1}, 0},
		{"0.5", "0.5", meter.TokenUsage{Input: 1, Output: 1}, 1},
		{"0.25", "0.25", meter.TokenUsage{Input: 1, Output: 1}, 1},
		{"0.2", "0.2", meter.TokenUsage{Input: 1, Output: 1}, 0},
		{"1.5", "2", meter.TokenUsage{Input: 1}, 2},
		{"2.5", "2", meter.TokenUsage{Input: 1}, 3},
		{"0.000001", "2", meter.TokenUsage{Input: 499_999}, 0},
		{"0.000001", "2", meter.TokenUsage{Input: 500_000}, 1},
		{"3", "15", meter.TokenUsage{}, 0},
		{"3", "15", meter.TokenUsage{Input: 1_000_000, Output: 1_000_000}, 18_000_000},
	} {
		made := table(t, dollars(simple("m", inOut(test.input, test.output))))
		if got := cost(t, made, "m", test.tokens, now); got != test.want {
			t.Errorf("%s and %s for %+v: %d, want %d", test.input, test.output, test.tokens, got, test.want)
		}
	}
}

func TestPriceOfTheMoment(t *testing.T) {
	first, second := now.Add(-24*time.Hour), now
	made := table(t, dollars(
		price.Model{Name: "m", Prices: []price.Price{
			{ValidFrom: first, Rates: inOut("1", "1")}, {ValidFrom: second, Rates: inOut("2", "2")},
		}},
		price.Model{Name: "always", Prices: []price.Price{{Rates: inOut("5", "5")}, {ValidFrom: second, Rates: inOut("6", "6")}}},
	))
	elsewhere := time.FixedZone("far", -11*60*60)
	for _, test := range []struct {
		model string
		at    time.Time
		want  meter.Micros
		from  time.Time
	}{
		{"m", first, 1, first},
		{"m", first.In(elsewhere), 1, first},
		{"m", second.Add(-1), 1, first},
		{"m", second, 2, second},
		{"m", second.In(elsewhere), 2, second},
		{"m", second.Add(1), 2, second},
		{"m", second.AddDate(50, 0, 0), 2, second},
		{"always", time.Time{}, 5, time.Time{}},
		{"always", second.Add(-1), 5, time.Time{}},
		{"always", second, 6, second},
	} {
		got, err := made.Quote(test.model, meter.TokenUsage{Input: 1}, test.at, meter.UnitUSD)
		if err != nil || got.Amount != test.want || !got.ValidFrom.Equal(test.from) {
			t.Errorf("%s at %s: %+v, %v; want %d from %s", test.model, test.at, got, err, test.want, test.from)
		}
	}
	_, err := made.Quote("m", meter.TokenUsage{Input: 1}, first.Add(-1), meter.UnitUSD)
	wantUnpriced(t, err, price.Unpriced{Model: "m", From: first}, "has no price before 2026-05-03T12:00:00Z")
}

func TestTiers(t *testing.T) {
	made := table(t, dollars(price.Model{Name: "m", Prices: []price.Price{{
		Rates: price.Rates{Input: rate("1"), CachedInput: rate("0.5"), Output: rate("10")},
		Tiers: []price.Tier{
			{200, price.Rates{Input: rate("2"), Output: rate("20")}},
			{400, price.Rates{CachedInput: rate("3"), Reasoning: rate("0")}},
		},
	}}}))
	for _, test := range []struct {
		tokens meter.TokenUsage
		want   meter.Micros
		tier   int64
	}{
		{meter.TokenUsage{Input: 200, Output: 1}, 200 + 10, 0},
		{meter.TokenUsage{Input: 201, Output: 1}, 402 + 20, 200},
		// What was read from the cache and written to it counts toward the bound, what was answered does not.
		{meter.TokenUsage{Input: 100, CachedInput: 60, CacheWrite: 40}, 100 + 30 + 40, 0},
		{meter.TokenUsage{Input: 100, CachedInput: 60, CacheWrite: 41}, 200 + 30 + 82, 200},
		{meter.TokenUsage{Input: 200, Output: 500, Reasoning: 500}, 200 + 5000 + 5000, 0},
		// The base price's own rate comes before the tier's fall-back, and that before the base's.
		{meter.TokenUsage{CachedInput: 201, Reasoning: 1}, 101 + 20, 200}, // 100.5 rounds up.
		// The highest tier alone applies: what it does not tell is the base price's, not the tier's below.
		{meter.TokenUsage{Input: 400, Output: 1}, 800 + 20, 200},
		{meter.TokenUsage{Input: 401, Output: 1, Reasoning: 9}, 401 + 10, 400},
		{meter.TokenUsage{CachedInput: 401}, 1203, 400},
	} {
		got := cost(t, made, "m", test.tokens, now)
		quote, err := made.Quote("m", test.tokens, now, meter.UnitUSD)
		if err != nil || got != test.want || quote.AboveInputTokens != test.tier {
			t.Errorf("%+v: %d in tier %d, %v; want %d in %d", test.tokens, got, quote.AboveInputTokens, err, test.want, test.tier)
		}
	}
}

// A price that was not told refuses the turn, or falls back; a price of zero is free.
func TestUntoldIsNotFree(t *testing.T) {
	made := table(t, dollars(
		simple("told", price.Rates{Input: rate("1"), CachedInput: rate("0"), CacheWrite: rate("0"), Output: rate("2"), Reasoning: rate("0")}),
		simple("untold", inOut("1", "2")),
		simple("free", inOut("0", "0")),
		simple("embedding", price.Rates{Input: rate("1")}),
		simple("answers", price.Rates{Output: rate("2")}),
		simple("thinks", price.Rates{Reasoning: rate("2")}),
	))
	rest := meter.TokenUsage{CachedInput: 10, CacheWrite: 10, Reasoning: 10}
	for model, want := range map[string]meter.Micros{"told": 0, "untold": 40, "free": 0} {
		if got := cost(t, made, model, rest, now); got != want {
			t.Errorf("%s: %d, want %d", model, got, want)
		}
	}
	for _, test := range []struct {
		model  string
		tokens meter.TokenUsage
		class  price.Class
	}{
		{"embedding", meter.TokenUsage{Input: 5, Output: 1}, price.Output},
		{"embedding", meter.TokenUsage{Reasoning: 1}, price.Reasoning},
		{"answers", meter.TokenUsage{Input: 1}, price.Input},
		{"answers", meter.TokenUsage{CachedInput: 1}, price.CachedInput},
		{"answers", meter.TokenUsage{CacheWrite: 1}, price.CacheWrite},
		{"thinks", meter.TokenUsage{Output: 1}, price.Output},
	} {
		_, err := made.Quote(test.model, test.tokens, now, meter.UnitUSD)
		wantUnpriced(t, err, price.Unpriced{Model: test.model, Class: test.class}, "no price for "+test.class.String()+" tokens")
	}
	if got := cost(t, made, "embedding", meter.TokenUsage{Input: 5, CachedInput: 1, CacheWrite: 1}, now); got != 7 {
		t.Errorf("an embedding costs %d, want 7", got)
	}
}

func TestWhatCannotBePriced(t *testing.T) {
	made := table(t, price.Book{ID: "b", Unit: meter.UnitUSD, Models: []price.Model{simple("gpt-4o", inOut("1000000", "1000000"))}})
	one := meter.TokenUsage{Input: 1}
	for _, test := range []struct {
		model  string
		tokens meter.TokenUsage
		unit   meter.Unit
		want   error
		says   string
	}{
		{"gpt4o", one, meter.UnitUSD, &price.Unpriced{Model: "gpt4o", Nearest: []string{"gpt-4o"}}, "near it are gpt-4o"},
		{"GPT-4o", one, meter.UnitUSD, &price.Unpriced{Model: "GPT-4o", Nearest: []string{"gpt-4o"}}, "not in the price book"},
		{"", one, meter.UnitUSD, &price.Unpriced{}, "not in the price book"},
		{"gpt-4o", one, meter.UnitACU, &price.UnitMismatch{BookID: "b", Has: meter.UnitUSD, Asked: meter.UnitACU}, "in USD and has no conversion to ACU"},
		{"gpt-4o", one, 0, &price.UnitMismatch{BookID: "b", Has: meter.UnitUSD}, "unit 0"},
		{"gpt-4o", one, 3, &price.UnitMismatch{BookID: "b", Has: meter.UnitUSD, Asked: 3}, "unit 3"},
		{"gpt-4o", one, -1, &price.UnitMismatch{BookID: "b", Has: meter.UnitUSD, Asked: -1}, "unit -1"},
		{"gpt-4o", meter.TokenUsage{Output: -1}, meter.UnitUSD, &price.BadTokens{Class: price.Output, Tokens: -1}, "output tokens must be 0 to"},
		{"gpt-4o", meter.TokenUsage{CacheWrite: 1e12 + 1}, meter.UnitUSD, &price.BadTokens{Class: price.CacheWrite, Tokens: 1e12 + 1}, "not 1000000000001"},
		{"gpt-4o", meter.TokenUsage{Input: 1e9 + 1}, meter.UnitUSD, &price.TooMuch{Model: "gpt-4o"}, "more than 1000000000000000 micros"},
		{"gpt-4o", meter.TokenUsage{Input: 1e12, CachedInput: 1e12, CacheWrite: 1e12, Output: 1e12, Reasoning: 1e12}, meter.UnitUSD, &price.TooMuch{Model: "gpt-4o"}, "cost more"},
	} {
		quote, err := made.Quote(test.model, test.tokens, now, test.unit)
		if !sameError(err, test.want) || !strings.Contains(err.Error(), test.says) || !reflect.DeepEqual(quote, price.Quote{}) {
			t.Errorf("%q %+v: %+v, %v; want %v", test.model, test.tokens, quote, err, test.want)
		}
		if amount, err := made.Amount(test.model, test.tokens, now, test.unit); amount != 0 || !sameError(err, test.want) {
			t.Errorf("%q %+v: Amount is %d, %v; want %v", test.model, test.tokens, amount, err, test.want)
		}
	}
	if got := cost(t, made, "gpt-4o", meter.TokenUsage{Input: 1e9}, now); got != meter.MaxAmount {
		t.Errorf("the largest amount came out as %d", got)
	}
}

// sameError reports whether two errors are of one type and say the same in every field.
func sameError(a, b error) bool {
	return a != nil && fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

func wantUnpriced(t *testing.T, err error, want price.Unpriced, says string) {
	t.Helper()
	var got *price.Unpriced
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want %v", err, &want)
	}
	if !reflect.DeepEqual(*got, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %+v, %q; want %+v, saying %q", *got, err, want, says)
	}
}
