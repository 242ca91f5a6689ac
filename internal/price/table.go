package price

import (
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Table is a book made ready to price turns. What it answers never changes, and any number of callers may use it at once.
type Table struct {
	book      Book
	models    map[string]*entry            // By name and by alias.
	exchanges [meter.UnitUSD + 1]*exchange // From the book's unit to each; nil: the book has no rate of exchange.
	nearby    []folded                     // Every name and alias, to be told to who asked for another.
	misses    misses
}

// entry is one model.
type entry struct {
	name  string
	spans []span // Ascending by start.
}

// span is a price from its start on.
type span struct {
	from      time.Time
	schedules []schedule // The base price, and each tier, ascending.
}

// schedule is what each class costs in a tier, every fall-back followed.
type schedule struct {
	above int64 // Input tokens that a turn must pass for it; -1: none need to.
	rates [classes]*Decimal
	sums  [meter.UnitUSD + 1]sum // Per unit; nil: no exchange.
}

// exchange is how many micros of one unit are how many of another. It is in lowest terms.
type exchange struct{ num, den int64 }

// New checks a book and makes it ready to use. It keeps nothing of the caller's. An error is a *Fault.
func New(b Book) (*Table, error) {
	if fault := b.check(); fault != nil {
		return nil, fault
	}
	t := &Table{book: b.clone(), models: make(map[string]*entry, len(b.Models)), exchanges: b.exchanges()}
	for i := range t.book.Models {
		m := &t.book.Models[i]
		made := t.compile(m)
		for _, name := range append([]string{m.Name}, m.Aliases...) {
			t.models[name] = made
			t.nearby = append(t.nearby, fold(name))
		}
	}
	return t, nil
}

// Book is the book that the table was made of, for the caller to keep and change.
func (t *Table) Book() Book { return t.book.clone() }

func (b *Book) exchanges() (to [meter.UnitUSD + 1]*exchange) {
	to[b.Unit] = &exchange{1, 1}
	if b.ACUMicrosPerUSD == 0 {
		return to
	}
	const microsPerUSD = 1_000_000
	common := gcd(b.ACUMicrosPerUSD, microsPerUSD)
	acu, usd := b.ACUMicrosPerUSD/common, microsPerUSD/common
	if b.Unit == meter.UnitUSD {
		to[meter.UnitACU] = &exchange{acu, usd}
	} else {
		to[meter.UnitUSD] = &exchange{usd, acu}
	}
	return to
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (t *Table) compile(m *Model) *entry {
	made := &entry{name: m.Name, spans: make([]span, len(m.Prices))}
	for i := range m.Prices {
		p := &m.Prices[i]
		schedules := make([]schedule, 0, 1+len(p.Tiers))
		schedules = append(schedules, t.schedule(-1, p.Rates, p.Rates))
		for _, tier := range p.Tiers {
			schedules = append(schedules, t.schedule(tier.AboveInputTokens, tier.Rates, p.Rates))
		}
		made.spans[i] = span{p.ValidFrom, schedules}
	}
	return made
}

func (t *Table) schedule(above int64, tier, base Rates) schedule {
	s := schedule{above: above}
	for _, class := range Classes() {
		s.rates[class-1] = resolve(class, tier, base)
	}
	for unit, exchange := range t.exchanges {
		if exchange != nil {
			s.sums[unit] = newSum(s.rates, *exchange)
		}
	}
	return s
}

// resolve is the rate of a class in a tier: the tier's own, else the base price's own, else that of the class it falls
// back to. nil: there is none.
func resolve(class Class, tier, base Rates) *Decimal {
	for ; class != 0; class = class.fallback() {
		if rate := tier.Of(class); rate != nil {
			return rate
		}
		if rate := base.Of(class); rate != nil {
			return rate
		}
	}
	return nil
}

// at is the price that is valid at a time, nil if the first one is yet to come.
func (e *entry) at(when time.Time) *span {
	for i := len(e.spans) - 1; i >= 0; i-- {
		if from := e.spans[i].from; from.IsZero() || !from.After(when) {
			return &e.spans[i]
		}
	}
	return nil
}

// reached is the schedule of the highest tier that so many input tokens reach.
func (s *span) reached(input int64) *schedule {
	last := len(s.schedules) - 1
	for last > 0 && input <= s.schedules[last].above {
		last--
	}
	return &s.schedules[last]
}
