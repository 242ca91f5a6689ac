package auth

import "sync"

// remembered keeps up to so many values, and forgets some when there would be more.
type remembered[K comparable, V any] struct {
	mu     sync.RWMutex
	values map[K]V
	most   int
}

func newRemembered[K comparable, V any](most int) *remembered[K, V] {
	return &remembered[K, V]{values: map[K]V{}, most: most}
}

func (r *remembered[K, V]) get(key K) (V, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	value, ok := r.values[key]
	return value, ok
}

// put makes room, if need be, by forgetting what is over, and then whatever comes first: what is still asked for is soon
// there again.
func (r *remembered[K, V]) put(key K, value V, over func(V) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.values[key]; !there && len(r.values) >= r.most {
		r.forget(over)
	}
	r.values[key] = value
}

// forget leaves a tenth of the room free, so that the next ones do not have to look for it again.
func (r *remembered[K, V]) forget(over func(V) bool) {
	for key, value := range r.values {
		if over(value) {
			delete(r.values, key)
		}
	}
	for key := range r.values {
		if len(r.values) <= r.most*9/10 {
			return
		}
		delete(r.values, key)
	}
}
