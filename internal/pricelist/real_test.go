package pricelist

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

const (
	litellmFile = "testdata/litellm_model_prices_and_context_window.json.gz"
	genaiFile   = "testdata/genai_prices_data.json.gz"
)

// open opens a file of testdata.
func open(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// readReal reads one of the real lists.
func readReal(t *testing.T, name string, options Options) List {
	t.Helper()
	list, err := Read(open(t, name), options)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// rawLitellm is LiteLLM's list as encoding/json reads it, to count by other means than the reader under test.
func rawLitellm(t *testing.T) map[string]map[string]any {
	t.Helper()
	unpacked, err := gzip.NewReader(open(t, litellmFile))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(unpacked)
	decoder.UseNumber()
	var all map[string]map[string]any
	if err := decoder.Decode(&all); err != nil {
		t.Fatal(err)
	}
	delete(all, "sample_spec")
	return all
}

// selected are the rows of selected_models.csv by column.
func selected(t *testing.T) (rows []map[string]string) {
	t.Helper()
	lines, err := csv.NewReader(open(t, "testdata/selected_models.csv")).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, column := range lines[0] {
			row[column] = line[i]
		}
		rows = append(rows, row)
	}
	if len(rows) != 30 {
		t.Fatalf("got %d selected models, want 30", len(rows))
	}
	return rows
}

func text(rate *price.Decimal) string {
	if rate == nil {
		return ""
	}
	return rate.String()
}

// tierAt is the tier above so many input tokens, or none.
func tierAt(p price.Price, above int64) price.Tier {
	for _, tier := range p.Tiers {
		if tier.AboveInputTokens == above {
			return tier
		}
	}
	return price.Tier{}
}

func TestWellKnownModelsCostWhatTheyDo(t *testing.T) {
	book := byName(readReal(t, litellmFile, Options{}).Book)
	for _, row := range selected(t) {
		m, ok := book[row["model"]]
		if !ok {
			t.Errorf("%s: not in the book", row["model"])
			continue
		}
		p := m.Prices[0]
		above := tierAt(p, 200_000)
		for column, rate := range map[string]*price.Decimal{
			"input_usd_per_mtok": p.Rates.Input, "output_usd_per_mtok": p.Rates.Output,
			"cache_read_usd_per_mtok": p.Rates.CachedInput, "cache_write_5m_usd_per_mtok": p.Rates.CacheWrite,
			"input_above_200k": above.Rates.Input, "output_above_200k": above.Rates.Output,
		} {
			if text(rate) != row[column] {
				t.Errorf("%s: %s: got %q, want %q", row["model"], column, text(rate), row[column])
			}
		}
	}
}

// refusedFor are the names refused for one reason.
func refusedFor(list List, reason Reason) (names []string) {
	for _, f := range list.Refused {
		if f.Reason == reason {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestAbsurdPricesAreRefused(t *testing.T) {
	list := readReal(t, litellmFile, Options{})
	names := refusedFor(list, AbsurdPrice)
	wandb := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, "wandb/") })
	if len(names) != 16 || len(wandb) != 13 {
		t.Errorf("got %d absurd prices, %d of wandb, want 16 and 13: %v", len(names), len(wandb), names)
	}
	i := slices.IndexFunc(list.Refused, func(f Finding) bool { return f.Name == "wandb/deepseek-ai/DeepSeek-R1-0528" })
	if i < 0 || list.Refused[i].Detail != "input at 135000, above the bound of 1000" {
		t.Errorf("DeepSeek-R1 of wandb: %+v", list.Refused)
	}
	for _, m := range list.Book.Models {
		for class, rate := range (entry{model: m}).rates() {
			if rate.Cmp(decimalOf(t, "600")) > 0 {
				t.Errorf("%s: %s at %s", m.Name, class, rate)
			}
		}
	}
}

func TestTheBoundIsTheCallers(t *testing.T) {
	bound := decimalOf(t, "599.99")
	names := refusedFor(readReal(t, litellmFile, Options{Bound: &bound}), AbsurdPrice)
	if len(names) != 18 || !slices.Contains(names, "o1-pro") || !slices.Contains(names, "o1-pro-2025-03-19") {
		t.Errorf("below 600 o1-pro is absurd, too: got %v", names)
	}
}

func TestAFreeOutputIsRefusedUnlessAccepted(t *testing.T) {
	const name = "gemini/gemini-1.5-flash"
	list := readReal(t, litellmFile, Options{})
	if !slices.Contains(list.Refused, Finding{name, ZeroPrice, "output at 0"}) {
		t.Errorf("%s is not refused for its output", name)
	}
	if _, ok := byName(list.Book)[name]; ok {
		t.Errorf("%s is refused, and taken nevertheless", name)
	}
	list = readReal(t, litellmFile, Options{Only: []string{name}, AcceptZero: []string{"gemini/*-flash"}})
	m := byName(list.Book)[name]
	if len(list.Refused) > 0 || len(m.Prices) != 1 || text(m.Prices[0].Rates.Output) != "0" || text(m.Prices[0].Rates.Input) != "0.075" {
		t.Errorf("accepted: got %+v, refused %+v", m, list.Refused)
	}
}

// TestDefectsAreCounted holds the reader to the counts that are stated of the real list, taken by mode from the raw file.
func TestDefectsAreCounted(t *testing.T) {
	raw, list := rawLitellm(t), readReal(t, litellmFile, Options{})
	missing := map[any]int{}
	for _, name := range refusedFor(list, NoInputPrice) {
		missing[raw[name]["mode"]]++
	}
	if want := map[any]int{"chat": 115, "responses": 30, "completion": 1, "embedding": 3}; !maps.Equal(missing, want) {
		t.Errorf("without an input price: got %v, want %v, of which chat and responses are 145", missing, want)
	}
	bothZero := 0
	for _, f := range list.Refused {
		if f.Reason == ZeroPrice && f.Detail == "input and output at 0" && raw[f.Name]["mode"] == "chat" {
			bothZero++
		}
	}
	if bothZero != 70 {
		t.Errorf("chat models with both prices 0: got %d, want 70", bothZero)
	}
	skipped := 0
	for _, n := range list.Skipped {
		skipped += n
	}
	if sum := len(list.Book.Models) + len(list.Refused) + skipped; sum != len(raw) {
		t.Errorf("%d taken, %d refused, %d skipped are %d, not all of %d", len(list.Book.Models), len(list.Refused), skipped, sum, len(raw))
	}
	if list.Skipped["mode image_generation"] != 209 || list.Unread["cache_creation_input_token_cost_above_1hr"] == 0 {
		t.Errorf("skipped %v, unread %v", list.Skipped, list.Unread)
	}
}

func TestListsSayWhereTheyComeFrom(t *testing.T) {
	for file, source := range map[string]string{litellmFile: "BerriAI/litellm", genaiFile: "pydantic/genai-prices"} {
		book := readReal(t, file, Options{}).Book
		if !strings.HasPrefix(book.Source, source) || book.Licence != "MIT" || book.Unit != meter.UnitUSD {
			t.Errorf("%s: got %q, %q, unit %d", file, book.Source, book.Licence, book.Unit)
		}
	}
	head := price.Book{ID: "b", Unit: meter.UnitACU, ACUMicrosPerUSD: 7, Source: "s", Licence: "l", AsOf: meter.Date{Year: 2026, Month: 8, Day: 1}}
	book := readReal(t, genaiFile, Options{Book: head, Only: []string{"gpt-4o"}}).Book
	book.Models = nil
	if book.ID != "b" || !Compare(head, book).Empty() {
		t.Errorf("got %+v, want %+v", book, head)
	}
}

func TestGenaiPricesAgreeWithTheSelected(t *testing.T) {
	book := byName(readReal(t, genaiFile, Options{}).Book)
	providers := map[string]string{
		"openai": "openai", "anthropic": "anthropic", "azure": "azure", "gemini": "google", "vertex_ai-language-models": "google",
		"moonshot": "moonshotai",
	}
	compared := 0
	for _, row := range selected(t) {
		_, bare, found := strings.Cut(row["model"], "/")
		if !found {
			bare = row["model"]
		}
		m, ok := book[providers[row["provider"]]+"/"+bare]
		if !ok || row["genai_prices_same"] != "yes" {
			continue
		}
		compared++
		p := m.Prices[len(m.Prices)-1]
		if text(p.Rates.Input) != row["input_usd_per_mtok"] || text(p.Rates.Output) != row["output_usd_per_mtok"] {
			t.Errorf("%s: got %s and %s", m.Name, text(p.Rates.Input), text(p.Rates.Output))
		}
	}
	if compared < 15 {
		t.Errorf("only %d models were compared", compared)
	}
}

func TestGenaiTiersAndDatesAreKept(t *testing.T) {
	book := byName(readReal(t, genaiFile, Options{}).Book)
	m := book["anthropic/claude-sonnet-4-6"]
	if len(m.Prices) != 2 || !m.Prices[0].ValidFrom.IsZero() || !m.Prices[1].ValidFrom.Equal(time.Date(2026, 3, 13, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("prices from the start and from 13 March 2026: got %+v", m.Prices)
	}
	tier := tierAt(m.Prices[0], 200_000).Rates
	got := []string{text(tier.Input), text(tier.CachedInput), text(tier.CacheWrite), text(tier.Output), text(tier.Reasoning)}
	if want := []string{"6", "0.6", "7.5", "22.5", ""}; !slices.Equal(got, want) || len(m.Prices[1].Tiers) > 0 {
		t.Errorf("got %v, want %v; then %+v", got, want, m.Prices[1].Tiers)
	}
}

func TestGenaiAliasesAreUnambiguous(t *testing.T) {
	list := readReal(t, genaiFile, Options{})
	book := byName(list.Book)
	if m := book["openai/gpt-4o"]; !slices.Equal(m.Aliases, []string{"gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"}) {
		t.Errorf("gpt-4o is of one provider: got %v", m.Aliases)
	}
	if m := book["anthropic/claude-opus-4-7"]; slices.Contains(m.Aliases, "claude-opus-4-7") {
		t.Error("claude-opus-4-7 is of anthropic and of google, and so of neither")
	}
	byHour := refusedFor(list, TimeOfDay)
	if want := []string{"deepseek/deepseek-chat", "deepseek/deepseek-reasoner"}; !slices.Equal(byHour, want) {
		t.Errorf("priced by the hour: got %v, want %v", byHour, want)
	}
	if list.Unread["input_audio_mtok"] == 0 || list.Unread["requests_kcount"] == 0 {
		t.Errorf("unread: %v", list.Unread)
	}
}

func decimalOf(t *testing.T, text string) price.Decimal {
	t.Helper()
	d, err := price.ParseDecimal(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
