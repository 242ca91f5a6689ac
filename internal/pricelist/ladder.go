package pricelist

import (
	"maps"
	"slices"

	"github.com/spillway-metering/spillway/internal/price"
)

// ladder is what a class of tokens costs: at first, and in turns with more input tokens than a bound.
type ladder struct {
	base  *price.Decimal
	above map[int64]*price.Decimal
}

// ladders are those of all classes. Both lists tell tiers class by class; a book has them turn by turn.
type ladders map[price.Class]ladder

func (l ladders) set(class price.Class, above int64, rate *price.Decimal) {
	if rate == nil {
		return
	}
	at := l[class]
	if above == 0 {
		at.base = rate
	} else {
		if at.above == nil {
			at.above = map[int64]*price.Decimal{}
		}
		at.above[above] = rate
	}
	l[class] = at
}

// price has a tier for each bound of any class. A class that has none there keeps the rate of its highest bound below.
func (l ladders) price() price.Price {
	var p price.Price
	bounds := map[int64]bool{}
	for class, at := range l {
		*slot(&p.Rates, class) = at.base
		for bound := range at.above {
			bounds[bound] = true
		}
	}
	var carried price.Rates
	for _, bound := range slices.Sorted(maps.Keys(bounds)) {
		for class, at := range l {
			if rate := at.above[bound]; rate != nil {
				*slot(&carried, class) = rate
			}
		}
		p.Tiers = append(p.Tiers, price.Tier{AboveInputTokens: bound, Rates: carried})
	}
	return p
}

// slot is where the rate of a class stands.
func slot(r *price.Rates, class price.Class) **price.Decimal {
	switch class {
	case price.CachedInput:
		return &r.CachedInput
	case price.CacheWrite:
		return &r.CacheWrite
	case price.Output:
		return &r.Output
	case price.Reasoning:
		return &r.Reasoning
	default:
		return &r.Input
	}
}
