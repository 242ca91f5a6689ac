package tidy

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
)

// rulesDir is where the rules of metering live.
const rulesDir = "internal/meter"

// speakSQL are the packages whose shipped files may hold statements: the store,
// what checks it without trusting it, what measures the naive way beside it,
// and what makes databases, knowing no table in them.
var speakSQL = []string{
	"internal/postgres",
	"internal/audit",
	"internal/bench", "cmd/meterbench",
	"internal/localpg", "internal/pgtest",
}

func nothingSleeps(t tree) []string {
	return calls(t.files, "time", regexp.MustCompile(`^time\.Sleep$`))
}

func noTestSkips(t tree) []string {
	return calls(t.files, "testing", regexp.MustCompile(`\.(Skip|Skipf|SkipNow)$`))
}

// calls complains of each use of a selector, in files that import a package:
// without it the same name means something else.
func calls(files []file, pkg string, banned *regexp.Regexp) (complaints []string) {
	every(files, func(f file, use *ast.SelectorExpr) {
		target, ok := use.X.(*ast.Ident)
		if !ok || !f.knows(pkg) {
			return
		}
		if name := target.Name + "." + use.Sel.Name; banned.MatchString(name) {
			complaints = append(complaints, f.complain(use, "%s", name))
		}
	})
	return complaints
}

// sqlIsInStore goes by how a string begins: a statement is known by its first
// words, in either case, after comments and white space.
func sqlIsInStore(t tree) (complaints []string) {
	statement := regexp.MustCompile(`(?is)^(\s|--[^\n]*\n)*` +
		`(select\s.*\sfrom\s+\S|select\s+\S+\(|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|with\s.*\sas\s*\()`)
	every(t.shipped(), func(f file, literal *ast.BasicLit) {
		if literal.Kind != token.STRING || slices.Contains(speakSQL, f.dir) {
			return
		}
		if text, err := strconv.Unquote(literal.Value); err == nil && statement.MatchString(text) {
			complaints = append(complaints, f.complain(literal, "SQL outside the store"))
		}
	})
	return complaints
}

// exact are the packages that compute with money or with prices.
var exact = []string{rulesDir, "internal/price", "internal/pricelist"}

// floatNames are what a float is called, and what makes one without calling it so.
var floatNames = regexp.MustCompile(`^(float(32|64)|complex(64|128)|(Parse|Format|Append)Float|(Set)?Float(32|64)?|NewFloat)$`)

// moneyIsExact holds tests to the names only: a count such as 1e6, which the compiler takes for a whole number where one
// is asked for, reads better there than its zeros.
func moneyIsExact(t tree) (complaints []string) {
	for _, dir := range exact {
		every(in(dir, t.files), func(f file, name *ast.Ident) {
			if floatNames.MatchString(name.Name) {
				complaints = append(complaints, f.complain(name, "%s is a float", name.Name))
			}
		})
		for _, f := range in(dir, t.shipped()) {
			complaints = append(complaints, f.floatLiterals()...)
		}
	}
	return complaints
}

// floatLiterals complains of numbers with a point or an exponent. Where a constant or a variable says its type the
// compiler sees to it that the number is whole, for no type with a float's name is allowed.
func (f file) floatLiterals() (complaints []string) {
	typed := map[ast.Node]bool{}
	every([]file{f}, func(_ file, spec *ast.ValueSpec) {
		for _, value := range spec.Values {
			typed[value] = spec.Type != nil
		}
	})
	every([]file{f}, func(f file, literal *ast.BasicLit) {
		if literal.Kind == token.FLOAT && !typed[literal] {
			complaints = append(complaints, f.complain(literal, "%s is a float", literal.Value))
		}
	})
	return complaints
}
