package lane

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// fairShare is how many commands one organization may have in a batch in which others take part, however few theirs are.
	// Beyond that it may have as many as the others together, so that a noisy one at most doubles what others wait for.
	fairShare = 64
	// companyLasts is for how many batches after others took part an organization is held to its share: those that come a few
	// times a second must not find a batch under way that one organization has filled.
	companyLasts = 16
	// fullWait is how long the oldest of a line may have waited before the line is full for turns that would begin, however
	// short it is: where less is carried, a queue of the same length takes longer, and the ends of turns wait in it, too.
	fullWait = 500 * time.Millisecond
)

// queue is what waits for a lane: a line for each organization, which take turns. It is bounded in all; when it is full,
// who comes with little takes the place of who waits with most, and in a line the end of a turn that of a beginning.
type queue struct {
	mu      sync.Mutex
	limit   int
	lines   map[string]*line // Of organizations with something waiting.
	turns   []*line          // The same, in the order of their turns.
	length  int
	arrived int64 // How many commands ever did.
	company int   // For how many batches more an organization alone is held to its share.
	others  int   // How many commands the others had in the last batch with several organizations.
	closed  bool
	wake    chan struct{} // Holds a token when there may be something to take.
}

// line are one organization's commands, in order of arrival.
type line struct {
	organization string
	items        []*item
	taken        int // By the batch that is being taken.
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, lines: map[string]*line{}, wake: make(chan struct{}, 1)}
}

// push adds a command. The error is a *meter.Refusal that says why it cannot wait. Another one that loses its place to it
// is answered so.
func (q *queue) push(it *item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return &meter.Refusal{Reason: meter.Unavailable, Cause: errClosed}
	}
	organization := it.command.Organization()
	l, waiting := q.lines[organization]
	_, it.begins = it.command.(meter.Reserve)
	if waiting && it.begins && it.queued.Sub(l.items[0].queued) > fullWait {
		return overloaded(errSlow)
	}
	if q.length >= q.limit && !q.makeRoom(it, l) {
		return overloaded(errFull)
	}
	if !waiting {
		l = &line{organization: organization}
		q.lines[organization] = l
		q.turns = append(q.turns, l)
	}
	q.arrived++
	it.number = q.arrived
	l.items = append(l.items, it)
	q.length++
	q.signal()
	return nil
}

// makeRoom refuses another command for the sake of one that wants to wait: the least of the longest line, if that is longer
// than the line that wants room would be; else, for a command that ends a turn, the newest that would begin one in its own
// line. An organization that begins more turns than can be carried must not keep itself from ending those that run.
func (q *queue) makeRoom(it *item, wants *line) bool {
	longest := slices.MaxFunc(q.turns, func(a, b *line) int { return cmp.Compare(len(a.items), len(b.items)) })
	if wants == nil || len(longest.items) > len(wants.items)+1 {
		return len(longest.items) > 1 && q.refuse(longest, longest.least())
	}
	if n := wants.newestBeginning(); n >= 0 && !it.begins {
		return q.refuse(wants, n)
	}
	return false
}

// refuse answers a command that waits that there are too many.
func (q *queue) refuse(l *line, n int) bool {
	lost := l.items[n]
	l.items = slices.Delete(l.items, n, n+1)
	q.length--
	lost.answer(noOutcome, overloaded(errFull))
	return true
}

// least is which command of a line is refused first: the newest that begins a turn, or the newest of all.
func (l *line) least() int {
	if n := l.newestBeginning(); n >= 0 {
		return n
	}
	return len(l.items) - 1
}

// newestBeginning is the last command of a line that begins a turn; -1: there is none.
func (l *line) newestBeginning() int {
	for n := len(l.items) - 1; n >= 0; n-- {
		if l.items[n].begins {
			return n
		}
	}
	return -1
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for commands and takes at most so many, in order of arrival; nil: the queue was closed and is empty.
func (q *queue) next(most int) []*item {
	for {
		if batch, ended := q.take(most); ended || len(batch) > 0 {
			return batch
		}
		<-q.wake
	}
}

// take takes a batch, round by round: as much of each line as of the others, as far as they have it and its share goes.
func (q *queue) take(most int) (batch []*item, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.length == 0 {
		return nil, q.closed
	}
	q.meetCompany()
	batch = make([]*item, 0, min(most, q.length))
	for round := max(1, most/len(q.turns)); len(batch) < most; {
		before := len(batch)
		for _, l := range q.turns {
			batch = append(batch, l.take(min(round, most-len(batch), q.share(l)-l.taken))...)
		}
		if len(batch) == before {
			break
		}
	}
	q.turns = q.nextTurns()
	q.length -= len(batch)
	slices.SortFunc(batch, func(a, b *item) int { return cmp.Compare(a.number, b.number) })
	return batch, false
}

// take takes at most n of the line.
func (l *line) take(n int) []*item {
	n = min(n, len(l.items))
	taken := l.items[:n]
	l.items, l.taken = l.items[n:], l.taken+n
	return taken
}

// nextTurns are those who still wait: first whoever had nothing of the last batch.
func (q *queue) nextTurns() []*line {
	first, again := make([]*line, 0, len(q.turns)), []*line(nil)
	for _, l := range q.turns {
		switch {
		case len(l.items) == 0:
			delete(q.lines, l.organization)
		case l.taken == 0:
			first = append(first, l)
		default:
			again = append(again, l)
		}
		l.taken = 0
	}
	return append(first, again...)
}

// meetCompany notes how much others than the longest line want, and for how long that counts.
func (q *queue) meetCompany() {
	if len(q.turns) == 1 {
		q.company = max(q.company-1, 0)
		return
	}
	longest := 0
	for _, l := range q.turns {
		longest = max(longest, len(l.items))
	}
	q.company, q.others = companyLasts, q.length-longest
}

// share is how many commands of a line a batch may have.
func (q *queue) share(l *line) int {
	if q.company == 0 {
		return len(l.items) + l.taken
	}
	return max(fairShare, q.others)
}

// len is how many commands wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// close takes no more commands. What waits is still to be taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}
