package price_test

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

var (
	//go:embed testdata/priced_usage.csv
	pricedUsage []byte
	//go:embed testdata/litellm_prices.json
	litellmPrices []byte
)

const (
	noEntry = "no-litellm-entry"
	differs = "differs"
)

// unlike are the cases that the LiteLLM book does not price as the source of the cases does: by model, how many, and why.
var unlike = map[string]struct {
	cases   int
	verdict string
	reason  string
}{
	"claude-3-7-sonnet":             {1, noEntry, "LiteLLM knows it only with its date, claude-3-7-sonnet-20250219"},
	"deepseek-r1-distill-llama-70b": {1, noEntry, "LiteLLM knows it only at other hosts, none at this price"},
	"gemini-2.5-pro-preview-05-06":  {1, noEntry, "the preview is no longer in LiteLLM's book"},
	"pixtral-12b-latest":            {1, noEntry, "LiteLLM knows it only with its version, pixtral-12b-2409"},
	"gpt-4.5-preview-2025-02-27":    {1, noEntry, "LiteLLM knows the preview only at Azure"},
	"gpt-oss-120b":                  {4, noEntry, "open weights: LiteLLM knows it only at hosts, none at this price"},
	"deepseek-reasoner":             {1, differs, "LiteLLM has the lower price of a later model of that name"},
	"gemini-1.5-flash":              {2, differs, "LiteLLM says 0 for its output, a known defect of the book"},
	"mistral-large-latest":          {7, differs, "the name moved on to a model at a quarter of the price"},
	"mistral-medium-latest":         {10, differs, "the name moved on to a model at 3.75 times the price"},
	"mistral-small-latest":          {1, differs, "the name moved on to a cheaper model"},
}

// Each of the 480 real usages comes out at the expected price, decimal for decimal and before any rounding, where the
// books agree; those where they do not are exactly the ones listed, and do come out otherwise.
func TestRealUsage(t *testing.T) {
	made := table(t, litellmBook(t))
	agreed, found := 0, map[string]int{}
	for _, usage := range readUsages(t) {
		exception, listed := unlike[usage.model]
		if listed != (usage.verdict != "agree") || listed && exception.verdict != usage.verdict {
			t.Errorf("%s, %s: the file says %q, the list %q", usage.id, usage.model, usage.verdict, exception.verdict)
		}
		same, known := usage.comesOut(t, made)
		switch {
		case listed && same:
			t.Errorf("%s, %s: comes out as expected; strike it off the list", usage.id, usage.model)
		case listed && known != (exception.verdict == differs):
			t.Errorf("%s, %s: the book knows it: %t; listed as %s", usage.id, usage.model, known, exception.verdict)
		case listed:
			found[usage.model]++
		case !same:
			t.Errorf("%s, %s: does not come out as expected", usage.id, usage.model)
		default:
			agreed++
		}
	}
	for model, exception := range unlike {
		if found[model] != exception.cases || exception.reason == "" {
			t.Errorf("%s: %d cases are unlike, %d are listed", model, found[model], exception.cases)
		}
	}
	if agreed != 450 {
		t.Errorf("%d cases agree, want 450", agreed)
	}
}

// usage is one case.
type usage struct {
	id, provider, model, verdict string
	tokens                       meter.TokenUsage
	input, output                string // In USD.
}

// comesOut reports whether the table prices the usage as expected, and whether it has a price for it at all.
func (u usage) comesOut(t *testing.T, made *price.Table) (same, known bool) {
	for _, name := range names(u.provider, u.model) {
		quote, err := made.Quote(name, u.tokens, now, meter.UnitUSD)
		if err != nil {
			continue
		}
		input, output := sumOf(quote.Parts, price.Input, price.CachedInput, price.CacheWrite), sumOf(quote.Parts, price.Output)
		wantInput, wantOutput := rat(u.input), rat(u.output)
		same := input.Cmp(wantInput) == 0 && output.Cmp(wantOutput) == 0
		micros := wantInput.Add(wantInput, wantOutput)
		if same && halfUp(micros.Mul(micros, rat("1000000"))).Int64() != int64(quote.Amount) {
			t.Errorf("%s, %s: the parts are right, but rounded to %d micros", u.id, u.model, quote.Amount)
		}
		return same, true
	}
	return false, false
}

// names are those by which LiteLLM may know a model: as it is, under its provider, and, for Google, under Gemini's API.
func names(provider, model string) []string {
	return []string{model, provider + "/" + model, map[string]string{"google": "gemini/"}[provider] + model}
}

func readUsages(t *testing.T) (usages []usage) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(pricedUsage)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		var n [4]int64 // Input in all, of it read from the cache, of it written; output.
		for i := range n {
			if n[i], err = strconv.ParseInt(row[3+i], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		usages = append(usages, usage{
			id: row[0], provider: row[1], model: row[2], input: row[7], output: row[8], verdict: row[9],
			tokens: meter.TokenUsage{Input: n[0] - n[1] - n[2], CachedInput: n[1], CacheWrite: n[2], Output: n[3]},
		})
	}
	if len(usages) != 480 {
		t.Fatalf("%d cases, want 480", len(usages))
	}
	return usages
}

// litellmField reads the class, and the tier in thousands of tokens, from the name of a price.
var litellmField = regexp.MustCompile(
	`^(input_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost|output_cost_per_token|` +
		`output_cost_per_reasoning_token)(?:_above_(\d+)k_tokens)?$`)

// litellmBook makes a book of LiteLLM's entries, by the text of their numbers.
func litellmBook(t *testing.T) price.Book {
	t.Helper()
	var entries map[string]map[string]json.RawMessage
	if err := json.Unmarshal(litellmPrices, &entries); err != nil {
		t.Fatal(err)
	}
	book := dollars()
	for name, fields := range entries {
		byTier := map[int64]*price.Rates{0: {}}
		for field, value := range fields {
			parts := litellmField.FindStringSubmatch(field)
			if parts == nil {
				continue
			}
			above := int64(0)
			if thousands, err := strconv.ParseInt(parts[2], 10, 64); err == nil {
				above = 1000 * thousands
			}
			if byTier[above] == nil {
				byTier[above] = &price.Rates{}
			}
			perMillion, err := rate(string(value)).Shift(6)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, field, err)
			}
			*rateOf(byTier[above], parts[1]) = &perMillion
		}
		book.Models = append(book.Models, price.Model{Name: name, Prices: []price.Price{priceOf(byTier)}})
	}
	return book
}

func rateOf(r *price.Rates, field string) **price.Decimal {
	return map[string]**price.Decimal{
		"input_cost_per_token": &r.Input, "cache_read_input_token_cost": &r.CachedInput,
		"cache_creation_input_token_cost": &r.CacheWrite, "output_cost_per_token": &r.Output,
		"output_cost_per_reasoning_token": &r.Reasoning,
	}[field]
}

func priceOf(byTier map[int64]*price.Rates) price.Price {
	made := price.Price{Rates: *byTier[0]}
	for above, rates := range byTier {
		if above > 0 {
			made.Tiers = append(made.Tiers, price.Tier{AboveInputTokens: above, Rates: *rates})
		}
	}
	slices.SortFunc(made.Tiers, func(a, b price.Tier) int { return int(a.AboveInputTokens - b.AboveInputTokens) })
	return made
}
