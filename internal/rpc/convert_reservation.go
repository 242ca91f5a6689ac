package rpc

import (
	"cmp"
	"fmt"

	"github.com/google/uuid"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

func reserveCommand(in *meterv1.ReserveRequest, learner Learner) (meter.Reserve, error) {
	if wrong := reserveFaults(in); wrong != nil {
		return meter.Reserve{}, wrong
	}
	c := meter.Reserve{
		OrganizationID: in.GetOrganizationId(),
		ReservationID:  newID(),
		MemberID:       in.GetMemberId(),
		RequestID:      in.GetRequestId(),
		Estimate:       meter.Micros(in.GetEstimateMicros()),
		Minimum:        meter.Micros(in.GetEstimateMicros()),
		TimeToLive:     meter.DefaultTimeToLive,
		Turn:           turnOf(in.GetTurn()),
	}
	if in.MinimumMicros != nil {
		c.Minimum = meter.Micros(in.GetMinimumMicros())
	}
	if in.TimeToLive != nil {
		c.TimeToLive = durationOf(in.GetTimeToLive())
	}
	if usage := in.GetEstimateUsage(); usage != nil {
		c.Turn.Model, c.Usage = usage.GetModel(), estimateOf(in.GetOrganizationId(), usage, learner)
	}
	return c, nil
}

func reserveFaults(in *meterv1.ReserveRequest) (wrong *FieldError) {
	usage, estimate := in.GetEstimateUsage(), in.GetEstimateMicros()
	switch {
	case (estimate == 0) == (usage == nil):
		wrong = wrong.and("estimate_micros", "must be set, or estimate_usage, and not both")
	case usage == nil && in.GetMinimumMicros() > estimate:
		wrong = wrong.andAgainst("estimate_micros", "minimum_micros", "must be at most estimate_micros")
	}
	if model := in.GetTurn().GetModel(); usage != nil && model != "" && model != usage.GetModel() {
		wrong = wrong.andAgainst("estimate_usage.model", "turn.model", "must be that of estimate_usage, or not be set")
	}
	return wrong
}

// estimateOf is what a turn is expected to use. The output that is expected is asked of the learner once, before the first
// try.
func estimateOf(organization string, in *meterv1.EstimateUsage, learner Learner) *meter.EstimateUsage {
	usage := &meter.EstimateUsage{
		Tokens: meter.TokenUsage{
			Input: in.GetInputTokens(), CachedInput: in.GetCachedInputTokens(), CacheWrite: in.GetCacheWriteTokens(),
			Output: in.GetMaxOutputTokens(),
		},
		MaxOutput: in.GetMaxOutputTokens(),
		Policy:    cmp.Or(number[meter.EstimatePolicy](in.GetEstimatePolicy()), meter.EstimateMaximum),
	}
	if usage.Policy == meter.EstimateLearned {
		usage.Tokens.Output, _ = learner.Expect(organization, in.GetModel(), usage.MaxOutput)
	}
	return usage
}

func commitCommand(in *meterv1.CommitRequest) (meter.Commit, error) {
	if wrong := commitFaults(in); wrong != nil {
		return meter.Commit{}, wrong
	}
	id, err := reservationID(in.GetReservationId())
	return meter.Commit{
		OrganizationID: in.GetOrganizationId(),
		ReservationID:  id,
		Actual:         meter.Micros(in.GetActualMicros()),
		ByTokens:       in.ActualMicros == nil,
		Tokens:         tokensOf(in.GetTokenUsage()),
	}, err
}

func commitFaults(in *meterv1.CommitRequest) *FieldError {
	if in.ActualMicros == nil && in.TokenUsage == nil {
		var wrong *FieldError
		return wrong.and("actual_micros", "must be set, or token_usage")
	}
	return tokenFaults(in.GetTokenUsage())
}

func releaseCommand(in *meterv1.ReleaseRequest) (meter.Release, error) {
	if wrong := tokenFaults(in.GetTokenUsage()); wrong != nil {
		return meter.Release{}, wrong
	}
	id, err := reservationID(in.GetReservationId())
	return meter.Release{
		OrganizationID: in.GetOrganizationId(),
		ReservationID:  id,
		Reason:         in.GetReason(),
		Actual:         meter.Micros(in.GetActualMicros()),
		ByTokens:       in.ActualMicros == nil && in.TokenUsage != nil,
		Tokens:         tokensOf(in.GetTokenUsage()),
	}, err
}

func extendCommand(in *meterv1.ExtendRequest) (meter.Extend, error) {
	if wrong := extendFaults(in); wrong != nil {
		return meter.Extend{}, wrong
	}
	id, err := reservationID(in.GetReservationId())
	return meter.Extend{
		OrganizationID: in.GetOrganizationId(),
		ReservationID:  id,
		RequestID:      in.GetRequestId(),
		Additional:     meter.Micros(in.GetAdditionalMicros()),
		TimeToLive:     durationOf(in.GetTimeToLive()),
	}, err
}

func extendFaults(in *meterv1.ExtendRequest) (wrong *FieldError) {
	if in.GetAdditionalMicros() == 0 && in.TimeToLive == nil {
		wrong = wrong.and("additional_micros", "must be at least 1 unless time_to_live is set")
	}
	return wrong
}

func reservationQuery(in *meterv1.ListReservationsRequest, l listing) (meter.ReservationQuery, error) {
	before, err := l.afterID(in)
	return meter.ReservationQuery{
		OrganizationID: in.GetOrganizationId(),
		MemberID:       in.GetMemberId(),
		State:          number[meter.ReservationState](in.GetState()),
		Before:         before,
		Limit:          pageSize(in),
	}, err
}

// reservationID reads the id of a reservation in its usual form.
func reservationID(s string) (meter.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return meter.UUID{}, invalidField("reservation_id", requireUUID)
	}
	return meter.UUID(id), nil
}

