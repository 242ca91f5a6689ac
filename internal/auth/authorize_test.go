package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// caller is one who tries, and what the table calls it: zero if it may do nothing whatever its credentials say.
type caller struct {
	name     string
	identity auth.Identity
	is       auth.Role
}

// callersOf are a caller of every sort; those of one organization are of the one given.
func callersOf(organization string) []caller {
	of := func(role auth.Role, member string) auth.Identity {
		return auth.Identity{Subject: "who", Issuer: "test", Role: role, OrganizationID: organization, MemberID: member}
	}
	return []caller{
		{"orchestrator", auth.Identity{Subject: "who", Role: auth.Orchestrator}, auth.Orchestrator},
		{"billing", auth.Identity{Subject: "who", Role: auth.Billing}, auth.Billing},
		{"operator", auth.Identity{Subject: "who", Role: auth.Operator}, auth.Operator},
		{"operator for somebody", auth.Identity{Subject: "who", Role: auth.Operator, ActingFor: "mia"}, auth.Operator},
		{"owner", of(auth.Admin, "olga"), auth.Admin},
		{"admin", of(auth.Admin, "adam"), auth.Admin},
		{"member", of(auth.Member, "mia"), auth.Member},
		{"admin with a member's token", of(auth.Member, "adam"), auth.Member},
		{"member who says admin", of(auth.Admin, "mia"), 0},
		{"removed owner", of(auth.Admin, "oskar"), 0},
		{"removed admin", of(auth.Admin, "ada"), 0},
		{"removed member", of(auth.Member, "rita"), 0},
		{"stranger who says admin", of(auth.Admin, "nobody"), 0},
		{"stranger who says member", of(auth.Member, "nobody"), 0},
		{"role of a later version", of(auth.Member+1, "mia"), 0},
		{"no member", of(auth.Member, ""), 0},
	}
}

// TestTable tries every RPC of every service × every caller × its own and other organizations × every kind of plan, with
// the pool shown and not, and wants exactly what the table says.
func TestTable(t *testing.T) {
	authorizer, directory := newAuthorizer(t)
	rows := authtest.Table(t)
	for _, method := range authtest.Methods(t) {
		t.Run(string(method.FullName()), func(t *testing.T) {
			for _, own := range directory.own() {
				for _, who := range callersOf(own) {
					for _, at := range targets(own, who.identity.MemberID) {
						wanted := rows[method.FullName()].Allows(who.is, who.calls(own, at))
						try(t, authorizer, directory, method, who, own, at, wanted)
					}
				}
			}
		})
	}
}

// calls is what the table asks of a call by a caller of its own organization.
func (c caller) calls(own string, at authtest.Target) authtest.Call {
	return authtest.Call{
		Own: at.Organization == own, Itself: at.Member == c.identity.MemberID,
		Shown: strings.HasSuffix(own, "open"), Shared: !strings.HasPrefix(own, "individual"),
	}
}

func targets(own, self string) (all []authtest.Target) {
	for _, organization := range []string{own, "elsewhere", "nowhere", ""} {
		for _, member := range []string{self, "mia", "olga", "nobody", ""} {
			all = append(all, authtest.Target{Organization: organization, Member: member})
		}
	}
	return all
}

// try makes one call and judges what became of it.
func try(
	t *testing.T, authorizer *auth.Authorizer, directory *directory, method protoreflect.MethodDescriptor, who caller,
	own string, at authtest.Target, wanted bool,
) {
	t.Helper()
	directory.lookups = 0
	ctx := auth.NewContext(t.Context(), who.identity)
	err := call(ctx, authorizer, authtest.FullMethod(method), authtest.Request(t, method, at))
	if (err == nil) != wanted {
		t.Fatalf("%s of %s, for %+v: may %v, got %v", who.name, own, at, wanted, err)
	}
	if err == nil {
		return
	}
	if got := marshal(t, err); got != denial {
		t.Fatalf("%s of %s, for %+v: got other bytes than of every denial: %v", who.name, own, at, err)
	}
	if at.Organization != own && directory.lookups != 0 {
		t.Fatalf("%s of %s, for %+v: refused after %d look-ups", who.name, own, at, directory.lookups)
	}
}

// denial is the one status of everything that is denied.
var denial = func() string {
	detailed, err := status.New(codes.PermissionDenied, "The caller may not do this.").
		WithDetails(&errdetails.ErrorInfo{Reason: "PERMISSION_DENIED", Domain: "meter.v1"})
	if err != nil {
		panic(err)
	}
	return encode(detailed)
}()

