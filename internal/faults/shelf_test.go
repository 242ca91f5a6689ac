package faults

import "hash/maphash"

// shelfBoard is how many places of a shelf are copied together.
const shelfBoard = 16

var hashSeed = maphash.MakeSeed()

// shelf is a list of fixed length that is copied in passing when one place of it changes, so that a checker can keep a
// state for each of thousands of steps, compare and hash them at little cost.
type shelf[T comparable] struct {
	boards []*[shelfBoard]T
	hash   uint64
}

func newShelf[T comparable](length int) shelf[T] {
	s := shelf[T]{boards: make([]*[shelfBoard]T, (length+shelfBoard-1)/shelfBoard)}
	empty := new([shelfBoard]T)
	for i := range s.boards {
		s.boards[i] = empty
	}
	return s
}

func (s *shelf[T]) get(i int) T { return s.boards[i/shelfBoard][i%shelfBoard] }

// put changes this copy of the shelf and no other.
func (s *shelf[T]) put(i int, v T) {
	board := *s.boards[i/shelfBoard]
	s.hash ^= place(i, board[i%shelfBoard]) ^ place(i, v)
	board[i%shelfBoard] = v
	boards := make([]*[shelfBoard]T, len(s.boards))
	copy(boards, s.boards)
	boards[i/shelfBoard] = &board
	s.boards = boards
}

func place[T comparable](i int, v T) uint64 {
	return maphash.Comparable(hashSeed, struct {
		i int
		v T
	}{i, v})
}

func (s *shelf[T]) equal(other *shelf[T]) bool {
	if s.hash != other.hash {
		return false
	}
	for i, board := range s.boards {
		if board != other.boards[i] && *board != *other.boards[i] {
			return false
		}
	}
	return true
}
