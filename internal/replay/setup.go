package replay

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// setupCallers bounds how many calls of the setup are under way at once.
const setupCallers = 32

// setUp makes the plan, and for the turns to be replayed their organizations, seats, access and pools. Everything in it
// can be done again: a Put replaces what is alike, and a top-up has its fixed request id.
func (r *replayer) setUp(ctx context.Context, whole []*turn) error {
	seats := seatsOf(r.turns)
	organizations := organizationsOf(seats)
	r.report.Organizations, r.report.Seats = len(organizations), len(seats)
	if r.options.SkipSetup {
		return nil
	}
	r.progress.begin("setup", 1+2*len(organizations)+len(seats))
	defer r.progress.end()
	if err := r.each(ctx, 1, func(ctx context.Context, _ int) error { return r.putPlan(ctx) }); err != nil {
		return err
	}
	err := r.each(ctx, len(organizations), func(ctx context.Context, i int) error {
		return r.putOrganization(ctx, organizations[i])
	})
	if err != nil {
		return err
	}
	if err := r.each(ctx, len(seats), func(ctx context.Context, i int) error { return r.putSeat(ctx, seats[i]) }); err != nil {
		return err
	}
	ample := ampleMicros(whole)
	return r.each(ctx, len(organizations), func(ctx context.Context, i int) error {
		return r.topUp(ctx, organizations[i], ample[organizations[i]])
	})
}

// each does n things, several at once, and stops at the first that fails.
func (r *replayer) each(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(setupCallers)
	for i := range n {
		group.Go(func() error {
			if err := do(ctx, i); err != nil {
				return fmt.Errorf("setup: %w", err)
			}
			r.progress.step()
			return nil
		})
	}
	return group.Wait()
}

func (r *replayer) planID() string { return r.options.Prefix + "plan" }

func (r *replayer) putPlan(ctx context.Context) error {
	request := &meterv1.PutPlanRequest{Plan: &meterv1.Plan{
		PlanId:              r.planID(),
		Kind:                meterv1.PlanKind_PLAN_KIND_TEAM,
		SeatAllowanceMicros: int64(r.options.Allowance),
		FailedTurnPolicy:    meterv1.FailedTurnPolicy_FAILED_TURN_POLICY_FREE,
	}}
	return r.client.do(ctx, "PutPlan", func(ctx context.Context, s stub) error {
		_, err := s.PutPlan(ctx, request)
		return err
	})
}

func (r *replayer) putOrganization(ctx context.Context, id string) error {
	request := &meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
		OrganizationId: id,
		DisplayName:    "Replay of " + r.report.Trace,
		PlanId:         r.planID(),
		Unit:           meterv1.Unit_UNIT_USD,
		Anniversary:    &meterv1.Date{Year: 2026, Month: 1, Day: 1},
		TimeZone:       "UTC",
		PriceBookId:    r.options.Book,
	}}
	return r.client.do(ctx, "PutOrganization", func(ctx context.Context, s stub) error {
		_, err := s.PutOrganization(ctx, request)
		return err
	})
}

func (r *replayer) putSeat(ctx context.Context, seat seat) error {
	request := &meterv1.PutMemberRequest{Member: &meterv1.Member{
		OrganizationId: seat.organizationID,
		MemberId:       seat.memberID,
		DisplayName:    seat.memberID,
		Role:           meterv1.Role_ROLE_MEMBER,
	}}
	err := r.client.do(ctx, "PutMember", func(ctx context.Context, s stub) error {
		_, err := s.PutMember(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	if r.options.Access.Kind == meterv1.AccessKind_ACCESS_KIND_NONE {
		return r.revokeAccess(ctx, seat)
	}
	return r.grantAccess(ctx, seat)
}

func (r *replayer) grantAccess(ctx context.Context, seat seat) error {
	request := &meterv1.GrantAccessRequest{OrganizationId: seat.organizationID, MemberId: seat.memberID}
	if r.options.Access.Kind == meterv1.AccessKind_ACCESS_KIND_CAPPED {
		request.Access = &meterv1.GrantAccessRequest_CapMicros{CapMicros: r.options.Access.CapMicros}
	} else {
		request.Access = &meterv1.GrantAccessRequest_Unlimited{Unlimited: true}
	}
	return r.client.do(ctx, "GrantAccess", func(ctx context.Context, s stub) error {
		_, err := s.GrantAccess(ctx, request)
		return err
	})
}

func (r *replayer) revokeAccess(ctx context.Context, seat seat) error {
	request := &meterv1.RevokeAccessRequest{OrganizationId: seat.organizationID, MemberId: seat.memberID}
	return r.client.do(ctx, "RevokeAccess", func(ctx context.Context, s stub) error {
		_, err := s.RevokeAccess(ctx, request)
		return err
	})
}

// topUp fills a pool once per trace. Asked again for another amount it fails: money must not be added by an oversight.
func (r *replayer) topUp(ctx context.Context, organizationID string, ample int64) error {
	amount := int64(r.options.Pool)
	switch r.options.Pool {
	case 0:
		return nil
	case AmplePool:
		amount = ample
	}
	request := &meterv1.TopUpRequest{
		OrganizationId: organizationID,
		RequestId:      "replay:" + r.report.Trace,
		AmountMicros:   amount,
		Reference:      "replay of " + r.report.Trace,
	}
	err := r.client.do(ctx, "TopUp", func(ctx context.Context, s stub) error {
		_, err := s.TopUp(ctx, request)
		return err
	})
	if reason, _ := reasonOf(err); reason == reasonRequestIDReused {
		return fmt.Errorf("this trace already topped up %s with another amount; replay with another prefix, "+
			"or without the setup: %w", organizationID, err)
	}
	return err
}
