package faults

import (
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// timeToLive is what a Reserve asks for, or the default.
func timeToLive(q *meterv1.ReserveRequest) time.Duration {
	if q.GetTimeToLive() == nil {
		return 10 * time.Minute
	}
	return q.GetTimeToLive().AsDuration()
}

// observe adds what a caller was answered, and sees that what was acknowledged is in
// the books.
func (x *explainer) observe(a *attempt) {
	switch a.fate() {
	case wrong:
		if a.code == codes.Internal && x.firm.limitedFiles {
			return // PostgreSQL says of a file that may not grow no more than that something is wrong.
		}
		x.problem("no fault excuses this answer: %v", a)
	case answered:
		x.acknowledged(a)
		x.see(a, x.answerOf(a))
	case refused:
		x.see(a, x.refusalOf(a))
	case unknown: // If it took effect, the books tell.
	}
}

// see adds an observation; nil: a problem has been told.
func (x *explainer) see(a *attempt, see func(*book) string) {
	if see != nil {
		x.sights = append(x.sights, sight{
			call: a.call - tolerance, ret: a.ret + tolerance, caller: a.caller, what: a.String(), see: see,
		})
	}
}

// sometime is an observation at a time that does not show. One by a writer saw that no hold stood that had lapsed.
func (x *explainer) sometime(a *attempt, writer bool, see func(b *book, now int64) string) func(*book) string {
	during := x.eras.during(a.call-tolerance, a.ret+tolerance)
	return func(b *book) string {
		end := int64(math.MaxInt64)
		if writer {
			if end = b.soonest(); !during.before(end) {
				return "a hold that lapsed still stands"
			}
		}
		why := ""
		if !during.some(end, func(now int64) bool { why = see(b, now); return why == "" }) {
			return why
		}
		return ""
	}
}

// acknowledged holds the books to an answer: nothing that was acknowledged may be lost, or be another than was told.
func (x *explainer) acknowledged(a *attempt) {
	if !x.answersTo(a) {
		x.problem("MISTAKEN: it is not what was asked for: %v", a)
	}
	if answer, ok := a.answer.(interface{ GetReservation() *meterv1.Reservation }); ok {
		x.acknowledgedTurn(a, answer.GetReservation())
	}
	if answer, ok := a.answer.(interface{ GetEntry() *meterv1.LedgerEntry }); ok {
		told := answer.GetEntry()
		if n := told.GetSequence(); n < 1 || n > int64(len(x.books.entries)) || !proto.Equal(x.books.entries[n-1], told) {
			x.problem("LOST: acknowledged, but not in the ledger: %v", a)
		}
	}
}

func (x *explainer) acknowledgedTurn(a *attempt, told *meterv1.Reservation) {
	i, there := x.turns[told.GetReservationId()]
	if !there {
		x.problem("LOST: acknowledged, but there is no such reservation: %v", a)
		return
	}
	is := x.books.reservations[i]
	switch phaseOf(told.GetState()) {
	case committed, released: // Final: it stays as it was told.
		if !proto.Equal(is, told) {
			x.problem("LOST: acknowledged, but now it is {%v}: %v", is, a)
		}
	default:
		if is.GetRequestId() != told.GetRequestId() || is.GetMemberId() != told.GetMemberId() ||
			!proto.Equal(is.GetCreatedAt(), told.GetCreatedAt()) || !proto.Equal(is.GetPeriodStart(), told.GetPeriodStart()) {
			x.problem("LOST: acknowledged, but now it is {%v}: %v", is, a)
		}
	}
}

// answerOf is what an answer says.
func (x *explainer) answerOf(a *attempt) func(*book) string {
	switch answer := a.answer.(type) {
	case *meterv1.GetPoolResponse:
		return func(b *book) string { return b.sawPool(answer.GetPool()) }
	case *meterv1.TopUpResponse:
		return x.sometime(a, true, func(b *book, _ int64) string { return b.sawPool(answer.GetPool()) })
	case *meterv1.RefundResponse:
		return x.sometime(a, true, func(b *book, _ int64) string { return b.sawPool(answer.GetPool()) })
	case *meterv1.GetMeterResponse:
		seat := seatNumber(answer.GetMeter().GetMemberId())
		return x.sometime(a, false, func(b *book, now int64) string { return b.sawMeter(seat, now, answer.GetMeter()) })
	case *meterv1.GrantAccessResponse:
		return x.memberAnswer(a, answer.GetMember())
	case *meterv1.RevokeAccessResponse:
		return x.memberAnswer(a, answer.GetMember())
	case interface{ GetReservation() *meterv1.Reservation }:
		i, there := x.turns[answer.GetReservation().GetReservationId()]
		if !there {
			return nil // acknowledged says so.
		}
		_, read := a.answer.(*meterv1.GetReservationResponse)
		return x.sometime(a, !read, func(b *book, now int64) string { return x.seeTurn(i, now, a)(b) })
	default:
		x.problem("nobody expected %v", a)
		return nil
	}
}

func (x *explainer) memberAnswer(a *attempt, m *meterv1.Member) func(*book) string {
	seat := seatNumber(m.GetMemberId())
	asked := access{kind: noAccess}
	if q, ok := a.request.(*meterv1.GrantAccessRequest); ok {
		asked = granted(q)
	}
	if accessOf(m.GetAccess()) != asked {
		x.problem("another access than was asked for: %v", a)
	}
	return x.sometime(a, true, func(b *book, now int64) string { return b.sawMember(seat, now, m) })
}

// refusalOf is what a refusal says.
func (x *explainer) refusalOf(a *attempt) func(*book) string {
	switch q := a.request.(type) {
	case *meterv1.ReserveRequest:
		return x.refusedReserve(a, q)
	case *meterv1.CommitRequest:
		return x.refusedTurn(a, q.GetReservationId(), func(b *book, i int, _ int64) string {
			actual := costOfCommit(q, x.books.reservations[i])
			return b.refusedSettle(i, true, actual, q.GetTokenUsage().GetInputTokens(), q.GetTokenUsage().GetOutputTokens(), a)
		})
	case *meterv1.ReleaseRequest:
		return x.refusedTurn(a, q.GetReservationId(), func(b *book, i int, _ int64) string {
			return b.refusedSettle(i, false, 0, 0, 0, a)
		})
	case *meterv1.ExtendRequest:
		return x.refusedTurn(a, q.GetReservationId(), func(b *book, i int, now int64) string {
			return b.refusedExtend(i, now, q, a)
		})
	case *meterv1.TopUpRequest:
		return x.sometime(a, true, func(b *book, _ int64) string {
			i, there := x.topUps[q.GetRequestId()]
			return unless(there && b.topUps.get(i).done && a.reason == "REQUEST_ID_REUSED", "it can be bought")
		})
	case *meterv1.RefundRequest:
		index, of := indexOr(x.refunds, q.GetRequestId()), indexOr(x.topUps, q.GetTopUpRequestId())
		return x.sometime(a, true, func(b *book, _ int64) string { return b.refusedRefund(index, of, q, a) })
	case *meterv1.GrantAccessRequest:
		return func(b *book) string {
			return unless(b.solo && a.reason == "INDIVIDUAL_NEEDS_NO_GRANT", "it can be granted")
		}
	default:
		x.problem("nobody expected %v", a)
		return nil
	}
}

func indexOr(in map[string]int, id string) int {
	if i, ok := in[id]; ok {
		return i
	}
	return -1
}

func (x *explainer) refusedReserve(a *attempt, q *meterv1.ReserveRequest) func(*book) string {
	i, seat := indexOr(x.requests, q.GetRequestId()), seatNumber(q.GetMemberId())
	return x.sometime(a, true, func(b *book, now int64) string {
		used := i >= 0 && b.turns.get(i).phase != notYet
		switch {
		case a.reason == "REQUEST_ID_REUSED":
			return unless(used, "the request id was not used")
		case used:
			return "the request id was used"
		default:
			return b.refusedReserve(seat, now, q, a)
		}
	})
}

func (x *explainer) refusedTurn(
	a *attempt, reservation string, see func(b *book, i int, now int64) string,
) func(*book) string {
	i, there := x.turns[reservation]
	if !there {
		x.problem("LOST: there is no such reservation: %v", a)
		return nil
	}
	return x.sometime(a, true, func(b *book, now int64) string { return see(b, i, now) })
}
