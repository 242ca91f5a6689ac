package meter

import "iter"

// Table holds the rows of one kind within a batch and remembers which of them the batch added or changed, in the order
// in which it first did.
type Table[K comparable, V any] struct {
	rows    map[K]*row[V]
	touched []K
}

// row is a row before the batch and now. What came from the database is never written to, so it may be shared.
type row[V any] struct {
	before *V // As the database has it; nil: it does not.
	now    *V // The table's own once it is changed.
	dirty  bool
}

// Load adds a row as the database has it. A row that is there already stays as it is.
func (t *Table[K, V]) Load(k K, v V) { t.Share(k, &v) }

// Share is Load of a row that others read, too: the table does not write to it, and nor may they.
func (t *Table[K, V]) Share(k K, v *V) {
	if _, ok := t.rows[k]; !ok {
		t.set(k, &row[V]{before: v, now: v})
	}
}

// Get answers a copy of a row.
func (t *Table[K, V]) Get(k K) (V, bool) {
	if r, ok := t.rows[k]; ok {
		return *r.now, true
	}
	var none V
	return none, false
}

// Put adds or replaces a row.
func (t *Table[K, V]) Put(k K, v V) {
	r, ok := t.rows[k]
	if !ok {
		r = &row[V]{}
		t.set(k, r)
	}
	if !r.dirty {
		r.dirty, r.now = true, new(V)
		t.touched = append(t.touched, k)
	}
	*r.now = v
}

// Each calls f with each row that the batch added or changed, and with the row as it was before the batch: nil if the
// batch added it. Both are the table's own, to be read only.
func (t *Table[K, V]) Each(f func(k K, before, v *V)) {
	for _, k := range t.touched {
		r := t.rows[k]
		f(k, r.before, r.now)
	}
}

// Row answers a row as it was before the batch, nil if the batch added it, and as it is. Both are the table's own, to be read
// only.
func (t *Table[K, V]) Row(k K) (before, v *V, ok bool) {
	r, ok := t.rows[k]
	if !ok {
		return nil, nil, false
	}
	return r.before, r.now, true
}

// Changed says whether the batch added or changed a row.
func (t *Table[K, V]) Changed() bool { return len(t.touched) > 0 }

// All are the rows with their keys, in no order. They are the table's own, to be read only.
func (t *Table[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for k, r := range t.rows {
			if !yield(k, r.now) {
				return
			}
		}
	}
}

// Keys are the keys of all rows, in no order.
func (t *Table[K, V]) Keys() []K {
	keys := make([]K, 0, len(t.rows))
	for k := range t.rows {
		keys = append(keys, k)
	}
	return keys
}

func (t *Table[K, V]) set(k K, r *row[V]) {
	if t.rows == nil {
		t.rows = map[K]*row[V]{}
	}
	t.rows[k] = r
}
