package meter_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// change is what Each tells of a row.
type change struct {
	key    string
	before int // -1: the batch added it.
	value  int
}

func changesOf(table *meter.Table[string, int]) (changes []change) {
	table.Each(func(k string, before, v *int) {
		was := -1
		if before != nil {
			was = *before
		}
		changes = append(changes, change{k, was, *v})
	})
	return changes
}

func wantChanges(t *testing.T, table *meter.Table[string, int], want ...change) {
	t.Helper()
	if got := changesOf(table); !slices.Equal(got, want) {
		t.Errorf("changes %v, want %v", got, want)
	}
}

func TestEmptyTable(t *testing.T) {
	var table meter.Table[string, int]
	if v, ok := table.Get("a"); ok || v != 0 {
		t.Errorf("Get: %d %t", v, ok)
	}
	if keys := table.Keys(); len(keys) != 0 {
		t.Errorf("Keys: %v", keys)
	}
	if before, v, ok := table.Row("a"); ok || before != nil || v != nil || table.Changed() {
		t.Errorf("Row: %v %v %t, changed %t", before, v, ok, table.Changed())
	}
	wantChanges(t, &table)
}

func TestTableTellsWhatChanged(t *testing.T) {
	var table meter.Table[string, int]
	table.Load("a", 1)
	table.Load("b", 2)
	table.Load("c", 3)
	wantChanges(t, &table) // What was only loaded is not written.
	if table.Changed() {
		t.Error("what was only loaded has changed")
	}
	table.Put("c", 30)
	table.Put("new", 4)
	table.Put("a", 10)
	table.Put("new", 40)
	table.Put("c", 31)
	// Each row once, as it is in the end, in the order in which it was first changed, and as it was before.
	wantChanges(t, &table, change{"c", 3, 31}, change{"new", -1, 40}, change{"a", 1, 10})
	keys := table.Keys()
	slices.Sort(keys)
	if want := []string{"a", "b", "c", "new"}; !slices.Equal(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	all := map[string]int{}
	for k, v := range table.All() {
		all[k] = *v
	}
	if want := map[string]int{"a": 10, "b": 2, "c": 31, "new": 40}; !maps.Equal(all, want) || !table.Changed() {
		t.Errorf("rows %v, want %v; changed %t", all, want, table.Changed())
	}
	for k, was := range map[string]int{"a": 1, "b": 2, "c": 3} {
		if before, v, ok := table.Row(k); !ok || *before != was || *v != all[k] {
			t.Errorf("the row %s is %d, was %d", k, *v, *before)
		}
	}
	if before, v, ok := table.Row("new"); !ok || before != nil || *v != 40 {
		t.Errorf("the new row was %v, is %d", before, *v)
	}
	for range table.All() {
		break // Whoever has seen enough may stop.
	}
}

// A row that is loaded twice in a batch, for two commands, is not taken back to what it was.
func TestTableLoadsOnce(t *testing.T) {
	var table meter.Table[string, int]
	table.Load("a", 1)
	table.Put("a", 2)
	table.Load("a", 1)
	table.Put("b", 5)
	table.Load("b", 6)
	for key, want := range map[string]int{"a": 2, "b": 5} {
		if got, _ := table.Get(key); got != want {
			t.Errorf("%s is %d, want %d", key, got, want)
		}
	}
	wantChanges(t, &table, change{"a", 1, 2}, change{"b", -1, 5})
}

// A table is what a map with the order of changes would be, however many rows it has.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table meter.Table[int, int]
		before, now := map[int]int{}, map[int]int{}
		var touched []int
		keys := rapid.IntRange(0, rapid.SampledFrom([]int{3, 30}).Draw(t, "keys"))
		for n := range rapid.IntRange(0, 60).Draw(t, "steps") {
			k := keys.Draw(t, "key")
			if rapid.Bool().Draw(t, "load") {
				table.Load(k, n)
				if _, there := now[k]; !there {
					before[k], now[k] = n, n
				}
				continue
			}
			table.Put(k, n)
			if now[k] = n; !slices.Contains(touched, k) {
				touched = append(touched, k)
			}
		}
		for k := range 31 {
			want, there := now[k]
			was, v, ok := table.Row(k)
			old, loaded := before[k]
			if ok != there || ok && (*v != want || (was != nil) != loaded || loaded && *was != old) {
				t.Errorf("row %d is %v, was %v; want %d, %t, and %d, %t", k, v, was, want, there, old, loaded)
			}
		}
		var changed []int
		table.Each(func(k int, _, _ *int) { changed = append(changed, k) })
		if !slices.Equal(changed, touched) || len(table.Keys()) != len(now) {
			t.Errorf("changed %v, want %v; keys %v", changed, touched, table.Keys())
		}
	})
}

// What Get answers is a copy: only Put changes the table.
func TestTableAnswersCopies(t *testing.T) {
	var table meter.Table[string, meter.Period]
	table.Load("a", meter.Period{AllowanceUsed: 1})
	p, _ := table.Get("a")
	p.AllowanceUsed = 9
	if got, _ := table.Get("a"); got.AllowanceUsed != 1 {
		t.Errorf("changed through a copy: %+v", got)
	}
	table.Put("a", p)
	p.AllowanceUsed = 10
	table.Each(func(_ string, before, v *meter.Period) {
		if before.AllowanceUsed != 1 || v.AllowanceUsed != 9 {
			t.Errorf("before %+v, now %+v", *before, *v)
		}
	})
}

// A loaded reservation is found by its id and by the request id of its Reserve.
func TestLoadReservation(t *testing.T) {
	s := meter.NewState("acme", moment(t, "2026-02-10T12:00:00Z"))
	r := meter.Reservation{ID: uuidOf("r1"), RequestID: "r1", State: meter.Held}
	s.LoadReservation(&r)
	if got, ok := s.Reservations.Get(r.ID); !ok || !reflect.DeepEqual(got, r) {
		t.Errorf("by id: %+v %t", got, ok)
	}
	if s.Requests["r1"] != r.ID {
		t.Errorf("by request id: %x", s.Requests["r1"])
	}
	s.Reservations.Each(func(meter.UUID, *meter.Reservation, *meter.Reservation) { t.Error("it counts as changed") })
}
