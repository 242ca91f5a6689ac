package pricelist

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/price"
)

// read reads a list that is in order.
func read(t *testing.T, file string, options Options) List {
	t.Helper()
	list, err := Read(strings.NewReader(file), options)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// ownNames are the models' own names, sorted.
func ownNames(b price.Book) (own []string) {
	for _, m := range b.Models {
		own = append(own, m.Name)
	}
	slices.Sort(own)
	return own
}

func told(r price.Rates) string {
	var all []string
	for _, class := range price.Classes() {
		all = append(all, text(r.Of(class)))
	}
	return strings.Join(all, " ")
}

func TestPricesPerTokenAreShiftedExactly(t *testing.T) {
	list := read(t, litellm(`"input_cost_per_token": 1.23456789e-07, "cache_read_input_token_cost": 0.000000000000000001,
		"cache_creation_input_token_cost": null, "output_cost_per_reasoning_token": 5E-6`), Options{})
	if got := told(list.Book.Models[0].Prices[0].Rates); got != "0.123456789 0.000000000001  1 5" {
		t.Errorf("got %q", got)
	}
}

func TestTiersOfSeveralClassesAreOneLadder(t *testing.T) {
	list := read(t, litellm(`"input_cost_per_token": 1e-6, "input_cost_per_token_above_200k_tokens": 4e-6,
		"input_cost_per_token_above_128k_tokens": 2e-6, "output_cost_per_token_above_128k_tokens": 3e-6,
		"cache_creation_input_token_cost_above_1hr": 9e-6, "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 9e-6,
		"input_cost_per_token_above_128k_tokens_priority": 9e-6, "input_cost_per_token_batches": 9e-6`), Options{})
	p := list.Book.Models[0].Prices[0]
	if got := told(p.Rates); got != "1   1 " {
		t.Errorf("base: got %q", got)
	}
	if len(p.Tiers) != 2 || p.Tiers[0].AboveInputTokens != 128_000 || p.Tiers[1].AboveInputTokens != 200_000 {
		t.Fatalf("got %+v", p.Tiers)
	}
	if got := told(p.Tiers[0].Rates); got != "2   3 " {
		t.Errorf("above 128,000: got %q", got)
	}
	if got := told(p.Tiers[1].Rates); got != "4   3 " {
		t.Errorf("above 200,000, where the output keeps the rate of the tier below: got %q", got)
	}
	want := []string{
		"cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
		"input_cost_per_token_above_128k_tokens_priority", "input_cost_per_token_batches",
	}
	if got := slices.Sorted(maps.Keys(list.Unread)); !slices.Equal(got, want) {
		t.Errorf("unread: got %v, want %v", got, want)
	}
}

func TestSuspectEntriesAreToldOneByOne(t *testing.T) {
	list := read(t, `{
		"sample_spec": {"mode": "one of: chat", "input_cost_per_token": "nonsense"},
		"good":    {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-3, "output_cost_per_token": 1e-3},
		"absurd":  {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1.001e-3},
		"missing": {"litellm_provider": "p", "mode": "chat", "output_cost_per_token": 1e-6, "tiered_pricing": []},
		"unknown": {"litellm_provider": "p", "mode": "chat"},
		"zero":    {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 0},
		"later":   {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6, "input_cost_per_token_above_128k_tokens": 0},
		"cached":  {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6, "cache_read_input_token_cost": 0},
		"painter": {"litellm_provider": "p", "mode": "image_generation", "input_cost_per_token": 1e-6},
		"unsaid":  {"litellm_provider": "p", "input_cost_per_token": 1e-6}
	}`, Options{})
	want := []Finding{
		{"absurd", AbsurdPrice, "output at 1001, above the bound of 1000"},
		{"missing", NoInputPrice, "there is only tiered_pricing"},
		{"unknown", NoInputPrice, ""},
		{"zero", ZeroPrice, "input and output at 0"},
		{"later", ZeroPrice, "input at 0"},
	}
	if !slices.Equal(list.Refused, want) {
		t.Errorf("refused: got %+v, want %+v", list.Refused, want)
	}
	if got := ownNames(list.Book); !slices.Equal(got, []string{"cached", "good"}) {
		t.Errorf("taken: got %v", got)
	}
	if want := map[string]int{"mode image_generation": 1, "mode untold": 1}; !maps.Equal(list.Skipped, want) {
		t.Errorf("skipped: got %v, want %v", list.Skipped, want)
	}
}

func TestOnlyWhatIsAskedForIsTaken(t *testing.T) {
	for pattern, want := range map[string]string{
		"*":                    "a/b/gpt-1 a/gpt-2 gpt-3",
		"a/*":                  "a/b/gpt-1 a/gpt-2",
		"*gpt-?":               "a/b/gpt-1 a/gpt-2 gpt-3",
		"gpt-[0-9]":            "gpt-3",
		"a?b*":                 "a/b/gpt-1",
		"a/gpt-2":              "a/gpt-2",
		"a/b/gpt-1 gpt-3":      "a/b/gpt-1 gpt-3",
		"gpt-3 a/b/* a/b/gpt*": "a/b/gpt-1 gpt-3",
	} {
		const model = `{"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6}`
		file := `{"a/b/gpt-1": ` + model + `, "a/gpt-2": ` + model + `, "gpt-3": ` + model + `}`
		list := read(t, file, Options{Only: strings.Fields(pattern)})
		if got := strings.Join(ownNames(list.Book), " "); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}

func TestAliasesNeverNameTwoModels(t *testing.T) {
	file := `[
		{"id": "one", "models": [
			{"id": "m", "prices": {"input_mtok": 1}, "match": {"or": [{"equals": "m-old"}, {"equals": "m"}, {"starts_with": "m-"}, {"equals": "two/n"}]}},
			{"id": "n", "prices": {"input_mtok": 1}, "match": {"equals": "shared"}},
			{"id": "o", "prices": {"input_mtok": 1}, "match": {"and": [{"equals": "both"}, {"contains": "b"}]}}]},
		{"id": "two", "models": [
			{"id": "n", "prices": {"input_mtok": 1}, "match": {"or": [{"or": [{"equals": "deep"}]}, {"equals": "shared"}]}}]}
	]`
	book := byName(read(t, file, Options{}).Book)
	for name, want := range map[string]string{"one/m": "m m-old", "one/n": "", "one/o": "o", "two/n": "deep"} {
		if got := strings.Join(book[name].Aliases, " "); got != want {
			t.Errorf("%s: got aliases %q, want %q", name, got, want)
		}
	}
	// What is not taken claims its names nevertheless: an alias must not depend on what else was asked for.
	list := read(t, file, Options{Only: []string{"m-old", "one/n"}})
	if len(list.Book.Models) != 2 || len(list.Book.Models[1].Aliases) != 0 {
		t.Errorf("by alias and by name: got %+v", list.Book.Models)
	}
}
