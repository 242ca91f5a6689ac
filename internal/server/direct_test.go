package server

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
)

// knowing takes callers by their authorization.
type knowing struct{}

func (knowing) Authenticate(ctx context.Context) (auth.Identity, error) {
	if given := metadata.ValueFromIncomingContext(ctx, "authorization"); len(given) == 1 && given[0] == "Bearer good" {
		return auth.Identity{Subject: "olga", Role: auth.Operator}, nil
	}
	return auth.Identity{}, auth.Unauthenticated{}
}

// TestDirect: a call without a wire is held to the same rules, answered the same, counted and logged.
func TestDirect(t *testing.T) {
	s := startFor(t, done, knowing{}, nil)
	pools := meterv1.NewPoolServiceClient(s.direct)
	good := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer good"))
	request := &meterv1.TopUpRequest{OrganizationId: "acme", RequestId: "inv-1", AmountMicros: 1}
	if answer, err := pools.TopUp(good, request); err != nil || answer.GetPool().GetOrganizationId() != "acme" {
		t.Errorf("got %v, %v", answer, err)
	}
	if _, err := pools.TopUp(t.Context(), request); status.Code(err) != codes.Unauthenticated || reason(err) != "UNAUTHENTICATED" {
		t.Errorf("nobody is answered %v", err)
	}
	if _, err := pools.TopUp(good, &meterv1.TopUpRequest{}); status.Code(err) != codes.InvalidArgument || reason(err) != "INVALID_FIELD" {
		t.Errorf("an empty request is answered %v", err)
	}
	if _, err := meterv1.NewAuditServiceClient(&direct{}).ListAuditEntries(good, &meterv1.ListAuditEntriesRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("what is not served is answered %v", err)
	}
	if line := s.log.String(); !strings.Contains(line, "reason=UNAUTHENTICATED") || !strings.Contains(line, "caller=olga") {
		t.Errorf("the log says %s", line)
	}
}
