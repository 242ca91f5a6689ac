package faults

import (
	"fmt"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// explainTurn adds all that happened to one reservation.
func (x *explainer) explainTurn(i int) {
	r := x.books.reservations[i]
	asked := asking(x, func(q *meterv1.ReserveRequest) bool { return q.GetRequestId() == r.GetRequestId() })
	if len(asked) == 0 {
		x.problem("nobody asked for it: {%v}", r)
		return
	}
	// A request id is used with other content only after it was answered, so the first that used it said what counts.
	q, _ := asked[0].request.(*meterv1.ReserveRequest)
	ends := r.GetCreatedAt().AsTime().Add(timeToLive(q)).UnixMicro()
	x.explainReserve(i, q, ends)
	if r.GetEstimateMicros() != q.GetEstimateMicros() {
		x.explainExtend(i, q.GetEstimateMicros(), ends)
	} else if r.GetExpiresAt().AsTime().UnixMicro() != ends {
		x.problem("it ends at another time than was asked for, and was never extended: {%v}", r)
	}
	switch phaseOf(r.GetState()) {
	case committed, released:
		x.explainSettle(i)
	case expired:
		x.explainExpiry(i)
	default:
		x.problem("it is long past its time to live and stands yet: {%v}", r)
	}
}

func (x *explainer) explainReserve(i int, q *meterv1.ReserveRequest, ends int64) {
	r := x.books.reservations[i]
	now := r.GetCreatedAt().AsTime().UnixMicro()
	effect := reserving{
		turn: i, seat: seatNumber(r.GetMemberId()), now: now, estimate: q.GetEstimateMicros(), minimum: minimumOf(q),
		expires: ends, month: x.terms.month(r.GetPeriodStart().AsTime().UnixMicro()),
	}
	m := &move{what: fmt.Sprintf("effect reserve %d {%v}", i, r)}
	m.apply = func(b *book) string { return b.reserve(effect) }
	asked := asking(x, func(a *meterv1.ReserveRequest) bool {
		return a.GetRequestId() == q.GetRequestId() && a.GetEstimateMicros() == q.GetEstimateMicros() &&
			a.GetMemberId() == r.GetMemberId()
	})
	x.once(now, m, asked)
}

// seeTurn is what an answer with a reservation, and mostly a meter, says at a time.
func (x *explainer) seeTurn(i int, now int64, a *attempt) func(*book) string {
	seat := seatNumber(x.books.reservations[i].GetMemberId())
	turn, hasTurn := a.answer.(interface{ GetReservation() *meterv1.Reservation })
	meter, hasMeter := a.answer.(interface{ GetMeter() *meterv1.Meter })
	return func(b *book) string {
		if hasTurn {
			if why := b.sawTurn(i, turn.GetReservation()); why != "" {
				return why
			}
		}
		if hasMeter {
			return b.sawMeter(seat, now, meter.GetMeter())
		}
		return ""
	}
}

// explainExtend adds the extension of a reservation, of which there is one at most. Its time shows if it made the hold
// stand longer.
func (x *explainer) explainExtend(i int, estimate, ends int64) {
	r := x.books.reservations[i]
	until := r.GetExpiresAt().AsTime().UnixMicro()
	effect := extending{turn: i, more: r.GetEstimateMicros() - estimate}
	asked := asking(x, func(q *meterv1.ExtendRequest) bool {
		return q.GetReservationId() == r.GetReservationId() && q.GetAdditionalMicros() == effect.more
	})
	if len(asked) == 0 {
		x.problem("nobody asked to extend it: {%v}", r)
		return
	}
	first, _ := asked[0].request.(*meterv1.ExtendRequest)
	x.extensions[first.GetRequestId()] = i
	m := &move{what: fmt.Sprintf("effect extend %d by %d", i, effect.more)}
	m.apply = func(b *book) string { return b.extend(effect) }
	if until != ends {
		effect.now, effect.expires = until-extendedTime.Microseconds(), until
		x.once(effect.now, m, asked)
		return
	}
	from, to := span(asked)
	effect.during = x.eras.during(from, to)
	x.somewhen(from-tolerance, to+tolerance, m)
}

// span is when what several attempts asked for took effect: not before the first, nor after one that was answered.
func span(asked []*attempt) (from, to int64) {
	from, to = asked[0].call, moment()
	for _, a := range asked {
		if a.fate() == answered {
			to = min(to, a.ret)
		}
	}
	return from, to
}

func (x *explainer) explainSettle(i int) {
	r := x.books.reservations[i]
	now, charge := r.GetSettledAt().AsTime().UnixMicro(), r.GetCharge()
	allowance := x.entered[chargeKey(meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_ALLOWANCE_CHARGE, r.GetReservationId())]
	pool := x.entered[chargeKey(meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_POOL_CHARGE, r.GetReservationId())]
	if allowance.GetAmountMicros() != charge.GetAllowanceMicros() || pool.GetAmountMicros() != charge.GetPoolMicros() {
		x.problem("its charge is not what the ledger has, {%v} and {%v}: {%v}", allowance, pool, r)
	}
	effect := settling{
		turn: i, now: now, to: phaseOf(r.GetState()), actual: charge.GetActualMicros(),
		input: r.GetTokenUsage().GetInputTokens(), output: r.GetTokenUsage().GetOutputTokens(),
		byAllowance: charge.GetAllowanceMicros(), byPool: charge.GetPoolMicros(), overrun: charge.GetOverrunMicros(),
		late: r.GetLate(), allowanceSequence: allowance.GetSequence(), poolSequence: pool.GetSequence(),
		allowanceBalance: allowance.GetPoolBalanceAfterMicros(), poolBalanceThen: pool.GetPoolBalanceAfterMicros(),
	}
	if effect.late {
		x.explainLateness(i, now)
	}
	m := &move{what: fmt.Sprintf("effect settle %d {%v}", i, r)}
	m.apply = func(b *book) string { return b.settle(effect) }
	x.once(now, m, x.settlers(i, effect))
}

// settlers are the attempts that asked to settle a turn as it was settled.
func (x *explainer) settlers(i int, effect settling) []*attempt {
	r := x.books.reservations[i]
	same := func(actual int64, u *meterv1.TokenUsage) bool {
		return actual == effect.actual && u.GetInputTokens() == effect.input && u.GetOutputTokens() == effect.output
	}
	if effect.to == committed {
		return asking(x, func(q *meterv1.CommitRequest) bool {
			return q.GetReservationId() == r.GetReservationId() && same(costOfCommit(q, r), q.GetTokenUsage())
		})
	}
	return asking(x, func(q *meterv1.ReleaseRequest) bool {
		return q.GetReservationId() == r.GetReservationId() && same(x.costOfRelease(q, r), q.GetTokenUsage())
	})
}

// costOfCommit is what a Commit says that the turn cost: tokens that no book prices cost what was held.
func costOfCommit(q *meterv1.CommitRequest, r *meterv1.Reservation) int64 {
	if q.ActualMicros != nil {
		return q.GetActualMicros()
	}
	return r.GetHeldAllowanceMicros() + r.GetHeldPoolMicros()
}

func (x *explainer) costOfRelease(q *meterv1.ReleaseRequest, r *meterv1.Reservation) int64 {
	switch {
	case !x.terms.useAllowance:
		return 0
	case q.ActualMicros != nil:
		return q.GetActualMicros()
	case q.GetTokenUsage() != nil:
		return r.GetHeldAllowanceMicros() + r.GetHeldPoolMicros()
	default:
		return 0
	}
}

// explainExpiry adds the expiry of a turn that nobody settled.
func (x *explainer) explainExpiry(i int) {
	r := x.books.reservations[i]
	now := r.GetSettledAt().AsTime().UnixMicro()
	at, ok := x.eras.moment(now)
	if !ok {
		x.problem("it expired at a time that the clock never showed: {%v}", r)
		return
	}
	x.timed(at, never, nobody, &move{
		what: fmt.Sprintf("effect expire %d {%v}", i, r), apply: func(b *book) string { return b.expire(i, now) },
	})
}

// explainLateness adds the expiry of a turn that was settled later. Its time does not show: it lies between the hold's
// end and the settling.
func (x *explainer) explainLateness(i int, settled int64) {
	r := x.books.reservations[i]
	made, _ := x.eras.moment(r.GetCreatedAt().AsTime().UnixMicro())
	to, ok := x.eras.moment(settled)
	if !ok {
		return // explainSettle says so.
	}
	from := x.eras.reached(r.GetExpiresAt().AsTime().UnixMicro(), made)
	x.somewhen(min(from, to), never, &move{
		what: fmt.Sprintf("effect expire %d", i), apply: func(b *book) string { return b.expire(i, 0) },
	})
}
