package price

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
)

const (
	maxNearest = 3
	// minShared is how much of a name must be found in another for that to mean anything.
	minShared = 3
	// maxEdits bounds how far a name may be from another and still be near: a quarter of its letters, and no more than this.
	maxEdits = 5
	// maxMisses is how many answers are remembered, before they are all forgotten.
	maxMisses = 256
)

// folded is a name as people remember it: only its letters and digits, in small letters.
type folded struct {
	name  string
	text  []rune
	plain string
	seen  uint64 // A bit for each of its letters and digits, several sharing one.
}

func fold(name string) folded {
	f := folded{name: name}
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			r = unicode.ToLower(r)
			f.text = append(f.text, r)
			f.seen |= 1 << (r % 64)
		}
	}
	f.plain = string(f.text)
	return f
}

// candidate is a name with how far it is from the one asked for.
type candidate struct {
	name   string
	edits  int // 0: one holds the other.
	length int // By how many letters their lengths differ.
}

// Nearest is at most three names or aliases of the book that somebody who wrote the model may have meant, the likeliest
// first: those that hold it or are held in it, by difference of length; then those that few changes of a letter make it.
// Neither case nor punctuation counts.
func (t *Table) Nearest(model string) []string {
	if len(model) > 4*maxNameRunes {
		return nil // No name of a book is as long; nor shall its length cost time.
	}
	t.misses.mutex.Lock()
	names, ok := t.misses.nearest[model]
	t.misses.mutex.Unlock()
	if !ok {
		names = t.search(model)
		t.misses.keep(model, names)
	}
	return slices.Clone(names)
}

// misses remembers what was answered of late: who asks for a model that the book does not have asks for it at every turn,
// and going through a whole book takes a thousand times as long as pricing a turn.
type misses struct {
	mutex   sync.Mutex
	nearest map[string][]string
}

func (m *misses) keep(model string, names []string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.nearest == nil || len(m.nearest) >= maxMisses {
		m.nearest = map[string][]string{}
	}
	m.nearest[strings.Clone(model)] = names
}

// search goes through the names of the book.
func (t *Table) search(model string) []string {
	asked := fold(model)
	var best []candidate
	for i := range t.nearby {
		bound := min(len(asked.text)/4+1, maxEdits)
		if len(best) == maxNearest {
			bound = min(bound, best[maxNearest-1].edits)
		}
		if c, near := asked.near(&t.nearby[i], bound); near {
			best = keep(best, c)
		}
	}
	var names []string
	for _, c := range best {
		names = append(names, c.name)
	}
	return names
}

// keep enters a candidate among the best, and drops the last of too many.
func keep(best []candidate, c candidate) []candidate {
	at, _ := slices.BinarySearchFunc(best, c, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.edits, b.edits), cmp.Compare(a.length, b.length), strings.Compare(a.name, b.name))
	})
	best = slices.Insert(best, at, c)
	return best[:min(len(best), maxNearest)]
}

// near compares a name of the book with the one asked for, and says no if they are more than bound edits apart.
func (f *folded) near(other *folded, bound int) (candidate, bool) {
	length := len(f.text) - len(other.text)
	c := candidate{name: other.name, length: max(length, -length)}
	if f.holds(other) || other.holds(f) {
		return c, true
	}
	// Each letter that only one of them has takes an edit.
	lacking := max(bits.OnesCount64(f.seen&^other.seen), bits.OnesCount64(other.seen&^f.seen))
	if bound == 0 || c.length > bound || lacking > bound {
		return candidate{}, false
	}
	c.edits = edits(f.text, other.text, bound)
	return c, c.edits <= bound
}

// holds reports whether the other name is a part of this one that says something.
func (f *folded) holds(other *folded) bool {
	return len(other.text) >= min(minShared, len(f.text)) && other.seen&^f.seen == 0 && strings.Contains(f.plain, other.plain)
}

// edits is how many letters must be put in, taken out or changed to make one text of the other, or some number above the
// bound if they are more. It looks only where so few can lead. The lengths must not differ by more than the bound.
func edits(a, b []rune, bound int) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, letter := range a {
		from, to := max(0, i-bound), min(len(b), i+1+bound)
		diagonal, least := row[from], i+1
		row[from] = i + 1
		if from > 0 {
			row[from], least = bound+1, bound+1 // Too far aside to lead anywhere.
		}
		for j := from; j < to; j++ {
			same := diagonal
			if letter != b[j] {
				same = 1 + diagonal
			}
			diagonal = row[j+1]
			row[j+1] = min(same, diagonal+1, row[j]+1)
			least = min(least, row[j+1])
		}
		if least > bound {
			return least
		}
	}
	return row[len(b)]
}
