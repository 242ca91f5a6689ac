package postgres_test

import (
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
)

// TestAccessChangesAreInOrder: a change made later comes later, page by page, though a replica whose clock is ahead gave the
// first one the greater id.
func TestAccessChangesAreInOrder(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm)
	before, err := store.AccessChanges(within(t), firm, "", meter.UUID{}, 100)
	must(t, err)
	changes := []meter.SetAccess{
		access(firm, seat(0), meter.Access{Kind: meter.AccessCapped, Cap: 100}), access(firm, seat(0), meter.Access{}),
		access(firm, seat(1), meter.Access{Kind: meter.AccessCapped, Cap: 5}),
	}
	changes[1].Access.Kind = meter.AccessNone
	changes[0].ChangeID, changes[2].ChangeID = changes[2].ChangeID, changes[0].ChangeID
	for _, c := range changes {
		l.do(c)
	}
	after := before[len(before)-1].ID
	for n, want := range changes {
		page, err := store.AccessChanges(within(t), firm, "", after, 1)
		must(t, err)
		if len(page) != 1 || page[0].ID != want.ChangeID {
			t.Fatalf("change %d is told as %+v", n, page)
		}
		after = page[0].ID
	}
	if page, err := store.AccessChanges(within(t), firm, seat(0), before[len(before)-1].ID, 10); err != nil || len(page) != 2 {
		t.Errorf("of one member: %+v, %v", page, err)
	}
}
