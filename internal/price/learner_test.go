package price

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/trace"
)

// Buckets lie side by side without a gap, none wider than a quarter of where it begins, and small counts have their own.
func TestBucketsCoverEveryCount(t *testing.T) {
	next := int64(0)
	for bucket := range historyBuckets - 1 {
		last := lastOf(bucket)
		if bucketOf(next) != bucket || bucketOf(last) != bucket || last < next {
			t.Fatalf("bucket %d: begins with %d (in %d), ends with %d (in %d)", bucket, next, bucketOf(next), last, bucketOf(last))
		}
		if width := last - next + 1; width > max(1, next/4) {
			t.Errorf("bucket %d, from %d, is %d wide", bucket, next, width)
		}
		next = last + 1
	}
	if next != longAnswer || bucketOf(next) != historyBuckets-1 || bucketOf(1<<62) != historyBuckets-1 || bucketOf(-1) != 0 {
		t.Errorf("the last bucket begins at %d", next)
	}
}

// realOutputs are the output tokens of real chat turns.
func realOutputs(t *testing.T) (outputs []int64) {
	t.Helper()
	rows, err := trace.ReadFile("../trace/testdata/azure2023_conv.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		outputs = append(outputs, row.OutputTokens)
	}
	return outputs
}

// exactQuantile is the smallest value that 95 of 100 do not pass, by sorting.
func exactQuantile(outputs []int64) int64 {
	sorted := slices.Sorted(slices.Values(outputs))
	rank := 0
	for 100*(rank+1) < 95*len(sorted) {
		rank++
	}
	return sorted[rank]
}

// What is expected is the last count of the very bucket that the exact quantile of all turns seen is in.
func TestExpectsTheQuantileOfRealTurns(t *testing.T) {
	l, outputs := NewLearner(1), realOutputs(t)
	for i, output := range outputs {
		l.Observe("acme", "m", output)
		got, learned := l.Expect("acme", "m", 1e9)
		if seen := i + 1; seen < 30 {
			if learned || got != 1e9 {
				t.Fatalf("after %d turns: %d, %t; want the maximum, not learned", seen, got, learned)
			}
			continue
		}
		exact := exactQuantile(outputs[:i+1])
		if want := lastOf(bucketOf(exact)); !learned || got != want || got < exact {
			t.Fatalf("after %d turns: %d, %t; want %d, where exact is %d", i+1, got, learned, want, exact)
		}
	}
}

func TestExpectsTheQuantileOfAnyTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 1e5), rapid.Int64Range(0, longAnswer-1))
		outputs := rapid.SliceOfN(count, 30, maxHistory-1).Draw(t, "outputs")
		l := NewLearner(1)
		for _, output := range outputs {
			l.Observe("acme", "m", output)
		}
		maximum := rapid.Int64Range(0, longAnswer).Draw(t, "maximum")
		want := min(lastOf(bucketOf(exactQuantile(outputs))), maximum)
		if got, learned := l.Expect("acme", "m", maximum); got != want || !learned {
			t.Fatalf("%d, %t; want %d", got, learned, want)
		}
	})
}

func TestLongAnswersNeedTheMaximum(t *testing.T) {
	l := NewLearner(1)
	for range 100 {
		l.Observe("acme", "m", longAnswer)
	}
	if got, learned := l.Expect("acme", "m", 1e12); got != 1e12 || !learned {
		t.Errorf("expects %d, %t; want the maximum", got, learned)
	}
}

