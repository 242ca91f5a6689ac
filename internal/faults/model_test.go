package faults

import (
	"fmt"
	"hash/maphash"
	"math"
	"time"
)

// This file and model_turn_test.go say in plain arithmetic what semantics.md says in words. They know nothing of
// internal/meter: a mistake there must not be one here. Amounts are micros, times microseconds of the rules' clock.

// monthsKept bounds how many months one history touches.
const monthsKept = 4

// terms are what of a firm never changes in a history.
type terms struct {
	allowance, abuseTokens int64
	useAllowance, solo     bool
	firstMonth             int // Months are counted from this one.
}

// book is the state of one organization.
type book struct {
	*terms
	standing
	turns   shelf[turnState]
	topUps  shelf[topUpState]
	refunds shelf[bool]

	gallery *gallery
	seen    shelf[bool] // Of the gallery's sights.
	untimed shelf[bool] // Effects that have been and whose times do not show.
}

// standing is what of a book is small.
type standing struct {
	balance, held, purchased, consumed, refunded int64
	sequence                                     int64
	effects                                      int // How many have been whose times show.
	seats                                        [seats]seatState
}

type access struct {
	kind int // Of the contract's AccessKind; 0 stands for none until it was first set.
	cap  int64
}

type seatState struct {
	access         access
	last           int // The latest month that the seat has begun.
	tokens, opened int64
	months         [monthsKept]use
}

// use is what a seat used and holds in one month.
type use struct{ used, held, poolUsed, poolHeld, overrun int64 }

type turnPhase int8

const (
	notYet turnPhase = iota
	open
	committed
	released
	expired
)

type turnState struct {
	phase                        turnPhase
	late, extended               bool
	seat                         int8
	month                        int8
	estimate, holdSeat, holdPool int64
	expires                      int64
	actual, byAllowance, byPool  int64
	input, output                int64
}

type topUpState struct {
	done             bool
	amount, refunded int64
}

// newBook is the book of an organization to which nothing has happened, with places for what will.
func newBook(t *terms, turns, topUps, refunds int) book {
	return book{
		terms: t, turns: newShelf[turnState](turns), topUps: newShelf[topUpState](topUps), refunds: newShelf[bool](refunds),
		gallery: &gallery{at: make([][]int, 1)},
	}
}

func (b *book) hash() uint64 {
	return maphash.Comparable(hashSeed, b.standing) ^ b.turns.hash ^ b.topUps.hash ^ b.refunds.hash ^ b.seen.hash ^
		b.untimed.hash
}

func (b *book) equal(o *book) bool {
	return b.standing == o.standing && b.turns.equal(&o.turns) && b.topUps.equal(&o.topUps) &&
		b.refunds.equal(&o.refunds) && b.seen.equal(&o.seen) && b.untimed.equal(&o.untimed)
}

// String is a book in short.
func (b *book) String() string {
	text := fmt.Sprintf("balance %d held %d bought %d spent %d refunded %d entries %d",
		b.balance, b.held, b.purchased, b.consumed, b.refunded, b.sequence)
	for i := range b.seats {
		text += fmt.Sprintf(" | seat %d: %+v", i, b.seats[i])
	}
	return text
}

// month is that of a time, counted from the first.
func (t *terms) month(now int64) int {
	at := time.UnixMicro(now).UTC()
	return at.Year()*12 + int(at.Month()) - 1 - t.firstMonth
}

// monthStart is when a month begins.
func (t *terms) monthStart(month int) time.Time {
	month += t.firstMonth
	return time.Date(month/12, time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC)
}

// running is the month in which a seat is: it never goes back to one before the latest it has begun.
func (b *book) running(seat int, now int64) int { return max(b.month(now), b.seats[seat].last) }

// drawn says how a seat may draw on the pool. A solo individual needs no grant.
func (b *book) drawn(seat int) access {
	if b.solo {
		return access{kind: unlimited}
	}
	return b.seats[seat].access
}

// The kinds of access, by the contract's numbers.
const (
	noAccess  = 1
	capped    = 2
	unlimited = 3
)

func (b *book) allowanceRoom(seat, month int) int64 {
	u := b.seats[seat].months[month]
	return max(0, b.allowance-u.used-u.held)
}

func (b *book) capRoom(seat, month int) int64 {
	u := b.seats[seat].months[month]
	return max(0, b.drawn(seat).cap-u.poolUsed-u.poolHeld)
}

func (b *book) poolRoom(seat, month int) int64 {
	switch b.drawn(seat).kind {
	case unlimited:
		return b.balance - b.held
	case capped:
		return min(b.balance-b.held, b.capRoom(seat, month))
	default:
		return 0
	}
}

// binding is the reason of a hard stop.
func (b *book) binding(seat, month int) string {
	switch right := b.drawn(seat); {
	case b.solo:
		return "INDIVIDUAL_EXHAUSTED"
	case right.kind == capped && b.capRoom(seat, month) < b.balance-b.held:
		return "MEMBER_CAP_REACHED"
	case right.kind == capped, right.kind == unlimited:
		return "POOL_EMPTY"
	default:
		return "EXTRA_USAGE_NOT_ENABLED"
	}
}

// abused says whether a seat's tokens bar it from a new turn.
func (b *book) abused(seat int, now int64) bool {
	s := b.seats[seat]
	return b.abuseTokens > 0 && s.tokens >= b.abuseTokens && now < s.opened+abuseWindow.Microseconds()
}

func (b *book) countTokens(seat int, tokens, now int64) {
	s := &b.seats[seat]
	switch {
	case tokens == 0 || b.abuseTokens == 0:
	case s.opened == 0 || now >= s.opened+abuseWindow.Microseconds():
		s.tokens, s.opened = tokens, now
	default:
		s.tokens += tokens
	}
}

// soonest is when the first open hold lapses.
func (b *book) soonest() int64 {
	first := int64(math.MaxInt64)
	for _, board := range b.turns.boards {
		for i := range board {
			if board[i].phase == open {
				first = min(first, board[i].expires)
			}
		}
	}
	return first
}

// lapsedAt says of a write at a time that a hold stands which should have been given back before.
func (b *book) lapsedAt(now int64) string {
	if first := b.soonest(); first <= now {
		return fmt.Sprintf("a hold that lapsed at %d still stands at %d", first, now)
	}
	return ""
}

// promised says what of promise 4 does not hold.
func (b *book) promised() string {
	if b.balance != b.purchased-b.refunded-b.consumed || b.held < 0 || b.balance < b.held {
		return "the pool is overspent: " + b.String()
	}
	return ""
}
