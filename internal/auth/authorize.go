package auth

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Directory is where the claims of a caller of one organization are looked up. What is missing is a *meter.Refusal, and
// so is a database that cannot be reached.
type Directory interface {
	Member(ctx context.Context, organizationID, memberID string) (meter.MemberView, error)
	Organization(ctx context.Context, id string) (meter.Organization, error)
	Plan(ctx context.Context, id string) (meter.Plan, error)
}

// Authorizer holds each call to the policy that the contract declares for its RPC. It believes an identity's role, except
// that a role in an organization is that of an active member, as stored at the time of the call.
type Authorizer struct {
	policies  map[string]*policy // By the full method, "/meter.v1.PoolService/TopUp".
	directory Directory
}

// NewAuthorizer reads the policies of everything that a gRPC server serves: served is its GetServiceInfo. An RPC without a
// policy, or with one that no caller can be held to, is an error, which names both. Health and reflection have none and
// are let through.
func NewAuthorizer(served map[string]grpc.ServiceInfo, directory Directory) (*Authorizer, error) {
	policies, err := policiesOf(served)
	if err != nil {
		return nil, err
	}
	return &Authorizer{policies: policies, directory: directory}, nil
}

// Unary is the interceptor that lets through what the caller may do. It belongs after the one that tells who calls. Its
// error is Unauthenticated, Denied, or the directory's if that could not answer.
func (a *Authorizer) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := a.authorize(ctx, info.FullMethod, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// Recorded says whether what an RPC changes goes on record, and answers the organization that a request of it names.
func (a *Authorizer) Recorded(method string, req any) (organization string, recorded bool) {
	p, declared := a.policies[method]
	if !declared || !p.recorded {
		return "", false
	}
	return p.organization.of(req), true
}

func (a *Authorizer) authorize(ctx context.Context, method string, req any) error {
	p, declared := a.policies[method]
	if !declared && isOpen(strings.TrimPrefix(method, "/")) {
		return nil
	}
	caller := FromContext(ctx)
	switch {
	case caller.Role == 0:
		return Unauthenticated{Cause: errors.New("the call has no identity")}
	case !declared:
		return caller.denied("the RPC has no policy")
	case !slices.Contains(p.roles, caller.Role):
		return caller.denied("its role may not call this")
	case !caller.Role.Bound():
		return nil
	}
	return a.authorizeBound(ctx, p, caller, req)
}

// authorizeBound is for a caller of one organization. What it may not name is refused before anything is looked up, so
// neither the answer nor its time tells what there is elsewhere.
func (a *Authorizer) authorizeBound(ctx context.Context, p *policy, caller Identity, req any) error {
	if id := p.organization.of(req); id == "" || id != caller.OrganizationID {
		return caller.denied("it is bound to another organization than the request names")
	}
	if caller.Role == Member && len(p.member) > 0 && p.member.of(req) != caller.MemberID {
		return caller.denied("it is another member than the request names")
	}
	if err := a.checkMember(ctx, caller); err != nil {
		return err
	}
	return a.checkShown(ctx, p, caller)
}

// checkMember holds the caller's claim against the members' table: who was removed, or is no admin any more, may have
// credentials that have not expired.
func (a *Authorizer) checkMember(ctx context.Context, caller Identity) error {
	member, err := a.directory.Member(ctx, caller.OrganizationID, caller.MemberID)
	switch {
	case err != nil:
		return caller.lookedUp(err)
	case member.State != meter.MemberActive:
		return caller.denied("the member is not active")
	case caller.Role == Admin && member.Role != meter.RoleOwner && member.Role != meter.RoleAdmin:
		return caller.denied("the member is neither owner nor admin")
	}
	return nil
}

// checkShown asks, where the policy does, whether the organization shows the caller what the RPC answers.
func (a *Authorizer) checkShown(ctx context.Context, p *policy, caller Identity) error {
	ofPool := p.ifPoolIsVisible && caller.Role == Member
	if !ofPool && !p.ifPlanIsShared {
		return nil
	}
	organization, err := a.directory.Organization(ctx, caller.OrganizationID)
	if err != nil {
		return caller.lookedUp(err)
	}
	plan, err := a.directory.Plan(ctx, organization.PlanID)
	switch {
	case err != nil:
		return caller.lookedUp(err)
	case p.ifPlanIsShared && !isShared(plan.Kind):
		return caller.denied("the plan is not shared")
	case ofPool && !organization.PoolVisibleToMembers && plan.Kind != meter.PlanIndividual:
		return caller.denied("the pool is not shown to members")
	}
	return nil
}

// isShared says whether a plan of the kind is for more than one person.
func isShared(kind meter.PlanKind) bool {
	return kind == meter.PlanTeam || kind == meter.PlanEducation || kind == meter.PlanEnterprise
}

func (id Identity) denied(why string) error { return Denied{Caller: id, Cause: errors.New(why)} }

// lookedUp is what became of looking the caller up: that its claim names what there is not is a denial like any other.
func (id Identity) lookedUp(err error) error {
	var refusal *meter.Refusal
	if errors.As(err, &refusal) && missing(refusal.Reason) {
		return Denied{Caller: id, Cause: err}
	}
	return err
}

// missing says whether the directory answered that there is no such thing.
func missing(r meter.Reason) bool {
	return r == meter.OrganizationNotFound || r == meter.MemberNotFound || r == meter.PlanNotFound
}
