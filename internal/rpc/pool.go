package rpc

import (
	"context"
	"strconv"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// pools answers PoolService.
type pools struct {
	meterv1.UnimplementedPoolServiceServer
	Services
}

func (s *pools) TopUp(ctx context.Context, in *meterv1.TopUpRequest) (*meterv1.TopUpResponse, error) {
	out, err := s.record(ctx, meter.TopUp{
		OrganizationID: in.GetOrganizationId(),
		RequestID:      in.GetRequestId(),
		Amount:         meter.Micros(in.GetAmountMicros()),
		Reference:      in.GetReference(),
	})
	if err != nil {
		return nil, err
	}
	return &meterv1.TopUpResponse{
		Pool: poolMessage(*out.Organization), Entry: entryMessage(in.GetOrganizationId(), *out.Entry),
	}, nil
}

func (s *pools) Refund(ctx context.Context, in *meterv1.RefundRequest) (*meterv1.RefundResponse, error) {
	out, err := s.record(ctx, refundCommand(in))
	if err != nil {
		return nil, err
	}
	return &meterv1.RefundResponse{
		Pool: poolMessage(*out.Organization), Entry: entryMessage(in.GetOrganizationId(), *out.Entry),
	}, nil
}

func (s *pools) GetPool(ctx context.Context, in *meterv1.GetPoolRequest) (*meterv1.GetPoolResponse, error) {
	o, err := s.Reader.Organization(ctx, in.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetPoolResponse{Pool: poolMessage(o)}, nil
}

func (s *pools) GrantAccess(
	ctx context.Context, in *meterv1.GrantAccessRequest,
) (*meterv1.GrantAccessResponse, error) {
	m, err := s.setAccess(ctx, in.GetOrganizationId(), in.GetMemberId(), accessOf(in))
	if err != nil {
		return nil, err
	}
	return &meterv1.GrantAccessResponse{Member: m}, nil
}

func (s *pools) RevokeAccess(
	ctx context.Context, in *meterv1.RevokeAccessRequest,
) (*meterv1.RevokeAccessResponse, error) {
	m, err := s.setAccess(ctx, in.GetOrganizationId(), in.GetMemberId(), meter.Access{Kind: meter.AccessNone})
	if err != nil {
		return nil, err
	}
	return &meterv1.RevokeAccessResponse{Member: m}, nil
}

func (s *pools) ListLedgerEntries(
	ctx context.Context, in *meterv1.ListLedgerEntriesRequest,
) (*meterv1.ListLedgerEntriesResponse, error) {
	l, q, err := entryQuery(in)
	if err != nil {
		return nil, err
	}
	found, err := s.Reader.Entries(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &meterv1.ListLedgerEntriesResponse{Entries: entryMessages(in.GetOrganizationId(), found.Entries)}
	if found.Next > 0 {
		out.NextPageToken = l.token(strconv.FormatInt(found.Next, 10))
	}
	return out, nil
}

func (s *pools) ListAccessChanges(
	ctx context.Context, in *meterv1.ListAccessChangesRequest,
) (*meterv1.ListAccessChangesResponse, error) {
	l := list("ListAccessChanges", in.GetOrganizationId(), in.GetMemberId())
	after, err := l.afterID(in)
	if err != nil {
		return nil, err
	}
	found, err := s.Reader.AccessChanges(ctx, in.GetOrganizationId(), in.GetMemberId(), after, limit(in))
	if err != nil {
		return nil, err
	}
	found, next := page(l, in, found, changeKey)
	return &meterv1.ListAccessChangesResponse{
		Changes: changeMessages(in.GetOrganizationId(), found), NextPageToken: next,
	}, nil
}

// setAccess grants or revokes in the name of the caller.
func (s *pools) setAccess(
	ctx context.Context, organizationID, memberID string, access meter.Access,
) (*meterv1.Member, error) {
	out, err := s.record(ctx, meter.SetAccess{
		OrganizationID: organizationID,
		MemberID:       memberID,
		Access:         access,
		Actor:          actorOf(ctx).Name(),
		ChangeID:       newID(),
	})
	if err != nil {
		return nil, err
	}
	return memberMessage(*out.Member), nil
}
