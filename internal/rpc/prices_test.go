package rpc

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// storedBook is the sample book as it is answered once it was put.
func storedBook(a api, version int64) *meterv1.PriceBook {
	book := samplePriceBook()
	book.Version, book.CreatedAt = version, timestamppb.New(a.now)
	return book
}

// withoutModels is a book as lists answer it.
func withoutModels(book *meterv1.PriceBook) *meterv1.PriceBook {
	book.Models = nil
	return book
}

// TestPriceBookVersions puts a book, the same again, and a changed one, and reads each version as it was put.
func TestPriceBookVersions(t *testing.T) {
	a, ctx := serve(t), t.Context()
	put := func(book *meterv1.PriceBook, expected *int64) (*meterv1.PriceBook, error) {
		answer, err := a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: book, ExpectedVersion: expected})
		return answer.GetPriceBook(), err
	}
	first, err := put(samplePriceBook(), proto.Int64(0))
	must(t)(first, err)
	wantEqual(t, first, withoutModels(storedBook(a, 1)))
	told := samplePriceBook() // What the server sets, it sets.
	told.Version, told.CreatedAt = 77, timestamppb.New(time.Unix(0, 0))
	again, err := put(told, nil)
	must(t)(again, err)
	wantEqual(t, again, first)

	changed := samplePriceBook()
	changed.Models[1].Prices[0].Rates.Input = proto.String("0.16")
	_, err = put(changed, proto.Int64(0))
	wantFailure(t, err, codes.FailedPrecondition, "PRICE_BOOK_CHANGED")
	second, err := put(changed, proto.Int64(1))
	must(t)(second, err)
	if second.GetVersion() != 2 {
		t.Errorf("the changed book has version %d", second.GetVersion())
	}
	for version, want := range map[int64]*meterv1.PriceBook{0: changed, 1: samplePriceBook(), 2: changed} {
		got, err := a.prices.GetPriceBook(ctx, &meterv1.GetPriceBookRequest{PriceBookId: "book", Version: version})
		must(t)(got, err)
		if len(got.GetPriceBook().GetModels()) != len(want.GetModels()) {
			t.Fatalf("version %d is %v", version, got)
		}
		for i, model := range got.GetPriceBook().GetModels() {
			wantEqual(t, model, want.GetModels()[i])
		}
	}
	listed, err := a.prices.ListPriceBooks(ctx, &meterv1.ListPriceBooksRequest{})
	must(t)(listed, err)
	if len(listed.GetPriceBooks()) != 1 {
		t.Fatalf("%v are listed", listed)
	}
	wantEqual(t, listed.GetPriceBooks()[0], second)
}

// TestExactRates: a price is answered as the number that was put, to the last digit, and none is none.
func TestExactRates(t *testing.T) {
	a, ctx := serve(t), t.Context()
	for told, want := range map[string]string{
		"0.1": "0.1", "0.30000000000000000000000000004": "0.30000000000000000000000000004", "1.5e-07": "0.00000015",
		"007.50": "7.5", "0.000": "0", "1000000": "1000000",
	} {
		book := &meterv1.PriceBook{PriceBookId: "digits", Unit: meterv1.Unit_UNIT_USD, Models: []*meterv1.ModelPrices{
			{Model: "m", Prices: []*meterv1.Price{{Rates: &meterv1.TokenRates{CacheWrite: &told}}}},
		}}
		must(t)(a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: book}))
		got, err := a.prices.GetPriceBook(ctx, &meterv1.GetPriceBookRequest{PriceBookId: "digits"})
		must(t)(got, err)
		wantEqual(t, got.GetPriceBook().GetModels()[0].GetPrices()[0].GetRates(), &meterv1.TokenRates{CacheWrite: &want})
	}
}

