package price_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// now is when turns of these tests run, unless a test is about time.
var now = time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)

// rate is a price that the test knows to be good.
func rate(text string) *price.Decimal {
	d, err := price.ParseDecimal(text)
	if err != nil {
		panic(err)
	}
	return &d
}

// inOut are the two rates that every model has.
func inOut(input, output string) price.Rates {
	return price.Rates{Input: rate(input), Output: rate(output)}
}

// simple is a model of one price that always held.
func simple(name string, rates price.Rates, aliases ...string) price.Model {
	return price.Model{Name: name, Aliases: aliases, Prices: []price.Price{{Rates: rates}}}
}

// dollars is a book in USD of which an ACU costs 4 cents.
func dollars(models ...price.Model) price.Book {
	return price.Book{ID: "b", Version: 3, Unit: meter.UnitUSD, ACUMicrosPerUSD: 25_000_000, Models: models}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func table(t fataler, b price.Book) *price.Table {
	t.Helper()
	made, err := price.New(b)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return made
}

// cost is the amount of a quote, which both ways of asking must agree on.
func cost(t fataler, table *price.Table, model string, tokens meter.TokenUsage, at time.Time) meter.Micros {
	t.Helper()
	quote, err := table.Quote(model, tokens, at, meter.UnitUSD)
	if err != nil {
		t.Fatalf("Quote(%s, %+v): %v", model, tokens, err)
	}
	if amount, err := table.Amount(model, tokens, at, meter.UnitUSD); err != nil || amount != quote.Amount {
		t.Fatalf("Amount(%s, %+v) = %d, %v; Quote says %d", model, tokens, amount, err, quote.Amount)
	}
	return quote.Amount
}

// rat is an exact number that the test knows to be one.
func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text + " is no number")
	}
	return r
}

// sumOf adds the exact amounts of the parts of those classes, all if none are named.
func sumOf(parts []price.Part, only ...price.Class) *big.Rat {
	total := new(big.Rat)
	for _, part := range parts {
		wanted := len(only) == 0
		for _, class := range only {
			wanted = wanted || part.Class == class
		}
		if wanted {
			total.Add(total, part.Amount())
		}
	}
	return total
}

func TestClassesAreNamedAsInTheContract(t *testing.T) {
	want := []string{"input", "cached_input", "cache_write", "output", "reasoning"}
	for i, class := range price.Classes() {
		if int(class) != i+1 || class.String() != want[i] {
			t.Errorf("class %d is %d, %q; want %q", i+1, class, class, want[i])
		}
	}
	for _, stray := range []price.Class{-1, 6} {
		if got := stray.String(); got != "unknown" {
			t.Errorf("class %d is %q", int(stray), got)
		}
		if got := inOut("1", "2").Of(stray); got != nil {
			t.Errorf("class %d has the rate %s", int(stray), got)
		}
	}
}
