package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mutant is a bug that somebody might have written, planted to see that the harness finds it.
//
// It is made by building meterd with go build's -overlay: a changed copy stands in for one file, and the file itself stays
// as it is. Build tags would do as well, but then every place that can be broken were there twice, in the code that is
// shipped, and whoever changes one of the two would have to think of the other. This way the code knows of no mutant, and
// one whose text is no longer there, exactly once, fails TestMutants until somebody looks at it.
type mutant struct {
	name   string
	breaks string
	file   string // Below the repository's root.
	edits  []edit
	first  []string // Faults without which it does not show, dealt first. All others are dealt, too.
}

// edit replaces a text that is in a file exactly once.
type edit struct{ old, new string }

// root is the repository's, seen from here.
const root = "../.."

// plant writes the changed copy into a directory, and answers the overlay that names it.
func (m *mutant) plant(dir string) (overlay string, err error) {
	source, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	text, err := m.changed(source)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", err
	}
	names, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, names, 0o600)
}

// changed is the source with the mutant's edits.
func (m *mutant) changed(source string) (string, error) {
	read, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	text := string(read)
	for _, e := range m.edits {
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%s has this %d times, and not once; what the mutant breaks may have moved:\n%s", m.file, n, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), source, text, parser.SkipObjectResolution); err != nil {
		return "", fmt.Errorf("the mutant is no Go: %w", err)
	}
	return text, nil
}

// mutants are all of them: of the rules, and of the way through lanes and store.
var mutants = append(mutantsOfRules, mutantsOfWay...)

// TestMutants sees that each mutant can be made from the code as it is now. With -mutants it is built and run through the
// mix of TestFaults, and must be caught before a short mix is over; the program as it is goes the same way, and must not.
func TestMutants(t *testing.T) {
	for i := range mutants {
		if _, err := mutants[i].plant(t.TempDir()); err != nil {
			t.Errorf("%s: %v", mutants[i].name, err)
		}
	}
	if *runMutants && !t.Failed() {
		huntAll(t)
	}
}

func huntAll(t *testing.T) {
	var catches []catch
	if chosen(control) {
		t.Run(control, func(t *testing.T) {
			if c := hunt(t, meterdProgram, nil); c.by != "" {
				t.Errorf("the program as it is was taken for a mutant: %s", strings.Join(c.problems, "\n"))
			} else {
				t.Logf("lives after %d rounds and %d operations", c.rounds, c.operations)
			}
		})
	}
	for i := range mutants {
		if m := &mutants[i]; chosen(m.name) {
			t.Run(m.name, func(t *testing.T) { catches = append(catches, m.hunt(t)) })
		}
	}
	t.Logf("\n%s", tabulate(catches))
}

// control is the name under which the program as it is goes the way of the mutants.
const control = "control"

func chosen(name string) bool { return strings.Contains(name, *runMutant) }

// hunt builds the mutant and runs it until it is caught.
func (m *mutant) hunt(t *testing.T) catch {
	dir := t.TempDir()
	overlay, err := m.plant(dir)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "meterd")
	if err := build(program, "-overlay="+overlay); err != nil {
		t.Fatal(err)
	}
	c := hunt(t, program, m.first)
	c.mutant = m
	if c.by == "" {
		t.Error("it survives: the harness has a hole")
	} else {
		t.Logf("caught by %s: %s", c.by, c.problems[0])
	}
	return c
}

// hunt runs a program round by round, until the first in which something is wrong or its time is over.
func hunt(t *testing.T, program string, first []string) (c catch) {
	d := newDeck(*runOnly, false)
	d.first(first...)
	s := newStretch(openWorld(t, program), d)
	t.Logf("-faults.seed=%d", s.seed)
	for time.Since(s.tally.began) < *runMutantFor && len(c.problems) == 0 {
		problems, err := s.next(t.Context())
		if err != nil {
			t.Error(errors.Join(err, fmt.Errorf("in round %d", s.tally.rounds)))
			break
		}
		c.problems = problems
	}
	c.by, c.rounds, c.operations, c.after = caughtBy(c.problems), s.tally.rounds, s.tally.checked, time.Since(s.tally.began)
	return c
}