func turnOf(in *meterv1.Turn) meter.Turn {
	return meter.Turn{
		Model:          in.GetModel(),
		ConversationID: in.GetConversationId(),
		TurnID:         in.GetTurnId(),
		Labels:         in.GetLabels(),
	}
}

// tokensOf are the tokens by class.
func tokensOf(in *meterv1.TokenUsage) meter.TokenUsage {
	return meter.TokenUsage{
		Input:       in.GetInputTokens(),
		CachedInput: in.GetCachedInputTokens(),
		CacheWrite:  in.GetCacheWriteTokens(),
		Output:      in.GetOutputTokens(),
		Reasoning:   in.GetReasoningTokens(),
	}
}

// tokenFaults holds the total, where it is said, to the sum of the classes.
func tokenFaults(in *meterv1.TokenUsage) (wrong *FieldError) {
	sum := tokensOf(in).Total()
	if in == nil || in.TotalTokens == nil || in.GetTotalTokens() == sum {
		return nil
	}
	return wrong.andAgainst("token_usage", "token_usage.total_tokens",
		fmt.Sprintf("must be the sum of the classes, %d: a token counts in one of them only", sum))
}

func reservationMessages(organizationID string, rs []meter.Reservation) []*meterv1.Reservation {
	return each(rs, func(r meter.Reservation) *meterv1.Reservation { return reservationMessage(organizationID, r) })
}

func reservationMessage(organizationID string, r meter.Reservation) *meterv1.Reservation {
	return &meterv1.Reservation{
		OrganizationId:      organizationID,
		ReservationId:       uuid.UUID(r.ID).String(),
		MemberId:            r.MemberID,
		RequestId:           r.RequestID,
		State:               number[meterv1.ReservationState](r.State),
		EstimateMicros:      int64(r.Estimate),
		HeldAllowanceMicros: int64(r.HeldAllowance),
		HeldPoolMicros:      int64(r.HeldPool),
		PeriodStart:         moment(r.PeriodStart),
		CreatedAt:           moment(r.CreatedAt),
		ExpiresAt:           moment(r.ExpiresAt),
		SettledAt:           settledAt(r),
		Charge:              chargeMessage(r),
		Turn:                turnMessage(r.Turn),
		TokenUsage:          tokensMessage(r.Tokens),
		Late:                r.Late,
		PriceBookId:         r.Book.ID,
		PriceBookVersion:    r.Book.Version,
		EstimatePolicy:      number[meterv1.EstimatePolicy](r.Policy),
		CostBasis:           number[meterv1.CostBasis](r.Basis),
	}
}

// settledAt is unset while the hold stands, whatever the record holds in its place.
func settledAt(r meter.Reservation) *timestamp {
	if r.State == meter.Held {
		return nil
	}
	return moment(r.SettledAt)
}

// chargeMessage is unset until the caller has settled the turn: a charge of 0 says that it cost nothing.
func chargeMessage(r meter.Reservation) *meterv1.Charge {
	if r.State != meter.Committed && r.State != meter.Released {
		return nil
	}
	return &meterv1.Charge{
		ActualMicros:    int64(r.Charge.Actual),
		AllowanceMicros: int64(r.Charge.Allowance),
		PoolMicros:      int64(r.Charge.Pool),
		OverrunMicros:   int64(r.Charge.Overrun),
	}
}

func turnMessage(t meter.Turn) *meterv1.Turn {
	if t.Model == "" && t.ConversationID == "" && t.TurnID == "" && len(t.Labels) == 0 {
		return nil
	}
	return &meterv1.Turn{Model: t.Model, ConversationId: t.ConversationID, TurnId: t.TurnID, Labels: t.Labels}
}

func tokensMessage(u meter.TokenUsage) *meterv1.TokenUsage {
	if u == (meter.TokenUsage{}) {
		return nil
	}
	return &meterv1.TokenUsage{
		InputTokens:       u.Input,
		CachedInputTokens: u.CachedInput,
		CacheWriteTokens:  u.CacheWrite,
		OutputTokens:      u.Output,
		ReasoningTokens:   u.Reasoning,
	}
}

func meterMessage(m meter.Meter) *meterv1.Meter {
	return &meterv1.Meter{
		OrganizationId:  m.OrganizationID,
		MemberId:        m.MemberID,
		Unit:            number[meterv1.Unit](m.Unit),
		PeriodStart:     moment(m.Span.Start),
		ResetsAt:        moment(m.Span.End),
		AllowanceMicros: int64(m.Allowance),
		UsedMicros:      int64(m.Period.AllowanceUsed),
		HeldMicros:      int64(m.Period.AllowanceHeld),
		RemainingMicros: int64(m.Remaining),
		OverrunMicros:   int64(m.Period.Overrun),
		Access:          accessMessage(m.Access),
		PoolUsedMicros:  int64(m.Period.PoolUsed),
		PoolHeldMicros:  int64(m.Period.PoolHeld),
	}
}
