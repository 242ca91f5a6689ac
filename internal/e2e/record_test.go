package e2e

import (
	"context"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// act is a call that goes on record, made by an operator in the order of acts, each once the ones before were made.
type act struct {
	method  string
	service bool // It goes on the service's own record.
	call    func(ctx context.Context, c *client) error
}

var acts = []act{
	{"PutPlan", true, func(ctx context.Context, c *client) error {
		_, err := c.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: &meterv1.Plan{PlanId: "team", Kind: meterv1.PlanKind_PLAN_KIND_TEAM}})
		return err
	}},
	{"PutPriceBook", true, func(ctx context.Context, c *client) error {
		_, err := c.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{
			PriceBook: &meterv1.PriceBook{PriceBookId: "list", Unit: meterv1.Unit_UNIT_USD},
		})
		return err
	}},
	{"PutOrganization", false, func(ctx context.Context, c *client) error {
		_, err := c.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
			OrganizationId: "acme", PlanId: "team", Unit: meterv1.Unit_UNIT_ACU, TimeZone: "UTC",
			Anniversary: &meterv1.Date{Year: 2026, Month: 1, Day: 31},
		}})
		return err
	}},
	{"PutMember", false, func(ctx context.Context, c *client) error {
		_, err := c.PutMember(ctx, &meterv1.PutMemberRequest{
			Member: &meterv1.Member{OrganizationId: "acme", MemberId: "olga", Role: meterv1.Role_ROLE_OWNER},
		})
		return err
	}},
	{"TopUp", false, func(ctx context.Context, c *client) error {
		_, err := c.TopUp(ctx, &meterv1.TopUpRequest{OrganizationId: "acme", RequestId: "pack", AmountMicros: 10})
		return err
	}},
	{"Refund", false, func(ctx context.Context, c *client) error {
		_, err := c.Refund(ctx, &meterv1.RefundRequest{
			OrganizationId: "acme", RequestId: "note", TopUpRequestId: "pack", AmountMicros: 3,
		})
		return err
	}},
	{"GrantAccess", false, func(ctx context.Context, c *client) error {
		_, err := c.GrantAccess(ctx, &meterv1.GrantAccessRequest{
			OrganizationId: "acme", MemberId: "olga", Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 5},
		})
		return err
	}},
	{"RevokeAccess", false, func(ctx context.Context, c *client) error {
		_, err := c.RevokeAccess(ctx, &meterv1.RevokeAccessRequest{OrganizationId: "acme", MemberId: "olga"})
		return err
	}},
	{"PutMember", false, func(ctx context.Context, c *client) error {
		_, err := c.PutMember(ctx, &meterv1.PutMemberRequest{Member: &meterv1.Member{OrganizationId: "acme", MemberId: "mia"}})
		return err
	}},
	{"RemoveMember", false, func(ctx context.Context, c *client) error {
		_, err := c.RemoveMember(ctx, &meterv1.RemoveMemberRequest{OrganizationId: "acme", MemberId: "mia"})
		return err
	}},
}

// TestEveryPrivilegedActIsOnRecord makes every call whose policy says so, has it denied to those who may not, and reads
// who did, and was denied, what. A service RPC that goes on record and is not tried here fails the test.
func TestEveryPrivilegedActIsOnRecord(t *testing.T) {
	t.Parallel()
	if tried, declared := triedActs(), recordedMethods(t); !slices.Equal(tried, declared) {
		t.Fatalf("on record go %v, and tried are %v", declared, tried)
	}
	database := postgres.Database(t)
	g := startGuarded(t, database)
	operator := g.as(t, auth.Operator)
	audits := meterv1.NewAuditServiceClient(operator.conn)
	entries := map[string]int{} // By whose record it is.
	for _, a := range acts {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "call-"+a.method, "x-meter-actor", "zoe")
		if err := a.call(ctx, operator); err != nil {
			t.Fatalf("%s: %v", a.method, err)
		}
		record := readRecord(t, audits, a.whose())
		entries[a.whose()]++
		if len(record) != entries[a.whose()] {
			t.Fatalf("%s: there are %d entries instead of %d", a.method, len(record), entries[a.whose()])
		}
		a.check(t, record[len(record)-1])
	}
	checkDenials(t, g, audits)
	audittest.Check(t, database)
}

