package faults

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// catch is how a program was found wrong.
type catch struct {
	mutant     *mutant
	problems   []string
	by         string // The checks that found it; empty: none did.
	rounds     int
	operations int // Checked until then, those of the last round included.
	after      time.Duration
}

// checks are what finds a program wrong, each with what it says then. INTERNAL is where the database refused to store what
// the bug had made: each of its constraints is a check of its own.
var checks = []struct{ says, name string }{
	{"audit: ", "audit"},
	{"LOST", "acknowledged"},
	{"MISTAKEN", "answer"},
	{"no fault excuses", "INTERNAL"},
	{"not answered at rest", "rest"},
	{"twice: ", "once"},
	{"two reservations of request", "once"},
	{"nobody asked", "asked for"},
	{"stands yet", "expiry"},
	{"NOT LINEARIZABLE", "linearizability"},
	{"not decided in time", "linearizability, undecided"},
}

// caughtBy names the checks that found some problems, in the order of checks. What none of them says is a contradiction
// within the books.
func caughtBy(problems []string) string {
	found := map[string]bool{}
	for _, problem := range problems {
		name := "books"
		for _, check := range checks {
			if strings.Contains(problem, check.says) {
				name = check.name
				break
			}
		}
		found[name] = true
	}
	var names []string
	for _, check := range checks {
		if found[check.name] && !slices.Contains(names, check.name) {
			names = append(names, check.name)
		}
	}
	if found["books"] {
		names = append(names, "books")
	}
	return strings.Join(names, ", ")
}

// tabulate is the table of all mutants.
func tabulate(catches []catch) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(w, "| mutant\t| breaks\t| caught by\t| operations\t| rounds\t| seconds\t|")
	_, _ = fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, c := range catches {
		by := c.by
		if by == "" {
			by = "NOBODY"
		}
		_, _ = fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %d\t| %d\t| %.0f\t|\n",
			c.mutant.name, c.mutant.breaks, by, c.operations, c.rounds, c.after.Seconds())
	}
	_ = w.Flush()
	return b.String()
}
