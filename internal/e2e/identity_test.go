package e2e

import (
	"context"
	"crypto/tls"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// Organizations beside those whose members call.
const (
	neighbour = "neighbour" // Is there, like any other. No member of it calls.
	nowhere   = "nowhere"   // Is not there.
	// sandbox is the one that roles of no organization work on: what they may do must not change whom others call as.
	sandbox = "sandbox"
)

var homes = []home{
	{id: "team-hidden", shared: true, members: everybody},
	{id: "team-shown", shared: true, shown: true, members: everybody},
	{id: "solo-owner", members: []resident{oskar, rita, olga}},
	{id: "solo-admin", members: []resident{ada, adam}},
	{id: "solo-member", members: []resident{oskar, rita, mia}},
}

// TestIdentity is one server over TLS, and everybody who may call it or not.
func TestIdentity(t *testing.T) {
	t.Parallel()
	database := postgres.Database(t)
	g := startGuarded(t, database)
	operator := g.as(t, auth.Operator)
	for _, id := range []string{neighbour, sandbox} {
		operator.settle(t, home{id: id, shared: true, shown: true, members: everybody})
	}
	for _, h := range homes {
		operator.settle(t, h)
	}
	t.Run("table", func(t *testing.T) { g.tryTable(t) })
	for _, h := range homes {
		operator.checkSettled(t, h)
	}
	operator.checkSettled(t, home{id: neighbour, members: everybody})
	t.Run("walls", func(t *testing.T) { g.tryWalls(t) })
	t.Run("hidden pool", func(t *testing.T) { g.tryHiddenPool(t) })
	t.Run("health", func(t *testing.T) {
		if got := clientOn(g.dial(t, nil)).health(t.Context()); got != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("nobody is told %v", got)
		}
	})
	audittest.Check(t, database)
}

// caller is one who tries.
type caller struct {
	name   string
	conn   *grpc.ClientConn
	nobody bool      // It brings no credentials.
	is     auth.Role // What the table calls it; zero: it may do nothing, whatever its credentials say.
	home   *home     // Its organization; nil: of none.
	member string    // Its own id there.
}

// tryTable tries every RPC of every service × every caller × organizations of its own and others × itself and others, and
// wants exactly what the table says.
func (g *guarded) tryTable(t *testing.T) {
	rows, methods := authtest.Table(t), authtest.Methods(t)
	callers := append(g.unbound(t), g.nobody(t))
	for i := range homes {
		callers = append(callers, g.residents(t, &homes[i])...)
	}
	for _, who := range callers {
		t.Run(who.name, func(t *testing.T) {
			for _, method := range methods {
				for _, at := range who.targets() {
					allowed := rows[method.FullName()].Allows(who.is, who.calls(at))
					_, err := who.send(t.Context(), t, method, at)
					if wrong := who.wrong(method, allowed, err); wrong != "" {
						t.Errorf("%s of %+v: want %s, got %v %v", method.FullName(), at, wrong, err, reasonOf(err))
					}
				}
			}
		})
	}
}

// unbound are the callers of no organization, each by token and by certificate.
func (g *guarded) unbound(t *testing.T) (callers []caller) {
	t.Helper()
	for role := range services {
		callers = append(callers,
			caller{name: role.String() + " by token", is: role, conn: g.byToken(t, role.String(), "", "")},
			caller{name: role.String() + " by certificate", is: role, conn: g.dial(t, []tls.Certificate{g.certificate(t, role)})},
		)
	}
	return callers
}

func (g *guarded) nobody(t *testing.T) caller {
	t.Helper()
	return caller{name: "nobody", nobody: true, conn: g.dial(t, nil)}
}

