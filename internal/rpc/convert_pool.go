package rpc

import (
	"fmt"

	"github.com/google/uuid"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

func refundCommand(in *meterv1.RefundRequest) meter.Refund {
	return meter.Refund{
		OrganizationID: in.GetOrganizationId(),
		RequestID:      in.GetRequestId(),
		TopUpRequestID: in.GetTopUpRequestId(),
		Amount:         meter.Micros(in.GetAmountMicros()),
		Reference:      in.GetReference(),
	}
}

// accessOf is what is granted: validation has seen that one of the two is said.
func accessOf(in *meterv1.GrantAccessRequest) meter.Access {
	if in.GetUnlimited() {
		return meter.Access{Kind: meter.AccessUnlimited}
	}
	return meter.Access{Kind: meter.AccessCapped, Cap: meter.Micros(in.GetCapMicros())}
}

func poolMessage(o meter.Organization) *meterv1.Pool {
	return &meterv1.Pool{
		OrganizationId:          o.ID,
		Unit:                    number[meterv1.Unit](o.Unit),
		BalanceMicros:           int64(o.Pool.Balance),
		HeldMicros:              int64(o.Pool.Held),
		AvailableMicros:         int64(o.Pool.Available()),
		PurchasedLifetimeMicros: int64(o.Pool.Purchased),
		ConsumedLifetimeMicros:  int64(o.Pool.Consumed),
		RefundedLifetimeMicros:  int64(o.Pool.Refunded),
	}
}

// entryQuery is what a request asks of a ledger. Its page tokens are bound to all of it.
func entryQuery(in *meterv1.ListLedgerEntriesRequest) (listing, meter.EntryQuery, error) {
	span, wrong := spanOf(in.GetFrom(), in.GetTo())
	if wrong != nil {
		return "", meter.EntryQuery{}, wrong.merged(pageFaults(in))
	}
	kinds := each(in.GetKinds(), number[meter.EntryKind, meterv1.LedgerEntryKind])
	l := list("ListLedgerEntries", in.GetOrganizationId(), span.Start.String(), span.End.String(), fmt.Sprint(kinds, in.GetNewestFirst()))
	after, err := l.afterSequence(in)
	return l, meter.EntryQuery{
		OrganizationID: in.GetOrganizationId(), NewestFirst: in.GetNewestFirst(), After: after, Span: span, Kinds: kinds,
		Limit: pageSize(in),
	}, err
}

func entryMessages(organizationID string, entries []meter.Entry) []*meterv1.LedgerEntry {
	return each(entries, func(e meter.Entry) *meterv1.LedgerEntry { return entryMessage(organizationID, e) })
}

func entryMessage(organizationID string, e meter.Entry) *meterv1.LedgerEntry {
	return &meterv1.LedgerEntry{
		OrganizationId:         organizationID,
		Sequence:               e.Sequence,
		At:                     moment(e.At),
		Kind:                   number[meterv1.LedgerEntryKind](e.Kind),
		AmountMicros:           int64(e.Amount),
		PoolBalanceAfterMicros: int64(e.BalanceAfter),
		MemberId:               e.MemberID,
		ReservationId:          optionalID(e.ReservationID),
		Reference:              e.Reference,
		RequestId:              e.RequestID,
		TopUpRequestId:         e.TopUpRequestID,
	}
}

// optionalID is empty where the zero id says that there is none.
func optionalID(id meter.UUID) string {
	if id == (meter.UUID{}) {
		return ""
	}
	return uuid.UUID(id).String()
}

func changeKey(c meter.AccessChange) string { return uuid.UUID(c.ID).String() }

func changeMessages(organizationID string, changes []meter.AccessChange) []*meterv1.AccessChange {
	return each(changes, func(c meter.AccessChange) *meterv1.AccessChange { return changeMessage(organizationID, c) })
}

func changeMessage(organizationID string, c meter.AccessChange) *meterv1.AccessChange {
	return &meterv1.AccessChange{
		OrganizationId: organizationID,
		ChangeId:       uuid.UUID(c.ID).String(),
		MemberId:       c.MemberID,
		At:             moment(c.At),
		Actor:          c.Actor,
		Before:         accessMessage(c.Before),
		After:          accessMessage(c.After),
	}
}

func accessMessage(a meter.Access) *meterv1.Access {
	return &meterv1.Access{Kind: number[meterv1.AccessKind](a.Kind), CapMicros: int64(a.Cap)}
}