// badBooks are the ways to spoil a book that no rule beside a field can tell, by the path that must be named.
var badBooks = map[string]func(*meterv1.PriceBook){
	"price_book.as_of":                               func(b *meterv1.PriceBook) { b.AsOf.Day, b.AsOf.Month = 31, 2 },
	"price_book.models[0].prices[1].rates.input":     func(b *meterv1.PriceBook) { b.Models[0].Prices[1].Rates.Input = proto.String("-1") },
	"price_book.models[0].prices[0].rates.reasoning": func(b *meterv1.PriceBook) { b.Models[0].Prices[0].Rates.Reasoning = proto.String("NaN") },
	"price_book.models[1].prices[0].rates.output":    func(b *meterv1.PriceBook) { b.Models[1].Prices[0].Rates.Output = proto.String("Inf") },
	"price_book.models[1].prices[0].rates.input":     func(b *meterv1.PriceBook) { b.Models[1].Prices[0].Rates.Input = proto.String("1000000.01") },
	"price_book.models[2].prices[0].rates.cache_write": func(b *meterv1.PriceBook) {
		b.Models[2].Prices[0].Rates.CacheWrite = proto.String("0x10")
	},
	"price_book.models[0].prices[0].tiers[0].rates.cached_input": func(b *meterv1.PriceBook) {
		b.Models[0].Prices[0].Tiers[0].Rates.CachedInput = proto.String("one")
	},
	"price_book.models[0].prices[0].tiers[1].above_input_tokens": func(b *meterv1.PriceBook) {
		b.Models[0].Prices[0].Tiers = append(b.Models[0].Prices[0].Tiers, b.Models[0].Prices[0].Tiers[0])
	},
	"price_book.models[0].prices[1].valid_from": func(b *meterv1.PriceBook) {
		b.Models[0].Prices[1].ValidFrom = b.Models[0].Prices[0].ValidFrom
	},
	"price_book.models[0].prices[0].valid_from": func(b *meterv1.PriceBook) {
		b.Models[0].Prices[0].ValidFrom = &timestamppb.Timestamp{Seconds: 1 << 60}
	},
	"price_book.models[1].prices[0].rates": func(b *meterv1.PriceBook) { b.Models[1].Prices[0].Rates = &meterv1.TokenRates{} },
	"price_book.models[2].model":           func(b *meterv1.PriceBook) { b.Models[2].Model = "large-latest" },
	"price_book.models[1].model":           func(b *meterv1.PriceBook) { b.Models[1].Model = "large: \"quoted\" " },
	"price_book.models[2].aliases[1]":      func(b *meterv1.PriceBook) { b.Models[2].Aliases = []string{"gratis", "gratis"} },
	"price_book.models[0].aliases[0]":      func(b *meterv1.PriceBook) { b.Models[0].Aliases[0] = "a\tb" },
}

// TestBadBooks: a book that breaks a rule is refused whole, with the field at fault, and the version before stays.
func TestBadBooks(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	for path, spoil := range badBooks {
		book := samplePriceBook()
		spoil(book)
		_, err := a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: book})
		wantField(t, err, path)
	}
	got, err := a.prices.GetPriceBook(ctx, &meterv1.GetPriceBookRequest{PriceBookId: "book"})
	must(t)(got, err)
	wantEqual(t, got.GetPriceBook(), storedBook(a, 1))
}

// TestFaultNamesTheModel: of thousands of models the one at fault is named by its name, too.
func TestFaultNamesTheModel(t *testing.T) {
	a, book := serve(t), samplePriceBook()
	book.Models[1].Prices[0].Rates = &meterv1.TokenRates{}
	_, err := a.prices.PutPriceBook(t.Context(), &meterv1.PutPriceBookRequest{PriceBook: book})
	if err == nil || !strings.Contains(err.Error(), `"silent"`) {
		t.Errorf("got %v", err)
	}
}

// TestQuote shows the price with its parts: exact ones, and their sum rounded once.
func TestQuote(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	quote, err := a.prices.Quote(ctx, &meterv1.QuoteRequest{
		PriceBookId: "book", Model: "large-latest", TokenUsage: sampleTokens(),
		At: timestamppb.New(time.Date(2026, time.February, 28, 23, 59, 59, 0, time.UTC)),
	})
	must(t)(quote, err)
	part := func(class meterv1.TokenClass, tokens int64, rate, amount string) *meterv1.QuotePart {
		return &meterv1.QuotePart{TokenClass: class, Tokens: tokens, RatePerMillion: rate, Amount: amount}
	}
	wantEqual(t, quote, &meterv1.QuoteResponse{
		AmountMicros: 150, // 149.9
		Unit:         meterv1.Unit_UNIT_USD, PriceBookId: "book", PriceBookVersion: 1, Model: "large",
		ValidFrom: samplePriceBook().Models[0].Prices[0].ValidFrom,
		Parts: []*meterv1.QuotePart{
			part(meterv1.TokenClass_TOKEN_CLASS_INPUT, 1, "2", "0.000002"),
			part(meterv1.TokenClass_TOKEN_CLASS_CACHED_INPUT, 2, "0.2", "0.0000004"),
			part(meterv1.TokenClass_TOKEN_CLASS_CACHE_WRITE, 3, "2.5", "0.0000075"),
			part(meterv1.TokenClass_TOKEN_CLASS_OUTPUT, 4, "10", "0.00004"),
			part(meterv1.TokenClass_TOKEN_CLASS_REASONING, 5, "20", "0.0001"),
		},
	})
	// In the organization's unit, by the price of today, in its tier; what that does not tell costs as it does without.
	quote, err = a.prices.Quote(ctx, &meterv1.QuoteRequest{
		OrganizationId: "acme", Model: "large", TokenUsage: &meterv1.TokenUsage{InputTokens: 200_000, CachedInputTokens: 1, OutputTokens: 3},
	})
	must(t)(quote, err)
	wantEqual(t, quote, &meterv1.QuoteResponse{
		AmountMicros: 1_500_060, Unit: meterv1.Unit_UNIT_ACU, PriceBookId: "book", PriceBookVersion: 1, Model: "large",
		AboveInputTokens: 200_000, ValidFrom: samplePriceBook().Models[0].Prices[1].ValidFrom,
		Parts: []*meterv1.QuotePart{
			part(meterv1.TokenClass_TOKEN_CLASS_INPUT, 200_000, "3", "1.5"),
			part(meterv1.TokenClass_TOKEN_CLASS_CACHED_INPUT, 1, "3", "0.0000075"),
			part(meterv1.TokenClass_TOKEN_CLASS_OUTPUT, 3, "7", "0.0000525"),
		},
	})
	if n := len(a.state("acme").Reservations.Keys()); n != 0 {
		t.Errorf("a quote reserved %d turns", n)
	}
}

