package tidy

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// everything is the row of those that wire the others together.
var everything = []string{"internal", "gen"}

// arrows says which directories of the repository the shipped files of a
// package may import, with all that is below them. Tests may import what they
// need. A new package gets its row in the commit that makes it.
var arrows = map[string][]string{
	// The rules know nobody.
	"internal/meter": {},
	// Tokens to micros, for the rules.
	"internal/price": {"internal/meter"},
	// The way through: both ends know the rules, neither knows the other.
	"internal/lane":     {"internal/meter"},
	"internal/postgres": {"internal/meter", "internal/price"},
	// Works on the store by an interface of its own.
	"internal/rollup": {},
	// The edge takes what it calls as interfaces of its own, so that it can be
	// tested without a lane and without a database.
	"internal/rpc":  {"internal/meter", "internal/price", "internal/bookwire", "internal/auth", "gen"},
	"internal/auth": {"internal/meter", "internal/reload", "gen"},
	// The page, and who is signed in to it: neither knows the other, nor a handler.
	"internal/session": {"internal/meter", "internal/auth", "internal/reload"},
	"internal/console": {"internal/meter", "internal/auth"},
	// The contract for callers of JSON.
	"internal/openapi": {},
	// Values made of files that change.
	"internal/reload": {},
	// The only one that knows all others.
	"internal/server": everything,
	"cmd/meterd":      everything,
	"cmd/meterctl":    everything,
	"cmd/meterbench":  everything,
	// Log and metrics are handed to those who use them.
	"internal/telemetry": {},
	// A process and its socket; it knows no table.
	"internal/localpg": {},
	// The auditor must not trust the store it checks, nor share its queries.
	"internal/audit":           {"internal/meter", "internal/price"},
	"internal/audit/audittest": {"internal/audit"},
	// Reads the files of others; it knows no server.
	"internal/pricelist": {"internal/meter", "internal/price"},
	// Tables of what a server answers, for people and their spreadsheets.
	"internal/export": {"gen"},
	// How our own programs reach a server.
	"internal/dial": {"internal/auth", "internal/reload"},
	// Callers, over gRPC like everybody else.
	"internal/importer": {"internal/meter", "internal/price", "internal/bookwire", "gen"},
	"internal/bookwire": {"internal/meter", "internal/price", "gen"},
	"internal/trace":    {},
	"internal/replay":   {"internal/trace", "gen"},
	"internal/demo":     {"gen"},
	// Measures the service from outside, and the naive way on the same tables.
	"internal/bench": {"internal/localpg", "internal/auth", "internal/dial", "gen"},
	// Test support.
	"internal/auth/authtest":       {"internal/auth"},
	"internal/session/sessiontest": {"internal/auth"},
	"internal/pgtest":              {"internal/localpg", "internal/postgres"},
	"internal/faults":              everything,
	"internal/tidy":                {},
	"internal/e2e":                 {},
	"internal/browser":             {},
}

func importsFollowArrows(t tree) (complaints []string) {
	for _, f := range t.shipped() {
		for name, at := range f.imports() {
			dir, ours := strings.CutPrefix(name, t.module+"/")
			if ours && !within(dir, arrows[f.dir]) {
				complaints = append(complaints, f.complain(at, "%s must not import %s (arrows_test.go)", f.dir, dir))
			}
		}
	}
	return complaints
}

func packagesHaveArrows(t tree) (complaints []string) {
	for _, dir := range t.packages() {
		if _, ok := arrows[dir]; !ok {
			complaints = append(complaints, fmt.Sprintf("%s is new: give it a row in arrows_test.go", dir))
		}
	}
	return complaints
}

// rulesUseStandardLibrary goes by the first element of an import path: only
// outside the standard library is it a host, with a dot.
func rulesUseStandardLibrary(t tree) (complaints []string) {
	for _, f := range in(rulesDir, t.shipped()) {
		for name, at := range f.imports() {
			host, _, _ := strings.Cut(name, "/")
			if strings.Contains(host, ".") {
				complaints = append(complaints, f.complain(at, "%s is not of the standard library", name))
			}
		}
	}
	return complaints
}

func packagesAreNamed(t tree) (complaints []string) {
	empty := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}
	for _, f := range t.files {
		if name := f.syntax.Name.Name; slices.Contains(empty, name) || slices.Contains(empty, path.Base(f.dir)) {
			complaints = append(complaints, f.complain(f.syntax.Name, "package %s says nothing of what it does", name))
		}
	}
	return complaints
}

// within reports whether dir is one of the directories or below one of them.
func within(dir string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		return dir == a || strings.HasPrefix(dir, a+"/")
	})
}

// packages are the directories that hold Go files, sorted.
func (t *tree) packages() []string {
	dirs := map[string]bool{}
	for _, f := range t.files {
		dirs[f.dir] = true
	}
	return slices.Sorted(maps.Keys(dirs))
}
