package tidy

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
)

func packagesAreExplained(t tree) (complaints []string) {
	for _, dir := range t.packages() {
		if !slices.ContainsFunc(in(dir, t.shipped()), func(f file) bool { return f.syntax.Doc != nil }) {
			complaints = append(complaints, fmt.Sprintf("%s has no package comment", dir))
		}
	}
	return complaints
}

func exportedNamesAreExplained(t tree) (complaints []string) {
	for _, f := range t.shipped() {
		for _, decl := range f.syntax.Decls {
			for _, name := range unexplained(decl) {
				complaints = append(complaints, f.complain(name, "%s has no comment", name.Name))
			}
		}
	}
	return complaints
}

// unexplained are the exported names of a declaration that nothing is said of.
// The comment above a group of constants or variables speaks for all of it.
func unexplained(decl ast.Decl) (names []*ast.Ident) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && !isPrivateMethod(decl) {
			names = append(names, decl.Name)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if decl.Doc == nil && spec.Doc == nil {
					names = append(names, spec.Name)
				}
			case *ast.ValueSpec:
				if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					names = append(names, spec.Names...)
				}
			}
		}
	}
	return slices.DeleteFunc(names, func(n *ast.Ident) bool { return !n.IsExported() })
}

// isPrivateMethod reports whether the function is a method of an unexported
// type, where an exported name often only satisfies an interface.
func isPrivateMethod(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return false
	}
	for n := range ast.Preorder(fn.Recv.List[0].Type) {
		if name, ok := n.(*ast.Ident); ok {
			return !name.IsExported()
		}
	}
	return false
}

func nothingIsUnfinished(t tree) (complaints []string) {
	mark := regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)
	for _, f := range t.files {
		for _, comment := range f.syntax.Comments {
			if found := mark.FindString(comment.Text()); found != "" {
				complaints = append(complaints, f.complain(comment, "unfinished: %s", found))
			}
		}
	}
	return complaints
}
