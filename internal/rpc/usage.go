package rpc

import (
	"context"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// usage answers UsageService.
type usage struct {
	meterv1.UnimplementedUsageServiceServer
	Services
}

func (s *usage) GetMeter(ctx context.Context, in *meterv1.GetMeterRequest) (*meterv1.GetMeterResponse, error) {
	m, err := s.Reader.Meter(ctx, in.GetOrganizationId(), in.GetMemberId())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetMeterResponse{Meter: meterMessage(m)}, nil
}
