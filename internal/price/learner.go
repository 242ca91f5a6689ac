package price

import (
	"container/list"
	"sync"
)

const (
	// defaultLearnerKeys is how many models of organizations a Learner keeps if it is not told: some 30 MB at most.
	defaultLearnerKeys = 100_000
	// minLearned is how many turns it takes to have learned something.
	minLearned = 30
	// learnedPercent is the quantile that is expected.
	learnedPercent = 95
)

// Learner keeps, for each organization and model, how many tokens its answers have had of late, in a little memory of
// fixed size. Any number of callers may use it at once.
type Learner struct {
	mutex   sync.Mutex
	keys    int
	entries map[learnerKey]*list.Element
	recent  *list.List // Of *learned, the one last used first.
}

type learnerKey struct{ organization, model string }

type learned struct {
	key     learnerKey
	history history
}

// NewLearner makes a Learner that keeps so many pairs of organization and model, and forgets the ones longest out of use
// when there are more. 0 or less: 100,000.
func NewLearner(keys int) *Learner {
	if keys <= 0 {
		keys = defaultLearnerKeys
	}
	return &Learner{keys: keys, entries: map[learnerKey]*list.Element{}, recent: list.New()}
}

// Observe enters how many output tokens a turn really had. A negative number counts as none.
func (l *Learner) Observe(organization, model string, output int64) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.entry(learnerKey{organization, model}).observe(output)
}

// Expect is how many output tokens a turn will have in 19 cases of 20, as turns of late went, and never more than the
// maximum. Until 30 turns were seen it is the maximum, and not learned.
func (l *Learner) Expect(organization, model string, maximum int64) (tokens int64, isLearned bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	element, ok := l.entries[learnerKey{organization, model}]
	if !ok {
		return maximum, false
	}
	l.recent.MoveToFront(element)
	h := &element.Value.(*learned).history
	if h.total < minLearned {
		return maximum, false
	}
	return min(h.quantile(), maximum), true
}

// entry is the history under a key, which is now the one last used.
func (l *Learner) entry(key learnerKey) *history {
	if element, ok := l.entries[key]; ok {
		l.recent.MoveToFront(element)
		return &element.Value.(*learned).history
	}
	if len(l.entries) >= l.keys {
		delete(l.entries, l.recent.Remove(l.recent.Back()).(*learned).key)
	}
	made := &learned{key: key}
	l.entries[key] = l.recent.PushFront(made)
	return &made.history
}
