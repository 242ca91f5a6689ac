package pricelist

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

func rate(t *testing.T, text string) *price.Decimal {
	t.Helper()
	if text == "" {
		return nil
	}
	d := decimalOf(t, text)
	return &d
}

// model has one price, for always: of input and of output, where told.
func model(t *testing.T, name, input, output string, aliases ...string) price.Model {
	t.Helper()
	return price.Model{Name: name, Aliases: aliases, Prices: []price.Price{{
		Rates: price.Rates{Input: rate(t, input), Output: rate(t, output)},
	}}}
}

func listed(models []price.Model) string {
	var all []string
	for _, m := range models {
		all = append(all, m.Name)
	}
	return strings.Join(all, " ")
}

func lines(changes []RateChange) string {
	var all []string
	for _, c := range changes {
		from := ""
		if !c.ValidFrom.IsZero() {
			from = " from " + c.ValidFrom.Format(time.DateOnly)
		}
		all = append(all, fmt.Sprintf("%s%s >%d %s: %q %q %s", c.Model, from, c.AboveInputTokens, c.Class, text(c.Old), text(c.New), c.Ratio()))
	}
	return strings.Join(all, "\n")
}

func TestWhatChangesIsTold(t *testing.T) {
	march, april := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	later := func(from time.Time, input, above string) price.Price {
		return price.Price{
			ValidFrom: from, Rates: price.Rates{Input: rate(t, input)},
			Tiers: []price.Tier{{AboveInputTokens: 1000, Rates: price.Rates{Input: rate(t, above)}}},
		}
	}
	dated := func(prices ...price.Price) price.Model {
		m := model(t, "dated", "1", "")
		m.Prices = append(m.Prices, prices...)
		return m
	}
	old := price.Book{Unit: meter.UnitUSD, Source: "a", Models: []price.Model{
		model(t, "zoe", "1", "2"), model(t, "same", "0.10", "2", "x", "y"), model(t, "dear", "2", "8", "p", "q"), dated(later(march, "3", "4")),
	}}
	current := price.Book{
		Unit: meter.UnitUSD, ACUMicrosPerUSD: 5, Source: "a", AsOf: meter.Date{Year: 2026, Month: 8, Day: 1}, ID: "other", Version: 7,
		Models: []price.Model{
			model(t, "new", "1", ""), dated(later(march.In(time.FixedZone("", 3600)), "3", "5"), later(april, "3", "4")),
			model(t, "dear", "2000", "", "r", "q"), model(t, "same", "0.1", "2", "y", "x"), model(t, "newer", "1", ""),
		},
	}
	changes := Compare(old, current)
	if listed(changes.Added) != "new newer" || listed(changes.Gone) != "zoe" {
		t.Errorf("added %q, gone %q", listed(changes.Added), listed(changes.Gone))
	}
	want := strings.Join([]string{
		`dated from 2026-03-01 >1000 input: "4" "5" +25 %`,
		`dated from 2026-04-01 >0 input: "" "3" new`,
		`dated from 2026-04-01 >1000 input: "" "4" new`,
		`dear >0 input: "2" "2000" ×1000`,
		`dear >0 output: "8" "" gone`,
	}, "\n")
	if got := lines(changes.Changed); got != want {
		t.Errorf("changed: got\n%s\nwant\n%s", got, want)
	}
	if got := fmt.Sprint(changes.Names); got != "[{dear [r] [p]}]" {
		t.Errorf("names: got %s", got)
	}
	if want := []AboutChange{{"micros of ACU per USD", "", "5"}, {"as of", "", "2026-08-01"}}; !slices.Equal(changes.About, want) {
		t.Errorf("about: got %v, want %v", changes.About, want)
	}
	if changes.Empty() || !Compare(old, old).Empty() || !Compare(current, current).Empty() {
		t.Error("empty is what compares a book with itself, and nothing else")
	}
}

// TestANameThatMovesKeepsItsComparison shows that a price cannot change unseen behind an alias.
func TestANameThatMovesKeepsItsComparison(t *testing.T) {
	old := price.Book{Models: []price.Model{model(t, "short", "1", "1"), model(t, "other", "1", "1", "free-to-go", "split")}}
	current := price.Book{Models: []price.Model{model(t, "p/long", "1000", "1", "short"), model(t, "other", "1", "1", "fresh"), model(t, "split", "1", "2")}}
	changes := Compare(old, current)
	if listed(changes.Added) != "p/long" || len(changes.Gone) > 0 {
		t.Errorf("added %q, gone %q", listed(changes.Added), listed(changes.Gone))
	}
	if want := []Move{{"short", "short", "p/long"}, {"split", "other", "split"}}; !slices.Equal(changes.Moved, want) {
		t.Errorf("moved: got %v, want %v", changes.Moved, want)
	}
	want := "short >0 input: \"1\" \"1000\" ×1000\nsplit >0 output: \"1\" \"2\" ×2"
	if got := lines(changes.Changed); got != want {
		t.Errorf("changed: got\n%s\nwant\n%s", got, want)
	}
	if got := fmt.Sprint(changes.Names); got != "[{other [fresh] [free-to-go]}]" {
		t.Errorf("names: got %s", got)
	}
}

