package price

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// named is a table of models that all cost the same.
func named(t testing.TB, names ...string) *Table {
	t.Helper()
	book := Book{ID: "b", Unit: meter.UnitUSD}
	for _, name := range names {
		book.Models = append(book.Models, Model{Name: name, Prices: []Price{{Rates: Rates{Input: &Decimal{whole: "1"}}}}})
	}
	made, err := New(book)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestNearest(t *testing.T) {
	names := []string{
		"gpt-4o", "gpt-4o-mini", "gpt-4.1", "o3", "claude-sonnet-4-5-20250929", "claude-opus-4-6", "gemini-2.5-flash",
		"gemini-2.5-flash-lite", "gemini-2.5-pro", "mistral/mistral-large-latest", "Größe",
	}
	made := named(t, names...)
	made.nearby = append(made.nearby, fold("an-alias"))
	for asked, want := range map[string][]string{
		"GPT-4o":                       {"gpt-4o", "gpt-4o-mini", "gpt-4.1"},
		"gpt4o":                        {"gpt-4o", "gpt-4o-mini", "gpt-4.1"},
		"gpt-4o-2024-08-06":            {"gpt-4o"},
		"claude-sonnet-4.5":            {"claude-sonnet-4-5-20250929"},
		"claude-opus-4.5":              {"claude-opus-4-6"},
		"anthropic/claude-opus-4-6-v1": {"claude-opus-4-6"},
		"gemini-flash-2.5":             {"gemini-2.5-flash"},
		"gemini 2.5":                   {"gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"},
		"mistral-large":                {"mistral/mistral-large-latest"},
		"o3":                           {"o3"},
		"o4":                           {"o3"},
		"an alias":                     {"an-alias"},
		"GRÖẞE":                        {"Größe"},
		"llama-3-70b":                  nil,
		"":                             nil,
		"---":                          nil,
		strings.Repeat("gpt-4o", 200):  nil,
	} {
		for range 2 { // The second time from memory.
			got := made.Nearest(asked)
			if !slices.Equal(got, want) {
				t.Errorf("Nearest(%.40q) = %q, want %q", asked, got, want)
			}
			clear(got) // What was answered is the caller's.
		}
	}
}

func TestMissesAreBounded(t *testing.T) {
	made := named(t, "gpt-4o")
	for i := range 3 * maxMisses {
		made.Nearest(fmt.Sprint("gpt-4o-", i))
	}
	if kept := len(made.misses.nearest); kept == 0 || kept > maxMisses {
		t.Errorf("%d answers are kept, want 1 to %d", kept, maxMisses)
	}
}

// The quick way to count edits and the plain one find the same, up to the bound.
func TestEditsAreCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[abc]{0,9}`)
		a, b := []rune(text.Draw(t, "a")), []rune(text.Draw(t, "b"))
		bound := rapid.IntRange(max(1, len(a)-len(b), len(b)-len(a)), 9).Draw(t, "bound")
		want := plainEdits(a, b)
		if got := edits(a, b, bound); got != want && (want <= bound || got <= bound) {
			t.Fatalf("edits(%q, %q, %d) = %d, want %d", string(a), string(b), bound, got, want)
		}
	})
}

// plainEdits follows the definition.
func plainEdits(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	if a[0] == b[0] {
		return plainEdits(a[1:], b[1:])
	}
	return 1 + min(plainEdits(a[1:], b), plainEdits(a, b[1:]), plainEdits(a[1:], b[1:]))
}

// BenchmarkNearest asks a book as large as LiteLLM's, and one as large as may be, for a name they do not have.
func BenchmarkNearest(b *testing.B) {
	for _, size := range []int{3_000, maxModels} {
		var names []string
		for i := range size {
			names = append(names, fmt.Sprintf("provider-%d/model-%d-large-%x", i%37, i, 7919*i))
		}
		made := named(b, names...)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				made.search("provider-11/mdel-77-largo-1234")
			}
		})
	}
}
