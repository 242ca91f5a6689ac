package pricelist

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spillway-metering/spillway/internal/price"
)

// litellmInput is the field by which LiteLLM's list is known.
const litellmInput = "input_cost_per_token"

// litellmFields are the fields that are read, each USD per token. Those of audio and images, of batches, priority and
// flexible service, and of caches that are kept for an hour have no class of their own here.
var litellmFields = map[string]price.Class{
	litellmInput:                      price.Input,
	"cache_read_input_token_cost":     price.CachedInput,
	"cache_creation_input_token_cost": price.CacheWrite,
	"output_cost_per_token":           price.Output,
	"output_cost_per_reasoning_token": price.Reasoning,
}

// litellmModes are the modes that are priced by tokens of text alone. A realtime model's turn is mostly audio, and to
// price that as text would be far too cheap.
var litellmModes = []string{"chat", "completion", "responses", "embedding"}

// perMillion is the power of ten from a price per token to one per million tokens.
const perMillion = 6

// readLitellm reads an object of entries by model. Prices are checked in all of them, also where they are not taken: a
// file with a broken number anywhere is not to be trusted elsewhere.
func readLitellm(root node, take *sieve) error {
	entries, err := as[object](root, "an object")
	if err != nil {
		return err
	}
	for _, m := range entries {
		if m.name == "sample_spec" {
			continue // Explains the fields.
		}
		fields, err := as[object](m.node, "an object")
		if err != nil {
			return err
		}
		e, err := litellmEntry(m.name, fields)
		if err != nil {
			return err
		}
		if !take.wanted(m.name, nil) {
			continue
		}
		if mode := litellmMode(fields); !slices.Contains(litellmModes, mode) {
			take.skip("mode " + mode)
			continue
		}
		take.consider(e)
	}
	return nil
}

func litellmMode(fields object) string {
	if mode, ok := fields.get("mode"); ok {
		if text, ok := mode.value.(string); ok {
			return text
		}
	}
	return "untold"
}

func litellmEntry(name string, fields object) (entry, error) {
	var e entry
	all, others := ladders{}, map[string]bool{}
	for _, m := range fields {
		class, above, ok := litellmField(m.name)
		if !ok {
			others[m.name] = true
			continue
		}
		rate, err := decimal(m.node, perMillion)
		if err != nil {
			return entry{}, err
		}
		all.set(class, above, rate)
	}
	for _, field := range slices.Sorted(maps.Keys(others)) {
		if strings.Contains(field, "cost") || strings.Contains(field, "pric") {
			e.unread = append(e.unread, field)
		}
	}
	if len(e.unread) > 0 {
		e.hint = "there is only " + strings.Join(e.unread, ", ")
	}
	e.model = price.Model{Name: name, Prices: []price.Price{all.price()}}
	return e, nil
}

// litellmField is the class whose price a field has, and the input tokens above which it counts: of
// input_cost_per_token_above_128k_tokens that is 128,000.
func litellmField(name string) (class price.Class, above int64, ok bool) {
	base, tier, tiered := strings.Cut(name, "_above_")
	if class, ok = litellmFields[base]; !ok || !tiered {
		return class, 0, ok
	}
	thousands, ok := strings.CutSuffix(tier, "k_tokens")
	if !ok {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(thousands, 10, 30)
	return class, int64(n) * 1000, err == nil && n > 0
}