// TestQuoteIsOfTheTimeOfTurns: without a time a quote is of now, on the clock that turns go by, and by the version asked for.
func TestQuoteIsOfTheTimeOfTurns(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	changed := samplePriceBook()
	changed.Models[0].Prices[1].ValidFrom = timestamppb.New(a.now.Add(time.Hour))
	must(t)(a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: changed}))
	wantAmount := func(version, want int64) {
		t.Helper()
		quote, err := a.prices.Quote(ctx, &meterv1.QuoteRequest{
			PriceBookId: "book", Model: "large", TokenUsage: &meterv1.TokenUsage{OutputTokens: 1}, Version: version,
		})
		must(t)(quote, err)
		if quote.GetAmountMicros() != want || version != 0 && quote.GetPriceBookVersion() != version {
			t.Errorf("version %d: got %v, want %d", version, quote, want)
		}
	}
	wantAmount(0, 10)
	wantAmount(1, 7)
	must(t)(a.clock.Advance(ctx, &testingv1.AdvanceRequest{Duration: durationpb.New(time.Hour)}))
	wantAmount(0, 7)
	wantAmount(2, 7)
}

// TestUnquoted: what a quote cannot say, and why.
func TestUnquoted(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	ask := func(change func(*meterv1.QuoteRequest)) error {
		request := &meterv1.QuoteRequest{PriceBookId: "book", Model: "large", TokenUsage: sampleTokens()}
		change(request)
		_, err := a.prices.Quote(ctx, request)
		return err
	}
	wantField(t, ask(func(q *meterv1.QuoteRequest) { q.PriceBookId = "" }), "price_book_id")
	wantField(t, ask(func(q *meterv1.QuoteRequest) { q.OrganizationId = "acme" }), "price_book_id")
	wantField(t, ask(func(q *meterv1.QuoteRequest) { q.At = &timestamppb.Timestamp{Seconds: 1 << 60} }), "at")
	wantField(t, ask(func(q *meterv1.QuoteRequest) { q.TokenUsage.TotalTokens = proto.Int64(16) }), "token_usage.total_tokens")
	wantFailure(t, ask(func(q *meterv1.QuoteRequest) { q.PriceBookId = "list" }), codes.NotFound, "PRICE_BOOK_NOT_FOUND")
	wantFailure(t, ask(func(q *meterv1.QuoteRequest) { q.Version = 2 }), codes.NotFound, "PRICE_BOOK_NOT_FOUND")
	wantFailure(t, ask(func(q *meterv1.QuoteRequest) { q.PriceBookId, q.OrganizationId = "", "nobody" }),
		codes.NotFound, "ORGANIZATION_NOT_FOUND")
	for name, c := range map[string]struct {
		change func(*meterv1.QuoteRequest)
		fact   string
		want   string
	}{
		"a model that is not in the book": {func(q *meterv1.QuoteRequest) { q.Model = "larg" }, "nearest", "large, large-latest"},
		"before its first price": {
			func(q *meterv1.QuoteRequest) {
				q.At = timestamppb.New(time.Date(2025, time.December, 31, 23, 59, 59, 0, time.UTC))
			},
			"model", "large",
		},
		"a class without a price": {func(q *meterv1.QuoteRequest) { q.Model = "silent" }, "token_class", "output"},
	} {
		err := ask(c.change)
		wantFailure(t, err, codes.FailedPrecondition, "UNPRICED_MODEL")
		if got := infoOf(err).GetMetadata()[c.fact]; got != c.want {
			t.Errorf("%s: told %s %q, want %q", name, c.fact, got, c.want)
		}
	}
	free, err := a.prices.Quote(ctx, &meterv1.QuoteRequest{PriceBookId: "book", Model: "free", TokenUsage: sampleTokens()})
	if err != nil || free.GetAmountMicros() != 0 || len(free.GetParts()) != 5 {
		t.Errorf("a free model is quoted %v, %v", free, err)
	}
}
