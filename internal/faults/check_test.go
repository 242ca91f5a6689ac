package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkPatience bounds one check. A history that is not decided by then is a failure, not a pass.
const checkPatience = 30 * time.Second

// model hands a firm's book to porcupine.
func (x *explainer) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any {
			b := x.blank()
			return &b
		},
		Step: func(state, input, _ any) (bool, any) {
			before, _ := state.(*book)
			after := *before
			m, _ := input.(*move)
			return m.apply(&after) == "", &after
		},
		Equal: func(a, b any) bool {
			one, _ := a.(*book)
			other, _ := b.(*book)
			return one.equal(other)
		},
		Hash: func(state any) uint64 {
			b, _ := state.(*book)
			return b.hash()
		},
		DescribeOperation: func(input, _ any) string {
			m, _ := input.(*move)
			return m.what
		},
		DescribeState: func(state any) string {
			b, _ := state.(*book)
			return b.String()
		},
	}
}

// blank is the book before anything happened.
func (x *explainer) blank() book {
	b := newBook(x.terms, len(x.books.reservations), len(x.topUps), len(x.refunds))
	b.gallery, b.seen, b.untimed = x.gallery, newShelf[bool](len(x.sights)), newShelf[bool](len(x.untimed))
	b.look()
	return b
}

// check decides whether the history is linearizable, and answers what is wrong with it.
func (x *explainer) check(dir string) []string {
	problems := x.problems
	result := porcupine.CheckOperationsTimeout(x.model(), x.operations, checkPatience)
	if result == porcupine.Ok {
		return problems
	}
	_, info := porcupine.CheckOperationsVerbose(x.model(), x.operations, checkPatience)
	return append(problems, fmt.Sprintf("%s: %d operations: %s; see %s and %s; %s", x.firm.id, len(x.operations)+len(x.sights),
		map[porcupine.CheckResult]string{
			porcupine.Illegal: "NOT LINEARIZABLE",
			porcupine.Unknown: "not decided in time, which counts as a failure",
		}[result], x.draw(dir, info), x.tell(dir), x.stuck(info)))
}

// draw writes the picture of a history that is not linearizable, and answers where.
func (x *explainer) draw(dir string, info porcupine.LinearizationInfo) string {
	path := filepath.Join(dir, x.firm.id+".html")
	file, err := os.Create(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if err := porcupine.Visualize(x.model(), info, file); err != nil {
		return err.Error()
	}
	return path
}

// stuckShown is how many of the moves that come next in vain are told.
const stuckShown = 6

// stuck says where the longest way through the history ends: the book there, and why none of the moves that could come
// next can.
func (x *explainer) stuck(info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, ways := range info.PartialLinearizationsOperations() {
		for _, way := range ways {
			if len(way) > len(longest) {
				longest = way
			}
		}
	}
	b := x.blank()
	done := map[*move]bool{}
	for _, op := range longest {
		m, _ := op.Input.(*move)
		m.apply(&b)
		done[m] = true
	}
	text := fmt.Sprintf("after %d of them the book is %s", len(longest), b.String())
	shown := 0
	for _, op := range x.operations {
		m, _ := op.Input.(*move)
		after := b
		if done[m] || shown == stuckShown {
			continue
		}
		if why := m.apply(&after); !strings.HasPrefix(why, outOfTurn) {
			text += fmt.Sprintf("\n      next %s: %s", m.what, why)
			shown++
		}
	}
	return text
}

// tell writes the history as text, in the order of the calls, and answers where.
func (x *explainer) tell(dir string) string {
	path := filepath.Join(dir, x.firm.id+".txt")
	var lines []string
	for _, a := range x.attempts {
		lines = append(lines, fmt.Sprintf("%d to %d %v", a.call, a.ret, a))
	}
	for _, op := range x.operations {
		m, _ := op.Input.(*move)
		lines = append(lines, fmt.Sprintf("%d to %d %s", coarse(op.Call), coarse(op.Return), m.what))
	}
	slices.Sort(lines)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return err.Error()
	}
	return path
}