func (a act) whose() string {
	if a.service {
		return ""
	}
	return "acme"
}

func (a act) check(t *testing.T, e *meterv1.AuditEntry) {
	t.Helper()
	method := e.GetMethod()
	if method[len(method)-len(a.method)-1:] != "/"+a.method || e.GetSubject() != ".operator" ||
		e.GetIssuer() != issuer || e.GetActingFor() != "zoe" || e.GetRole() != meterv1.CallerRole_CALLER_ROLE_OPERATOR ||
		e.GetRequestId() != "call-"+a.method || e.GetOutcome() != meterv1.AuditOutcome_AUDIT_OUTCOME_APPLIED ||
		e.GetBefore() == e.GetAfter() || e.GetAfter() == "" || len(e.GetHash()) != 32 || !e.GetAt().IsValid() {
		t.Errorf("%s left %v", a.method, e)
	}
}

// checkDenials has everything denied to an orchestrator, and to the owner what only services may do.
func checkDenials(t *testing.T, g *guarded, audits meterv1.AuditServiceClient) {
	t.Helper()
	orchestrator := g.as(t, auth.Orchestrator)
	owner := clientOn(g.byToken(t, "owner", "acme", "olga"))
	service, own := len(readRecord(t, audits, "")), len(readRecord(t, audits, "acme"))
	for _, a := range acts {
		if err := a.call(t.Context(), orchestrator); reasonOf(err) != "PERMISSION_DENIED" {
			t.Errorf("%s, of an orchestrator: %v", a.method, err)
		}
	}
	for range 3 {
		if err := acts[4].call(t.Context(), owner); reasonOf(err) != "PERMISSION_DENIED" {
			t.Errorf("a TopUp by the owner: %v", err)
		}
	}
	record := readRecord(t, audits, "")[service:]
	var denied []string
	for _, e := range record {
		denied = append(denied, e.GetMethod()[slices.Index([]byte(e.GetMethod()[1:]), '/')+2:])
		if e.GetOutcome() != meterv1.AuditOutcome_AUDIT_OUTCOME_DENIED || e.GetDeniedReason() == "" || e.GetDeniedAttempts() != 1 ||
			e.GetRole() != meterv1.CallerRole_CALLER_ROLE_ORCHESTRATOR || e.GetAfter() != "" {
			t.Errorf("a denial left %v", e)
		}
	}
	slices.Sort(denied)
	if !slices.Equal(denied, triedActs()) { // The second PutMember is counted with the first.
		t.Errorf("denied were %v", denied)
	}
	// The owner sees what was denied to the owner; the second and third are counted, to be written later.
	seen := readRecord(t, meterv1.NewAuditServiceClient(owner.conn), "acme")[own:]
	if len(seen) != 1 || seen[0].GetSubject() != "olga@acme.owner" || seen[0].GetDeniedOrganizationId() != "acme" {
		t.Errorf("the owner sees %v", seen)
	}
}

// readRecord reads a record page by page.
func readRecord(t *testing.T, c meterv1.AuditServiceClient, organization string) (all []*meterv1.AuditEntry) {
	t.Helper()
	request := &meterv1.ListAuditEntriesRequest{OrganizationId: organization, PageSize: 4}
	for {
		answer := must(c.ListAuditEntries(t.Context(), request))(t)
		all = append(all, answer.GetEntries()...)
		if request.PageToken = answer.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	for i, e := range all {
		if e.GetSequence() != int64(i+1) || e.GetOrganizationId() != organization {
			t.Errorf("entry %d of %q is %v", i+1, organization, e)
		}
	}
	return all
}

func triedActs() []string {
	tried := map[string]bool{}
	for _, a := range acts {
		tried[a.method] = true
	}
	return slices.Sorted(maps.Keys(tried))
}

// recordedMethods are the RPCs whose policy says that they go on record.
func recordedMethods(t *testing.T) (names []string) {
	t.Helper()
	for _, method := range authtest.Methods(t) {
		policy, _ := proto.GetExtension(method.Options(), meterv1.E_Policy).(*meterv1.Policy)
		if policy.GetRecorded() {
			names = append(names, string(method.Name()))
		}
	}
	slices.Sort(names)
	return names
}
