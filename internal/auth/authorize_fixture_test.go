package auth_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	_ "github.com/spillway-metering/spillway/gen/meter/testing/v1" // Its service is one of those that are tried.
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/auth/authtest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// newAuthorizer is one for every service of the contract.
func newAuthorizer(t *testing.T) (*auth.Authorizer, *directory) {
	t.Helper()
	served := map[string]grpc.ServiceInfo{"grpc.health.v1.Health": {}}
	for _, method := range authtest.Methods(t) {
		served[string(method.Parent().FullName())] = grpc.ServiceInfo{}
	}
	directory := newDirectory()
	authorizer, err := auth.NewAuthorizer(served, directory)
	if err != nil {
		t.Fatal(err)
	}
	return authorizer, directory
}

// call makes a call as the server does, and answers its error as the caller gets it.
func call(ctx context.Context, authorizer *auth.Authorizer, method string, request any) error {
	info := &grpc.UnaryServerInfo{FullMethod: method}
	_, err := rpc.TranslateErrors(ctx, request, info, func(ctx context.Context, request any) (any, error) {
		return authorizer.Unary(ctx, request, info, func(context.Context, any) (any, error) { return nil, nil })
	})
	return err
}

func marshal(t *testing.T, err error) string {
	t.Helper()
	answer, ok := status.FromError(err)
	if !ok {
		t.Fatalf("%v is no status", err)
	}
	return encode(answer)
}

func encode(s *status.Status) string {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.Proto())
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// directory is one of organizations of every sort, each with the same members, that counts how often it is asked.
type directory struct {
	organizations map[string]meter.Organization
	members       map[string]meter.Member
	lookups       int
	failing       string // Which of its answers is the failure.
	failure       error
}

var kinds = map[string]meter.PlanKind{
	"team": meter.PlanTeam, "education": meter.PlanEducation, "enterprise": meter.PlanEnterprise,
	"individual": meter.PlanIndividual,
}

func newDirectory() *directory {
	d := &directory{
		organizations: map[string]meter.Organization{"elsewhere": {ID: "elsewhere", PlanID: "team", PoolVisibleToMembers: true}},
		members: map[string]meter.Member{
			"olga":  {ID: "olga", Role: meter.RoleOwner, State: meter.MemberActive},
			"adam":  {ID: "adam", Role: meter.RoleAdmin, State: meter.MemberActive},
			"mia":   {ID: "mia", Role: meter.RoleMember, State: meter.MemberActive},
			"oskar": {ID: "oskar", Role: meter.RoleOwner, State: meter.MemberRemoved},
			"ada":   {ID: "ada", Role: meter.RoleAdmin, State: meter.MemberRemoved},
			"rita":  {ID: "rita", Role: meter.RoleMember, State: meter.MemberRemoved},
		},
	}
	for kind := range kinds {
		d.organizations[kind+"-open"] = meter.Organization{ID: kind + "-open", PlanID: kind, PoolVisibleToMembers: true}
		d.organizations[kind+"-closed"] = meter.Organization{
			ID: kind + "-closed", PlanID: kind, State: meter.OrganizationSuspended,
		}
	}
	return d
}

// own are the organizations whose members call.
func (d *directory) own() (ids []string) {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(d.organizations)), func(id string) bool { return id == "elsewhere" })
}

func (d *directory) Member(_ context.Context, organizationID, memberID string) (meter.MemberView, error) {
	m, err := find(d, "member", d.members, memberID, meter.MemberNotFound)
	return meter.MemberView{Member: m, OrganizationID: organizationID}, err
}

func (d *directory) Organization(_ context.Context, id string) (meter.Organization, error) {
	return find(d, "organization", d.organizations, id, meter.OrganizationNotFound)
}

func (d *directory) Plan(_ context.Context, id string) (meter.Plan, error) {
	kind, err := find(d, "plan", kinds, id, meter.PlanNotFound)
	return meter.Plan{ID: id, Kind: kind}, err
}

func find[V any](d *directory, what string, in map[string]V, id string, missing meter.Reason) (V, error) {
	d.lookups++
	found, ok := in[id]
	switch {
	case d.failing == what:
		return found, d.failure
	case !ok:
		return found, &meter.Refusal{Reason: missing, Facts: map[string]string{"id": id}}
	}
	return found, nil
}
