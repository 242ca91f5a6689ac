package rpc

import (
	"context"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// organizations answers OrganizationService.
type organizations struct {
	meterv1.UnimplementedOrganizationServiceServer
	Services
}

func (s *organizations) PutPlan(ctx context.Context, in *meterv1.PutPlanRequest) (*meterv1.PutPlanResponse, error) {
	plan := planOf(in.GetPlan())
	if err := s.Plans.PutPlan(ctx, plan, actorOf(ctx)); err != nil {
		return nil, err
	}
	return &meterv1.PutPlanResponse{Plan: planMessage(plan)}, nil
}

func (s *organizations) GetPlan(ctx context.Context, in *meterv1.GetPlanRequest) (*meterv1.GetPlanResponse, error) {
	plan, err := s.Reader.Plan(ctx, in.GetPlanId())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetPlanResponse{Plan: planMessage(plan)}, nil
}

func (s *organizations) ListPlans(
	ctx context.Context, in *meterv1.ListPlansRequest,
) (*meterv1.ListPlansResponse, error) {
	l := list("ListPlans")
	after, err := l.after(in)
	if err != nil {
		return nil, err
	}
	found, err := s.Reader.Plans(ctx, after, limit(in))
	if err != nil {
		return nil, err
	}
	found, next := page(l, in, found, func(p meter.Plan) string { return p.ID })
	return &meterv1.ListPlansResponse{Plans: each(found, planMessage), NextPageToken: next}, nil
}

func (s *organizations) PutOrganization(
	ctx context.Context, in *meterv1.PutOrganizationRequest,
) (*meterv1.PutOrganizationResponse, error) {
	command, err := putOrganizationCommand(in.GetOrganization())
	if err != nil {
		return nil, err
	}
	out, err := s.record(ctx, command)
	if err != nil {
		return nil, err
	}
	return &meterv1.PutOrganizationResponse{Organization: organizationMessage(*out.Organization)}, nil
}

func (s *organizations) GetOrganization(
	ctx context.Context, in *meterv1.GetOrganizationRequest,
) (*meterv1.GetOrganizationResponse, error) {
	o, err := s.Reader.Organization(ctx, in.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetOrganizationResponse{Organization: organizationMessage(o)}, nil
}

func (s *organizations) ListOrganizations(
	ctx context.Context, in *meterv1.ListOrganizationsRequest,
) (*meterv1.ListOrganizationsResponse, error) {
	l := list("ListOrganizations")
	after, err := l.after(in)
	if err != nil {
		return nil, err
	}
	found, err := s.Reader.Organizations(ctx, after, limit(in))
	if err != nil {
		return nil, err
	}
	found, next := page(l, in, found, func(o meter.Organization) string { return o.ID })
	return &meterv1.ListOrganizationsResponse{Organizations: each(found, organizationMessage), NextPageToken: next}, nil
}

func (s *organizations) PutMember(
	ctx context.Context, in *meterv1.PutMemberRequest,
) (*meterv1.PutMemberResponse, error) {
	out, err := s.record(ctx, putMemberCommand(in.GetMember()))
	if err != nil {
		return nil, err
	}
	return &meterv1.PutMemberResponse{Member: memberMessage(*out.Member)}, nil
}

func (s *organizations) GetMember(
	ctx context.Context, in *meterv1.GetMemberRequest,
) (*meterv1.GetMemberResponse, error) {
	m, err := s.Reader.Member(ctx, in.GetOrganizationId(), in.GetMemberId())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetMemberResponse{Member: memberMessage(m)}, nil
}

func (s *organizations) ListMembers(
	ctx context.Context, in *meterv1.ListMembersRequest,
) (*meterv1.ListMembersResponse, error) {
	l := list("ListMembers", in.GetOrganizationId(), in.GetSearch(), in.GetOrderBy().String())
	after, err := l.after(in)
	if err != nil {
		return nil, err
	}
	found, all, err := s.Reader.Members(ctx, meter.MemberQuery{
		OrganizationID: in.GetOrganizationId(), Search: in.GetSearch(), Order: number[meter.MemberOrder](in.GetOrderBy()),
		After: after, Limit: limit(in),
	})
	if err != nil {
		return nil, err
	}
	found, next := page(l, in, found, func(m meter.MemberView) string { return m.ID })
	return &meterv1.ListMembersResponse{Members: each(found, memberMessage), NextPageToken: next, TotalSize: all}, nil
}

func (s *organizations) RemoveMember(
	ctx context.Context, in *meterv1.RemoveMemberRequest,
) (*meterv1.RemoveMemberResponse, error) {
	out, err := s.record(ctx, meter.RemoveMember{
		OrganizationID: in.GetOrganizationId(), MemberID: in.GetMemberId(),
	})
	if err != nil {
		return nil, err
	}
	return &meterv1.RemoveMemberResponse{Member: memberMessage(*out.Member)}, nil
}
