package tidy

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
)

const (
	maxFunctionLines = 70
	maxFileLines     = 400
	// medianFunctionLines is the first median that is too long.
	medianFunctionLines = 10
)

func functionsAreShort(t tree) (complaints []string) {
	every(t.files, func(f file, fn *ast.FuncDecl) {
		if n := f.bodyLines(fn); n > maxFunctionLines {
			complaints = append(complaints, f.complain(fn, "%s has %d lines", fn.Name.Name, n))
		}
	})
	return complaints
}

// medianFunctionIsSmall looks at shipped functions: a test is a list of cases,
// and long because it is thorough.
func medianFunctionIsSmall(t tree) []string {
	var sizes []int
	every(t.shipped(), func(f file, fn *ast.FuncDecl) {
		sizes = append(sizes, f.bodyLines(fn))
	})
	if len(sizes) == 0 {
		return nil
	}
	slices.Sort(sizes)
	if median := sizes[len(sizes)/2]; median >= medianFunctionLines {
		return []string{fmt.Sprintf("the median function has %d lines", median)}
	}
	return nil
}

func filesAreShort(t tree) (complaints []string) {
	for _, name := range slices.Sorted(maps.Keys(t.lines)) {
		if n := t.lines[name]; n > maxFileLines {
			complaints = append(complaints, fmt.Sprintf("%s has %d lines", name, n))
		}
	}
	return complaints
}

// bodyLines counts the lines between a function's braces, as funlen does.
func (f file) bodyLines(fn *ast.FuncDecl) int {
	if fn.Body == nil {
		return 0
	}
	return max(1, f.line(fn.Body.Rbrace)-f.line(fn.Body.Lbrace)-1)
}
