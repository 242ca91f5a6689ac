package server

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

// known authenticates every call as one caller.
type known auth.Identity

func (k known) Authenticate(context.Context) (auth.Identity, error) { return auth.Identity(k), nil }

// firm is a directory of one admin, and counts how often it is asked.
type firm struct{ lookups int }

func (f *firm) Member(_ context.Context, organizationID, memberID string) (meter.MemberView, error) {
	f.lookups++
	if organizationID != "acme" || memberID != "ada" {
		return meter.MemberView{}, &meter.Refusal{Reason: meter.MemberNotFound}
	}
	return meter.MemberView{Member: meter.Member{ID: "ada", Role: meter.RoleAdmin, State: meter.MemberActive}}, nil
}

func (f *firm) Organization(context.Context, string) (meter.Organization, error) {
	return meter.Organization{}, &meter.Refusal{Reason: meter.OrganizationNotFound}
}

func (f *firm) Plan(context.Context, string) (meter.Plan, error) {
	return meter.Plan{}, &meter.Refusal{Reason: meter.PlanNotFound}
}

// TestPolicyIsInForce: the edge lets an admin do what is an admin's, tells nothing of why it refuses the rest, not even
// what is wrong with the request, and logs who was refused.
func TestPolicyIsInForce(t *testing.T) {
	granted := 0
	var denied []meter.Denial
	members := &firm{}
	s := startFor(t, func(_ context.Context, c meter.Command) (meter.Outcome, error) {
		if d, isDenial := c.(meter.Denial); isDenial {
			denied = append(denied, d)
			return meter.Outcome{}, nil
		}
		granted++
		return meter.Outcome{Organization: &meter.Organization{ID: "acme"}, Member: &meter.MemberView{}}, nil
	}, known{Subject: "ada@acme", Role: auth.Admin, OrganizationID: "acme", MemberID: "ada"}, members)
	pools := meterv1.NewPoolServiceClient(s.conn)
	revoke := func(organization, member string) error {
		_, err := pools.RevokeAccess(t.Context(), &meterv1.RevokeAccessRequest{OrganizationId: organization, MemberId: member})
		return err
	}
	if err := revoke("acme", "ada"); err != nil || granted != 1 || members.lookups != 1 {
		t.Fatalf("its own: %v, with %d commands and %d look-ups", err, granted, members.lookups)
	}
	for what, err := range map[string]error{
		"another's":           revoke("other", "ada"),
		"another's, ill-made": revoke("other", "no id"),
		"not an admin's":      s.topUp(t.Context()),
	} {
		if status.Code(err) != codes.PermissionDenied || reason(err) != "PERMISSION_DENIED" {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if granted != 1 || members.lookups != 1 {
		t.Errorf("what was refused made %d commands and %d look-ups", granted-1, members.lookups-1)
	}
	// The second of another's is like the first, and counted with it.
	record := map[string]string{}
	for _, d := range denied {
		record[d.By.Method] = d.OrganizationID
	}
	if len(denied) != 2 || record[meterv1.PoolService_TopUp_FullMethodName] != "acme" ||
		record[meterv1.PoolService_RevokeAccess_FullMethodName] != "" {
		t.Errorf("on record is %+v", denied)
	}
	if err := revoke("acme", "no id"); reason(err) != "INVALID_FIELD" {
		t.Errorf("its own, ill-made: got %v", err)
	}
	for _, want := range []string{"caller=ada@acme", "reason=PERMISSION_DENIED", "its role may not call this"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, s.log)
		}
	}
}