func TestRatiosAreExactOrSaySo(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"8", "9", "+12.5 %"},
		{"10", "9", "−10 %"},
		{"0.1", "100", "×1000"},
		{"135000", "1.35", "÷100000"},
		{"2", "3", "+50 %"},
		{"3", "4", "about +33.33 %"},
		{"3", "2", "about −33.33 %"},
		{"1000000", "1000001", "about +0 %"},
		{"16", "17", "+6.25 %"},
		{"0", "1", "was free"},
		{"1", "0", "now free"},
		{"", "1", "new"},
		{"1", "", "gone"},
		{"", "0", "new"},
	} {
		if got := (RateChange{Old: rate(t, c.old), New: rate(t, c.new)}).Ratio(); got != c.want {
			t.Errorf("%s to %s: got %q, want %q", c.old, c.new, got, c.want)
		}
	}
}

// TestAnExactRatioLeadsBack holds that an old rate and what is said of it give the new one, for any two.
func TestAnExactRatioLeadsBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(label string) *price.Decimal {
			d, err := price.ParseDecimal(fmt.Sprintf("%d.%03d", rapid.IntRange(0, 50).Draw(r, label), rapid.IntRange(1, 999).Draw(r, label+" thousandths")))
			if err != nil {
				r.Fatal(err)
			}
			return &d
		}
		change := RateChange{Old: draw("old"), New: draw("new")}
		ratio := change.Ratio()
		var ok bool
		factor := new(big.Rat)
		switch {
		case strings.HasPrefix(ratio, "about "):
			return
		case strings.HasPrefix(ratio, "×"):
			_, ok = factor.SetString(strings.TrimPrefix(ratio, "×"))
		case strings.HasPrefix(ratio, "÷"):
			_, ok = factor.SetString("1/" + strings.TrimPrefix(ratio, "÷"))
		default:
			_, ok = factor.SetString(strings.Replace(strings.TrimSuffix(ratio, " %"), "−", "-", 1))
			factor.Add(factor.Quo(factor, big.NewRat(100, 1)), big.NewRat(1, 1))
		}
		if got := factor.Mul(factor, change.Old.Rat()); !ok || got.Cmp(change.New.Rat()) != 0 {
			r.Errorf("%s from %s is %s, not %s", ratio, change.Old, got, change.New)
		}
	})
}

func TestMergingKeepsWhatTheListDoesNotPrice(t *testing.T) {
	old := price.Book{ID: "b", Version: 3, Unit: meter.UnitUSD, Source: "hand", Licence: "MIT", Models: []price.Model{
		model(t, "kept", "1", "1", "k", "taken"), model(t, "replaced", "1", "1"), model(t, "is-an-alias-now", "1", "1"),
	}}
	current := price.Book{ID: "b", Unit: meter.UnitUSD, Source: "list", Licence: "MIT", Models: []price.Model{
		model(t, "replaced", "2", "2", "is-an-alias-now"), model(t, "taken", "3", "3"),
	}}
	merged, err := Merge(old, current)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := price.New(merged); err != nil {
		t.Errorf("not a valid book: %v", err)
	}
	if listed(merged.Models) != "replaced taken kept" || !slices.Equal(merged.Models[2].Aliases, []string{"k"}) || text(merged.Models[0].Prices[0].Rates.Input) != "2" {
		t.Errorf("got %+v", merged.Models)
	}
	if merged.Source != "hand; list" || merged.Licence != "MIT" || len(current.Models) != 2 || len(old.Models[0].Aliases) != 2 {
		t.Errorf("got %q, %q, or the books themselves were changed", merged.Source, merged.Licence)
	}
	if again, err := Merge(merged, current); err != nil || !Compare(merged, again).Empty() {
		t.Errorf("merged again it is the same: got %+v, %v", Compare(merged, again), err)
	}
	old.Source = strings.Repeat("s", maxSource)
	if merged, err = Merge(old, current); err != nil || merged.Source != "list" {
		t.Errorf("a source too long for both: got %q, %v", merged.Source, err)
	}
	old.Unit = meter.UnitACU
	if _, err := Merge(old, current); err == nil || !strings.Contains(err.Error(), "prices in USD cannot be merged into a book in ACU") {
		t.Errorf("got %v", err)
	}
}

func TestTheTwoListsCanBeCompared(t *testing.T) {
	litellm := readReal(t, litellmFile, Options{Only: []string{"gpt-4o", "o3"}}).Book
	genai := readReal(t, genaiFile, Options{Only: []string{"openai/gpt-4o", "openai/o3"}}).Book
	for i, m := range genai.Models {
		genai.Models[i].Name = strings.TrimPrefix(m.Name, "openai/")
	}
	want := strings.Join([]string{
		`o3 >0 input: "2" "10" ×5`, `o3 >0 output: "8" "40" ×5`, `o3 from 2025-06-10 >0 input: "" "2" new`,
		`o3 from 2025-06-10 >0 cached_input: "" "0.5" new`, `o3 from 2025-06-10 >0 output: "" "8" new`,
	}, "\n")
	if got := lines(Compare(litellm, genai).Changed); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
