package meter

import "time"

// EntryKind says what a ledger entry moved.
type EntryKind int16

// The kinds of ledger entry.
const (
	EntryTopUp           EntryKind = 1 // Bought: adds to the pool.
	EntryRefund          EntryKind = 2 // Taken back out of the pool.
	EntryPoolCharge      EntryKind = 3 // A turn's part that the pool paid.
	EntryAllowanceCharge EntryKind = 4 // A turn's part that the allowance paid; the pool is untouched.
)

// Entry is one movement of money. Amount is at least 1; the kind gives the direction.
type Entry struct {
	Sequence       int64 // Gapless from 1 in each organization.
	At             time.Time
	Kind           EntryKind
	Amount         Micros
	BalanceAfter   Micros // The pool's.
	MemberID       string // Empty for a top-up or a refund.
	ReservationID  UUID   // Zero for a top-up or a refund.
	Reference      string
	RequestID      string
	TopUpRequestID string      // Of a refund only.
	Fingerprint    Fingerprint // Of the TopUp or Refund; zero for a charge.
}

// EntryQuery says which entries of a ledger to list, in order.
type EntryQuery struct {
	OrganizationID string
	NewestFirst    bool        // Whether the greatest sequence comes first.
	After          int64       // Only those with a greater sequence or, newest first, with a smaller one; 0: all of them.
	Span           Span        // Only those of this span; a zero end of it is open.
	Kinds          []EntryKind // Only those of these kinds; empty: of every kind.
	Limit          int
}

// Narrowed says whether entries are left out that lie between others.
func (q EntryQuery) Narrowed() bool { return len(q.Kinds) > 0 || q.Span != Span{} }

// EntryPage is a page of a ledger.
type EntryPage struct {
	Entries []Entry
	Next    int64 // The sequence after which to go on; 0: there is no more.
}

// MovementKey names a top-up or a refund by its request id, which is unique among its kind.
type MovementKey struct {
	Kind      EntryKind
	RequestID string
}
