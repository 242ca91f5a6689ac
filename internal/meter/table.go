package meter

import "iter"

// Table holds the rows of one kind within a batch and remembers which of them the batch added or changed, in the order
// in which it first did.
type Table[K comparable, V any] struct {
	rows    []row[K, V]
	index   map[K]int // Where the row of a key is. Nil while there are few rows, which are looked through instead.
	touched []int
}

// row is a row before the batch and now. What came from the database is never written to, so it may be shared.
type row[K comparable, V any] struct {
	key    K
	before *V // As the database has it; nil: it does not.
	now    *V // The same until the batch changes it, and then the table's own.
}

// fewRows is how many are looked through sooner than an index is made and asked. A batch has many tables of one or two.
const fewRows = 8

// Load adds a row as the database has it. A row that is there already stays as it is.
func (t *Table[K, V]) Load(k K, v V) { t.Share(k, &v) }

// Share is Load of a row that others read, too: the table does not write to it, and nor may they.
func (t *Table[K, V]) Share(k K, v *V) {
	if t.at(k) < 0 {
		t.add(row[K, V]{key: k, before: v, now: v})
	}
}

// Get answers a copy of a row.
func (t *Table[K, V]) Get(k K) (V, bool) {
	if r := t.find(k); r != nil {
		return *r.now, true
	}
	var none V
	return none, false
}

// Put adds or replaces a row.
func (t *Table[K, V]) Put(k K, v V) {
	i := t.at(k)
	if i < 0 {
		i = t.add(row[K, V]{key: k})
	}
	r := &t.rows[i]
	if r.now == r.before {
		r.now = new(V)
		t.touched = append(t.touched, i)
	}
	*r.now = v
}

// Each calls f with each row that the batch added or changed, and with the row as it was before the batch: nil if the
// batch added it. Both are the table's own, to be read only.
func (t *Table[K, V]) Each(f func(k K, before, v *V)) {
	for _, i := range t.touched {
		r := &t.rows[i]
		f(r.key, r.before, r.now)
	}
}

// Row answers a row as it was before the batch, nil if the batch added it, and as it is. Both are the table's own, to be read
// only.
func (t *Table[K, V]) Row(k K) (before, v *V, ok bool) {
	r := t.find(k)
	if r == nil {
		return nil, nil, false
	}
	return r.before, r.now, true
}

// Changed says whether the batch added or changed a row.
func (t *Table[K, V]) Changed() bool { return len(t.touched) > 0 }

// All are the rows with their keys, as they were loaded or added. They are the table's own, to be read only.
func (t *Table[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for i := range t.rows {
			if !yield(t.rows[i].key, t.rows[i].now) {
				return
			}
		}
	}
}

// Keys are the keys of all rows, as they were loaded or added.
func (t *Table[K, V]) Keys() []K {
	keys := make([]K, len(t.rows))
	for i := range t.rows {
		keys[i] = t.rows[i].key
	}
	return keys
}

// find is the row of a key, until one is added; nil: there is none.
func (t *Table[K, V]) find(k K) *row[K, V] {
	if i := t.at(k); i >= 0 {
		return &t.rows[i]
	}
	return nil
}

// at is where the row of a key is; -1: nowhere.
func (t *Table[K, V]) at(k K) int {
	if t.index != nil {
		if i, ok := t.index[k]; ok {
			return i
		}
		return -1
	}
	for i := range t.rows {
		if t.rows[i].key == k {
			return i
		}
	}
	return -1
}

// add adds a row that is not there, and answers where it is.
func (t *Table[K, V]) add(r row[K, V]) (i int) {
	i = len(t.rows)
	t.rows = append(t.rows, r)
	switch {
	case t.index != nil:
		t.index[r.key] = i
	case i == fewRows:
		t.index = make(map[K]int, 2*fewRows)
		for i := range t.rows {
			t.index[t.rows[i].key] = i
		}
	}
	return i
}
