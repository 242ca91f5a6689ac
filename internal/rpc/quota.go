package rpc

import (
	"context"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// GetPlanUsage answers how much of what the plan allows is used.
func (s *usage) GetPlanUsage(
	ctx context.Context, in *meterv1.GetPlanUsageRequest,
) (*meterv1.GetPlanUsageResponse, error) {
	rows, err := s.Reader.PlanUsage(ctx, in.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetPlanUsageResponse{Rows: each(rows, planUsageMessage)}, nil
}

// RecountPlanUsage counts anew all that is registered.
func (s *usage) RecountPlanUsage(
	ctx context.Context, in *meterv1.RecountPlanUsageRequest,
) (*meterv1.RecountPlanUsageResponse, error) {
	out, err := s.Writer.Do(ctx, meter.RecountPlanUsage{OrganizationID: in.GetOrganizationId()})
	if err != nil {
		return nil, err
	}
	return &meterv1.RecountPlanUsageResponse{
		Rows: each(out.Usage, planUsageMessage), Corrections: each(out.Corrections, correctionMessage),
	}, nil
}

// RegisterResource registers a resource, or changes one.
func (s *usage) RegisterResource(
	ctx context.Context, in *meterv1.RegisterResourceRequest,
) (*meterv1.RegisterResourceResponse, error) {
	command, err := registerCommand(in)
	if err != nil {
		return nil, err
	}
	out, err := s.Writer.Do(ctx, command)
	if err != nil {
		return nil, err
	}
	return &meterv1.RegisterResourceResponse{Row: planUsageMessage(out.Usage[0])}, nil
}

// UnregisterResource takes a resource off.
func (s *usage) UnregisterResource(
	ctx context.Context, in *meterv1.UnregisterResourceRequest,
) (*meterv1.UnregisterResourceResponse, error) {
	out, err := s.Writer.Do(ctx, meter.UnregisterResource{
		OrganizationID: in.GetOrganizationId(), Kind: number[meter.ResourceKind](in.GetResource()), ID: in.GetResourceId(),
	})
	if err != nil {
		return nil, err
	}
	return &meterv1.UnregisterResourceResponse{Rows: each(out.Usage, planUsageMessage)}, nil
}

// registerCommand refuses what does not go with the sort of resource.
func registerCommand(in *meterv1.RegisterResourceRequest) (meter.RegisterResource, error) {
	c := meter.RegisterResource{
		OrganizationID: in.GetOrganizationId(), Kind: number[meter.ResourceKind](in.GetResource()), ID: in.GetResourceId(),
		ParentID: in.GetParentId(), Private: in.GetPrivate(), Active: in.GetActive(),
	}
	return c, registerFaults(c).orNil()
}

func registerFaults(c meter.RegisterResource) (wrong *FieldError) {
	switch isDevice := c.Kind == meter.ResourceDevice; {
	case isDevice && c.ParentID == "":
		wrong = wrong.andAgainst("resource", "parent_id", "must be the orchestrator of the device")
	case !isDevice && c.ParentID != "":
		wrong = wrong.andAgainst("resource", "parent_id", "must not be set but of a device")
	}
	if c.Kind != meter.ResourcePrivateProject && c.Private {
		wrong = wrong.andAgainst("resource", "private", "must not be set but of a project")
	}
	return wrong
}

func planUsageMessage(u meter.PlanUsage) *meterv1.PlanUsageRow {
	return &meterv1.PlanUsageRow{
		Resource: number[meterv1.Resource](u.Kind), Used: u.Used, Allowed: u.Allowed, AtLimit: u.AtLimit(),
	}
}

func correctionMessage(c meter.Correction) *meterv1.PlanUsageCorrection {
	return &meterv1.PlanUsageCorrection{
		Resource: number[meterv1.Resource](c.Kind), UsedBefore: c.Before, UsedAfter: c.After,
	}
}
