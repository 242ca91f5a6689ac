package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/spillway-metering/spillway/internal/audit"
)

// deck deals faults so that each comes before any comes twice.
type deck struct {
	all, left []*fault
	dealt     map[string]bool
	once      bool // Whether none comes twice.
}

func newDeck(only string, once bool) *deck {
	d := &deck{dealt: map[string]bool{}, once: once}
	for i := range faults {
		if only == "" || faults[i].name == only {
			d.all = append(d.all, &faults[i])
		}
	}
	return d
}

// first puts some faults on top of the deck, for the first blow.
func (d *deck) first(names ...string) {
	for _, f := range d.all {
		if slices.Contains(names, f.name) {
			d.left = append(d.left, f)
		}
	}
}

// deal takes some faults from the deck; one that must be alone comes alone. It answers none if the deck has no cards.
func (d *deck) deal(n int, r *rand.Rand) (some []*fault) {
	for len(some) < n && len(d.all) > 0 {
		if len(d.left) == 0 {
			if len(some) > 0 || (d.once && d.complete()) {
				break // The same fault is never twice in one blow.
			}
			d.left = slices.Clone(d.all)
			r.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
		}
		next := d.left[0]
		if next.alone && len(some) > 0 {
			break
		}
		d.left = d.left[1:]
		some = append(some, next)
		d.dealt[next.name] = true
		if next.alone {
			break
		}
	}
	return some
}

// complete says whether every fault has been dealt.
func (d *deck) complete() bool { return len(d.dealt) == len(d.all) }

// tally counts what a run has done.
type tally struct {
	mu        sync.Mutex
	began     time.Time
	rounds    int
	histories int
	checked   int // Operations of the checker's.
	attempts  map[string]map[string]int
	faults    map[string]int
	figures   int64 // That audits recomputed.
	audits    int
	anomalies int
}

func newTally() *tally {
	return &tally{began: time.Now(), attempts: map[string]map[string]int{}, faults: map[string]int{}}
}

func (t *tally) injected(f *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[f.name]++
}

func (t *tally) history(x *explainer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.histories++
	t.checked += len(x.operations) + len(x.sights)
	for _, a := range x.attempts {
		kind, came := kindOf(a.request), a.reason
		switch a.fate() {
		case answered:
			came = "OK"
		case unknown:
			came = "unknown"
		default:
		}
		if t.attempts[kind] == nil {
			t.attempts[kind] = map[string]int{}
		}
		t.attempts[kind][came]++
	}
}

func kindOf(q proto.Message) string {
	return strings.TrimSuffix(string(proto.MessageName(q).Name()), "Request")
}

func (t *tally) audited(r audit.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.audits++
	t.figures += r.Sums
}

// report is the tally in a few lines.
func (t *tally) report(w *world) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds, %d histories, %d operations checked, %d audits of %d figures, %d anomalies, %v\n",
		t.rounds, t.histories, t.checked, t.audits, t.figures, t.anomalies, time.Since(t.began).Round(time.Second))
	fmt.Fprintf(&b, "crashes: meterd %d, PostgreSQL %d\nattempts:\n",
		w.crashes.meterd.Load(), w.crashes.postgres.Load())
	for _, kind := range slices.Sorted(maps.Keys(t.attempts)) {
		fmt.Fprintf(&b, "  %-15s %s\n", kind, counts(t.attempts[kind]))
	}
	b.WriteString("faults injected:\n")
	for _, name := range slices.Sorted(maps.Keys(t.faults)) {
		fmt.Fprintf(&b, "  %5d %s\n", t.faults[name], name)
	}
	return b.String()
}

func counts(of map[string]int) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		words = append(words, fmt.Sprintf("%s %d", name, of[name]))
	}
	return strings.Join(words, ", ")
}
