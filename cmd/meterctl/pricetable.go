package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/spillway-metering/spillway/internal/price"
	"github.com/spillway-metering/spillway/internal/pricelist"
)

// importTables is what an import would do, for people: what of the list was refused, and what changes in the book. What
// costs most if it is overlooked stands last.
func importTables(list pricelist.List, current price.Book, changes pricelist.Changes, rows int) string {
	parts := slices.Concat(
		refusedTable(list.Refused, rows), countedLines("left out", list.Skipped), countedLines("prices not read", list.Unread),
		modelsTable("added", changes.Added, rows), namesTable(changes.Names, rows), movedTable(changes.Moved, rows),
		changedTable(changes.Changed, rows), modelsTable("gone", changes.Gone, rows), aboutTable(changes.About),
	)
	taken := fmt.Sprintf("%d models read, %d refused; ", len(list.Book.Models), len(list.Refused))
	if changes.Empty() {
		return strings.Join(append(parts, taken+fmt.Sprintf("nothing changes in version %d", current.Version)), "\n")
	}
	changed := map[string]bool{}
	for _, c := range changes.Changed {
		changed[c.Model] = true
	}
	against := fmt.Sprintf("version %d", current.Version)
	if current.Version == 0 {
		against = "no book of that name"
	}
	return strings.Join(append(parts, taken+fmt.Sprintf("against %s: %d models added, %d changed, %d gone",
		against, len(changes.Added), len(changed), len(changes.Gone))), "\n")
}

// reasons are those of refusals, in the order in which they are shown: what looks most like a price comes first.
var reasons = []pricelist.Reason{
	pricelist.AbsurdPrice, pricelist.ZeroPrice, pricelist.TimeOfDay, pricelist.NoInputPrice,
}

func refusedTable(refused []pricelist.Finding, rows int) []string {
	if len(refused) == 0 {
		return nil
	}
	t := newTextTable("refused", "reason", "detail")
	refused = slices.Clone(refused)
	slices.SortStableFunc(refused, func(a, b pricelist.Finding) int {
		return slices.Index(reasons, a.Reason) - slices.Index(reasons, b.Reason)
	})
	for _, f := range refused[:min(rows, len(refused))] {
		t.AppendRow(table.Row{f.Name, f.Reason, f.Detail})
	}
	counts := map[string]int{}
	for _, f := range refused {
		counts[string(f.Reason)]++
	}
	parts := []string{t.Render() + more(len(refused), rows)}
	return append(parts, countedLines("refused", counts)...)
}

// mostCounts is how many counts a line has.
const mostCounts = 8