// residents are the callers of an organization: its members, removed ones included, and those whose tokens say what is not
// so.
func (g *guarded) residents(t *testing.T, h *home) (callers []caller) {
	t.Helper()
	add := func(name string, is auth.Role, member string, conn *grpc.ClientConn) {
		callers = append(callers, caller{name: h.id + "/" + name, is: is, home: h, member: member, conn: conn})
	}
	for _, r := range h.members {
		state := ""
		if r.removed {
			state = "removed "
		}
		add(state+r.claim(), r.is(), r.id, g.byToken(t, r.claim(), h.id, r.id))
		if r.is() == auth.Admin {
			add(r.claim()+" with a member's token", auth.Member, r.id, g.byToken(t, "member", h.id, r.id))
		}
		if r.is() == auth.Member {
			add("member who says admin", 0, r.id, g.byToken(t, "admin", h.id, r.id))
			shown := g.certificate(t, auth.Operator)
			add("member in an operator's connection", auth.Member, r.id, g.byToken(t, "member", h.id, r.id, shown))
		}
	}
	add("stranger who says owner", 0, "nobody", g.byToken(t, "owner", h.id, "nobody"))
	add("stranger who says member", 0, "nobody", g.byToken(t, "member", h.id, "nobody"))
	return callers
}

// targets are whom a caller's requests name: itself, others and one who is not there, of its own organization and of
// another; and somebody of an organization that is not there, and of none.
func (c caller) targets() (all []authtest.Target) {
	organizations, members := []string{sandbox}, []string{mia.id, "nobody"}
	if c.home != nil {
		organizations, members = []string{c.home.id, neighbour}, []string{olga.id, mia.id, "nobody"}
	}
	if c.home != nil && !slices.Contains(members, c.member) {
		members = append(members, c.member)
	}
	for _, organization := range organizations {
		for _, member := range members {
			all = append(all, authtest.Target{Organization: organization, Member: member})
		}
	}
	return append(all, authtest.Target{Organization: nowhere, Member: members[0]}, authtest.Target{Member: members[0]})
}

// calls is what the table asks of a call by one who belongs to an organization.
func (c caller) calls(at authtest.Target) authtest.Call {
	if c.home == nil {
		return authtest.Call{}
	}
	return authtest.Call{
		Own: at.Organization == c.home.id, Itself: at.Member == c.member, Shown: c.home.shown, Shared: c.home.shared,
	}
}

// send makes a call of any RPC.
func (c caller) send(
	ctx context.Context, t *testing.T, method protoreflect.MethodDescriptor, at authtest.Target, options ...grpc.CallOption,
) (proto.Message, error) {
	t.Helper()
	answer := authtest.Answer(t, method)
	return answer, c.conn.Invoke(ctx, authtest.FullMethod(method), authtest.Request(t, method, at), answer, options...)
}

// wrong says what a call should have come to if it came to something else. Who is let in may still be told that the
// request, which names its target and nothing more, is none.
func (c caller) wrong(method protoreflect.MethodDescriptor, allowed bool, err error) string {
	code := status.Code(err)
	switch {
	case method.ParentFile().Package() == "meter.testing.v1":
		return unless(code == codes.Unimplemented, "not served without --dev")
	case c.nobody:
		return unless(code == codes.Unauthenticated && reasonOf(err) == "UNAUTHENTICATED", "UNAUTHENTICATED")
	case !allowed:
		return unless(proto.Equal(status.Convert(err).Proto(), denial), "the denial that all get")
	default:
		return unless(letIn[code], "to be let in")
	}
}

func unless(so bool, what string) string {
	if so {
		return ""
	}
	return what
}

// letIn are the codes that a request can have whose caller was let in.
var letIn = map[codes.Code]bool{
	codes.OK: true, codes.InvalidArgument: true, codes.NotFound: true, codes.FailedPrecondition: true,
}

// denial is the one status of everything that is denied.
var denial = func() *statuspb.Status {
	detailed, err := status.New(codes.PermissionDenied, "The caller may not do this.").
		WithDetails(&errdetails.ErrorInfo{Reason: "PERMISSION_DENIED", Domain: "meter.v1"})
	if err != nil {
		panic(err)
	}
	return detailed.Proto()
}()
