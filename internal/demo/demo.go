// Package demo makes a firm to try things on, over the API like any caller, and prints calls that show what the service
// does with it.
package demo

import (
	"context"
	_ "embed" // The selected prices.
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const (
	planID         = "team"
	organizationID = "acme"
	unit           = 1_000_000 // Micros of one ACU.
)

// Show makes the firm on the server at address, which serves without TLS, and writes to out what to try, with grpcurl
// called by that name. Doing it again changes nothing.
func Show(ctx context.Context, address, grpcurl string, out io.Writer) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := furnish(ctx, conn); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return write(out, address, grpcurl)
}

// furnish makes a plan, a firm on it, three seats with no access, a cap and no bound, and a pool with something in it.
func furnish(ctx context.Context, conn *grpc.ClientConn) error {
	organizations, pools := meterv1.NewOrganizationServiceClient(conn), meterv1.NewPoolServiceClient(conn)
	if err := putPrices(ctx, meterv1.NewPriceServiceClient(conn)); err != nil {
		return err
	}
	if _, err := organizations.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: plan()}); err != nil {
		return err
	}
	if _, err := organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: firm()}); err != nil {
		return err
	}
	for _, m := range seats() {
		if _, err := organizations.PutMember(ctx, &meterv1.PutMemberRequest{Member: m}); err != nil {
			return err
		}
	}
	for _, grant := range grants() {
		if _, err := pools.GrantAccess(ctx, grant); err != nil {
			return err
		}
	}
	_, err := pools.TopUp(ctx, &meterv1.TopUpRequest{
		OrganizationId: organizationID, RequestId: "demo-pack-1", AmountMicros: 100 * unit, Reference: "demo invoice 1",
	})
	return err
}

// selected are the prices of some models, with where they come from.
//
//go:embed prices.json
var selected []byte

// putPrices puts the default price book, unless there is one: somebody may have changed it.
func putPrices(ctx context.Context, prices meterv1.PriceServiceClient) error {
	book := &meterv1.PriceBook{}
	if err := protojson.Unmarshal(selected, book); err != nil {
		return fmt.Errorf("the selected prices: %w", err)
	}
	_, err := prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: book, ExpectedVersion: proto.Int64(0)})
	if status.Code(err) == codes.FailedPrecondition {
		return nil
	}
	return err
}

func plan() *meterv1.Plan {
	return &meterv1.Plan{
		PlanId:              planID,
		Kind:                meterv1.PlanKind_PLAN_KIND_TEAM,
		SeatAllowanceMicros: 5 * unit,
		Limits: &meterv1.PlanLimits{
			Orchestrators: proto.Int64(3), Devices: proto.Int64(50), PrivateProjects: proto.Int64(20),
		},
		AbuseLimit: &meterv1.AbuseLimit{Tokens: 100_000_000, Window: &durationpb.Duration{Seconds: 24 * 60 * 60}},
	}
}

func firm() *meterv1.Organization {
	return &meterv1.Organization{
		OrganizationId: organizationID,
		DisplayName:    "Acme Automation",
		PlanId:         planID,
		Unit:           meterv1.Unit_UNIT_ACU,
		Anniversary:    &meterv1.Date{Year: 2026, Month: 1, Day: 1},
		TimeZone:       "Europe/Berlin",
	}
}

func seats() []*meterv1.Member {
	return []*meterv1.Member{
		{OrganizationId: organizationID, MemberId: "ada", DisplayName: "Ada", Role: meterv1.Role_ROLE_OWNER},
		{OrganizationId: organizationID, MemberId: "ben", DisplayName: "Ben", Role: meterv1.Role_ROLE_MEMBER},
		{OrganizationId: organizationID, MemberId: "cy", DisplayName: "Cy", Role: meterv1.Role_ROLE_MEMBER},
	}
}

// grants leave cy without access: the demonstration grants it.
func grants() []*meterv1.GrantAccessRequest {
	return []*meterv1.GrantAccessRequest{
		{
			OrganizationId: organizationID, MemberId: "ada",
			Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true},
		},
		{
			OrganizationId: organizationID, MemberId: "ben",
			Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 10 * unit},
		},
	}
}
