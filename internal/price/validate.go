package price

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/spillway-metering/spillway/internal/meter"
)

// The bounds of a book.
const (
	maxModels          = 20_000
	maxTiers           = 8
	maxNameRunes       = 200
	maxACUMicrosPerUSD = 1_000_000_000_000
)

// maxRate is the dearest rate per million tokens: more is a mistake of the unit, not a price.
var maxRate = Decimal{whole: "1000000"}

// Fault says why a book cannot be used.
type Fault struct {
	Key     string // Where, by the contract's names: `models[3] "gpt-4o": prices[1].valid_from`.
	Problem string // What must be otherwise there.
}

// Error is the key and the problem.
func (f *Fault) Error() string { return f.Key + ": " + f.Problem }

// below is the fault as seen from what holds it.
func (f *Fault) below(format string, args ...any) *Fault {
	return &Fault{Key: fmt.Sprintf(format, args...) + f.Key, Problem: f.Problem}
}

// check answers the first fault of the book, nil if it has none.
func (b *Book) check() *Fault {
	if problem := nameProblem(b.ID); problem != "" {
		return &Fault{"price_book_id", problem}
	}
	switch {
	case b.Version < 0:
		return &Fault{"version", "must not be negative"}
	case b.Unit != meter.UnitUSD && b.Unit != meter.UnitACU:
		return &Fault{"unit", "must be USD or ACU"}
	case b.ACUMicrosPerUSD < 0 || b.ACUMicrosPerUSD > maxACUMicrosPerUSD:
		return &Fault{"acu_micros_per_usd", fmt.Sprintf("must be 0 to %d", int64(maxACUMicrosPerUSD))}
	case b.AsOf != meter.Date{} && !b.AsOf.Valid():
		return &Fault{"as_of", "must be a day that exists"}
	case len(b.Models) > maxModels:
		return &Fault{"models", fmt.Sprintf("must be at most %d, not %d", maxModels, len(b.Models))}
	}
	return b.checkModels()
}

func (b *Book) checkModels() *Fault {
	taken := make(map[string]int, len(b.Models))
	for i := range b.Models {
		m := &b.Models[i]
		if f := m.checkNames(taken, i); f != nil {
			return f.below("models[%d] %q: ", i, m.Name)
		}
		if f := m.checkPrices(); f != nil {
			return f.below("models[%d] %q: ", i, m.Name)
		}
	}
	return nil
}

// checkNames enters the names of the model at that index among those that are taken.
func (m *Model) checkNames(taken map[string]int, index int) *Fault {
	enter := func(key, name string) *Fault {
		if problem := nameProblem(name); problem != "" {
			return &Fault{key, problem}
		}
		if by, ok := taken[name]; ok {
			return &Fault{key, fmt.Sprintf("%q is already a name of models[%d]", name, by)}
		}
		taken[name] = index
		return nil
	}
	if f := enter("model", m.Name); f != nil {
		return f
	}
	for i, alias := range m.Aliases {
		if f := enter("", alias); f != nil {
			return f.below("aliases[%d]", i)
		}
	}
	return nil
}

func (m *Model) checkPrices() *Fault {
	if len(m.Prices) == 0 {
		return &Fault{"prices", "must hold at least one price"}
	}
	for i := range m.Prices {
		if i > 0 && !m.Prices[i].ValidFrom.After(m.Prices[i-1].ValidFrom) {
			return &Fault{fmt.Sprintf("prices[%d].valid_from", i), "must be later than that of the price before"}
		}
		if f := m.Prices[i].check(); f != nil {
			return f.below("prices[%d].", i)
		}
	}
	return nil
}

func (p *Price) check() *Fault {
	if p.Rates == (Rates{}) {
		return &Fault{"rates", "must tell at least one rate"}
	}
	if f := p.Rates.check(); f != nil {
		return f
	}
	if len(p.Tiers) > maxTiers {
		return &Fault{"tiers", fmt.Sprintf("must be at most %d, not %d", maxTiers, len(p.Tiers))}
	}
	above := int64(0)
	for i, tier := range p.Tiers {
		if tier.AboveInputTokens <= above {
			return &Fault{fmt.Sprintf("tiers[%d].above_input_tokens", i), fmt.Sprintf("must be more than %d", above)}
		}
		above = tier.AboveInputTokens
		if f := tier.Rates.check(); f != nil {
			return f.below("tiers[%d].", i)
		}
	}
	return nil
}

func (r Rates) check() *Fault {
	for _, class := range Classes() {
		if rate := r.Of(class); rate != nil && rate.Cmp(maxRate) > 0 {
			return &Fault{"rates." + class.String(), fmt.Sprintf("must be at most %s per million tokens, not %s", maxRate, rate)}
		}
	}
	return nil
}

// nameProblem says what is wrong with a name, "" if nothing is.
func nameProblem(name string) string {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return "must not be empty"
	case n > maxNameRunes:
		return fmt.Sprintf("must have at most %d characters, not %d", maxNameRunes, n)
	case name[0] == ' ' || name[len(name)-1] == ' ':
		return "must not begin or end with a space"
	case !isPrintable(name):
		return "must have printable characters only"
	}
	return ""
}

func isPrintable(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(text)
}
