// Package bookwire says a price book in the words of the contract, and reads one from them: the one place where the server
// and the tools do.
package bookwire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// Book is a message as a book. What is no decimal number, day or time is a *price.Fault that names the field; all else is
// left to price.New.
func Book(in *meterv1.PriceBook) (price.Book, error) {
	b := price.Book{
		ID: in.GetPriceBookId(), Version: in.GetVersion(), CreatedAt: timeOf(in.GetCreatedAt()), ACUMicrosPerUSD: in.GetAcuMicrosPerUsd(),
		Unit:   meter.Unit(in.GetUnit()), //nolint:gosec // A small enum.
		Source: in.GetSource(), Licence: in.GetLicence(), Models: make([]price.Model, len(in.GetModels())),
	}
	if d := in.GetAsOf(); d != nil {
		b.AsOf = meter.Date{Year: int(d.GetYear()), Month: time.Month(d.GetMonth()), Day: int(d.GetDay())}
		if !b.AsOf.Valid() {
			return b, fault("as_of", "must be a day that the calendar has")
		}
	}
	for i, m := range in.GetModels() {
		model, err := modelOf(m, fmt.Sprintf("models[%d]", i))
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
			return m, fault(at+".valid_from", "must be a time of the years 1 to 9999")
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
	return in.AsTime().Truncate(time.Microsecond) // As fine as times are kept.
}

// ratesOf are none where the message is not there.
func ratesOf(in *meterv1.TokenRates, path string) (r price.Rates, err error) {
	if in == nil {
		return r, nil
	}
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
			return r, fault(path+"."+rate.name, "must be a decimal number of at least 0, such as 0.15")
		}
		*rate.to = &d
	}
	return r, nil
}

// Message is a book in the words of the contract.
func Message(b price.Book) *meterv1.PriceBook {
	return &meterv1.PriceBook{
		PriceBookId: b.ID, Version: b.Version, Unit: meterv1.Unit(b.Unit), AcuMicrosPerUsd: b.ACUMicrosPerUSD,
		Source: b.Source, Licence: b.Licence, AsOf: asOfMessage(b.AsOf), Models: each(b.Models, modelMessage),
		CreatedAt: timestamp(b.CreatedAt),
	}
}

func asOfMessage(d meter.Date) *meterv1.Date {
	if d == (meter.Date{}) {
		return nil
	}
	return &meterv1.Date{Year: int32(d.Year), Month: int32(d.Month), Day: int32(d.Day)} //nolint:gosec // A valid date.
}

func modelMessage(m price.Model) *meterv1.ModelPrices {
	return &meterv1.ModelPrices{Model: m.Name, Aliases: m.Aliases, Prices: each(m.Prices, priceMessage)}
}

func priceMessage(p price.Price) *meterv1.Price {
	out := &meterv1.Price{ValidFrom: timestamp(p.ValidFrom), Rates: ratesMessage(p.Rates)}
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

// timestamp is unset of the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// each converts a list. An empty one stays nil.
func each[From, To any](from []From, convert func(From) To) (to []To) {
	for _, f := range from {
		to = append(to, convert(f))
	}
	return to
}

func fault(key, problem string) error { return &price.Fault{Key: key, Problem: problem} }