// A model whose answers grow is followed at once, for too small a hold stops turns; one whose answers shrink within a few
// thousand turns. Whatever it has seen, the weight of the past is bounded.
func TestFollowsAChange(t *testing.T) {
	for _, test := range []struct {
		from, to int64
		within   int
	}{
		{100, 10_000, 60},
		{10_000, 100, 3 * maxHistory},
	} {
		l := NewLearner(1)
		for range 20 * maxHistory {
			l.Observe("acme", "m", test.from)
		}
		expected := func() int64 { tokens, _ := l.Expect("acme", "m", 1e9); return tokens }
		if got, want := expected(), lastOf(bucketOf(test.from)); got != want {
			t.Errorf("before the change: %d, want %d", got, want)
		}
		turns := 0
		for ; expected() != lastOf(bucketOf(test.to)) && turns <= test.within; turns++ {
			l.Observe("acme", "m", test.to)
		}
		if turns > test.within {
			t.Errorf("from %d to %d: not followed within %d turns", test.from, test.to, test.within)
		}
		for range 20 * maxHistory {
			l.Observe("acme", "m", test.to)
		}
		h := l.entry(learnerKey{"acme", "m"})
		if left := h.counts[bucketOf(test.from)]; left != 0 {
			t.Errorf("from %d to %d: %d turns of long ago are still counted", test.from, test.to, left)
		}
		sum := 0
		for _, n := range h.counts {
			sum += int(n)
		}
		if sum != h.total || h.total >= maxHistory {
			t.Errorf("the history weighs %d, and says %d", sum, h.total)
		}
	}
}

func TestKeysAreApart(t *testing.T) {
	l := NewLearner(0)
	if l.keys != defaultLearnerKeys {
		t.Errorf("keeps %d keys", l.keys)
	}
	for range 30 {
		l.Observe("acme", "m", 5)
		l.Observe("acme", "n", 6)
		l.Observe("other", "m", 7)
	}
	for key, want := range map[learnerKey]int64{{"acme", "m"}: 5, {"acme", "n"}: 6, {"other", "m"}: 7} {
		if got, learned := l.Expect(key.organization, key.model, 100); got != want || !learned {
			t.Errorf("%v: %d, %t; want %d", key, got, learned, want)
		}
	}
	if got, learned := l.Expect("other", "n", 100); got != 100 || learned {
		t.Errorf("a pair never seen: %d, %t", got, learned)
	}
}

// Beyond the bound it is the key longest out of use that is forgotten; asking for one uses it.
func TestKeysAreBounded(t *testing.T) {
	const keys = 10
	l := NewLearner(keys)
	learn := func(model string) {
		for range 30 {
			l.Observe("acme", model, 5)
		}
	}
	knows := func(model string) bool { _, learned := l.Expect("acme", model, 100); return learned }
	for i := range keys {
		learn(fmt.Sprint(i))
	}
	knows("0")
	learn("new")
	if !knows("0") || knows("1") || !knows("2") || !knows("new") {
		t.Errorf("after one key too many: 0 %t, 1 %t, 2 %t, new %t", knows("0"), knows("1"), knows("2"), knows("new"))
	}
	for i := range 1000 {
		l.Observe("acme", fmt.Sprint("other", i), 1)
	}
	if len(l.entries) != keys || l.recent.Len() != keys {
		t.Errorf("keeps %d keys in a list of %d, want %d", len(l.entries), l.recent.Len(), keys)
	}
	// Asking about what was never seen keeps nothing.
	for i := range keys {
		knows(fmt.Sprint("stranger", i))
	}
	if _, kept := l.entries[learnerKey{"acme", "other999"}]; !kept || len(l.entries) != keys {
		t.Errorf("asking pushed out what was learned")
	}
}

// Many callers at once lose no turn, and never more keys are kept than may be.
func TestManyCallersLearnAtOnce(t *testing.T) {
	const callers, turns = 8, 100
	// Between two uses of the shared key each caller uses one other at most: it is never the one to be forgotten.
	l := NewLearner(2 * callers)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for turn := range turns {
				l.Observe("acme", "shared", int64(turn))
				if tokens, _ := l.Expect("acme", "shared", 1000); tokens > 1000 {
					t.Errorf("expects %d", tokens)
				}
				if turn < 10 {
					l.Observe("acme", fmt.Sprint(caller, turn), 1)
				}
			}
		})
	}
	all.Wait()
	if h := l.entry(learnerKey{"acme", "shared"}); h.total != callers*turns {
		t.Errorf("%d turns were counted, want %d", h.total, callers*turns)
	}
	if len(l.entries) != 2*callers {
		t.Errorf("%d keys are kept, want %d", len(l.entries), 2*callers)
	}
}
