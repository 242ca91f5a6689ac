package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
)

// tree is the repository as the rules see it: parsed, never compiled.
type tree struct {
	module string
	files  []file
	// lines counts the lines of every file that people write: Go, proto, SQL.
	lines map[string]int
}

// file is one parsed Go file.
type file struct {
	path   string
	dir    string
	test   bool
	syntax *ast.File
	set    *token.FileSet
}

// notOurs are the directories that people do not write: generated, built and
// vendored files, and what a test reads as data.
var notOurs = []string{"gen", "bin", "third_party", "testdata", "node_modules"}

// load reads every file below root that people write.
func load(root fs.FS) (tree, error) {
	house := tree{lines: map[string]int{}}
	gomod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return tree{}, fmt.Errorf("reading the module's name: %w", err)
	}
	if _, err := fmt.Sscanf(string(gomod), "module %s", &house.module); err != nil {
		return tree{}, fmt.Errorf("reading the module's name: %w", err)
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(root, name)
		}
		return house.add(root, name)
	})
	return house, err
}

// enter answers fs.SkipDir for what is not ours, and for the modules of tools.
func enter(root fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if strings.HasPrefix(base, ".") || slices.Contains(notOurs, base) {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func (t *tree) add(root fs.FS, name string) error {
	if !slices.Contains([]string{".go", ".proto", ".sql"}, path.Ext(name)) {
		return nil
	}
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	t.lines[name] = bytes.Count(text, []byte("\n"))
	if path.Ext(name) != ".go" {
		return nil
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parsing %s: %w", name, err)
	}
	t.files = append(t.files, file{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), syntax, set})
	return nil
}

// shipped are the files that are not tests.
func (t *tree) shipped() []file {
	return slices.DeleteFunc(slices.Clone(t.files), func(f file) bool { return f.test })
}

// in are those of the files that are in one directory.
func in(dir string, files []file) []file {
	return slices.DeleteFunc(slices.Clone(files), func(f file) bool { return f.dir != dir })
}

// imports are the paths that the file imports, each with the place that does.
func (f file) imports() iter.Seq2[string, ast.Node] {
	return func(yield func(string, ast.Node) bool) {
		for _, spec := range f.syntax.Imports {
			if !yield(strings.Trim(spec.Path.Value, `"`), spec) {
				return
			}
		}
	}
}

// knows reports whether the file imports a package.
func (f file) knows(pkg string) bool {
	for name := range f.imports() {
		if name == pkg {
			return true
		}
	}
	return false
}

// complain formats a complaint about a place in the file.
func (f file) complain(at ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", f.path, f.line(at.Pos())) + fmt.Sprintf(format, args...)
}

func (f file) line(pos token.Pos) int {
	return f.set.Position(pos).Line
}

// every calls visit with every node of type N in the files.
func every[N ast.Node](files []file, visit func(file, N)) {
	for _, f := range files {
		for n := range ast.Preorder(f.syntax) {
			if node, ok := n.(N); ok {
				visit(f, node)
			}
		}
	}
}
