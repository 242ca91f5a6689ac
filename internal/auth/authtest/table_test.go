package authtest

import (
	"slices"
	"strings"
	"testing"

	_ "github.com/spillway-metering/spillway/gen/meter/testing/v1" // Its service has a row, too.
	_ "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
)

// TestTableIsOfTheContract: every RPC has a row, and every row an RPC.
func TestTableIsOfTheContract(t *testing.T) {
	if tabled, methods := Table(t), Methods(t); len(tabled) != len(methods) {
		t.Errorf("%d RPCs have %d rows", len(methods), len(tabled))
	}
}

// TestTableCannotBeIncomplete shows what is said of an RPC without a row, and of a row without one.
func TestTableCannotBeIncomplete(t *testing.T) {
	methods := Methods(t)
	first := methods[0]
	for change, c := range map[string]struct {
		edit func(map[string]Row)
		says string
	}{
		"an RPC is new":  {func(rows map[string]Row) { delete(rows, string(first.Name())) }, string(first.FullName()) + " has no row"},
		"an RPC is gone": {func(rows map[string]Row) { rows["Rob"] = Row{} }, "the table has Rob, which is no RPC"},
	} {
		rows, err := parse(table)
		if err != nil {
			t.Fatal(err)
		}
		c.edit(rows)
		if _, said := match(rows, methods); len(said) != 1 || !strings.HasPrefix(said[0], c.says) {
			t.Errorf("%s: %q", change, said)
		}
	}
	rows, err := parse(table)
	if err != nil {
		t.Fatal(err)
	}
	if _, said := match(rows, append(slices.Clone(methods), first)); len(said) != 1 {
		t.Errorf("two RPCs of a name: %q", said)
	}
}

// TestTableSaysWhatItMeans: a table that nobody could hold a caller to is no table.
func TestTableSaysWhatItMeans(t *testing.T) {
	for _, line := range []string{
		"Get | yes | yes", "Get | own | | | |", "Get | | | | yes |", "Get | | | perhaps | |", "Get Get | | | yes | |",
	} {
		if rows, err := parse("heading\n" + line); err == nil {
			t.Errorf("%q is read as %v", line, rows)
		}
	}
}

// TestAllows reads the words.
func TestAllows(t *testing.T) {
	own, its := Call{Own: true, Shared: true}, Call{Own: true, Itself: true, Shared: true}
	shown, alone := Call{Own: true, Shown: true, Shared: true}, Call{Own: true}
	another := Call{Itself: true, Shown: true, Shared: true}
	for _, c := range []struct {
		role  auth.Role
		word  string
		holds []Call
		not   []Call
	}{
		{auth.Operator, "yes", []Call{{}, own, another}, nil},
		{auth.Operator, "", nil, []Call{{}, own, another}},
		{auth.Admin, "own", []Call{own, its, alone}, []Call{{}, another}},
		{auth.Member, "", nil, []Call{own, its, shown, alone, another}},
		{auth.Member, "itself", []Call{its}, []Call{own, shown, alone, another}},
		{auth.Member, "if shown", []Call{shown, alone}, []Call{own, its, another}},
		{auth.Member, "if shared", []Call{own, its, shown}, []Call{alone, another}},
		{0, "", nil, []Call{{}, its, shown}},
	} {
		row := Row{}
		if c.word != "" {
			row[c.role] = c.word
		}
		for holds, calls := range map[bool][]Call{true: c.holds, false: c.not} {
			for _, call := range calls {
				if row.Allows(c.role, call) != holds {
					t.Errorf("%q for %s of %+v: want %v", c.word, c.role, call, holds)
				}
			}
		}
	}
}
