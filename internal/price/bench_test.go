package price_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

var turnTokens = meter.TokenUsage{Input: 1234, CachedInput: 20_000, Output: 567}

// BenchmarkAmount is what a turn pays for its price: in its book's unit, in the other, and with more digits than fit a
// machine word.
func BenchmarkAmount(b *testing.B) {
	made := table(b, dollars(simple("gpt-4o", inOut("2.5", "10")), simple("precise", inOut("2.5000000000000000000000000001", "10"))))
	for _, test := range []struct {
		name, model string
		unit        meter.Unit
	}{{"same unit", "gpt-4o", meter.UnitUSD}, {"exchanged", "gpt-4o", meter.UnitACU}, {"wide", "precise", meter.UnitUSD}} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := made.Amount(test.model, turnTokens, now, test.unit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQuote is the same with the parts of the price.
func BenchmarkQuote(b *testing.B) {
	made := table(b, dollars(simple("gpt-4o", inOut("2.5", "10"))))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := made.Quote("gpt-4o", turnTokens, now, meter.UnitUSD); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew is what it takes to make a table of as many models as LiteLLM's book has.
func BenchmarkNew(b *testing.B) {
	book := dollars()
	for i := range 3000 {
		book.Models = append(book.Models, simple(fmt.Sprint("provider/model-", i), inOut("2.5", "10")))
	}
	for b.Loop() {
		if _, err := price.New(book); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLearner is one turn's share, observing and expecting, when every processor asks at once and a thousand pairs of
// organization and model are in use.
func BenchmarkLearner(b *testing.B) {
	l := price.NewLearner(0)
	organizations := make([]string, 1000)
	for i := range organizations {
		organizations[i] = fmt.Sprint("organization-", i)
	}
	var caller atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		turn := 37 * caller.Add(1)
		for ; pb.Next(); turn++ {
			organization := organizations[turn%1000]
			l.Observe(organization, "gpt-4o", turn%2000)
			l.Expect(organization, "gpt-4o", 4096)
		}
	})
}
