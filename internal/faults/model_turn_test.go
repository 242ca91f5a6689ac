package faults

import "fmt"

// reserving is what a Reserve that took effect did, as far as the books tell.
type reserving struct {
	turn, seat             int
	now, estimate, minimum int64
	expires                int64 // By the time to live that was asked for.
	month                  int   // As told.
}

// reserve opens a turn. What it answers is why that is impossible; empty: it is not.
func (b *book) reserve(q reserving) string {
	if why := b.lapsedAt(q.now); why != "" {
		return why
	}
	if b.turns.get(q.turn).phase != notYet {
		return "it was reserved before"
	}
	month := b.running(q.seat, q.now)
	switch {
	case month != q.month:
		return fmt.Sprintf("the seat is in month %d", month)
	case month < 0 || month >= monthsKept:
		return fmt.Sprintf("month %d is outside of the history", month)
	case b.abused(q.seat, q.now):
		return "the seat is barred for abuse"
	}
	t := turnState{phase: open, seat: int8(q.seat), month: int8(month), estimate: q.estimate, expires: q.expires}
	t.holdSeat = min(q.estimate, b.allowanceRoom(q.seat, month))
	t.holdPool = min(q.estimate-t.holdSeat, b.poolRoom(q.seat, month))
	if t.holdSeat+t.holdPool < q.minimum {
		return fmt.Sprintf("there is room for %d + %d only", t.holdSeat, t.holdPool)
	}
	b.seats[q.seat].last = month
	b.take(&t, t.holdSeat, t.holdPool)
	b.turns.put(q.turn, t)
	return ""
}

// take holds more for a turn, or with negative amounts less.
func (b *book) take(t *turnState, bySeat, byPool int64) {
	u := &b.seats[t.seat].months[t.month]
	u.held += bySeat
	u.poolHeld += byPool
	b.held += byPool
}

// extending is what an Extend that took effect did.
type extending struct {
	turn    int
	now     int64   // 0: it does not show.
	during  windows // When it may have been, then.
	more    int64
	expires int64 // The hold's new end; 0: as before.
}

func (b *book) extend(q extending) string {
	t := b.turns.get(q.turn)
	if t.phase != open || t.extended {
		return "it is not open, or was extended before"
	}
	if q.now != 0 {
		if why := b.lapsedAt(q.now); why != "" {
			return why
		}
	} else if !q.during.before(b.soonest()) {
		return "a hold that lapsed still stands"
	}
	bySeat := min(q.more, b.allowanceRoom(int(t.seat), int(t.month)))
	byPool := min(q.more-bySeat, b.poolRoom(int(t.seat), int(t.month)))
	if bySeat+byPool < q.more {
		return fmt.Sprintf("there is room for %d + %d more only", bySeat, byPool)
	}
	t.extended, t.estimate = true, t.estimate+q.more
	t.holdSeat += bySeat
	t.holdPool += byPool
	t.expires = max(t.expires, q.expires)
	b.take(&t, bySeat, byPool)
	b.turns.put(q.turn, t)
	return ""
}

// settling is what a Commit or a Release that took effect did.
type settling struct {
	turn                              int
	now                               int64
	to                                turnPhase
	actual, input, output             int64
	byAllowance, byPool, overrun      int64 // As told.
	late                              bool  // As told.
	allowanceSequence, poolSequence   int64 // Of the ledger's entries; 0: there is none.
	allowanceBalance, poolBalanceThen int64 // As those entries tell.
}

