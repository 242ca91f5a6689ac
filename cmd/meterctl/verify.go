package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	_ "time/tzdata" // Months begin in the organizations' zones, whatever the machine knows of them.

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/spillway-metering/spillway/internal/audit"
)

// verifyCommand is `meterctl verify`. It changes nothing, and the service may run meanwhile.
type verifyCommand struct {
	database

	Organization string `placeholder:"ID" help:"Verify this organization only."`
	Findings     int    `default:"100" help:"Most findings to print; the others are counted (${default})."`
	JSON         bool   `name:"json" help:"Print one JSON object instead of tables."`
}

// Validate is called by kong once the flags are read.
func (v *verifyCommand) Validate() error {
	if v.Findings < 1 {
		return fmt.Errorf("--findings must be at least 1, not %d", v.Findings)
	}
	return nil
}

// Run is called by kong. The result is printed also when it is not what was promised.
func (v *verifyCommand) Run(ctx context.Context, to terminal) error {
	var report audit.Report
	err := v.with(ctx, to, func(ctx context.Context, url string) (err error) {
		report, err = audit.Run(ctx, url, audit.Options{Organization: v.Organization, MaxFindings: v.Findings})
		return err
	})
	if err != nil {
		return err
	}
	if v.JSON {
		err = json.NewEncoder(to.stdout).Encode(report)
	} else {
		_, err = fmt.Fprintln(to.stdout, verifyTables(report))
	}
	if err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	if !report.Clean() {
		return fmt.Errorf("%d findings: %s", report.Total, strings.Join(slices.Sorted(maps.Keys(report.Broken)), ", "))
	}
	return nil
}

// verifyTables is the result for people: what differs, which promises that breaks, and what was looked at.
func verifyTables(r audit.Report) string {
	var parts []string
	if !r.Clean() {
		parts = append(parts, findingsList(r), brokenTable(r))
	}
	parts = append(parts, verifiedTable(r))
	if r.TestClock {
		parts = append(parts, "the test clock was used here: what holds only while time runs forward was not checked")
	}
	if r.Clean() {
		parts = append(parts, fmt.Sprintf("all %d promises are kept", len(audit.Promises)))
	}
	return strings.Join(parts, "\n")
}

// findingsList has a line for each finding: ids are too long for a table.
func findingsList(r audit.Report) string {
	var lines []string
	for _, f := range r.Findings {
		lines = append(lines, f.String())
	}
	if more := r.Total - int64(len(r.Findings)); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

func brokenTable(r audit.Report) string {
	t := newTable("broken promise", "findings")
	for _, p := range audit.Promises {
		if n := r.Broken[p.Name]; n > 0 {
			t.AppendRow(table.Row{p.Name + "\n" + p.Means, n})
		}
	}
	t.AppendFooter(table.Row{"all", r.Total})
	return t.Render()
}

func verifiedTable(r audit.Report) string {
	t := newTable("verified", "number")
	t.AppendRows([]table.Row{
		{"organizations", r.Organizations},
		{"members", r.Members},
		{"reservations held", r.Reservations.Held},
		{"reservations committed", r.Reservations.Committed},
		{"reservations released", r.Reservations.Released},
		{"reservations expired", r.Reservations.Expired},
		{"ledger entries", r.LedgerEntries},
		{"sums checked", r.Sums},
	})
	t.AppendFooter(table.Row{"seconds", fmt.Sprintf("%.2f", r.Seconds)})
	return t.Render()
}
