package rpc

import (
	"context"
	"strconv"

	"google.golang.org/grpc"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

type audits struct {
	meterv1.UnimplementedAuditServiceServer
	Services
}

// ListAuditEntries lists what privileged callers did and were denied.
func (s *audits) ListAuditEntries(
	ctx context.Context, in *meterv1.ListAuditEntriesRequest,
) (*meterv1.ListAuditEntriesResponse, error) {
	l := list("ListAuditEntries", in.GetOrganizationId())
	after, err := l.afterSequence(in)
	if err != nil {
		return nil, err
	}
	found, err := s.Reader.AuditEntries(ctx, in.GetOrganizationId(), after, limit(in))
	if err != nil {
		return nil, err
	}
	found, next := page(l, in, found, func(e meter.AuditEntry) string { return strconv.FormatInt(e.Sequence, 10) })
	return &meterv1.ListAuditEntriesResponse{Entries: each(found, auditMessage), NextPageToken: next}, nil
}

// record carries a command, with who asks for it, so that what it changes goes on record.
func (s Services) record(ctx context.Context, c meter.Recordable) (meter.Outcome, error) {
	return s.Writer.Do(ctx, meter.Recorded{Recordable: c, By: actorOf(ctx)})
}

// actorOf is who makes the call in hand.
func actorOf(ctx context.Context) meter.Actor {
	method, _ := grpc.Method(ctx)
	return ActorOf(auth.FromContext(ctx), method, CallOf(ctx).RequestID)
}

// ActorOf is a caller as records name it.
func ActorOf(caller auth.Identity, method, requestID string) meter.Actor {
	return meter.Actor{
		Subject: caller.Subject, Issuer: caller.Issuer, ActingFor: caller.ActingFor, Role: caller.Role.String(),
		Method: method, RequestID: requestID,
	}
}

var callerRoles = map[string]meterv1.CallerRole{
	auth.Orchestrator.String(): meterv1.CallerRole_CALLER_ROLE_ORCHESTRATOR,
	auth.Billing.String():      meterv1.CallerRole_CALLER_ROLE_BILLING,
	auth.Operator.String():     meterv1.CallerRole_CALLER_ROLE_OPERATOR,
	auth.Admin.String():        meterv1.CallerRole_CALLER_ROLE_ADMIN,
	auth.Member.String():       meterv1.CallerRole_CALLER_ROLE_MEMBER,
}

func auditMessage(e meter.AuditEntry) *meterv1.AuditEntry {
	return &meterv1.AuditEntry{
		OrganizationId:       e.OrganizationID,
		Sequence:             e.Sequence,
		At:                   moment(e.At),
		Method:               e.Actor.Method,
		Subject:              e.Actor.Subject,
		Issuer:               e.Actor.Issuer,
		ActingFor:            e.Actor.ActingFor,
		Role:                 callerRoles[e.Actor.Role],
		RequestId:            e.Actor.RequestID,
		MemberId:             e.MemberID,
		Outcome:              number[meterv1.AuditOutcome](e.Outcome),
		Before:               e.Before,
		After:                e.After,
		DeniedReason:         e.Reason,
		DeniedOrganizationId: e.Named,
		DeniedAttempts:       e.Attempts,
		Hash:                 e.Hash[:],
	}
}
