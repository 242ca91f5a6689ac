package faults

import (
	"context"
	"math/rand/v2"
)

// healing is an undoing that cannot fail.
func healing(undo ...func()) func(context.Context) error {
	return func(context.Context) error {
		for _, one := range undo {
			one()
		}
		return nil
	}
}

func cutCallers(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	front := w.any(r).front
	front.drop()
	return healing(front.heal), nil
}

// cutAt cuts a link once, after some bytes more have passed in a direction.
func cutAt(l *link, way direction, bytes int64, torn bool) func(context.Context) error {
	c := &cut{way: way, torn: torn}
	c.left.Store(bytes)
	l.cut.Store(c)
	return healing(l.heal)
}

func tearRequest(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return cutAt(w.any(r).front, request, r.Int64N(4000), true), nil
}

func loseAnswer(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return cutAt(w.any(r).front, response, r.Int64N(4000), r.IntN(2) == 0), nil
}

func partDatabase(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	back := w.any(r).back
	back.part()
	return healing(back.heal), nil
}

func partCallers(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	front := w.any(r).front
	front.part()
	return healing(front.heal), nil
}

func silence(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	one := w.any(r)
	l := one.back
	if r.IntN(2) == 0 {
		l = one.front
	}
	l.silent.Store(true)
	return healing(l.heal), nil
}

func tearStatements(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return cutAt(w.any(r).back, request, r.Int64N(8000), true), nil
}

// loseCommit cuts where PostgreSQL says that it has committed: the server cannot know.
func loseCommit(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	back := w.any(r).back
	back.cut.Store(&cut{way: response, mark: []byte("COMMIT\x00")})
	return healing(back.heal), nil
}

// poisoned puts a toxic on one of the two ways of a server.
func poisoned(w *world, r *rand.Rand, kind string, attributes map[string]int) (func(context.Context) error, error) {
	one := w.any(r)
	way := one.slowIn
	if r.IntN(2) == 0 {
		way = one.slowOut
	}
	return healing(way.heal), way.poison(kind, attributes)
}

func latency(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return poisoned(w, r, "latency", map[string]int{"latency": 20 + r.IntN(150), "jitter": r.IntN(50)})
}

func bandwidth(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return poisoned(w, r, "bandwidth", map[string]int{"rate": 10 + r.IntN(30)})
}

func sliced(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return poisoned(w, r, "slicer", map[string]int{"average_size": 40, "size_variation": 20, "delay": 200})
}
