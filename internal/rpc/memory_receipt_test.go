package rpc

import (
	"context"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Turn puts together what the rules left of a turn.
func (m *memory) Turn(ctx context.Context, q meter.TurnQuery) (meter.TurnRecord, error) {
	o, err := m.Organization(ctx, q.OrganizationID)
	if err != nil || m.fails != nil {
		return meter.TurnRecord{}, cmpErr(m.fails, err)
	}
	s := m.state(q.OrganizationID)
	record := meter.TurnRecord{Now: m.now, Organization: o, Plan: m.plans[o.PlanID]}
	id, request := q.ReservationID, q.RequestID
	if request != "" {
		id = s.Requests[request]
	}
	if r, ok := s.Reservations.Get(id); ok && (q.MemberID == "" || q.MemberID == r.MemberID) {
		record.Reservation, request = &r, r.RequestID
		record.Member, _ = s.Members.Get(r.MemberID)
	}
	for _, u := range s.Uncharged() {
		if u.Refused != nil && u.Refused.RequestID == request && (q.MemberID == "" || q.MemberID == u.MemberID) {
			record.Refusals = append(record.Refusals, u)
			record.Member, _ = s.Members.Get(u.MemberID)
		}
		if u.Refused == nil && u.ReservationID == id && u.Outcome == meter.UnchargedExpired {
			record.ExpiredAt = u.At
		}
	}
	for _, e := range s.Entries() {
		if e.ReservationID == id {
			record.Entries = append(record.Entries, e)
		}
	}
	for _, key := range s.Extensions.Keys() {
		if x, _ := s.Extensions.Get(key); x.ReservationID == id {
			record.Extensions, record.Added = append(record.Extensions, x), record.Added+x.Additional
		}
	}
	if record.Reservation == nil && len(record.Refusals) == 0 {
		return record, &meter.Refusal{Reason: meter.ReservationNotFound, Facts: map[string]string{"request_id": q.RequestID}}
	}
	return record, nil
}

// cmpErr is the first error that there is.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
