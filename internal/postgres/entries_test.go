package postgres

import (
	"slices"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
)

// TestStretches: a narrowed query that may look at so many entries at a time comes to every one of them once, in either order.
func TestStretches(t *testing.T) {
	ledger := []stretch{{after: 3, until: 70}, {after: 80, until: 81}, {after: 90, until: 90}, {after: 95, until: 120}}
	var want []int64
	for _, s := range ledger {
		for n := s.after + 1; n <= s.until; n++ {
			want = append(want, n)
		}
	}
	for _, looked := range []int64{1, 7, 67, 1000} {
		q := meter.EntryQuery{Kinds: []meter.EntryKind{meter.EntryPoolCharge}}
		if got := walked(q, ledger, looked); !slices.Equal(got, want) {
			t.Errorf("%d at a time: %v", looked, got)
		}
		q.NewestFirst = true
		newest := walked(q, reversed(ledger), looked)
		slices.Reverse(newest)
		if !slices.Equal(newest, want) {
			t.Errorf("%d at a time, newest first and turned round: %v", looked, newest)
		}
	}
}

// walked are the sequences that a query comes to, so many at a time, in its order.
func walked(q meter.EntryQuery, ledger []stretch, looked int64) (all []int64) {
	for _, s := range ledger {
		for more := true; more; {
			ahead := s.ahead(q)
			near := ahead.near(q, looked)
			var part []int64
			for n := near.after + 1; n <= near.until; n++ {
				part = append(part, n)
			}
			if q.NewestFirst {
				slices.Reverse(part)
			}
			all = append(all, part...)
			if more = near.size() < ahead.size(); more {
				q.After = near.end(q)
			}
		}
	}
	return all
}

func reversed(ledger []stretch) []stretch {
	turned := slices.Clone(ledger)
	slices.Reverse(turned)
	return turned
}
