package pricelist

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// Changes are what differs between two books, each list in the order of its names. A name is what callers say, be it a
// model's own name or an alias: that is what they are charged by.
type Changes struct {
	// Added are models of the new book whose name the old one does not know, Gone those the other way round.
	Added, Gone []price.Model
	// Changed are rates under names that both books know.
	Changed []RateChange
	// Moved are names that both know, for models of different names.
	Moved []Move
	// Names are aliases that only one of the books knows, of models that are in both.
	Names []NameChange
	// About is what the books say of themselves.
	About []AboutChange
}

// RateChange is one rate: of one class, from a moment on, in one tier.
type RateChange struct {
	Model            string         // The name by which both books know it.
	ValidFrom        time.Time      // Zero: always.
	AboveInputTokens int64          // 0: no tier.
	Class            price.Class    // Of the tokens.
	Old, New         *price.Decimal // Per million tokens. nil: not told.
}

// Move is a name that meant one model, and now means another.
type Move struct{ Name, From, To string }

// NameChange is what became of a model's aliases.
type NameChange struct {
	Model       string
	Added, Gone []string
}

// AboutChange is a property of the book.
type AboutChange struct{ Property, Old, New string }

// Empty reports whether the books are the same but for their ids and versions.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Gone)+len(c.Changed)+len(c.Moved)+len(c.Names)+len(c.About) == 0
}

// Compare tells what differs. The order of models and of aliases does not count.
func Compare(old, current price.Book) Changes {
	changes := Changes{About: compareAbout(old, current)}
	before, after := byName(old), byName(current)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was := before[name]
		now, known := after[name]
		switch {
		case known:
			changes.both(name, was, now, before, after)
		case was.Name == name:
			changes.Gone = append(changes.Gone, was)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, known := before[name]; !known && after[name].Name == name {
			changes.Added = append(changes.Added, after[name])
		}
	}
	return changes
}

// both compares what a name that both books know means in them. Rates are told once, under the model's own name if that
// is the same in both.
func (c *Changes) both(name string, was, now price.Model, before, after names) {
	switch {
	case was.Name != now.Name:
		c.Moved = append(c.Moved, Move{name, was.Name, now.Name})
		c.Changed = append(c.Changed, compareRates(name, was, now)...)
	case now.Name == name:
		c.Changed = append(c.Changed, compareRates(name, was, now)...)
		added, gone := before.unknown(now.Aliases), after.unknown(was.Aliases)
		if len(added)+len(gone) > 0 {
			c.Names = append(c.Names, NameChange{name, added, gone})
		}
	}
}

// Ratio is by how much the rate changed, such as "+12.5 %", "×1000" or "÷10". Whole factors are exact, and so are
// percentages unless they begin with "about".
func (c RateChange) Ratio() string {
	switch {
	case c.Old == nil:
		return "new"
	case c.New == nil:
		return "gone"
	case c.Old.IsZero():
		return "was free"
	case c.New.IsZero():
		return "now free"
	}
	factor := new(big.Rat).Quo(c.New.Rat(), c.Old.Rat())
	if factor.IsInt() {
		return "×" + factor.Num().String()
	}
	if inverse := new(big.Rat).Inv(factor); inverse.IsInt() {
		return "÷" + inverse.Num().String()
	}
	percent := factor.Sub(factor, big.NewRat(1, 1))
	percent.Mul(percent, big.NewRat(100, 1))
	return percentText(percent)
}

// percentText shows up to two digits after the point, and says so if there would be more.
func percentText(percent *big.Rat) string {
	text := percent.FloatString(2)
	shown, _ := new(big.Rat).SetString(text)
	about := ""
	if shown.Cmp(percent) != 0 {
		about = "about "
	}
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	if percent.Sign() > 0 {
		text = "+" + text
	}
	return about + strings.Replace(text, "-", "−", 1) + " %"
}

// names are the models of a book by all their names.
type names map[string]price.Model

func byName(b price.Book) names {
	models := make(names, len(b.Models))
	for _, m := range b.Models {
		models[m.Name] = m
		for _, alias := range m.Aliases {
			models[alias] = m
		}
	}
	return models
}

// unknown are those texts that are no names, sorted.
func (n names) unknown(texts []string) []string {
	rest := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { _, known := n[text]; return known })
	slices.Sort(rest)
	return rest
}

// place is where in a model a rate stands. The moment is in UTC, so that equal ones are the same key.
type place struct {
	from  time.Time
	above int64
	class price.Class
}

func compareRates(name string, old, current price.Model) (changes []RateChange) {
	before, after := placed(old), placed(current)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for at, told := range all {
		told.Model, told.Old, told.New = name, before[at].New, after[at].New
		if told.Old == nil || told.New == nil || told.Old.Cmp(*told.New) != 0 {
			changes = append(changes, told)
		}
	}
	slices.SortFunc(changes, func(a, b RateChange) int {
		return cmp.Or(a.ValidFrom.Compare(b.ValidFrom), cmp.Compare(a.AboveInputTokens, b.AboveInputTokens),
			cmp.Compare(a.Class, b.Class))
	})
	return changes
}

// placed are the rates that a model tells, as if all were new.
func placed(m price.Model) map[place]RateChange {
	all := map[place]RateChange{}
	add := func(from time.Time, above int64, rates price.Rates) {
		for _, class := range price.Classes() {
			if rate := rates.Of(class); rate != nil {
				at := place{from.UTC(), above, class}
				all[at] = RateChange{ValidFrom: at.from, AboveInputTokens: above, Class: class, New: rate}
			}
		}
	}
	for _, p := range m.Prices {
		add(p.ValidFrom, 0, p.Rates)
		for _, tier := range p.Tiers {
			add(p.ValidFrom, tier.AboveInputTokens, tier.Rates)
		}
	}
	return all
}

func compareAbout(old, current price.Book) (changes []AboutChange) {
	add := func(property, before, after string) {
		if before != after {
			changes = append(changes, AboutChange{property, before, after})
		}
	}
	add("unit", UnitName(old.Unit), UnitName(current.Unit))
	add("micros of ACU per USD", conversion(old), conversion(current))
	add("source", old.Source, current.Source)
	add("licence", old.Licence, current.Licence)
	add("as of", day(old.AsOf), day(current.AsOf))
	return changes
}

// UnitName is a unit as people write it; empty for none.
func UnitName(u meter.Unit) string {
	switch u {
	case meter.UnitACU:
		return "ACU"
	case meter.UnitUSD:
		return "USD"
	default:
		return ""
	}
}

func conversion(b price.Book) string {
	if b.ACUMicrosPerUSD == 0 {
		return ""
	}
	return fmt.Sprint(b.ACUMicrosPerUSD)
}

func day(d meter.Date) string {
	if d == (meter.Date{}) {
		return ""
	}
	return d.String()
}
