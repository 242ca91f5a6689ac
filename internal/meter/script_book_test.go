package meter_test

import (
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// book list unit=USD exchange=1500000 small=1/3 big=2/6,4/12@2026-02-10T13:00:00Z: models with what a million of their
// input and of their output tokens cost, always or from a time on. A dash is no price.
func bookOf(r *request) price.Book {
	r.t.Helper()
	b := price.Book{
		ID:              r.arg(),
		Unit:            named(r, units, r.option("unit", "USD")),
		ACUMicrosPerUSD: r.number64(r.option("exchange", "0")),
	}
	for _, model := range slices.Sorted(maps.Keys(r.options)) {
		m := price.Model{Name: model}
		for told := range strings.SplitSeq(r.option(model, ""), ",") {
			m.Prices = append(m.Prices, priceOf(r, told))
		}
		b.Models = append(b.Models, m)
	}
	return b
}

func priceOf(r *request, told string) price.Price {
	r.t.Helper()
	rates, from, dated := strings.Cut(told, "@")
	input, output, _ := strings.Cut(rates, "/")
	p := price.Price{Rates: price.Rates{Input: rateOf(r, input), Output: rateOf(r, output)}}
	if dated {
		p.ValidFrom = moment(r.t, from)
	}
	return p
}

func rateOf(r *request, told string) *price.Decimal {
	r.t.Helper()
	if told == "-" {
		return nil
	}
	rate, err := price.ParseDecimal(told)
	if err != nil {
		r.fail("%v", err)
	}
	return &rate
}

// inputAndOutput reads tokens told as 10/20.
func inputAndOutput(r *request, told string) meter.TokenUsage {
	r.t.Helper()
	input, output, _ := strings.Cut(told, "/")
	return meter.TokenUsage{Input: r.number64(input), Output: r.number64(output)}
}

// putBook adds a version of a book to the store.
func (m *memory) putBook(t rapid.TB, b price.Book) {
	t.Helper()
	b.Version = int64(len(m.books[b.ID])) + 1
	table, err := price.New(b)
	if err != nil {
		t.Fatal(err)
	}
	m.books[b.ID] = append(slices.Clip(m.books[b.ID]), table)
}
