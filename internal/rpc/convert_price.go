package rpc

import (
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

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
