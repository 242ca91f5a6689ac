package rpc

import (
	"context"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// mostTold bounds how many refusals, and how many extensions, one receipt tells.
const mostTold = 20

// ExplainTurn tells one turn's whole story.
func (s *usage) ExplainTurn(
	ctx context.Context, in *meterv1.ExplainTurnRequest,
) (*meterv1.ExplainTurnResponse, error) {
	query, err := turnQuery(in)
	if err != nil {
		return nil, err
	}
	record, err := s.Reader.Turn(ctx, query)
	if err != nil {
		return nil, err
	}
	role := auth.FromContext(ctx).Role
	// What an orchestrator is told, the member may be shown.
	hidden := (role == auth.Member || role == auth.Orchestrator) && record.HidesPool()
	receipt := receipt{TurnRecord: record, hidePool: hidden}
	if err := receipt.price(ctx, s.Prices); err != nil {
		return nil, err
	}
	return &meterv1.ExplainTurnResponse{Receipt: receipt.message()}, nil
}

func turnQuery(in *meterv1.ExplainTurnRequest) (meter.TurnQuery, error) {
	q := meter.TurnQuery{
		OrganizationID: in.GetOrganizationId(), MemberID: in.GetMemberId(), RequestID: in.GetRequestId(), Limit: mostTold,
	}
	if wrong := turnFaults(in); wrong != nil {
		return q, wrong
	}
	var err error
	if q.RequestID == "" {
		q.ReservationID, err = reservationID(in.GetReservationId())
	}
	return q, err
}

func turnFaults(in *meterv1.ExplainTurnRequest) (wrong *FieldError) {
	if (in.GetReservationId() == "") == (in.GetRequestId() == "") {
		wrong = wrong.and("reservation_id", "must be set, or request_id, and not both")
	}
	return wrong
}

// receipt is a turn's record with what its tokens cost.
type receipt struct {
	meter.TurnRecord

	estimate, settled []price.Part
	hidePool          bool
}

// price works out how the price book of the turn made its estimate and its cost, as far as it did.
func (r *receipt) price(ctx context.Context, books PriceBooks) error {
	turn := r.Reservation
	if turn == nil || turn.Book.Version == 0 || (turn.Policy == 0 && turn.Basis != meter.CostTokens) {
		return nil
	}
	table, err := books.PriceTable(ctx, turn.Book.ID, turn.Book.Version)
	if err != nil {
		return err
	}
	if turn.Policy != 0 && turn.Seen != nil {
		r.estimate = r.parts(table, turn.Seen.Expected)
	}
	if turn.Basis == meter.CostTokens {
		r.settled = r.parts(table, turn.Tokens)
	}
	r.EstimatePrice, r.SettledPrice = each(r.estimate, priceLine), each(r.settled, priceLine)
	return nil
}

// parts are what each class of tokens cost when the turn was reserved; none where the book does not say.
func (r *receipt) parts(table *price.Table, tokens meter.TokenUsage) []price.Part {
	quote, err := table.Quote(r.Reservation.Turn.Model, tokens, r.Reservation.CreatedAt, r.Organization.Unit)
	if err != nil {
		return nil
	}
	return quote.Parts
}

func priceLine(p price.Part) meter.PriceLine {
	return meter.PriceLine{Class: p.Class.String(), Tokens: p.Tokens, Rate: p.Rate.String(), Amount: p.AmountText()}
}
