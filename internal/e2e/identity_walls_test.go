package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// heard is everything that a caller gets from a call, but for the name that each call has of its own.
type heard struct {
	answer          proto.Message
	status          *status.Status
	header, trailer metadata.MD
}

func (c caller) hear(t *testing.T, method protoreflect.MethodDescriptor, at authtest.Target) heard {
	t.Helper()
	h := heard{}
	answer, err := c.send(t.Context(), t, method, at, grpc.Header(&h.header), grpc.Trailer(&h.trailer))
	h.answer, h.status = answer, status.Convert(err)
	for _, told := range []metadata.MD{h.header, h.trailer} {
		delete(told, "x-request-id")
	}
	return h
}

// bytes is all of it, the status as it was sent.
func (h heard) bytes(t *testing.T) string {
	t.Helper()
	sent := must(proto.MarshalOptions{Deterministic: true}.Marshal(h.status.Proto()))(t)
	return fmt.Sprintf("%x\n%v\n%v", sent, h.header, h.trailer) // Maps are printed in the order of their keys.
}

// text is all of it as one who looks for something in it reads it: each number in full.
func (h heard) text(t *testing.T) string {
	t.Helper()
	return string(must(protojson.Marshal(h.answer))(t)) + string(must(protojson.Marshal(h.status.Proto()))(t)) +
		fmt.Sprint(h.header, h.trailer)
}

// tryWalls: what one who belongs to an organization hears of another does not tell whether that one is there.
func (g *guarded) tryWalls(t *testing.T) {
	for _, who := range g.residents(t, &homes[0]) {
		for _, method := range authtest.Methods(t) {
			for _, member := range []string{mia.id, "nobody"} {
				there := who.hear(t, method, authtest.Target{Organization: neighbour, Member: member}).bytes(t)
				for _, other := range []string{nowhere, "no id", ""} {
					if not := who.hear(t, method, authtest.Target{Organization: other, Member: member}).bytes(t); not != there {
						t.Errorf("%s, %s: of one that is there it hears\n%s\nof %q\n%s", who.name, method.FullName(), there, other, not)
					}
				}
			}
		}
	}
}

// The figures of a pool, all different, and none of them to be found in another number by chance.
const (
	poolBought  = 734_912_658_143
	poolSpent   = 15_287_364_903
	poolBalance = poolBought - poolSpent
	poolHeld    = 1_826_450_937
	poolFree    = poolBalance - poolHeld
)

// hiddenFigures are those that tell a pool's balance. What was spent does not.
var hiddenFigures = []int64{poolBought, poolBalance, poolFree}

// tryHiddenPool looks for a pool's balance in everything that a plain member gets, where the organization hides it, and
// finds it in what those get who may see it.
func (g *guarded) tryHiddenPool(t *testing.T) {
	vault := home{id: "vault", shared: true, members: []resident{olga, adam, mia}}
	window := home{id: "window", shared: true, shown: true, members: vault.members}
	for _, h := range []home{vault, window} {
		g.as(t, auth.Operator).fill(t, h)
		for _, r := range h.members {
			who := caller{name: r.id, conn: g.byToken(t, r.claim(), h.id, r.id), is: r.is(), home: &h, member: r.id}
			found := who.findHidden(t)
			if sees := h.shown || r.is() == auth.Admin; sees != (len(found) == len(hiddenFigures)) || !sees && len(found) > 0 {
				t.Errorf("%s of %s finds %v of %v", r.id, h.id, found, hiddenFigures)
			}
		}
		g.tryHardStops(t, h)
		g.tryReceipts(t, h)
	}
}

// fill gives a pool its figures: a turn that was charged to it, and one that is open. One member may draw on all of it,
// another on next to nothing.
func (c *client) fill(t *testing.T, h home) {
	t.Helper()
	ctx := t.Context()
	c.settle(t, h)
	must(c.TopUp(ctx, &meterv1.TopUpRequest{OrganizationId: h.id, RequestId: "pack", AmountMicros: poolBought}))(t)
	must(c.GrantAccess(ctx, &meterv1.GrantAccessRequest{
		OrganizationId: h.id, MemberId: mia.id, Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true},
	}))(t)
	must(c.GrantAccess(ctx, &meterv1.GrantAccessRequest{
		OrganizationId: h.id, MemberId: adam.id, Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 5},
	}))(t)
	charged := must(c.reserve(ctx, h.id, mia.id, "charged", poolSpent))(t)
	must(c.commit(ctx, charged, poolSpent))(t)
	must(c.reserve(ctx, h.id, mia.id, "open", poolHeld))(t)
	if p := c.pool(t, h.id); p.GetBalanceMicros() != poolBalance || p.GetAvailableMicros() != poolFree {
		t.Fatalf("the pool is %v", p)
	}
}

// findHidden asks everything that a caller can of its own organization, and answers which of the figures it was told.
func (c caller) findHidden(t *testing.T) (found []int64) {
	t.Helper()
	var all strings.Builder
	for _, method := range authtest.Methods(t) {
		if method.Name() == "RevokeAccess" {
			continue // It tells the member, as GetMember does, and those who come after are to have their access.
		}
		for _, member := range []string{c.member, mia.id, adam.id, "nobody", ""} {
			all.WriteString(c.hear(t, method, authtest.Target{Organization: c.home.id, Member: member}).text(t))
		}
	}
	return figuresIn(all.String())
}

func figuresIn(text string) (found []int64) {
	return slices.DeleteFunc(slices.Clone(hiddenFigures), func(figure int64) bool {
		return !strings.Contains(text, strconv.FormatInt(figure, 10))
	})
}

// tryHardStops lets the orchestrator, who shows the refusals to the members, meet every hard stop of a shared pool.
func (g *guarded) tryHardStops(t *testing.T, h home) {
	t.Helper()
	orchestrator := g.as(t, auth.Orchestrator)
	for member, reason := range map[string]string{
		mia.id: "POOL_EMPTY", adam.id: "MEMBER_CAP_REACHED", olga.id: "EXTRA_USAGE_NOT_ENABLED",
	} {
		_, err := orchestrator.reserve(t.Context(), h.id, member, "stopped", 2*poolBought)
		if reasonOf(err) != reason || detail[*errdetails.LocalizedMessage](err) == nil {
			t.Errorf("%s of %s: %v", member, h.id, err)
		}
		told := string(must(protojson.Marshal(status.Convert(err).Proto()))(t))
		found := figuresIn(told)
		if shown := h.shown && reason == "POOL_EMPTY"; shown != slices.Contains(found, poolFree) || !shown && len(found) > 0 {
			t.Errorf("%s of %s is told %v: %s", member, h.id, found, told)
		}
	}
}
