package rpc

import (
	"cmp"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

func planOf(in *meterv1.Plan) meter.Plan {
	return meter.Plan{
		ID:            in.GetPlanId(),
		Kind:          number[meter.PlanKind](in.GetKind()),
		SeatAllowance: meter.Micros(in.GetSeatAllowanceMicros()),
		Limits:        limitsOf(in.GetLimits()),
		Abuse: meter.AbuseLimit{
			Tokens: in.GetAbuseLimit().GetTokens(),
			Window: durationOf(in.GetAbuseLimit().GetWindow()),
		},
		FailedTurns: cmp.Or(number[meter.FailedTurnPolicy](in.GetFailedTurnPolicy()), meter.FailedTurnFree),
	}
}

func limitsOf(in *meterv1.PlanLimits) meter.PlanLimits {
	if in == nil {
		return meter.PlanLimits{}
	}
	return meter.PlanLimits{
		Orchestrators: in.Orchestrators, Devices: in.Devices, PrivateProjects: in.PrivateProjects,
	}
}

func planMessage(p meter.Plan) *meterv1.Plan {
	return &meterv1.Plan{
		PlanId:              p.ID,
		Kind:                number[meterv1.PlanKind](p.Kind),
		SeatAllowanceMicros: int64(p.SeatAllowance),
		Limits:              limitsMessage(p.Limits),
		AbuseLimit:          abuseLimitMessage(p.Abuse),
		FailedTurnPolicy:    number[meterv1.FailedTurnPolicy](p.FailedTurns),
	}
}

// limitsMessage is unset where nothing is limited.
func limitsMessage(l meter.PlanLimits) *meterv1.PlanLimits {
	if l == (meter.PlanLimits{}) {
		return nil
	}
	return &meterv1.PlanLimits{
		Orchestrators: l.Orchestrators, Devices: l.Devices, PrivateProjects: l.PrivateProjects,
	}
}

// abuseLimitMessage is unset where there is no limit.
func abuseLimitMessage(l meter.AbuseLimit) *meterv1.AbuseLimit {
	if l.Tokens == 0 {
		return nil
	}
	return &meterv1.AbuseLimit{Tokens: l.Tokens, Window: durationpb.New(l.Window)}
}

func putOrganizationCommand(in *meterv1.Organization) (meter.PutOrganization, error) {
	anchor, wrong := anchorOf(in)
	return meter.PutOrganization{
		OrganizationID:       in.GetOrganizationId(),
		DisplayName:          in.GetDisplayName(),
		PlanID:               in.GetPlanId(),
		Unit:                 number[meter.Unit](in.GetUnit()),
		Anchor:               anchor,
		State:                cmp.Or(number[meter.OrganizationState](in.GetState()), meter.OrganizationActive),
		PoolVisibleToMembers: in.GetPoolVisibleToMembers(),
		PriceBookID:          in.GetPriceBookId(),
	}, wrong.orNil()
}

// anchorOf reads where an organization's months begin. Both of what may be wrong with it are told at once.
func anchorOf(in *meterv1.Organization) (anchor meter.Anchor, wrong *FieldError) {
	anchor.Date = dateOf(in.GetAnniversary())
	if !anchor.Date.Valid() {
		wrong = wrong.and("organization.anniversary", "must be a day that the calendar has")
	}
	zone, err := meter.LoadZone(in.GetTimeZone())
	if err != nil {
		wrong = wrong.and("organization.time_zone", "must be the name of an IANA time zone, such as Europe/Berlin")
	}
	anchor.Zone = zone
	return anchor, wrong
}

func dateOf(in *meterv1.Date) meter.Date {
	return meter.Date{Year: int(in.GetYear()), Month: time.Month(in.GetMonth()), Day: int(in.GetDay())}
}

func dateMessage(d meter.Date) *meterv1.Date {
	return &meterv1.Date{Year: int32(d.Year), Month: int32(d.Month), Day: int32(d.Day)} //nolint:gosec // A valid date.
}

func organizationMessage(o meter.Organization) *meterv1.Organization {
	return &meterv1.Organization{
		OrganizationId:       o.ID,
		DisplayName:          o.DisplayName,
		PlanId:               o.PlanID,
		Unit:                 number[meterv1.Unit](o.Unit),
		Anniversary:          dateMessage(o.Calendar.Anchor.Date),
		TimeZone:             o.Calendar.Anchor.Zone.String(),
		State:                number[meterv1.OrganizationState](o.State),
		PoolVisibleToMembers: o.PoolVisibleToMembers,
		PriceBookId:          o.PriceBookID,
	}
}

// putMemberCommand takes of a member what a Put may change: not its access and not its use.
func putMemberCommand(in *meterv1.Member) meter.PutMember {
	return meter.PutMember{
		OrganizationID: in.GetOrganizationId(),
		MemberID:       in.GetMemberId(),
		DisplayName:    in.GetDisplayName(),
		Email:          in.GetEmail(),
		AvatarURL:      in.GetAvatarUrl(),
		Role:           cmp.Or(number[meter.Role](in.GetRole()), meter.RoleMember),
		Allowance:      (*meter.Micros)(in.AllowanceMicros),
	}
}

func memberMessage(m meter.MemberView) *meterv1.Member {
	return &meterv1.Member{
		OrganizationId:         m.OrganizationID,
		MemberId:               m.ID,
		DisplayName:            m.DisplayName,
		Email:                  m.Email,
		AvatarUrl:              m.AvatarURL,
		Role:                   number[meterv1.Role](m.Role),
		State:                  number[meterv1.MemberState](m.State),
		AllowanceMicros:        (*int64)(m.Allowance),
		Access:                 accessMessage(m.Access),
		PoolUsedPeriodMicros:   int64(m.PoolUsedPeriod),
		PoolUsedLifetimeMicros: int64(m.PoolUsedLifetime),

		AllowancePeriodMicros:     int64(m.AllowancePeriod),
		AllowanceUsedPeriodMicros: int64(m.AllowanceUsed),
	}
}
