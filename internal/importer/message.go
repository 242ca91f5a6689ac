package importer

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// Message is a book in the words of the contract.
func Message(b price.Book) *meterv1.PriceBook {
	out := &meterv1.PriceBook{
		PriceBookId: b.ID, Version: b.Version, Unit: meterv1.Unit(b.Unit), AcuMicrosPerUsd: b.ACUMicrosPerUSD,
		Source: b.Source, Licence: b.Licence,
	}
	if b.AsOf != (meter.Date{}) {
		//nolint:gosec // A date that is valid, as New of package price holds it to be.
		out.AsOf = &meterv1.Date{Year: int32(b.AsOf.Year), Month: int32(b.AsOf.Month), Day: int32(b.AsOf.Day)}
	}
	for _, m := range b.Models {
		model := &meterv1.ModelPrices{Model: m.Name, Aliases: m.Aliases}
		for _, p := range m.Prices {
			model.Prices = append(model.Prices, priceMessage(p))
		}
		out.Models = append(out.Models, model)
	}
	return out
}

func priceMessage(p price.Price) *meterv1.Price {
	out := &meterv1.Price{Rates: ratesMessage(p.Rates)}
	if !p.ValidFrom.IsZero() {
		out.ValidFrom = timestamppb.New(p.ValidFrom)
	}
	for _, tier := range p.Tiers {
		out.Tiers = append(out.Tiers, &meterv1.PriceTier{
			AboveInputTokens: tier.AboveInputTokens, Rates: ratesMessage(tier.Rates),
		})
	}
	return out
}

// ratesMessage leaves out what has no price: "0" would say that it is free.
func ratesMessage(r price.Rates) *meterv1.TokenRates {
	text := func(rate *price.Decimal) *string {
		if rate == nil {
			return nil
		}
		told := rate.String()
		return &told
	}
	return &meterv1.TokenRates{
		Input: text(r.Input), CachedInput: text(r.CachedInput), CacheWrite: text(r.CacheWrite),
		Output: text(r.Output), Reasoning: text(r.Reasoning),
	}
}

// Book is a message as a book. It fails at a rate that is no decimal number, and leaves all else to price.New.
func Book(in *meterv1.PriceBook) (price.Book, error) {
	b := price.Book{
		ID: in.GetPriceBookId(), Version: in.GetVersion(), Unit: meter.Unit(in.GetUnit()), //nolint:gosec // A small enum.
		ACUMicrosPerUSD: in.GetAcuMicrosPerUsd(), Source: in.GetSource(), Licence: in.GetLicence(),
	}
	if d := in.GetAsOf(); d != nil {
		b.AsOf = meter.Date{Year: int(d.GetYear()), Month: time.Month(d.GetMonth()), Day: int(d.GetDay())}
	}
	for _, m := range in.GetModels() {
		model := price.Model{Name: m.GetModel(), Aliases: m.GetAliases()}
		for _, p := range m.GetPrices() {
			read, err := bookPrice(p)
			if err != nil {
				return price.Book{}, fmt.Errorf("model %q: %w", m.GetModel(), err)
			}
			model.Prices = append(model.Prices, read)
		}
		b.Models = append(b.Models, model)
	}
	return b, nil
}

func bookPrice(in *meterv1.Price) (p price.Price, err error) {
	if in.GetValidFrom() != nil {
		p.ValidFrom = in.GetValidFrom().AsTime()
	}
	if p.Rates, err = bookRates(in.GetRates()); err != nil {
		return p, err
	}
	for _, tier := range in.GetTiers() {
		rates, err := bookRates(tier.GetRates())
		if err != nil {
			return p, err
		}
		p.Tiers = append(p.Tiers, price.Tier{AboveInputTokens: tier.GetAboveInputTokens(), Rates: rates})
	}
	return p, nil
}

func bookRates(in *meterv1.TokenRates) (r price.Rates, err error) {
	if in == nil {
		return r, nil
	}
	for _, rate := range []struct {
		told *string
		to   **price.Decimal
	}{
		{in.Input, &r.Input},
		{in.CachedInput, &r.CachedInput},
		{in.CacheWrite, &r.CacheWrite},
		{in.Output, &r.Output},
		{in.Reasoning, &r.Reasoning},
	} {
		if rate.told == nil {
			continue
		}
		d, err := price.ParseDecimal(*rate.told)
		if err != nil {
			return r, err
		}
		*rate.to = &d
	}
	return r, nil
}