// countedLines is one line such as "left out: mode rerank 25, mode ocr 13", the largest first; none without counts.
func countedLines(what string, counts map[string]int) []string {
	if len(counts) == 0 {
		return nil
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	line, sum := what+": ", 0
	for i, name := range names {
		if i < mostCounts {
			line += fmt.Sprintf("%s %d, ", name, counts[name])
		} else {
			sum += counts[name]
		}
	}
	if sum == 0 {
		return []string{strings.TrimSuffix(line, ", ")}
	}
	return []string{line + fmt.Sprintf("%d others %d", len(names)-mostCounts, sum)}
}

// modelsTable has a row for each price and tier of each model; rows are counted by model.
func modelsTable(what string, models []price.Model, rows int) []string {
	if len(models) == 0 {
		return nil
	}
	header := []string{what, "from", "above input"}
	for _, class := range price.Classes() {
		header = append(header, strings.ReplaceAll(class.String(), "_", " "))
	}
	t := newTable(header...)
	for _, m := range models[:min(rows, len(models))] {
		name := m.Name
		for _, p := range m.Prices {
			t.AppendRow(ratesRow(name, p.ValidFrom, 0, p.Rates))
			for _, tier := range p.Tiers {
				t.AppendRow(ratesRow("", p.ValidFrom, tier.AboveInputTokens, tier.Rates))
			}
			name = ""
		}
	}
	return []string{t.Render() + more(len(models), rows)}
}

func ratesRow(name string, from time.Time, above int64, rates price.Rates) table.Row {
	row := table.Row{name, moment(from), bound(above)}
	for _, class := range price.Classes() {
		row = append(row, rateText(rates.Of(class)))
	}
	return row
}

func changedTable(changed []pricelist.RateChange, rows int) []string {
	if len(changed) == 0 {
		return nil
	}
	t := newTable("changed", "from", "above input", "tokens", "old", "new", "change")
	for _, c := range changed[:min(rows, len(changed))] {
		t.AppendRow(table.Row{
			c.Model, moment(c.ValidFrom), bound(c.AboveInputTokens), strings.ReplaceAll(c.Class.String(), "_", " "),
			rateText(c.Old), rateText(c.New), c.Ratio(),
		})
	}
	return []string{t.Render() + more(len(changed), rows)}
}

func namesTable(names []pricelist.NameChange, rows int) []string {
	if len(names) == 0 {
		return nil
	}
	t := newTextTable("model", "aliases added", "aliases gone")
	for _, n := range names[:min(rows, len(names))] {
		t.AppendRow(table.Row{n.Model, strings.Join(n.Added, "\n"), strings.Join(n.Gone, "\n")})
	}
	return []string{t.Render() + more(len(names), rows)}
}

func movedTable(moved []pricelist.Move, rows int) []string {
	if len(moved) == 0 {
		return nil
	}
	t := newTextTable("name", "of old model", "of new model")
	for _, m := range moved[:min(rows, len(moved))] {
		t.AppendRow(table.Row{m.Name, m.From, m.To})
	}
	return []string{t.Render() + more(len(moved), rows)}
}

func aboutTable(about []pricelist.AboutChange) []string {
	if len(about) == 0 {
		return nil
	}
	t := newTextTable("of the book", "old", "new")
	for _, a := range about {
		t.AppendRow(table.Row{a.Property, a.Old, a.New})
	}
	return []string{t.Render()}
}

// bookTable is a book with all its models.
func bookTable(b price.Book) string {
	parts := []string{fmt.Sprintf("price book %q, version %d: %s per million tokens", b.ID, b.Version, pricelist.UnitName(b.Unit))}
	for _, line := range pricelist.Compare(price.Book{Unit: b.Unit}, price.Book{
		Unit: b.Unit, ACUMicrosPerUSD: b.ACUMicrosPerUSD, Source: b.Source, Licence: b.Licence, AsOf: b.AsOf,
	}).About {
		parts = append(parts, line.Property+": "+line.New)
	}
	parts = append(parts, modelsTable("model", b.Models, len(b.Models))...)
	for _, m := range b.Models {
		if len(m.Aliases) > 0 {
			parts = append(parts, m.Name+" is also "+strings.Join(m.Aliases, ", "))
		}
	}
	return strings.Join(parts, "\n")
}

// newTextTable has text in all columns.
func newTextTable(columns ...string) table.Writer {
	t := newTable(columns...)
	var configs []table.ColumnConfig
	for i := range columns {
		configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignLeft, WidthMax: 80, WidthMaxEnforcer: text.WrapSoft})
	}
	t.SetColumnConfigs(configs)
	return t
}

// more tells how much a table does not show.
func more(all, shown int) string {
	if all <= shown {
		return ""
	}
	return fmt.Sprintf("\nand %d more", all-shown)
}

// rateText tells no price from a price of 0.
func rateText(rate *price.Decimal) string {
	if rate == nil {
		return ""
	}
	return rate.String()
}

func moment(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.UTC().Format(time.DateOnly)
	default:
		return t.UTC().Format(time.RFC3339)
	}
}

func bound(tokens int64) string {
	if tokens == 0 {
		return ""
	}
	return fmt.Sprint(tokens)
}