func (b *book) settle(q settling) string {
	if why := b.lapsedAt(q.now); why != "" {
		return why
	}
	t := b.turns.get(q.turn)
	if t.phase != open && t.phase != expired {
		return "it is not there, or settled"
	}
	if t.late = t.phase == expired; t.late != q.late {
		return fmt.Sprintf("late is %v", t.late)
	}
	seat, month, own := int(t.seat), int(t.month), int64(0)
	further := b.poolRoom(seat, month)
	if !t.late {
		own = t.holdPool
		b.take(&t, -t.holdSeat, -t.holdPool)
	}
	t.byAllowance = min(q.actual, b.allowanceRoom(seat, month))
	if q.to == committed {
		t.byPool = min(q.actual-t.byAllowance, own+further)
	}
	overrun := q.actual - t.byAllowance - t.byPool
	if t.byAllowance != q.byAllowance || t.byPool != q.byPool || overrun != q.overrun {
		return fmt.Sprintf("the charge is %d + %d + %d", t.byAllowance, t.byPool, overrun)
	}
	u := &b.seats[seat].months[month]
	u.used += t.byAllowance
	u.poolUsed += t.byPool
	u.overrun += overrun
	b.countTokens(seat, q.input+q.output, q.now)
	t.phase, t.actual, t.input, t.output = q.to, q.actual, q.input, q.output
	b.turns.put(q.turn, t)
	return b.enterCharge(q)
}

// enterCharge adds the ledger's entries, the allowance's first.
func (b *book) enterCharge(q settling) string {
	if q.byAllowance > 0 {
		if why := b.enter(q.allowanceSequence, q.allowanceBalance); why != "" {
			return why
		}
	}
	if q.byPool > 0 {
		b.balance -= q.byPool
		b.consumed += q.byPool
		if why := b.enter(q.poolSequence, q.poolBalanceThen); why != "" {
			return why
		}
	}
	return b.promised()
}

// enter adds one entry to the ledger.
func (b *book) enter(sequence, balance int64) string {
	b.sequence++
	if sequence != b.sequence || balance != b.balance {
		return fmt.Sprintf("the ledger's next entry is %d, and the balance then %d", b.sequence, b.balance)
	}
	return ""
}

// expire gives back the hold of a turn whose time is over. now 0: when that was does not show.
func (b *book) expire(turn int, now int64) string {
	t := b.turns.get(turn)
	if t.phase != open || (now != 0 && t.expires > now) {
		return "it is not open, or not due"
	}
	b.take(&t, -t.holdSeat, -t.holdPool)
	t.phase = expired
	b.turns.put(turn, t)
	return ""
}

// moving is what a TopUp or a Refund that took effect did.
type moving struct {
	index, of         int // Which of the top-ups or refunds it is, and of which top-up.
	now               int64
	amount            int64
	sequence, balance int64 // As its entry tells.
}

func (b *book) topUp(q moving) string {
	if why := b.lapsedAt(q.now); why != "" {
		return why
	}
	if b.topUps.get(q.index).done {
		return "it was bought before"
	}
	b.topUps.put(q.index, topUpState{done: true, amount: q.amount})
	b.balance += q.amount
	b.purchased += q.amount
	return b.enter(q.sequence, q.balance)
}

func (b *book) refund(q moving) string {
	if why := b.lapsedAt(q.now); why != "" {
		return why
	}
	top := b.topUps.get(q.of)
	switch {
	case b.refunds.get(q.index):
		return "it was refunded before"
	case !top.done || q.amount > top.amount-top.refunded:
		return fmt.Sprintf("of the top-up %d are left", top.amount-top.refunded)
	case q.amount > b.balance-b.held:
		return fmt.Sprintf("available are %d", b.balance-b.held)
	}
	top.refunded += q.amount
	b.topUps.put(q.of, top)
	b.refunds.put(q.index, true)
	b.balance -= q.amount
	b.refunded += q.amount
	return b.enter(q.sequence, q.balance)
}

// setAccess changes a seat's access at a time from what it was.
func (b *book) setAccess(seat int, now int64, before, after access) string {
	if why := b.lapsedAt(now); why != "" {
		return why
	}
	s := &b.seats[seat]
	if s.access != before && !(s.access == access{} && before == access{kind: noAccess}) {
		return fmt.Sprintf("the access is %+v", s.access)
	}
	s.access = after
	return ""
}
