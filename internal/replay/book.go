package replay

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// costs says what a turn of a model costs, in micros.
type costs func(model string, inputTokens, outputTokens int64) (int64, error)

// flat is the same price for every model.
func flat(p Prices) costs {
	return func(_ string, inputTokens, outputTokens int64) (int64, error) {
		return p.Cost(inputTokens, outputTokens)
	}
}

// costs are those of the options: by the server's price book, worked out here from its decimals so that what the server
// charges is held to another's sum, or at a flat price.
func (r *replayer) costs(ctx context.Context) (costs, error) {
	if r.options.Book == "" {
		return flat(r.options.Prices), nil
	}
	var answer *meterv1.GetPriceBookResponse
	err := r.client.do(ctx, "GetPriceBook", func(ctx context.Context, s stub) (err error) {
		answer, err = s.GetPriceBook(ctx, &meterv1.GetPriceBookRequest{PriceBookId: r.options.Book})
		return err
	})
	if status.Code(err) == codes.NotFound && r.options.BookOptional {
		return r.withoutBook(), nil
	}
	if status.Code(err) == codes.NotFound {
		return nil, fmt.Errorf("the server has no price book %s: import one with meterctl prices import, or replay with "+
			"--amounts: %w", r.options.Book, err)
	}
	if err != nil {
		return nil, err
	}
	return newBook(answer.GetPriceBook(), time.Now())
}

// withoutBook goes on with amounts, and says so.
func (r *replayer) withoutBook() costs {
	if r.options.Notice != nil {
		prices := r.options.Prices
		r.options.Notice(fmt.Sprintf("The server has no price book %s: turns are priced at %s USD per million input tokens and %s per "+
			"million output tokens, and told as amounts.", r.options.Book, prices.Input, prices.Output))
	}
	r.options.Book = ""
	return flat(r.options.Prices)
}

// rates are prices of one token in micros: a unit per million tokens is a micro per token.
type rates struct{ input, output *big.Rat }

// ladder is the price of a model: its rates, and those from each bound of input tokens on.
type ladder struct {
	base  rates
	above []int64 // Rising.
	tiers []rates
}

// newBook reads the prices that hold at a time.
func newBook(book *meterv1.PriceBook, at time.Time) (costs, error) {
	ladders := map[string]ladder{}
	for _, m := range book.GetModels() {
		var holds *meterv1.Price
		for _, p := range m.GetPrices() {
			if p.GetValidFrom() == nil || !p.GetValidFrom().AsTime().After(at) {
				holds = p
			}
		}
		if holds == nil {
			continue
		}
		l, err := newLadder(holds)
		if err != nil {
			return nil, fmt.Errorf("model %s of price book %s: %w", m.GetModel(), book.GetPriceBookId(), err)
		}
		for _, name := range append([]string{m.GetModel()}, m.GetAliases()...) {
			ladders[name] = l
		}
	}
	return func(model string, inputTokens, outputTokens int64) (int64, error) {
		l, ok := ladders[model]
		if !ok {
			return 0, fmt.Errorf("price book %s has no price for model %q", book.GetPriceBookId(), model)
		}
		return l.cost(model, inputTokens, outputTokens)
	}, nil
}

func newLadder(p *meterv1.Price) (l ladder, err error) {
	if l.base, err = newRates(p.GetRates(), rates{}); err != nil {
		return l, err
	}
	for _, t := range p.GetTiers() {
		tier, err := newRates(t.GetRates(), l.base)
		if err != nil {
			return l, err
		}
		l.above, l.tiers = append(l.above, t.GetAboveInputTokens()), append(l.tiers, tier)
	}
	return l, nil
}

func newRates(told *meterv1.TokenRates, otherwise rates) (rates, error) {
	r := otherwise
	for _, rate := range []struct {
		text *string
		to   **big.Rat
	}{{told.Input, &r.input}, {told.Output, &r.output}} {
		if rate.text == nil {
			continue
		}
		exact, ok := new(big.Rat).SetString(*rate.text)
		if !ok {
			return r, fmt.Errorf("%q is no decimal number", *rate.text)
		}
		*rate.to = exact
	}
	return r, nil
}

func (l ladder) cost(model string, inputTokens, outputTokens int64) (int64, error) {
	holds := l.base
	if reached, _ := slices.BinarySearch(l.above, inputTokens); reached > 0 {
		holds = l.tiers[reached-1]
	}
	sum := new(big.Rat)
	for _, part := range []struct {
		tokens int64
		rate   *big.Rat
	}{{inputTokens, holds.input}, {outputTokens, holds.output}} {
		if part.tokens == 0 {
			continue
		}
		if part.rate == nil {
			return 0, fmt.Errorf("model %q has no price for all its tokens", model)
		}
		sum.Add(sum, new(big.Rat).Mul(new(big.Rat).SetInt64(part.tokens), part.rate))
	}
	// Half up: floor(sum + 1/2).
	sum.Add(sum, big.NewRat(1, 2))
	micros := new(big.Int).Quo(sum.Num(), sum.Denom())
	if micros.Cmp(big.NewInt(maxAmountMicros)) > 0 {
		return 0, fmt.Errorf("%d input and %d output tokens cost more than one amount may be", inputTokens, outputTokens)
	}
	return micros.Int64(), nil
}
