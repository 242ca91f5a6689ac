package price_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// goodBook has each thing that a book can have, so that a test spoils one of them.
func goodBook() price.Book {
	return price.Book{
		ID: "list", Version: 1, Unit: meter.UnitUSD, ACUMicrosPerUSD: 1_000_000, Source: "a test", Licence: "MIT",
		AsOf: meter.Date{Year: 2026, Month: time.August, Day: 1},
		Models: []price.Model{
			simple("gpt-4o", inOut("2.5", "10"), "gpt-4o-latest"),
			{
				Name: "gemini 2.5 pro", Aliases: []string{"gemini-2.5-pro", "Modell Ü"},
				Prices: []price.Price{
					{Rates: inOut("1.25", "10"), Tiers: []price.Tier{{200_000, inOut("2.5", "15")}, {400_000, price.Rates{}}}},
					{ValidFrom: now, Rates: inOut("1", "1000000")},
				},
			},
		},
	}
}

func TestGoodBooksAreTaken(t *testing.T) {
	table(t, goodBook())
	table(t, price.Book{ID: "b", Unit: meter.UnitACU})
	full := dollars()
	for i := range 20_000 {
		full.Models = append(full.Models, simple(fmt.Sprint("m", i), inOut("1", "2")))
	}
	table(t, full)
	table(t, dollars(simple(strings.Repeat("ü", 200), inOut("1", "2"))))
}

const first, second = `models[0] "gpt-4o": `, `models[1] "gemini 2.5 pro": `

// spoiled is a way to make a good book a bad one, and the fault that must then be told.
type spoiled struct {
	spoil   func(*price.Book)
	key     string
	problem string
}

var spoiledNames = []spoiled{
	{func(b *price.Book) { b.ID = "" }, "price_book_id", "must not be empty"},
	{func(b *price.Book) { b.ID = strings.Repeat("x", 201) }, "price_book_id", "at most 200 characters, not 201"},
	{func(b *price.Book) { b.ID = " x" }, "price_book_id", "begin or end with a space"},
	{func(b *price.Book) { b.Version = -1 }, "version", "negative"},
	{func(b *price.Book) { b.Unit = 0 }, "unit", "USD or ACU"},
	{func(b *price.Book) { b.Unit = 3 }, "unit", "USD or ACU"},
	{func(b *price.Book) { b.ACUMicrosPerUSD = -1 }, "acu_micros_per_usd", "0 to 1000000000000"},
	{func(b *price.Book) { b.ACUMicrosPerUSD = 1e12 + 1 }, "acu_micros_per_usd", "0 to 1000000000000"},
	{func(b *price.Book) { b.AsOf.Day = 32 }, "as_of", "a day that exists"},
	{func(b *price.Book) { b.Models = make([]price.Model, 20_001) }, "models", "at most 20000, not 20001"},
	{func(b *price.Book) { b.Models[0].Name = "" }, `models[0] "": model`, "must not be empty"},
	{func(b *price.Book) { b.Models[0].Name = "x " }, `models[0] "x ": model`, "begin or end with a space"},
	{func(b *price.Book) { b.Models[0].Name = "x\ty" }, `models[0] "x\ty": model`, "printable"},
	{func(b *price.Book) { b.Models[0].Name = "x\xff" }, `models[0] "x\xff": model`, "printable"},
	{func(b *price.Book) { b.Models[1].Name = "gpt-4o" }, `models[1] "gpt-4o": model`, `"gpt-4o" is already a name of models[0]`},
	{func(b *price.Book) { b.Models[1].Name = "gpt-4o-latest" }, `models[1] "gpt-4o-latest": model`, "already a name of models[0]"},
	{func(b *price.Book) { b.Models[1].Aliases[0] = "gpt-4o" }, second + "aliases[0]", "already a name of models[0]"},
	{func(b *price.Book) { b.Models[1].Aliases[1] = "gemini-2.5-pro" }, second + "aliases[1]", "already a name of models[1]"},
	{func(b *price.Book) { b.Models[1].Aliases[1] = "gemini 2.5 pro" }, second + "aliases[1]", "already a name of models[1]"},
	{func(b *price.Book) { b.Models[1].Aliases[1] = "" }, second + "aliases[1]", "must not be empty"},
}

var spoiledPrices = []spoiled{
	{func(b *price.Book) { b.Models[0].Prices = nil }, first + "prices", "at least one price"},
	{func(b *price.Book) { b.Models[0].Prices[0].Rates = price.Rates{} }, first + "prices[0].rates", "at least one rate"},
	{
		func(b *price.Book) { b.Models[0].Prices[0].Rates.Reasoning = rate("1000000.01") },
		first + "prices[0].rates.reasoning", "at most 1000000 per million tokens, not 1000000.01",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[1].Rates.CacheWrite = rate("1e7") },
		second + "prices[1].rates.cache_write", "at most 1000000",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[0].ValidFrom = now },
		second + "prices[1].valid_from", "must be later than that of the price before",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[1].ValidFrom = time.Time{} },
		second + "prices[1].valid_from", "must be later than that of the price before",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[0].Tiers[0].AboveInputTokens = 0 },
		second + "prices[0].tiers[0].above_input_tokens", "more than 0",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[0].Tiers[1].AboveInputTokens = 200_000 },
		second + "prices[0].tiers[1].above_input_tokens", "more than 200000",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[0].Tiers[1].Rates.Input = rate("1000001") },
		second + "prices[0].tiers[1].rates.input", "at most 1000000",
	},
	{
		func(b *price.Book) { b.Models[1].Prices[0].Tiers = make([]price.Tier, 9) },
		second + "prices[0].tiers", "at most 8, not 9",
	},
}

func TestFaultsAreNamed(t *testing.T) {
	for _, test := range append(spoiledNames, spoiledPrices...) {
		t.Run(test.key, func(t *testing.T) {
			book := goodBook()
			test.spoil(&book)
			made, err := price.New(book)
			var fault *price.Fault
			if made != nil || !errors.As(err, &fault) {
				t.Fatalf("got %v, %v; want a fault", made, err)
			}
			if fault.Key != test.key || !strings.Contains(fault.Problem, test.problem) {
				t.Errorf("got %q: %q, want %q: …%s…", fault.Key, fault.Problem, test.key, test.problem)
			}
			if want := fault.Key + ": " + fault.Problem; err.Error() != want {
				t.Errorf("the error says %q, want %q", err, want)
			}
		})
	}
}
