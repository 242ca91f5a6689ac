package price

import (
	"slices"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Class is one of the disjoint classes that the tokens of a turn fall into.
type Class int

// The classes, by which meter.TokenUsage counts. 0 is none of them.
const (
	Input       Class = iota + 1 // What the model read anew.
	CachedInput                  // What it read from its provider's cache.
	CacheWrite                   // What it read and had its provider keep.
	Output                       // What it answered.
	Reasoning                    // What it thought before it answered.
)

// classes is how many there are.
const classes = int(Reasoning)

var classNames = [classes + 1]string{"none", "input", "cached_input", "cache_write", "output", "reasoning"}

// Classes are all classes, in the order of the contract.
func Classes() []Class { return []Class{Input, CachedInput, CacheWrite, Output, Reasoning} }

// String is the class as the contract's fields begin: "cached_input" of cached_input_tokens.
func (c Class) String() string {
	if c < 0 || int(c) > classes {
		return "unknown"
	}
	return classNames[c]
}

// fallback is the class whose rate stands in for one that the book does not tell; 0: none does.
func (c Class) fallback() Class {
	switch c {
	case CachedInput, CacheWrite:
		return Input
	case Reasoning:
		return Output
	default:
		return 0
	}
}

// Rates are prices per million tokens of each class, in the book's unit. nil is a price not told, zero is free. Without a
// rate of their own, cached input and cache write cost as input does, and reasoning as output.
type Rates struct {
	Input       *Decimal `json:"input,omitempty"`
	CachedInput *Decimal `json:"cached_input,omitempty"`
	CacheWrite  *Decimal `json:"cache_write,omitempty"`
	Output      *Decimal `json:"output,omitempty"`
	Reasoning   *Decimal `json:"reasoning,omitempty"`
}

// Of is the rate told for a class, nil if none is.
func (r Rates) Of(class Class) *Decimal {
	switch class {
	case Input:
		return r.Input
	case CachedInput:
		return r.CachedInput
	case CacheWrite:
		return r.CacheWrite
	case Output:
		return r.Output
	case Reasoning:
		return r.Reasoning
	default:
		return nil
	}
}

// Tier changes the price of the whole turn once it reads more than so many tokens: input, cached input and cache write
// together. What a tier does not tell costs as it does without the tier.
type Tier struct {
	AboveInputTokens int64 `json:"above_input_tokens"`
	Rates            Rates `json:"rates"`
}

// Price is what a model costs from a moment on, until its next price. The highest tier that a turn reaches applies.
type Price struct {
	ValidFrom time.Time `json:"valid_from,omitzero"` // Zero: always.
	Rates     Rates     `json:"rates"`
	Tiers     []Tier    `json:"tiers,omitempty"` // Ascending.
}

// Model is a name that a caller may give, with its prices. An alias is another name of the same.
type Model struct {
	Name    string   `json:"model"`
	Aliases []string `json:"aliases,omitempty"`
	Prices  []Price  `json:"prices"` // Ascending by ValidFrom.
}

// Book is a list of prices under a name and a version. Once used, a version never changes.
type Book struct {
	ID              string
	Version         int64
	CreatedAt       time.Time  // When this version was put; zero: it was not yet.
	Unit            meter.Unit // Of every rate.
	ACUMicrosPerUSD int64      // Micros of an ACU that one dollar buys; 0: the book is for its own unit only.
	Source, Licence string     // Where its numbers come from.
	AsOf            meter.Date // The day on which they were so there; zero: not told.
	Models          []Model
}

// clone shares nothing with the book: neither can be changed through the other.
func (b Book) clone() Book {
	b.Models = slices.Clone(b.Models)
	for i := range b.Models {
		m := &b.Models[i]
		m.Aliases, m.Prices = slices.Clone(m.Aliases), slices.Clone(m.Prices)
		for j := range m.Prices {
			p := &m.Prices[j]
			p.Rates, p.Tiers = p.Rates.clone(), slices.Clone(p.Tiers)
			for k := range p.Tiers {
				p.Tiers[k].Rates = p.Tiers[k].Rates.clone()
			}
		}
	}
	return b
}

func (r Rates) clone() Rates {
	for _, rate := range []**Decimal{&r.Input, &r.CachedInput, &r.CacheWrite, &r.Output, &r.Reasoning} {
		if *rate != nil {
			own := **rate
			*rate = &own
		}
	}
	return r
}