// TestNobody: without an identity there is nothing but health and reflection.
func TestNobody(t *testing.T) {
	authorizer, _ := newAuthorizer(t)
	for _, method := range authtest.Methods(t) {
		request := authtest.Request(t, method, authtest.Target{Organization: "team-open", Member: "mia"})
		err := call(t.Context(), authorizer, authtest.FullMethod(method), request)
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: got %v", method.FullName(), err)
		}
	}
	if err := call(t.Context(), authorizer, "/grpc.health.v1.Health/Check", nil); err != nil {
		t.Errorf("health: got %v", err)
	}
}

// TestUnboundClaims: a role of one organization without one reaches none, and an RPC that was never declared is nobody's.
func TestUnboundClaims(t *testing.T) {
	authorizer, directory := newAuthorizer(t)
	for _, id := range []auth.Identity{{Role: auth.Admin}, {Role: auth.Member}, {Role: auth.Admin, MemberID: "adam"}} {
		err := call(auth.NewContext(t.Context(), id), authorizer, "/meter.v1.PoolService/GetPool", &meterv1.GetPoolRequest{})
		if status.Code(err) != codes.PermissionDenied || directory.lookups != 0 {
			t.Errorf("%+v: got %v after %d look-ups", id, err, directory.lookups)
		}
	}
	ctx := auth.NewContext(t.Context(), auth.Identity{Role: auth.Operator})
	if err := call(ctx, authorizer, "/meter.v1.PoolService/Empty", nil); status.Code(err) != codes.PermissionDenied {
		t.Errorf("an RPC without a policy: got %v", err)
	}
	ctx = auth.NewContext(t.Context(), auth.Identity{Role: auth.Admin, OrganizationID: "team-open", MemberID: "adam"})
	if err := call(ctx, authorizer, "/meter.v1.PoolService/GetPool", "text"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a request that is no message: got %v", err)
	}
}

// TestDirectoryAway: a directory that cannot answer admits nobody, and does not call it a denial.
func TestDirectoryAway(t *testing.T) {
	away := &meter.Refusal{Reason: meter.Unavailable, Cause: errors.New("connection refused")}
	for _, failing := range []string{"member", "organization", "plan"} {
		authorizer, directory := newAuthorizer(t)
		directory.failing, directory.failure = failing, away
		caller := auth.Identity{Subject: "mia", Role: auth.Member, OrganizationID: "team-open", MemberID: "mia"}
		ctx := auth.NewContext(t.Context(), caller)
		request := &meterv1.GetPoolRequest{OrganizationId: "team-open"}
		if err := call(ctx, authorizer, "/meter.v1.PoolService/GetPool", request); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: got %v", failing, err)
		}
		request.OrganizationId = "elsewhere"
		if err := call(ctx, authorizer, "/meter.v1.PoolService/GetPool", request); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s, of another organization: got %v", failing, err)
		}
		directory.failure = context.DeadlineExceeded
		request.OrganizationId = "team-open"
		if err := call(ctx, authorizer, "/meter.v1.PoolService/GetPool", request); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%s, too late: got %v", failing, err)
		}
	}
}

// TestLogged: the log is told who was denied what and why, the caller is not.
func TestLogged(t *testing.T) {
	authorizer, _ := newAuthorizer(t)
	caller := auth.Identity{Subject: "mia@acme", Role: auth.Member, OrganizationID: "team-closed", MemberID: "mia"}
	err := call(auth.NewContext(t.Context(), caller), authorizer, "/meter.v1.PoolService/GetPool",
		&meterv1.GetPoolRequest{OrganizationId: "team-closed"})
	var (
		denied  auth.Denied
		failure *rpc.Failure
	)
	if !errors.As(err, &denied) || denied.Caller != caller {
		t.Errorf("got %v", err)
	}
	if !errors.As(err, &failure) || failure.Reason != rpc.ReasonPermissionDenied ||
		failure.Cause.Error() != "denied to mia@acme: the pool is not shown to members" {
		t.Errorf("the log says %v", err)
	}
}

// BenchmarkAuthorize is what the check costs a turn.
func BenchmarkAuthorize(b *testing.B) {
	authorizer, err := auth.NewAuthorizer(map[string]grpc.ServiceInfo{"meter.v1.MeteringService": {}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx := auth.NewContext(b.Context(), auth.Identity{Subject: "orchestrator", Role: auth.Orchestrator})
	info := &grpc.UnaryServerInfo{FullMethod: "/meter.v1.MeteringService/Reserve"}
	request := &meterv1.ReserveRequest{OrganizationId: "acme", MemberId: "mia"}
	handler := func(context.Context, any) (any, error) { return request, nil }
	for b.Loop() {
		if _, err := authorizer.Unary(ctx, request, info, handler); err != nil {
			b.Fatal(err)
		}
	}
}
