package price_test

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// TestPriceRefuses has the rules' view of what cannot be priced: a reason, and facts by which a caller can mend it.
func TestPriceRefuses(t *testing.T) {
	one := rate("1")
	from := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	table, err := price.New(price.Book{ID: "list", Version: 3, Unit: meter.UnitUSD, Models: []price.Model{
		{Name: "gpt-4o", Prices: []price.Price{{Rates: price.Rates{Input: one}}}},
		{Name: "later", Prices: []price.Price{{ValidFrom: from, Rates: price.Rates{Input: one}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	book := map[string]string{"price_book_id": "list", "price_book_version": "3"}
	for name, c := range map[string]struct {
		model  string
		tokens meter.TokenUsage
		unit   meter.Unit
		reason meter.Reason
		facts  map[string]string
	}{
		"unknown model": {
			"gpt-4p",
			meter.TokenUsage{Input: 1},
			meter.UnitUSD, meter.UnpricedModel,
			map[string]string{"model": "gpt-4p", "nearest": "gpt-4o"},
		},
		"not yet": {
			"later",
			meter.TokenUsage{Input: 1},
			meter.UnitUSD, meter.UnpricedModel,
			map[string]string{"model": "later", "valid_from": "2026-05-01T00:00:00Z"},
		},
		"class": {
			"gpt-4o",
			meter.TokenUsage{Output: 1},
			meter.UnitUSD, meter.UnpricedModel,
			map[string]string{"model": "gpt-4o", "token_class": "output"},
		},
		"unit": {"gpt-4o", meter.TokenUsage{Input: 1}, meter.UnitACU, meter.UnpricedModel, map[string]string{"unit": "UNIT_ACU"}},
	} {
		_, err := table.Price(c.model, c.tokens, from.Add(-time.Hour), c.unit)
		var refusal *meter.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != c.reason {
			t.Errorf("%s: %v", name, err)
			continue
		}
		maps.Copy(c.facts, book)
		if !maps.Equal(refusal.Facts, c.facts) {
			t.Errorf("%s: the facts are %v, want %v", name, refusal.Facts, c.facts)
		}
	}
	if amount, err := table.Price("gpt-4o", meter.TokenUsage{Input: 7}, from, meter.UnitUSD); err != nil || amount != 7 {
		t.Errorf("7 tokens cost %d, %v", amount, err)
	}
}

// TestDecimalsAreTextInJSON: a stored price must never pass through a binary float.
func TestDecimalsAreTextInJSON(t *testing.T) {
	const text = "0.123456789012345678"
	written, err := json.Marshal(price.Rates{Input: rate(text)})
	if err != nil {
		t.Fatal(err)
	}
	var read price.Rates
	if err := json.Unmarshal(written, &read); err != nil || read.Input == nil || read.Input.String() != text || read.Output != nil {
		t.Errorf("%s is read as %+v, %v", written, read, err)
	}
	if err := json.Unmarshal([]byte(`{"input": "-1"}`), &read); err == nil {
		t.Error("a negative price is read")
	}
}
