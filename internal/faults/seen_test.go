package faults

import (
	"fmt"
	"strconv"
	"time"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// sawTurn compares a reservation as an answer shows it with the book.
func (b *book) sawTurn(i int, r *meterv1.Reservation) string {
	t := b.turns.get(i)
	told := turnState{
		phase: phaseOf(r.GetState()), late: r.GetLate(), extended: t.extended, seat: t.seat, month: t.month,
		estimate: r.GetEstimateMicros(), holdSeat: r.GetHeldAllowanceMicros(), holdPool: r.GetHeldPoolMicros(),
		expires: r.GetExpiresAt().AsTime().UnixMicro(),
		actual:  r.GetCharge().GetActualMicros(), byAllowance: r.GetCharge().GetAllowanceMicros(),
		byPool: r.GetCharge().GetPoolMicros(),
		input:  r.GetTokenUsage().GetInputTokens(), output: r.GetTokenUsage().GetOutputTokens(),
	}
	if told != t {
		return fmt.Sprintf("the reservation is %+v", t)
	}
	return ""
}

func phaseOf(s meterv1.ReservationState) turnPhase {
	switch s {
	case meterv1.ReservationState_RESERVATION_STATE_HELD:
		return open
	case meterv1.ReservationState_RESERVATION_STATE_COMMITTED:
		return committed
	case meterv1.ReservationState_RESERVATION_STATE_RELEASED:
		return released
	case meterv1.ReservationState_RESERVATION_STATE_EXPIRED:
		return expired
	default:
		return notYet
	}
}

// sawMeter compares a seat's meter at a time with the book.
func (b *book) sawMeter(seat int, now int64, m *meterv1.Meter) string {
	month := b.running(seat, now)
	if month < 0 || month >= monthsKept {
		return fmt.Sprintf("month %d is outside of the history", month)
	}
	u := b.seats[seat].months[month]
	told := use{
		m.GetUsedMicros(), m.GetHeldMicros(), m.GetPoolUsedMicros(), m.GetPoolHeldMicros(), m.GetOverrunMicros(),
	}
	switch {
	case told != u:
		return fmt.Sprintf("seat %d has %+v in month %d", seat, u, month)
	case m.GetAllowanceMicros() != b.allowance, m.GetRemainingMicros() != b.allowanceRoom(seat, month):
		return fmt.Sprintf("the allowance is %d, the room in it %d", b.allowance, b.allowanceRoom(seat, month))
	case !m.GetPeriodStart().AsTime().Equal(b.monthStart(month)), !m.GetResetsAt().AsTime().Equal(b.monthStart(month + 1)):
		return fmt.Sprintf("the month is %d", month)
	}
	return b.sawAccess(b.drawn(seat), m.GetAccess())
}

func (b *book) sawAccess(is access, told *meterv1.Access) string {
	if is.kind == 0 {
		is.kind = noAccess
	}
	if int(told.GetKind()) != is.kind || (is.kind == capped && told.GetCapMicros() != is.cap) {
		return fmt.Sprintf("the access is %+v", is)
	}
	return ""
}

// sawPool compares the pool as an answer shows it with the book.
func (b *book) sawPool(p *meterv1.Pool) string {
	told := standing{
		balance: p.GetBalanceMicros(), held: p.GetHeldMicros(), purchased: p.GetPurchasedLifetimeMicros(),
		consumed: p.GetConsumedLifetimeMicros(), refunded: p.GetRefundedLifetimeMicros(),
		sequence: b.sequence, effects: b.effects, seats: b.seats,
	}
	if told != b.standing || p.GetAvailableMicros() != b.balance-b.held {
		return "the book has " + b.String()
	}
	return ""
}

// sawMember compares what a member's answer says of access and use with the book.
func (b *book) sawMember(seat int, now int64, m *meterv1.Member) string {
	month := b.running(seat, now)
	if month < 0 || month >= monthsKept {
		return fmt.Sprintf("month %d is outside of the history", month)
	}
	ever := int64(0)
	for _, u := range b.seats[seat].months {
		ever += u.poolUsed
	}
	if m.GetPoolUsedPeriodMicros() != b.seats[seat].months[month].poolUsed || m.GetPoolUsedLifetimeMicros() != ever {
		return fmt.Sprintf("seat %d drew %d in month %d and %d ever", seat, b.seats[seat].months[month].poolUsed, month, ever)
	}
	is := b.seats[seat].access
	return b.sawAccess(is, m.GetAccess())
}

// stopped compares a hard stop at a time, in a month in which the turn would have been, with the book.
func (b *book) stopped(seat, month int, now, needed int64, a *attempt) string {
	if month < 0 || month >= monthsKept {
		return fmt.Sprintf("month %d is outside of the history", month)
	}
	room, pool := b.allowanceRoom(seat, month), b.poolRoom(seat, month)
	reason := b.binding(seat, month)
	facts := map[string]string{
		"needed_micros": decimal(needed), "allowance_room_micros": decimal(room),
		"resets_at": b.monthStart(b.running(seat, now) + 1).Format(time.RFC3339),
	}
	if reason != "POOL_EMPTY" {
		facts["pool_room_micros"] = decimal(pool)
	}
	switch {
	case reason != a.reason:
		return "what binds is " + reason
	case len(facts) != len(a.facts):
		return fmt.Sprintf("the facts are %v", facts)
	}
	for name, value := range facts {
		if a.facts[name] != value {
			return fmt.Sprintf("the facts are %v", facts)
		}
	}
	return ""
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// refusedReserve says why a Reserve may not have been refused so at a time.
func (b *book) refusedReserve(seat int, now int64, q *meterv1.ReserveRequest, a *attempt) string {
	if a.reason == "ABUSE_LIMIT" {
		if !b.abused(seat, now) {
			return "the seat is not barred"
		}
		return ""
	}
	if b.abused(seat, now) {
		return "the seat is barred for abuse"
	}
	month := b.running(seat, now)
	if month < 0 || month >= monthsKept {
		return fmt.Sprintf("month %d is outside of the history", month)
	}
	needed, room := minimumOf(q), b.allowanceRoom(seat, month)
	hold := min(q.GetEstimateMicros(), room)
	if hold+min(q.GetEstimateMicros()-hold, b.poolRoom(seat, month)) >= needed {
		return "there is room for it"
	}
	return b.stopped(seat, month, now, needed, a)
}

func minimumOf(q *meterv1.ReserveRequest) int64 {
	if q.MinimumMicros != nil {
		return q.GetMinimumMicros()
	}
	return q.GetEstimateMicros()
}

// refusedExtend says why an Extend may not have been refused so at a time.
func (b *book) refusedExtend(i int, now int64, q *meterv1.ExtendRequest, a *attempt) string {
	t := b.turns.get(i)
	if a.reason == "REQUEST_ID_REUSED" {
		return unless(t.extended, "the request id was not used")
	}
	if t.extended {
		return "the request id was used"
	}
	switch t.phase {
	case committed:
		return unless(a.reason == "ALREADY_COMMITTED", "it is committed")
	case released:
		return unless(a.reason == "ALREADY_RELEASED", "it is released")
	case expired:
		return unless(a.reason == "RESERVATION_EXPIRED", "it has expired")
	case notYet:
		return "it is not there"
	default:
	}
	seat, month := int(t.seat), int(t.month)
	if b.allowanceRoom(seat, month)+b.poolRoom(seat, month) >= q.GetAdditionalMicros() {
		return "there is room for it"
	}
	return b.stopped(seat, month, now, q.GetAdditionalMicros(), a)
}

// refusedSettle says why a Commit or a Release may not have been refused so.
func (b *book) refusedSettle(i int, commit bool, actual, input, output int64, a *attempt) string {
	t := b.turns.get(i)
	switch {
	case t.phase == released && commit:
		return unless(a.reason == "ALREADY_RELEASED", "it is released")
	case t.phase == committed:
		same := commit && t.actual == actual && t.input == input && t.output == output
		return unless(a.reason == "ALREADY_COMMITTED" && !same, "it is committed, or with the same content")
	default:
		return "it can be settled"
	}
}

// refusedRefund says why a Refund may not have been refused so. of is -1 if nobody bought what it names.
func (b *book) refusedRefund(index, of int, q *meterv1.RefundRequest, a *attempt) string {
	if a.reason == "REQUEST_ID_REUSED" {
		return unless(index >= 0 && b.refunds.get(index), "the request id was not used")
	}
	if index >= 0 && b.refunds.get(index) {
		return "the request id was used"
	}
	if of < 0 || !b.topUps.get(of).done {
		return unless(a.reason == "TOP_UP_NOT_FOUND", "there is no such top-up")
	}
	top := b.topUps.get(of)
	left, available := top.amount-top.refunded, b.balance-b.held
	switch {
	case q.GetAmountMicros() > left:
		return unless(a.reason == "REFUND_EXCEEDS_TOP_UP" && a.facts["refundable_micros"] == decimal(left),
			"refundable are "+decimal(left))
	case q.GetAmountMicros() > available:
		return unless(a.reason == "REFUND_EXCEEDS_BALANCE" && a.facts["available_micros"] == decimal(available),
			"available are "+decimal(available))
	default:
		return "it can be refunded"
	}
}

// unless answers why something is not so, unless it is.
func unless(so bool, why string) string {
	if so {
		return ""
	}
	return why
}
