package rpc

import (
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

func (r *receipt) message() *meterv1.Receipt {
	out := &meterv1.Receipt{
		OrganizationId: r.Organization.ID, MemberId: r.Member.ID, Unit: number[meterv1.Unit](r.Organization.Unit),
		MoreRefusals: r.MoreRefusals, Refusals: each(r.Refusals, r.refusalMessage), Story: r.Story(r.hidePool),
	}
	if r.Reservation == nil {
		out.RequestId = r.Refusals[0].Refused.RequestID
		return out
	}
	out.RequestId, out.Turn = r.Reservation.RequestID, r.turnMessage(*r.Reservation)
	return out
}

func (r *receipt) refusalMessage(u meter.Uncharged) *meterv1.RefusalReceipt {
	no, remedy := u.Refused, r.Remedy(u)
	rooms := &meterv1.Rooms{
		AllowanceRoomMicros: int64(no.AllowanceRoom), PoolAvailableMicros: r.ofPool(no.PoolAvailable),
		AccessKind: number[meterv1.AccessKind](no.Access),
	}
	if no.Access == meter.AccessCapped {
		rooms.CapRoomMicros = (*int64)(&no.CapRoom)
	}
	return &meterv1.RefusalReceipt{
		At: moment(u.At), Reason: string(no.Reason), Turn: turnMessage(no.Turn), EstimateMicros: int64(no.Estimate),
		MinimumMicros: int64(no.Minimum), Rooms: rooms, PeriodStart: moment(no.PeriodStart), ResetsAt: moment(no.ResetsAt),
		WindowClosesAt: moment(no.WindowClosesAt), PriceBookId: no.Book.ID, PriceBookVersion: no.Book.Version,
		Healed: remedy.Healed, ReasonNow: string(remedy.Reason), Remedy: remedy.Says,
	}
}

// ofPool is an amount that tells of the pool; nil where that is hidden.
func (r *receipt) ofPool(m meter.Micros) *int64 {
	if r.hidePool {
		return nil
	}
	return (*int64)(&m)
}

func (r *receipt) turnMessage(turn meter.Reservation) *meterv1.TurnReceipt {
	first := r.FirstHold()
	out := &meterv1.TurnReceipt{
		Reservation: reservationMessage(r.Organization.ID, turn), FirstEstimateMicros: int64(first.Estimate),
		FirstHeldAllowanceMicros: int64(first.Allowance), FirstHeldPoolMicros: int64(first.Pool),
		Extensions: each(r.Extensions, extensionMessage), MoreExtensions: r.MoreExtensions,
		ExpiredAt: moment(r.ExpiredAt), Remains: r.remainsMessage(turn),
		LedgerSequences: each(r.Entries, func(e meter.Entry) int64 { return e.Sequence }),
	}
	if turn.State == meter.Expired {
		out.ExpiredAt = moment(turn.SettledAt)
	}
	if !r.hidePool || first.Bound != meter.BoundByPool {
		out.Bound = number[meterv1.HoldBound](first.Bound)
	}
	if turn.Basis == meter.CostTokens {
		out.SettledPrice = pricedMessage(turn.Book, turn.Tokens, r.settled)
	}
	if turn.Seen != nil {
		r.seen(out, turn)
	}
	return out
}

// seen adds what Reserve saw.
func (r *receipt) seen(out *meterv1.TurnReceipt, turn meter.Reservation) {
	seen := *turn.Seen
	out.CapUsedMicros = int64(seen.CapUsed)
	out.Rooms = &meterv1.Rooms{
		AllowanceRoomMicros: int64(seen.AllowanceRoom), PoolAvailableMicros: r.ofPool(seen.PoolAvailable),
		AccessKind: number[meterv1.AccessKind](seen.Access.Kind),
	}
	if seen.Access.Kind == meter.AccessCapped {
		room := int64(seen.CapRoom())
		out.CapMicros, out.Rooms.CapRoomMicros = (*int64)(&seen.Access.Cap), &room
	}
	if turn.Policy != 0 && seen.Expected != (meter.TokenUsage{}) {
		out.EstimatePrice = pricedMessage(turn.Book, seen.Expected, r.estimate)
	}
}

func (r *receipt) remainsMessage(turn meter.Reservation) *meterv1.SettlementRemains {
	if turn.Left == nil {
		return nil
	}
	out := &meterv1.SettlementRemains{Access: accessMessage(turn.Left.Access), CapUsedMicros: int64(turn.Left.CapUsed)}
	if e, drawn := r.PoolCharge(); drawn {
		out.PoolBalanceMicros = r.ofPool(e.BalanceAfter)
	}
	return out
}

func extensionMessage(x meter.Extension) *meterv1.ExtensionReceipt {
	return &meterv1.ExtensionReceipt{
		RequestId: x.RequestID, At: moment(x.At), AdditionalMicros: int64(x.Additional), ExpiresAt: moment(x.ExpiresAt),
	}
}

func pricedMessage(book meter.BookVersion, tokens meter.TokenUsage, parts []price.Part) *meterv1.PricedTokens {
	return &meterv1.PricedTokens{
		PriceBookId: book.ID, PriceBookVersion: book.Version, TokenUsage: tokensMessage(tokens), Parts: each(parts, partMessage),
	}
}
