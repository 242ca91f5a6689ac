package pricelist

import (
	"encoding/json"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/spillway-metering/spillway/internal/price"
)

// sieve takes what is in order, and keeps count of the rest.
type sieve struct {
	options          Options
	bound            price.Decimal
	only, acceptZero patterns

	models  []price.Model
	refused []Finding
	skipped map[string]int
	unread  map[string]int
}

func newSieve(options Options) (*sieve, error) {
	s := &sieve{options: options, skipped: map[string]int{}, unread: map[string]int{}}
	var err error
	if s.only, err = newPatterns(options.Only); err != nil {
		return nil, err
	}
	if s.acceptZero, err = newPatterns(options.AcceptZero); err != nil {
		return nil, err
	}
	if options.Bound != nil {
		s.bound = *options.Bound
		return s, nil
	}
	s.bound, err = price.ParseDecimal(DefaultBound)
	return s, err
}

// wanted reports whether Options ask for an entry.
func (s *sieve) wanted(name string, aliases []string) bool {
	return len(s.only.patterns) == 0 || s.only.match(append([]string{name}, aliases...))
}

// skip counts an entry that is not priced by tokens of text.
func (s *sieve) skip(by string) { s.skipped[by]++ }

func (s *sieve) refuse(name string, reason Reason, detail string) {
	s.refused = append(s.refused, Finding{name, reason, detail})
}

// entry is a model as a list has it.
type entry struct {
	model price.Model
	// unread are the fields with prices that have no class of tokens.
	unread []string
	// hint says where else the price may be, for an entry that tells none.
	hint string
}

// consider takes an entry or refuses it.
func (s *sieve) consider(e entry) {
	if reason, detail := s.suspect(e); reason != "" {
		s.refuse(e.model.Name, reason, detail)
		return
	}
	s.models = append(s.models, e.model)
	for _, field := range e.unread {
		s.unread[field]++
	}
}

// suspect says what is suspect of an entry. Reasons are looked for one after the other, over all of its prices.
func (s *sieve) suspect(e entry) (Reason, string) {
	for _, p := range e.model.Prices {
		if p.Rates.Input == nil {
			return NoInputPrice, e.hint
		}
	}
	for class, rate := range e.rates() {
		if rate.Cmp(s.bound) > 0 {
			return AbsurdPrice, fmt.Sprintf("%s at %s, above the bound of %s", class, rate, s.bound)
		}
	}
	if s.acceptZero.match(append([]string{e.model.Name}, e.model.Aliases...)) {
		return "", ""
	}
	var zero []string
	for class, rate := range e.rates() {
		if (class == price.Input || class == price.Output) && rate.IsZero() && !slices.Contains(zero, class.String()) {
			zero = append(zero, class.String())
		}
	}
	if len(zero) > 0 {
		return ZeroPrice, strings.Join(zero, " and ") + " at 0"
	}
	return "", ""
}

// rates are all rates of an entry that are told, at any time and in any tier.
func (e entry) rates() iter.Seq2[price.Class, price.Decimal] {
	return func(yield func(price.Class, price.Decimal) bool) {
		for _, p := range e.model.Prices {
			all := []price.Rates{p.Rates}
			for _, tier := range p.Tiers {
				all = append(all, tier.Rates)
			}
			for _, rates := range all {
				for _, class := range price.Classes() {
					if rate := rates.Of(class); rate != nil && !yield(class, *rate) {
						return
					}
				}
			}
		}
	}
}

// decimal is a price: a number that is not negative, times ten to a power. null tells no price.
func decimal(n node, power int) (*price.Decimal, error) {
	if n.value == nil {
		return nil, nil
	}
	number, err := as[json.Number](n, "a number")
	if err != nil {
		return nil, err
	}
	text := number.String()
	if strings.HasPrefix(text, "-") {
		return nil, n.fault("must not be negative: %s", text)
	}
	d, err := price.ParseDecimal(text)
	if err == nil {
		d, err = d.Shift(power)
	}
	if err != nil {
		return nil, n.fault("%v", err)
	}
	return &d, nil
}

// patterns are those of Options, and which of them matched anything.
type patterns struct {
	patterns []string
	matched  []bool
}

// newPatterns checks patterns once, so that matching cannot fail.
func newPatterns(all []string) (patterns, error) {
	for _, pattern := range all {
		if _, err := path.Match(flat(pattern), ""); err != nil {
			return patterns{}, fmt.Errorf("price list: %q is no pattern: %w", pattern, err)
		}
	}
	return patterns{all, make([]bool, len(all))}, nil
}

// match reports whether any of the names matches any of the patterns.
func (p patterns) match(names []string) (found bool) {
	for i, pattern := range p.patterns {
		matches := func(name string) bool {
			ok, err := path.Match(flat(pattern), flat(name))
			return ok && err == nil
		}
		if slices.ContainsFunc(names, matches) {
			p.matched[i], found = true, true
		}
	}
	return found
}

// flat hides slashes from path.Match, which would not let a star pass them.
func flat(name string) string { return strings.ReplaceAll(name, "/", "\x1f") }
