package price

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Price is Amount for the rules: what cannot be priced is a *meter.Refusal, UnpricedModel, which names what
// the book knows by a like name, or AmountOutOfRange.
func (t *Table) Price(model string, tokens meter.TokenUsage, at time.Time, unit meter.Unit) (meter.Micros, error) {
	amount, err := t.Amount(model, tokens, at, unit)
	return amount, t.Refusal(err)
}

// Unit is that of the book's prices.
func (t *Table) Unit() meter.Unit { return t.book.Unit }

// unitNames are the units as the contract has them.
var unitNames = map[meter.Unit]string{meter.UnitACU: "UNIT_ACU", meter.UnitUSD: "UNIT_USD"}

// Refusal is what the rules make of an error of the table's Quote or Amount; nil of nil.
func (t *Table) Refusal(err error) error {
	var (
		unpriced *Unpriced
		unit     *UnitMismatch
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unpriced):
		facts := t.facts()
		facts["model"] = unpriced.Model
		if len(unpriced.Nearest) > 0 {
			facts["nearest"] = strings.Join(unpriced.Nearest, ", ")
		}
		if !unpriced.From.IsZero() {
			facts["valid_from"] = unpriced.From.UTC().Format(time.RFC3339)
		}
		if unpriced.Class != 0 {
			facts["token_class"] = unpriced.Class.String()
		}
		return &meter.Refusal{Reason: meter.UnpricedModel, Facts: facts}
	case errors.As(err, &unit):
		facts := t.facts()
		facts["unit"] = unitNames[unit.Asked]
		return &meter.Refusal{Reason: meter.UnpricedModel, Facts: facts}
	default:
		return &meter.Refusal{Reason: meter.AmountOutOfRange}
	}
}

// facts say which book, and which version of it.
func (t *Table) facts() map[string]string {
	return map[string]string{"price_book_id": t.book.ID, "price_book_version": strconv.FormatInt(t.book.Version, 10)}
}
