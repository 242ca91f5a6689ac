package rpc

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

func bookOf(in *meterv1.PriceBook) (price.Book, error) {
	b := price.Book{
		ID: in.GetPriceBookId(), Unit: number[meter.Unit](in.GetUnit()), ACUMicrosPerUSD: in.GetAcuMicrosPerUsd(),
		Source: in.GetSource(), Licence: in.GetLicence(), Models: make([]price.Model, len(in.GetModels())),
	}
	if in.GetAsOf() != nil {
		b.AsOf = dateOf(in.GetAsOf())
		if !b.AsOf.Valid() {
			return b, invalidField("price_book.as_of", "must be a day that the calendar has")
		}
	}
	for i, m := range in.GetModels() {
		model, err := modelOf(m, fmt.Sprintf("price_book.models[%d]", i))
		if err != nil {
			return b, err
		}
		b.Models[i] = model
	}
	return b, nil
}

func modelOf(in *meterv1.ModelPrices, path string) (price.Model, error) {
	m := price.Model{Name: in.GetModel(), Aliases: in.GetAliases()}
	for i, p := range in.GetPrices() {
		at := fmt.Sprintf("%s.prices[%d]", path, i)
		if p.GetValidFrom() != nil && !p.GetValidFrom().IsValid() {
			return m, invalidField(at+".valid_from", requireTime)
		}
		rates, err := ratesOf(p.GetRates(), at+".rates")
		if err != nil {
			return m, err
		}
		next := price.Price{ValidFrom: timeOf(p.GetValidFrom()), Rates: rates}
		for j, t := range p.GetTiers() {
			rates, err := ratesOf(t.GetRates(), fmt.Sprintf("%s.tiers[%d].rates", at, j))
			if err != nil {
				return m, err
			}
			next.Tiers = append(next.Tiers, price.Tier{AboveInputTokens: t.GetAboveInputTokens(), Rates: rates})
		}
		m.Prices = append(m.Prices, next)
	}
	return m, nil
}

// timeOf is the zero time where none is said.
func timeOf(in *timestamppb.Timestamp) time.Time {
	if in == nil {
		return time.Time{}
	}
	return momentOf(in)
}

func ratesOf(in *meterv1.TokenRates, path string) (r price.Rates, err error) {
	for _, rate := range []struct {
		told *string
		name string
		to   **price.Decimal
	}{
		{in.Input, "input", &r.Input},
		{in.CachedInput, "cached_input", &r.CachedInput},
		{in.CacheWrite, "cache_write", &r.CacheWrite},
		{in.Output, "output", &r.Output},
		{in.Reasoning, "reasoning", &r.Reasoning},
	} {
		if rate.told == nil {
			continue
		}
		d, err := price.ParseDecimal(*rate.told)
		if err != nil {
			return r, invalidField(path+"."+rate.name, "must be a decimal number of at least 0, such as 0.15")
		}
		*rate.to = &d
	}
	return r, nil
}

func bookMessage(b price.Book) *meterv1.PriceBook {
	return &meterv1.PriceBook{
		PriceBookId: b.ID, Version: b.Version, Unit: number[meterv1.Unit](b.Unit), AcuMicrosPerUsd: b.ACUMicrosPerUSD,
		Source: b.Source, Licence: b.Licence, AsOf: asOfMessage(b.AsOf), Models: each(b.Models, modelMessage),
		CreatedAt: moment(b.CreatedAt),
	}
}

func asOfMessage(d meter.Date) *meterv1.Date {
	if d == (meter.Date{}) {
		return nil
	}
	return dateMessage(d)
}

func modelMessage(m price.Model) *meterv1.ModelPrices {
	return &meterv1.ModelPrices{Model: m.Name, Aliases: m.Aliases, Prices: each(m.Prices, priceMessage)}
}

func priceMessage(p price.Price) *meterv1.Price {
	out := &meterv1.Price{ValidFrom: moment(p.ValidFrom), Rates: ratesMessage(p.Rates)}
	for _, t := range p.Tiers {
		out.Tiers = append(out.Tiers, &meterv1.PriceTier{
			AboveInputTokens: t.AboveInputTokens, Rates: ratesMessage(t.Rates),
		})
	}
	return out
}

func ratesMessage(r price.Rates) *meterv1.TokenRates {
	return &meterv1.TokenRates{
		Input: decimalText(r.Input), CachedInput: decimalText(r.CachedInput), CacheWrite: decimalText(r.CacheWrite),
		Output: decimalText(r.Output), Reasoning: decimalText(r.Reasoning),
	}
}

// decimalText is absent where there is no price: a price of 0 is one.
func decimalText(d *price.Decimal) *string {
	if d == nil {
		return nil
	}
	text := d.String()
	return &text
}

func quoteMessage(q price.Quote, unit meter.Unit) *meterv1.QuoteResponse {
	out := &meterv1.QuoteResponse{
		AmountMicros: int64(q.Amount), Unit: number[meterv1.Unit](unit), PriceBookId: q.BookID, PriceBookVersion: q.Version,
		Model: q.Model, AboveInputTokens: q.AboveInputTokens, ValidFrom: moment(q.ValidFrom),
	}
	for _, p := range q.Parts {
		out.Parts = append(out.Parts, &meterv1.QuotePart{
			TokenClass: meterv1.TokenClass(p.Class), //nolint:gosec // There are five.
			Tokens:     p.Tokens, RatePerMillion: p.Rate.String(), Amount: p.AmountText(),
		})
	}
	return out
}
