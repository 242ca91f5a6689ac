package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// When an owner or admin, or a plain member, of an organization may call an RPC for it.
const (
	never    = "never"
	always   = "always"
	itself   = "where the request names the caller's own seat"
	ifShown  = "where members see the pool, and on an INDIVIDUAL plan"
	ifShared = "on a plan that several people share"
)

// row is who may call some RPCs.
type row struct {
	rpcs          string
	anywhere      string // Roles that may call them for every organization.
	admin, member string
}

// table is "Who may see and do what" of the semantics, RPC by RPC. It is written down here once more, and not read from
// the contract's declarations: they are what it is to find wrong.
var table = []row{
	{"Reserve Commit Release Extend GetReservation ListReservations", "orchestrator operator", never, never},
	{"TopUp Refund", "billing operator", never, never},
	{"GrantAccess RevokeAccess ListAccessChanges", "operator", always, never},
	{"GetPool ListLedgerEntries", "billing operator", always, ifShown},
	{"GetMeter", "operator", always, itself},
	{"GetMember ListMembers", "billing operator", ifShared, ifShared},
	{"PutPlan GetPlan ListPlans", "billing operator", never, never},
	{"PutOrganization GetOrganization ListOrganizations", "billing operator", never, never},
	{"PutMember RemoveMember", "billing operator", never, never},
	{"PutPriceBook GetPriceBook ListPriceBooks Quote", "billing operator", never, never},
	{"GetTime Advance SetTime", "operator", never, never},
}

// caller is one who tries, and what the table calls it: "" if it may do nothing whatever its credentials say.
type caller struct {
	name     string
	identity auth.Identity
	is       string
}

// callersOf are a caller of every sort; those of one organization are of the one given.
func callersOf(organization string) []caller {
	of := func(role auth.Role, member string) auth.Identity {
		return auth.Identity{Subject: "who", Issuer: "test", Role: role, OrganizationID: organization, MemberID: member}
	}
	return []caller{
		{"orchestrator", auth.Identity{Subject: "who", Role: auth.Orchestrator}, "orchestrator"},
		{"billing", auth.Identity{Subject: "who", Role: auth.Billing}, "billing"},
		{"operator", auth.Identity{Subject: "who", Role: auth.Operator}, "operator"},
		{"operator for somebody", auth.Identity{Subject: "who", Role: auth.Operator, ActingFor: "mia"}, "operator"},
		{"owner", of(auth.Admin, "olga"), "admin"},
		{"admin", of(auth.Admin, "adam"), "admin"},
		{"member", of(auth.Member, "mia"), "member"},
		{"admin with a member's token", of(auth.Member, "adam"), "member"},
		{"member who says admin", of(auth.Admin, "mia"), ""},
		{"removed owner", of(auth.Admin, "oskar"), ""},
		{"removed admin", of(auth.Admin, "ada"), ""},
		{"removed member", of(auth.Member, "rita"), ""},
		{"stranger who says admin", of(auth.Admin, "nobody"), ""},
		{"stranger who says member", of(auth.Member, "nobody"), ""},
		{"role of a later version", of(auth.Member+1, "mia"), ""},
		{"no member", of(auth.Member, ""), ""},
	}
}

// TestTable tries every RPC of every service × every caller × its own and other organizations × every kind of plan, with
// the pool shown and not, and wants exactly what the table says.
func TestTable(t *testing.T) {
	authorizer, directory := newAuthorizer(t)
	methods := meterMethods(t)
	for _, method := range methods {
		t.Run(string(method.FullName()), func(t *testing.T) {
			for _, own := range directory.own() {
				for _, who := range callersOf(own) {
					for _, target := range targets(own, who.identity.MemberID) {
						try(t, authorizer, directory, method, who, own, target)
					}
				}
			}
		})
	}
	if len(methods) != len(tabled(t)) {
		t.Errorf("the contract has %d RPCs, the table %d", len(methods), len(tabled(t)))
	}
}

// target is whom a request names.
type target struct{ organization, member string }

func targets(own, self string) (all []target) {
	for _, organization := range []string{own, "elsewhere", "nowhere", ""} {
		for _, member := range []string{self, "mia", "olga", "nobody", ""} {
			all = append(all, target{organization, member})
		}
	}
	return all
}

// try makes one call and judges what became of it.
func try(
	t *testing.T, authorizer *auth.Authorizer, directory *directory, method protoreflect.MethodDescriptor, who caller,
	own string, at target,
) {
	t.Helper()
	wanted := may(t, method, who, own, at)
	directory.lookups = 0
	err := call(auth.NewContext(t.Context(), who.identity), authorizer, fullName(method), requestOf(t, method, at))
	if (err == nil) != wanted {
		t.Fatalf("%s of %s, for %+v: may %v, got %v", who.name, own, at, wanted, err)
	}
	if err == nil {
		return
	}
	if got := marshal(t, err); got != denial {
		t.Fatalf("%s of %s, for %+v: got other bytes than of every denial: %v", who.name, own, at, err)
	}
	if at.organization != own && directory.lookups != 0 {
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

// may is what the table says.
func may(t *testing.T, method protoreflect.MethodDescriptor, who caller, own string, at target) bool {
	t.Helper()
	row, ok := tabled(t)[string(method.Name())]
	if !ok {
		t.Fatalf("%s is not in the table", method.FullName())
	}
	when := map[string]string{"admin": row.admin, "member": row.member}[who.is]
	if when == "" {
		return who.is != "" && slices.Contains(strings.Fields(row.anywhere), who.is)
	}
	if at.organization != own {
		return false
	}
	individual := strings.HasPrefix(own, "individual")
	switch when {
	case always:
		return true
	case itself:
		return at.member == who.identity.MemberID
	case ifShown:
		return individual || strings.HasSuffix(own, "open")
	case ifShared:
		return !individual
	default:
		return false
	}
}

// tabled is the table's row of each RPC.
func tabled(t *testing.T) map[string]row {
	t.Helper()
	rows := map[string]row{}
	for _, r := range table {
		for _, name := range strings.Fields(r.rpcs) {
			if _, twice := rows[name]; twice {
				t.Fatalf("%s is in the table twice", name)
			}
			rows[name] = r
		}
	}
	return rows
}

// TestNobody: without an identity there is nothing but health and reflection.
func TestNobody(t *testing.T) {
	authorizer, _ := newAuthorizer(t)
	for _, method := range meterMethods(t) {
		err := call(t.Context(), authorizer, fullName(method), requestOf(t, method, target{"team-open", "mia"}))
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
