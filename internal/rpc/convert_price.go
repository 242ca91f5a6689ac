package rpc

import (
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

func quoteMessage(q price.Quote, unit meter.Unit) *meterv1.QuoteResponse {
	return &meterv1.QuoteResponse{
		AmountMicros: int64(q.Amount), Unit: number[meterv1.Unit](unit), PriceBookId: q.BookID, PriceBookVersion: q.Version,
		Model: q.Model, AboveInputTokens: q.AboveInputTokens, ValidFrom: moment(q.ValidFrom),
		Parts: each(q.Parts, partMessage),
	}
}

func partMessage(p price.Part) *meterv1.QuotePart {
	return &meterv1.QuotePart{
		TokenClass: meterv1.TokenClass(p.Class), //nolint:gosec // There are five.
		Tokens:     p.Tokens, RatePerMillion: p.Rate.String(), Amount: p.AmountText(),
	}
}
