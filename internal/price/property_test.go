package price_test

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// drawRate draws what a book may say: rates as they are, free, and those with more digits than a machine word.
func drawRate(t *rapid.T, name string) *price.Decimal {
	return rate(rapid.OneOf(
		rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,4})?`),
		rapid.Just("0"),
		rapid.StringMatching(`[0-9]{1,6}(\.[0-9]{1,30})?`),
	).Draw(t, name))
}

// drawRates draws rates of every class, so that each quantity of tokens has a price.
func drawRates(t *rapid.T) price.Rates {
	return price.Rates{
		Input: drawRate(t, "input"), CachedInput: drawRate(t, "cached"), CacheWrite: drawRate(t, "write"),
		Output: drawRate(t, "output"), Reasoning: drawRate(t, "reasoning"),
	}
}

func drawTokens(t *rapid.T, most int64) meter.TokenUsage {
	count := rapid.OneOf(rapid.Int64Range(0, min(most, 3000)), rapid.Int64Range(0, most))
	return meter.TokenUsage{
		Input: count.Draw(t, "input tokens"), CachedInput: count.Draw(t, "cached tokens"),
		CacheWrite: count.Draw(t, "written tokens"), Output: count.Draw(t, "output tokens"),
		Reasoning: count.Draw(t, "reasoning tokens"),
	}
}

func counts(u meter.TokenUsage) []int64 {
	return []int64{u.Input, u.CachedInput, u.CacheWrite, u.Output, u.Reasoning}
}

// exactMicros is computed beside the package: tokens times rate, exchanged, in micros and not rounded.
func exactMicros(rates price.Rates, u meter.TokenUsage, from, to meter.Unit, acuMicrosPerUSD int64) *big.Rat {
	total := new(big.Rat)
	for i, n := range counts(u) {
		part := rat(rates.Of(price.Class(i + 1)).String())
		total.Add(total, part.Mul(part, new(big.Rat).SetInt64(n)))
	}
	exchange := big.NewRat(acuMicrosPerUSD, 1_000_000)
	switch {
	case from == to:
	case to == meter.UnitACU:
		total.Mul(total, exchange)
	default:
		total.Quo(total, exchange)
	}
	return total
}

// halfUp is the whole number nearest to one that is not negative.
func halfUp(exact *big.Rat) *big.Int {
	moved := new(big.Rat).Add(exact, big.NewRat(1, 2))
	return new(big.Int).Div(moved.Num(), moved.Denom())
}

// Whatever the rates, the tokens and the units, the amount is the exact sum rounded half up once, and the parts add up to
// that sum.
func TestQuoteIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SampledFrom([]meter.Unit{meter.UnitUSD, meter.UnitACU})
		rates, from, to := drawRates(t), units.Draw(t, "from"), units.Draw(t, "to")
		worth := rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, 1e12), rapid.Just[int64](1e6)).Draw(t, "worth")
		tokens := drawTokens(t, rapid.SampledFrom([]int64{1e6, 1e12}).Draw(t, "most"))
		book := price.Book{ID: "b", Unit: from, ACUMicrosPerUSD: worth, Models: []price.Model{simple("m", rates)}}
		exact := exactMicros(rates, tokens, from, to, worth)

		quote, err := table(t, book).Quote("m", tokens, now, to)
		want := halfUp(exact)
		if want.Cmp(big.NewInt(int64(meter.MaxAmount))) > 0 {
			if tooMuch := (*price.TooMuch)(nil); !errors.As(err, &tooMuch) {
				t.Fatalf("%+v, %v; want %s to be too much", quote, err, want)
			}
			return
		}
		if err != nil || want.Cmp(big.NewInt(int64(quote.Amount))) != 0 {
			t.Fatalf("%d, %v; want %s (%s)", quote.Amount, err, want, exact)
		}
		parts := sumOf(quote.Parts)
		if parts.Mul(parts, big.NewRat(1_000_000, 1)).Cmp(exact) != 0 {
			t.Fatalf("the parts add up to %s, want %s", parts, exact)
		}
		for _, part := range quote.Parts {
			if rat(part.AmountText()).Cmp(part.Amount()) != 0 {
				t.Fatalf("%s is told as %s", part.Amount(), part.AmountText())
			}
		}
	})
}

// Before it is rounded, what all classes cost together is what each costs alone, and two turns cost as much as one of both.
func TestCostIsAdditive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made := table(t, dollars(simple("m", drawRates(t))))
		parts := func(u meter.TokenUsage) *big.Rat {
			quote, err := made.Quote("m", u, now, meter.UnitUSD)
			if err != nil {
				t.Fatalf("%+v: %v", u, err)
			}
			return sumOf(quote.Parts)
		}
		a, b := drawTokens(t, 1e7), drawTokens(t, 1e7)
		apart := new(big.Rat)
		for _, alone := range []meter.TokenUsage{
			{Input: a.Input}, {CachedInput: a.CachedInput}, {CacheWrite: a.CacheWrite}, {Output: a.Output}, {Reasoning: a.Reasoning},
		} {
			apart.Add(apart, parts(alone))
		}
		if together := parts(a); together.Cmp(apart) != 0 {
			t.Fatalf("%+v: %s together, %s class by class", a, together, apart)
		}
		both := meter.TokenUsage{
			Input: a.Input + b.Input, CachedInput: a.CachedInput + b.CachedInput, CacheWrite: a.CacheWrite + b.CacheWrite,
			Output: a.Output + b.Output, Reasoning: a.Reasoning + b.Reasoning,
		}
		apart.Add(apart, parts(b))
		if parts(both).Cmp(apart) != 0 {
			t.Fatalf("%+v and %+v: %s at once, %s one by one", a, b, parts(both), apart)
		}
	})
}

// More tokens never cost less, in any class: within a tier, and across tiers that are each dearer than the one below.
func TestCostIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := drawRates(t)
		dearer := price.Rates{}
		for class, to := range map[price.Class]**price.Decimal{
			price.Input: &dearer.Input, price.CachedInput: &dearer.CachedInput, price.CacheWrite: &dearer.CacheWrite,
			price.Output: &dearer.Output, price.Reasoning: &dearer.Reasoning,
		} {
			if *to = drawRate(t, "dearer "+class.String()); (*to).Cmp(*base.Of(class)) < 0 {
				*to = base.Of(class)
			}
		}
		above := rapid.Int64Range(1, 5000).Draw(t, "above")
		made := table(t, dollars(price.Model{Name: "m", Prices: []price.Price{{Rates: base, Tiers: []price.Tier{{above, dearer}}}}}))
		less, added := drawTokens(t, 1e7), drawTokens(t, 1e7)
		more := meter.TokenUsage{
			Input: less.Input + added.Input, CachedInput: less.CachedInput + added.CachedInput,
			CacheWrite: less.CacheWrite + added.CacheWrite, Output: less.Output + added.Output,
			Reasoning: less.Reasoning + added.Reasoning,
		}
		if a, b := cost(t, made, "m", less, now), cost(t, made, "m", more, now); a > b {
			t.Fatalf("%+v costs %d, %+v only %d", less, a, more, b)
		}
	})
}

// Neither the order of models nor that of aliases matters, and an alias is its model.
func TestOrderAndAliasesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var models []price.Model
		for i := range rapid.IntRange(1, 6).Draw(t, "models") {
			name := fmt.Sprint("model-", i)
			models = append(models, simple(name, drawRates(t), name+"-a", name+"-b"))
		}
		tokens := drawTokens(t, 1e7)
		straight := table(t, dollars(models...))

		mixed := dollars(models...).Models
		mixed = append([]price.Model(nil), mixed...)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		for i := range mixed {
			mixed[i].Aliases = []string{mixed[i].Aliases[1], mixed[i].Aliases[0]}
		}
		shuffled := table(t, dollars(mixed...))
		for _, m := range models {
			want, err := straight.Quote(m.Name, tokens, now, meter.UnitACU)
			if err != nil {
				t.Fatalf("%s: %v", m.Name, err)
			}
			for _, name := range []string{m.Name, m.Aliases[0], m.Aliases[1]} {
				for _, made := range []*price.Table{straight, shuffled} {
					if got, err := made.Quote(name, tokens, now, meter.UnitACU); err != nil || !reflect.DeepEqual(got, want) {
						t.Fatalf("%s: %+v, %v; want %+v", name, got, err, want)
					}
				}
			}
		}
		if a, b := straight.Nearest("model"), shuffled.Nearest("model"); !reflect.DeepEqual(a, b) {
			t.Fatalf("the nearest names are %v, or %v", a, b)
		}
	})
}

// A table is its own: neither the book it was made of nor the one it answers reaches into it.
func TestTableKeepsItsBook(t *testing.T) {
	given := goodBook()
	made := table(t, given)
	spoil := func(b *price.Book) {
		m := &b.Models[1]
		*m.Prices[0].Rates.Input = *rate("999")
		*m.Prices[0].Tiers[0].Rates.Output = *rate("999")
		m.Prices[0].Rates.Output = rate("999")
		m.Prices[0].Tiers[0].AboveInputTokens = 1
		m.Prices[1].ValidFrom = now.AddDate(-9, 0, 0)
		m.Aliases[0], m.Name, b.Models[0].Prices, b.Unit = "x", "y", nil, meter.UnitACU
	}
	spoil(&given)
	answered := made.Book()
	spoil(&answered)
	if got := made.Book(); !reflect.DeepEqual(got, goodBook()) {
		t.Errorf("the book became %+v", got)
	}
	before := now.Add(-1)
	if got := cost(t, made, "gemini-2.5-pro", meter.TokenUsage{Input: 200_000, Output: 100}, before); got != 251_000 {
		t.Errorf("200,000 tokens cost %d, want 251000", got)
	}
	if got := cost(t, made, "gemini-2.5-pro", meter.TokenUsage{Input: 200_001, Output: 100}, before); got != 501_503 {
		t.Errorf("200,001 tokens cost %d, want 501503", got)
	}
}
