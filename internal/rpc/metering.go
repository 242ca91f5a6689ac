package rpc

import (
	"context"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// metering answers MeteringService.
type metering struct {
	meterv1.UnimplementedMeteringServiceServer
	Services
}

func (s *metering) Reserve(ctx context.Context, in *meterv1.ReserveRequest) (*meterv1.ReserveResponse, error) {
	command, err := reserveCommand(in, s.Learner)
	if err != nil {
		return nil, err
	}
	out, err := s.Writer.Do(ctx, command)
	if err != nil {
		return nil, err
	}
	return &meterv1.ReserveResponse{
		Reservation: reservationMessage(in.GetOrganizationId(), *out.Reservation), Meter: meterMessage(*out.Meter),
	}, nil
}

func (s *metering) Commit(ctx context.Context, in *meterv1.CommitRequest) (*meterv1.CommitResponse, error) {
	command, err := commitCommand(in)
	if err != nil {
		return nil, err
	}
	out, err := s.Writer.Do(ctx, command)
	if err != nil {
		return nil, err
	}
	s.settled(in.GetOrganizationId(), *out.Reservation)
	return &meterv1.CommitResponse{
		Reservation: reservationMessage(in.GetOrganizationId(), *out.Reservation), Meter: meterMessage(*out.Meter),
	}, nil
}

func (s *metering) Release(ctx context.Context, in *meterv1.ReleaseRequest) (*meterv1.ReleaseResponse, error) {
	command, err := releaseCommand(in)
	if err != nil {
		return nil, err
	}
	out, err := s.Writer.Do(ctx, command)
	if err != nil {
		return nil, err
	}
	s.settled(in.GetOrganizationId(), *out.Reservation)
	return &meterv1.ReleaseResponse{
		Reservation: reservationMessage(in.GetOrganizationId(), *out.Reservation), Meter: meterMessage(*out.Meter),
	}, nil
}

func (s *metering) Extend(ctx context.Context, in *meterv1.ExtendRequest) (*meterv1.ExtendResponse, error) {
	command, err := extendCommand(in)
	if err != nil {
		return nil, err
	}
	out, err := s.Writer.Do(ctx, command)
	if err != nil {
		return nil, err
	}
	return &meterv1.ExtendResponse{Reservation: reservationMessage(in.GetOrganizationId(), *out.Reservation)}, nil
}

func (s *metering) GetReservation(
	ctx context.Context, in *meterv1.GetReservationRequest,
) (*meterv1.GetReservationResponse, error) {
	id, err := reservationID(in.GetReservationId())
	if err != nil {
		return nil, err
	}
	r, err := s.Reader.Reservation(ctx, in.GetOrganizationId(), id)
	if err != nil {
		return nil, err
	}
	return &meterv1.GetReservationResponse{Reservation: reservationMessage(in.GetOrganizationId(), r)}, nil
}

func (s *metering) ListReservations(
	ctx context.Context, in *meterv1.ListReservationsRequest,
) (*meterv1.ListReservationsResponse, error) {
	l := list("ListReservations", in.GetOrganizationId(), in.GetMemberId(), in.GetState().String())
	query, err := reservationQuery(in, l)
	if err != nil {
		return nil, err
	}
	found, err := s.Reader.Reservations(ctx, query)
	if err != nil {
		return nil, err
	}
	out := &meterv1.ListReservationsResponse{Reservations: reservationMessages(in.GetOrganizationId(), found.Reservations)}
	if found.Next != (meter.UUID{}) {
		out.NextPageToken = l.token(meter.UUIDString(found.Next))
	}
	return out, nil
}

// settled learns what a turn answered with, and tells of it.
func (s *metering) settled(organizationID string, r meter.Reservation) {
	if output := r.Tokens.Output + r.Tokens.Reasoning; r.State == meter.Committed && output > 0 && r.Turn.Model != "" {
		s.Learner.Observe(organizationID, r.Turn.Model, output)
	}
	if s.Settled != nil {
		s.Settled(r)
	}
}
