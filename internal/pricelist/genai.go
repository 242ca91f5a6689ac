package pricelist

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/price"
)

// genaiFields are the fields that are read, each USD per million tokens. Those of audio and of requests have no class of
// their own here.
var genaiFields = map[string]price.Class{
	"input_mtok":       price.Input,
	"cache_read_mtok":  price.CachedInput,
	"cache_write_mtok": price.CacheWrite,
	"output_mtok":      price.Output,
}

// genaiModel is a model of a provider before its prices are read.
type genaiModel struct {
	node
	// name is provider/id. others are the texts that could be aliases of it, if no other model claims them.
	name   string
	others []string
}

// readGenai reads an array of providers with their models. A model is named provider/id. Its bare id, and each text that
// its match rules equate with it, are aliases where no other model of the file, taken or not, claims them. Match rules of
// the other kinds (starts_with, ends_with, contains, regex, and) are left out: a book knows exact names only, so that a
// model nobody priced never passes for one that somebody did.
func readGenai(root node, take *sieve) error {
	models, err := genaiModels(root)
	if err != nil {
		return err
	}
	claims := map[string]int{}
	names := map[string]bool{}
	for _, m := range models {
		if names[m.name] {
			return m.fault("model %q is there twice", m.name)
		}
		names[m.name] = true
		for _, text := range m.others {
			claims[text]++
		}
	}
	for _, m := range models {
		aliases := slices.DeleteFunc(m.others, func(text string) bool { return claims[text] > 1 || names[text] })
		if err := genaiConsider(m, aliases, take); err != nil {
			return err
		}
	}
	return nil
}

func genaiModels(root node) (models []genaiModel, err error) {
	providers, err := as[[]node](root, "an array")
	if err != nil {
		return nil, err
	}
	for _, provider := range providers {
		id, err := required[string](provider, "id", "a string")
		if err != nil {
			return nil, err
		}
		of, err := required[[]node](provider, "models", "an array")
		if err != nil {
			return nil, err
		}
		for _, n := range of {
			m, err := required[string](n, "id", "a string")
			if err != nil {
				return nil, err
			}
			others := []string{m}
			for _, text := range genaiEqual(n) {
				if !slices.Contains(others, text) {
					others = append(others, text)
				}
			}
			models = append(models, genaiModel{n, id + "/" + m, others})
		}
	}
	return models, nil
}

// genaiEqual has the texts that a model's match rule equates with it, sorted. Rules that are no such rules have none.
func genaiEqual(model node) (texts []string) {
	fields, _ := model.value.(object)
	rule, _ := fields.get("match")
	var walk func(node)
	walk = func(rule node) {
		fields, _ := rule.value.(object)
		if equals, ok := fields.get("equals"); ok {
			if text, ok := equals.value.(string); ok {
				texts = append(texts, text)
			}
		}
		if either, ok := fields.get("or"); ok {
			rules, _ := either.value.([]node)
			for _, rule := range rules {
				walk(rule)
			}
		}
	}
	walk(rule)
	slices.Sort(texts)
	return texts
}

func genaiConsider(m genaiModel, aliases []string, take *sieve) error {
	prices, err := m.child("prices")
	if err != nil {
		return err
	}
	e := entry{model: price.Model{Name: m.name, Aliases: aliases}}
	byHour, err := genaiPrices(prices, &e)
	if err != nil || !take.wanted(m.name, aliases) {
		return err
	}
	if byHour != "" {
		take.refuse(m.name, TimeOfDay, byHour)
		return nil
	}
	if len(e.unread) > 0 {
		e.hint = "there is only " + strings.Join(e.unread, ", ")
	}
	take.consider(e)
	return nil
}

// genaiPrices reads the prices of a model: one object, or an array of them with the days from which they hold. Where some
// hold at certain hours only, byHour says which.
func genaiPrices(n node, e *entry) (byHour string, err error) {
	several, ok := n.value.([]node)
	if !ok {
		p, err := genaiPrice(n, e)
		e.model.Prices = []price.Price{p}
		return "", err
	}
	for _, conditional := range several {
		rates, err := conditional.child("prices")
		if err != nil {
			return "", err
		}
		p, err := genaiPrice(rates, e)
		if err != nil {
			return "", err
		}
		from, hours, err := genaiConstraint(conditional)
		if err != nil {
			return "", err
		}
		if hours != "" {
			byHour = hours
			continue
		}
		p.ValidFrom = from
		if i := len(e.model.Prices); i > 0 && !p.ValidFrom.After(e.model.Prices[i-1].ValidFrom) {
			return "", conditional.fault("must hold from a later day than the price before it")
		}
		e.model.Prices = append(e.model.Prices, p)
	}
	if len(several) == 0 {
		return "", n.fault("must not be empty")
	}
	return byHour, nil
}

// genaiConstraint is the start of the day from which a price holds, in UTC, or the hours at which it does.
func genaiConstraint(conditional node) (from time.Time, hours string, err error) {
	fields, err := as[object](conditional, "an object")
	if err != nil {
		return time.Time{}, "", err
	}
	constraint, ok := fields.get("constraint")
	if !ok || constraint.value == nil {
		return time.Time{}, "", nil
	}
	bounds, err := as[object](constraint, "an object")
	if err != nil {
		return time.Time{}, "", err
	}
	if bounds.has("start_time") {
		start, err := required[string](constraint, "start_time", "a string")
		return time.Time{}, "another price from " + start, err
	}
	day, err := required[string](constraint, "start_date", "a string")
	if err != nil {
		return time.Time{}, "", err
	}
	from, err = time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}, "", constraint.fault("start_date must be a day such as 2026-01-31, not %q", day)
	}
	return from, "", nil
}

func genaiPrice(n node, e *entry) (price.Price, error) {
	fields, err := as[object](n, "an object")
	if err != nil {
		return price.Price{}, err
	}
	all := ladders{}
	for _, m := range fields {
		class, ok := genaiFields[m.name]
		if !ok {
			if !slices.Contains(e.unread, m.name) {
				e.unread = append(e.unread, m.name)
			}
			continue
		}
		if err := genaiRate(m.node, class, all); err != nil {
			return price.Price{}, err
		}
	}
	return all.price(), nil
}

// genaiRate reads one number, or a base with tiers, each with the input tokens above which it counts.
func genaiRate(n node, class price.Class, all ladders) error {
	if _, tiered := n.value.(object); !tiered {
		return genaiStep(n, class, 0, all)
	}
	base, err := n.child("base")
	if err != nil {
		return err
	}
	if err := genaiStep(base, class, 0, all); err != nil {
		return err
	}
	tiers, err := required[[]node](n, "tiers", "an array")
	if err != nil {
		return err
	}
	last := int64(0)
	for _, tier := range tiers {
		start, err := required[json.Number](tier, "start", "a number")
		if err != nil {
			return err
		}
		above, err := strconv.ParseInt(start.String(), 10, 64)
		if err != nil || above <= last {
			return tier.fault("start must be a whole number above %d, not %s", last, start)
		}
		rate, err := tier.child("price")
		if err != nil {
			return err
		}
		if err := genaiStep(rate, class, above, all); err != nil {
			return err
		}
		last = above
	}
	return nil
}

func genaiStep(n node, class price.Class, above int64, all ladders) error {
	rate, err := decimal(n, 0)
	all.set(class, above, rate)
	return err
}
