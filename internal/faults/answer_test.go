package faults

import (
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// answersTo says whether an answer is one to what was asked: whom and what it names, and that a request id that stood for
// other content was not taken for a retry.
func (x *explainer) answersTo(a *attempt) bool {
	switch q := a.request.(type) {
	case *meterv1.ReserveRequest:
		r := turnOf(a)
		return r.GetRequestId() == q.GetRequestId() && r.GetMemberId() == q.GetMemberId() && x.asFirst(a)
	case *meterv1.CommitRequest:
		r := turnOf(a)
		told, asked := r.GetTokenUsage(), q.GetTokenUsage()
		return r.GetReservationId() == q.GetReservationId() && phaseOf(r.GetState()) == committed &&
			r.GetCharge().GetActualMicros() == costOfCommit(q, r) &&
			told.GetInputTokens() == asked.GetInputTokens() && told.GetOutputTokens() == asked.GetOutputTokens()
	case *meterv1.ReleaseRequest:
		return turnOf(a).GetReservationId() == q.GetReservationId() && phaseOf(turnOf(a).GetState()) == released
	case *meterv1.ExtendRequest:
		return turnOf(a).GetReservationId() == q.GetReservationId() && x.asFirst(a)
	case *meterv1.GetReservationRequest:
		return turnOf(a).GetReservationId() == q.GetReservationId()
	case *meterv1.GetMeterRequest:
		answer, _ := a.answer.(*meterv1.GetMeterResponse)
		return answer.GetMeter().GetMemberId() == q.GetMemberId()
	case *meterv1.TopUpRequest:
		e := entryOf(a)
		return e.GetRequestId() == q.GetRequestId() && e.GetTopUpRequestId() == "" && x.asFirst(a)
	case *meterv1.RefundRequest:
		e := entryOf(a)
		return e.GetRequestId() == q.GetRequestId() && e.GetTopUpRequestId() == q.GetTopUpRequestId() && x.asFirst(a)
	default:
		return true
	}
}

func turnOf(a *attempt) *meterv1.Reservation {
	answer, _ := a.answer.(interface{ GetReservation() *meterv1.Reservation })
	return answer.GetReservation()
}

func entryOf(a *attempt) *meterv1.LedgerEntry {
	answer, _ := a.answer.(interface{ GetEntry() *meterv1.LedgerEntry })
	return answer.GetEntry()
}

// asFirst says whether a request is the one that first had its request id. Callers use an id with other content only after
// it was answered, so the first says what counts.
func (x *explainer) asFirst(a *attempt) bool {
	return proto.Equal(x.first[requestKey(a)], a.request)
}

// requestKey is a request's kind and id.
func requestKey(a *attempt) string {
	q, ok := a.request.(interface{ GetRequestId() string })
	if !ok {
		return ""
	}
	return kindOf(a.request) + " " + q.GetRequestId()
}
