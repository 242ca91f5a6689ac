package price

import (
	"math/big"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// maxTokens bounds the tokens of one class in one turn.
const maxTokens = 1_000_000_000_000

// Quote is what a turn's tokens cost, and why.
type Quote struct {
	BookID           string
	Version          int64
	Model            string       // Its name in the book, where an alias was asked for.
	AboveInputTokens int64        // The tier that applied; 0: none.
	ValidFrom        time.Time    // Since when this price holds; zero: always.
	Parts            []Part       // Of each class that has tokens, in the order of the classes.
	Amount           meter.Micros // The sum of the parts, rounded half up once.
}

// Part is what the tokens of one class cost.
type Part struct {
	Class    Class
	Tokens   int64
	Rate     Decimal // Per million tokens, in the book's unit.
	exchange exchange
}

// Amount is what the part costs in whole units (not micros) of what was asked for, exactly.
func (p Part) Amount() *big.Rat {
	amount := p.Rate.Rat()
	amount.Mul(amount, new(big.Rat).SetInt64(p.Tokens))
	amount.Mul(amount, big.NewRat(p.exchange.num, p.exchange.den))
	return amount.Quo(amount, new(big.Rat).SetInt64(1_000_000))
}

// AmountText is Amount as text: a decimal number such as "0.000042" or, where only an exchange to USD makes it one that
// has no end, a fraction such as "1/3".
func (p Part) AmountText() string {
	amount := p.Amount()
	if places, ends := amount.FloatPrec(); ends {
		return amount.FloatString(places)
	}
	return amount.RatString()
}

// Quote prices the tokens of a model at a time in a unit, and says how. The errors are those of Amount.
func (t *Table) Quote(model string, tokens meter.TokenUsage, at time.Time, unit meter.Unit) (Quote, error) {
	a, err := t.apply(model, tokens, at, unit)
	if err != nil {
		return Quote{}, err
	}
	return Quote{
		BookID: t.book.ID, Version: t.book.Version, Model: a.entry.name,
		AboveInputTokens: max(0, a.schedule.above), ValidFrom: a.span.from,
		Parts: a.parts(*t.exchanges[unit]), Amount: a.amount,
	}, nil
}

// Amount prices the tokens of a model at a time in a unit, rounded half up once. Its errors are *Unpriced, *UnitMismatch,
// *BadTokens and *TooMuch.
func (t *Table) Amount(model string, tokens meter.TokenUsage, at time.Time, unit meter.Unit) (meter.Micros, error) {
	a, err := t.apply(model, tokens, at, unit)
	return a.amount, err
}

// applied is a price as it applied to a turn.
type applied struct {
	entry    *entry
	span     *span
	schedule *schedule
	counts   [classes]int64
	amount   meter.Micros
}

func (t *Table) apply(model string, tokens meter.TokenUsage, at time.Time, unit meter.Unit) (applied, error) {
	if unit < 0 || int(unit) >= len(t.exchanges) || t.exchanges[unit] == nil {
		return applied{}, &UnitMismatch{BookID: t.book.ID, Has: t.book.Unit, Asked: unit}
	}
	a := applied{counts: [classes]int64{tokens.Input, tokens.CachedInput, tokens.CacheWrite, tokens.Output, tokens.Reasoning}}
	if err := a.checkCounts(); err != nil {
		return applied{}, err
	}
	if err := t.look(&a, model, at); err != nil {
		return applied{}, err
	}
	var ok bool
	if a.amount, ok = a.schedule.sums[unit].micros(a.counts); !ok {
		return applied{}, &TooMuch{Model: model}
	}
	return a, nil
}

// look finds the prices that apply.
func (t *Table) look(a *applied, model string, at time.Time) error {
	var ok bool
	if a.entry, ok = t.models[model]; !ok {
		return &Unpriced{Model: model, Nearest: t.Nearest(model)}
	}
	if a.span = a.entry.at(at); a.span == nil {
		return &Unpriced{Model: model, From: a.entry.spans[0].from}
	}
	a.schedule = a.span.reached(a.counts[Input-1] + a.counts[CachedInput-1] + a.counts[CacheWrite-1])
	for i, n := range a.counts {
		if n != 0 && a.schedule.rates[i] == nil {
			return &Unpriced{Model: model, Class: Class(i + 1)}
		}
	}
	return nil
}

func (a *applied) checkCounts() error {
	for i, n := range a.counts {
		if n < 0 || n > maxTokens {
			return &BadTokens{Class: Class(i + 1), Tokens: n}
		}
	}
	return nil
}

func (a *applied) parts(rate exchange) []Part {
	told := 0
	for _, n := range a.counts {
		told += int(min(n, 1))
	}
	parts := make([]Part, 0, told)
	for i, n := range a.counts {
		if n != 0 {
			parts = append(parts, Part{Class(i + 1), n, *a.schedule.rates[i], rate})
		}
	}
	return parts
}
