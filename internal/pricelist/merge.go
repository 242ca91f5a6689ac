package pricelist

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-metering/spillway/internal/price"
)

// The most characters that the contract takes for where prices come from, and for their licence.
const (
	maxSource  = 1024
	maxLicence = 256
)

// Merge is the book of current, with the models of old that it does not price itself. A name that current gives to a
// model is no longer one of another: an alias is taken from the old model, and an old model of that name goes. The source
// and the licence name both, as far as they fit. Books of different units have no common one.
func Merge(old, current price.Book) (price.Book, error) {
	if old.Unit != current.Unit {
		return price.Book{}, fmt.Errorf("prices in %s cannot be merged into a book in %s", UnitName(current.Unit), UnitName(old.Unit))
	}
	taken := map[string]bool{}
	for _, m := range current.Models {
		taken[m.Name] = true
		for _, alias := range m.Aliases {
			taken[alias] = true
		}
	}
	current.Models = slices.Clone(current.Models)
	for _, m := range old.Models {
		if taken[m.Name] {
			continue
		}
		m.Aliases = slices.DeleteFunc(slices.Clone(m.Aliases), func(alias string) bool { return taken[alias] })
		current.Models = append(current.Models, m)
	}
	current.Source = joined(current.Source, old.Source, maxSource)
	current.Licence = joined(current.Licence, old.Licence, maxLicence)
	return current, nil
}

// joined is what was said before with what is said now, unless it is said already or does not fit.
func joined(now, before string, longest int) string {
	switch {
	case before == "" || before == now:
		return now
	case slices.Contains(strings.Split(before, "; "), now):
		return before
	case len(now)+len(before)+2 > longest:
		return now
	default:
		return before + "; " + now
	}
}
