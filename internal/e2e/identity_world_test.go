package e2e

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// issuer is whose tokens a guarded server takes.
const issuer = "https://issuer.test"

// services are the names in the client certificates of services, and what each is.
var services = map[auth.Role]authtest.Name{
	auth.Orchestrator: {URI: []string{"spiffe://spillway.test/orchestrator"}},
	auth.Billing:      {DNS: []string{"billing.spillway.test"}},
	auth.Operator:     {DNS: []string{"operator.spillway.test"}},
}

// guarded is a meterd as it stands on a network: over TLS, for callers with tokens and with certificates.
type guarded struct {
	address   string
	authority *authtest.Authority
	signs     *auth.SigningKey
}

func startGuarded(t *testing.T, database string) *guarded {
	t.Helper()
	g := &guarded{authority: authtest.NewAuthority(t), signs: authtest.NewKey(t)}
	dir := t.TempDir()
	certificate, key := g.authority.Pair(t, authtest.Name{})
	args := []string{
		"--listen=127.0.0.1:0", "--database-url=" + database, "--log-level=warn", // Denials are many here, and expected.
		"--tls-cert", authtest.Write(t, dir, "cert", certificate), "--tls-key", authtest.Write(t, dir, "key", key),
		"--tls-client-ca", authtest.Write(t, dir, "ca", g.authority.PEM()),
		"--oidc-issuer", issuer, "--oidc-audience", authtest.Audience,
		"--jwks-file", authtest.Write(t, dir, "keys", authtest.KeySet(t, g.signs)),
	}
	for role, name := range services {
		args = append(args, "--service-identity="+slices.Concat(name.URI, name.DNS)[0]+"="+role.String())
	}
	m := launch(t, meterdProgram(), args...)
	m.awaitReady(t)
	g.address = m.address
	return g
}

// dial connects with TLS and no other version of it than the newest. Who connects shows certificates if it has any.
func (g *guarded) dial(t *testing.T, shown []tls.Certificate, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: g.authority.Pool(), Certificates: shown}
	conn, err := grpc.NewClient(g.address, append(options, grpc.WithTransportCredentials(credentials.NewTLS(config)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// byToken connects as one whose token says what it is.
func (g *guarded) byToken(t *testing.T, role, organization, member string, shown ...tls.Certificate) *grpc.ClientConn {
	t.Helper()
	token := authtest.Token(t, g.signs, issuer, func(grant *auth.Grant) {
		grant.Subject = strings.Trim(member+"@"+organization, "@") + "." + role
		grant.Role, grant.OrganizationID, grant.MemberID = role, organization, member
	})
	return g.dial(t, shown, grpc.WithPerRPCCredentials(bearer(token)))
}

// certificate is what a service shows.
func (g *guarded) certificate(t *testing.T, role auth.Role) tls.Certificate {
	t.Helper()
	return g.authority.Certificate(t, services[role])
}

// as is every service of the contract, for one with a role of no organization.
func (g *guarded) as(t *testing.T, role auth.Role) *client {
	t.Helper()
	return clientOn(g.byToken(t, role.String(), "", ""))
}

func clientOn(conn *grpc.ClientConn) *client {
	return &client{
		conn: conn, MeteringServiceClient: meterv1.NewMeteringServiceClient(conn),
		PoolServiceClient:         meterv1.NewPoolServiceClient(conn),
		OrganizationServiceClient: meterv1.NewOrganizationServiceClient(conn),
		UsageServiceClient:        meterv1.NewUsageServiceClient(conn),
		PriceServiceClient:        meterv1.NewPriceServiceClient(conn),
	}
}

// bearer is a token that goes with every call, and only over TLS.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

// home is an organization whose members call.
type home struct {
	id      string
	shared  bool // On a plan for several people, TEAM; else on INDIVIDUAL.
	shown   bool // Members see its pool.
	members []resident
}

// resident is a member of a home.
type resident struct {
	id      string
	role    meterv1.Role
	removed bool
}

// claim is the resident's role as a token says it.
func (r resident) claim() string {
	return strings.ToLower(strings.TrimPrefix(r.role.String(), "ROLE_"))
}

// is what the resident may act as: nobody, once removed.
func (r resident) is() auth.Role {
	switch {
	case r.removed:
		return 0
	case r.role == meterv1.Role_ROLE_MEMBER:
		return auth.Member
	default:
		return auth.Admin
	}
}

// Who lives in an organization on a plan for several people.
var (
	olga  = resident{"olga", meterv1.Role_ROLE_OWNER, false}
	adam  = resident{"adam", meterv1.Role_ROLE_ADMIN, false}
	mia   = resident{"mia", meterv1.Role_ROLE_MEMBER, false}
	oskar = resident{"oskar", meterv1.Role_ROLE_OWNER, true}
	ada   = resident{"ada", meterv1.Role_ROLE_ADMIN, true}
	rita  = resident{"rita", meterv1.Role_ROLE_MEMBER, true}

	everybody = []resident{oskar, ada, rita, olga, adam, mia} // The removed first: an INDIVIDUAL plan has room for one.
)

// settle makes an organization with a plan of its own, and its members.
func (c *client) settle(t *testing.T, h home) {
	t.Helper()
	ctx := t.Context()
	kind := meterv1.PlanKind_PLAN_KIND_INDIVIDUAL
	if h.shared {
		kind = meterv1.PlanKind_PLAN_KIND_TEAM
	}
	must(c.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: &meterv1.Plan{PlanId: h.id, Kind: kind}}))(t)
	must(c.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
		OrganizationId: h.id, PlanId: h.id, Unit: meterv1.Unit_UNIT_USD, PoolVisibleToMembers: h.shown,
		Anniversary: &meterv1.Date{Year: 2026, Month: 1, Day: 31}, TimeZone: "Europe/Berlin",
	}}))(t)
	for _, r := range h.members {
		must(c.PutMember(ctx, &meterv1.PutMemberRequest{
			Member: &meterv1.Member{OrganizationId: h.id, MemberId: r.id, Role: r.role},
		}))(t)
		if r.removed {
			must(c.RemoveMember(ctx, &meterv1.RemoveMemberRequest{OrganizationId: h.id, MemberId: r.id}))(t)
		}
	}
}

// checkSettled sees that an organization's members still are what they were made: a test that changed them on its way
// would have tried others than it says.
func (c *client) checkSettled(t *testing.T, h home) {
	t.Helper()
	for _, r := range h.members {
		request := &meterv1.GetMemberRequest{OrganizationId: h.id, MemberId: r.id}
		m := must(c.GetMember(t.Context(), request))(t).GetMember()
		if removed := m.GetState() == meterv1.MemberState_MEMBER_STATE_REMOVED; removed != r.removed || m.GetRole() != r.role {
			t.Errorf("%s was made %v and is %v", h.id, r, m)
		}
	}
}
