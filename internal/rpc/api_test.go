package rpc

import (
	"context"
	"net"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// api is a client of every service, served over gRPC from memory.
type api struct {
	*memory
	turns         meterv1.MeteringServiceClient
	pools         meterv1.PoolServiceClient
	organizations meterv1.OrganizationServiceClient
	usage         meterv1.UsageServiceClient
	prices        meterv1.PriceServiceClient
	clock         testingv1.TestClockServiceClient
	learner       *price.Learner
	settled       *[]meter.Reservation
}

func serve(t *testing.T) api {
	t.Helper()
	validator, err := NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory()
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(TranslateErrors, auth.Unary(auth.Development{}), validator.Unary))
	learner, settled := price.NewLearner(10), new([]meter.Reservation)
	Services{
		Writer: m, Reader: m, Plans: m, Prices: m, Learner: learner,
		Settled: func(r meter.Reservation) { *settled = append(*settled, r) },
	}.Register(server)
	TestClock{Clock: m, Sweeper: m}.Register(server)
	conn := dial(t, server)
	return api{
		memory:        m,
		turns:         meterv1.NewMeteringServiceClient(conn),
		pools:         meterv1.NewPoolServiceClient(conn),
		organizations: meterv1.NewOrganizationServiceClient(conn),
		usage:         meterv1.NewUsageServiceClient(conn),
		prices:        meterv1.NewPriceServiceClient(conn),
		clock:         testingv1.NewTestClockServiceClient(conn),
		learner:       learner,
		settled:       settled,
	}
}

func dial(t *testing.T, server *grpc.Server) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// furnished is an api with a plan, a price book, a firm and two seats, ada and cy.
func furnished(t *testing.T) api {
	t.Helper()
	a, ctx := serve(t), t.Context()
	must(t)(a.organizations.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: samplePlan()}))
	must(t)(a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: samplePriceBook()}))
	must(t)(a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: sampleOrganization()}))
	for _, id := range []string{"ada", "cy"} {
		must(t)(a.organizations.PutMember(ctx, &meterv1.PutMemberRequest{Member: sampleMember(id)}))
	}
	return a
}

func must(t *testing.T) func(answer any, err error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// as is a context of a call in the name of an actor.
func as(t *testing.T, actor string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), auth.ActorKey, actor)
}

// wantFailure checks the status of a refused call.
func wantFailure(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code || infoOf(err).GetReason() != reason || infoOf(err).GetDomain() != Domain {
		t.Errorf("got %v with %v, want %v with reason %s", err, infoOf(err), code, reason)
	}
}

// wantField checks that a call was refused for one field.
func wantField(t *testing.T, err error, path string) {
	t.Helper()
	wantFailure(t, err, codes.InvalidArgument, ReasonInvalidField)
	fields := detail[*errdetails.BadRequest](err).GetFieldViolations()
	if len(fields) != 1 || fields[0].GetField() != path || fields[0].GetDescription() == "" {
		t.Errorf("got violations %v, want one of %s", fields, path)
	}
}

func infoOf(err error) *errdetails.ErrorInfo { return detail[*errdetails.ErrorInfo](err) }

// detail is a status's detail of one type, or nil.
func detail[T any](err error) T {
	for _, d := range status.Convert(err).Details() {
		if d, ok := d.(T); ok {
			return d
		}
	}
	var none T
	return none
}
