package tidy

import (
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"
)

// rule is one rule of the house. Its check answers a line for each place that
// breaks it.
type rule struct {
	name  string
	check func(tree) []string
	// broken is the smallest file that breaks the rule, and complaint a part of
	// what the rule must say of it: a rule that cannot fail guards nothing.
	broken    fstest.MapFS
	complaint string
}

// rules are all rules of the house, in the order in which they are reported.
var rules = []rule{
	{
		"imports follow the arrows", importsFollowArrows,
		source("internal/lane/lane.go", `import "example.org/house/internal/rpc"`),
		"internal/lane/lane.go:3: internal/lane must not import internal/rpc",
	},
	{
		"every package has its arrows", packagesHaveArrows,
		source("internal/stray/stray.go", ``),
		"internal/stray is new: give it a row in arrows_test.go",
	},
	{
		"the rules use the standard library only", rulesUseStandardLibrary,
		source("internal/meter/meter.go", `import "github.com/google/uuid"`),
		"internal/meter/meter.go:3: github.com/google/uuid is not of the standard library",
	},
	{
		"packages are named after what they do", packagesAreNamed,
		source("internal/rpc/helpers/helpers.go", ``),
		"internal/rpc/helpers/helpers.go:2: package helpers says nothing",
	},
	{
		"no function is longer than 70 lines", functionsAreShort,
		source("cmd/meterd/main.go", "func main() {"+strings.Repeat("\n", 72)+"}"),
		"cmd/meterd/main.go:3: main has 71 lines",
	},
	{
		"the median function is under 10 lines", medianFunctionIsSmall,
		source("cmd/meterd/main.go", "func main() {"+strings.Repeat("\n", 11)+"}"),
		"the median function has 10 lines",
	},
	{
		"no file is longer than 400 lines", filesAreShort,
		fstest.MapFS{"proto/meter/v1/all.proto": {Data: []byte(strings.Repeat("\n", 401))}},
		"proto/meter/v1/all.proto has 401 lines",
	},
	{
		"every package has a comment", packagesAreExplained,
		fstest.MapFS{"internal/lane/lane.go": {Data: []byte("package lane\n")}},
		"internal/lane has no package comment",
	},
	{
		"every exported name has a comment", exportedNamesAreExplained,
		source("internal/lane/lane.go", "type Lane struct{}\n\nfunc (*Lane) Submit() {}\n\nvar Bound, depth = 1, 2"),
		"internal/lane/lane.go:3: Lane has no comment\n" +
			"internal/lane/lane.go:5: Submit has no comment\n" +
			"internal/lane/lane.go:7: Bound has no comment",
	},
	{
		"nothing sleeps", nothingSleeps,
		source("internal/lane/lane.go", "import \"time\"\n\nfunc wait() { time.Sleep(1) }"),
		"internal/lane/lane.go:5: time.Sleep",
	},
	{
		"no test skips", noTestSkips,
		source("internal/lane/lane_test.go", "import \"testing\"\n\nfunc TestLane(t *testing.T) { t.Skip() }"),
		"internal/lane/lane_test.go:5: t.Skip",
	},
	{
		"nothing is left to be done", nothingIsUnfinished,
		source("internal/lane/lane.go", "// TO"+"DO: bound the queue."),
		"internal/lane/lane.go:3: unfinished",
	},
	{
		"SQL is in the store", sqlIsInStore,
		source("internal/rpc/rpc.go", "const query = `\n\tselect balance_micros\n\tfrom organization`"),
		"internal/rpc/rpc.go:3: SQL outside the store",
	},
	{
		"money and prices are exact", moneyIsExact,
		fstest.MapFS{
			"internal/meter/money.go":       {Data: []byte("package meter\n\ntype amount float64")},
			"internal/price/quote.go":       {Data: []byte("package price\n\nvar share = 0.5")},
			"internal/price/quote_test.go":  {Data: []byte("package price\n\nvar half, _ = r.Float64()")},
			"internal/pricelist/litellm.go": {Data: []byte("package pricelist\n\nvar rate, err = strconv.ParseFloat(text, 64)")},
			"internal/pricelist/million.go": {Data: []byte("package pricelist\n\nconst million = 1e6")},
		},
		"internal/meter/money.go:3: float64 is a float\n" +
			"internal/price/quote_test.go:3: Float64 is a float\n" +
			"internal/price/quote.go:3: 0.5 is a float\n" +
			"internal/pricelist/litellm.go:3: ParseFloat is a float\n" +
			"internal/pricelist/million.go:3: 1e6 is a float",
	},
}

// TestHouse holds this repository to every rule.
func TestHouse(t *testing.T) {
	house, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(house.files) == 0 {
		t.Fatal("no Go file found: the test does not stand in the repository")
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, complaint := range r.check(house) {
				t.Error(complaint)
			}
		})
	}
}

// TestEveryRuleCanFail shows each rule the smallest tree that breaks it.
func TestEveryRuleCanFail(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			got := strings.Join(r.check(house(t, r.broken)), "\n")
			if !strings.Contains(got, r.complaint) {
				t.Errorf("got %q, want it to say %q", got, r.complaint)
			}
		})
	}
}

// TestGoodHouse shows every rule a tree that comes close to breaking it.
func TestGoodHouse(t *testing.T) {
	good := house(t, fstest.MapFS{
		"gen/meter/v1/meter.pb.go":        {Data: []byte("package meterv1\n" + strings.Repeat("\n", 500))},
		"tools/buf/go.mod":                {Data: []byte("module example.org/house/tools/buf\n")},
		"tools/buf/tool.go":               {Data: []byte("package util\n")},
		"internal/meter/testdata/bad.go":  {Data: []byte("package util\n")},
		"internal/meter/meter.go":         {Data: []byte(goodRules)},
		"internal/postgres/postgres.go":   {Data: []byte(goodStore)},
		"internal/postgres/query_test.go": {Data: []byte(goodTest)},
	})
	for _, r := range rules {
		for _, complaint := range r.check(good) {
			t.Errorf("%s: %s", r.name, complaint)
		}
	}
}

const (
	goodRules = `// Package meter decides.
package meter

import "errors"

// Everything that can be answered.
var (
	ErrEmpty = errors.New("update the seat, or select another")
	ErrFull  = errors.New("the seat is full")
)

// Clock tells the time.
type Clock interface{ Sleep() }

// Wait waits by the clock it was given.
func Wait(c Clock) { c.Sleep() }

// Most is the largest amount.
const Most int64 = 1e15

type seat struct{}

func (seat) String() string { return "seat" }
`
	goodStore = `// Package postgres stores.
package postgres

import "example.org/house/internal/meter"

const query = "SELECT balance_micros FROM organization"

func wait(c meter.Clock) { meter.Wait(c) }
`
	goodTest = `package postgres

import (
	"testing"

	"example.org/house/internal/pgtest"
)

func TestQuery(t *testing.T) { pgtest.Run(t, query) }
`
)

// source is a tree of one Go file: a package comment, the package clause on
// line 2, and from line 3 the given text.
func source(name, text string) fstest.MapFS {
	pkg := path.Base(path.Dir(name))
	return fstest.MapFS{name: {Data: []byte("// Package " + pkg + " is an example.\npackage " + pkg + "\n" + text)}}
}

// house loads a tree whose module is example.org/house.
func house(t *testing.T, files fstest.MapFS) tree {
	t.Helper()
	files["go.mod"] = &fstest.MapFile{Data: []byte("module example.org/house\n")}
	loaded, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}
