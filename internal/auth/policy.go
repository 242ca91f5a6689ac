package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// roleOf is each role that a policy may name.
var roleOf = map[meterv1.CallerRole]Role{
	meterv1.CallerRole_CALLER_ROLE_ORCHESTRATOR: Orchestrator,
	meterv1.CallerRole_CALLER_ROLE_BILLING:      Billing,
	meterv1.CallerRole_CALLER_ROLE_OPERATOR:     Operator,
	meterv1.CallerRole_CALLER_ROLE_ADMIN:        Admin,
	meterv1.CallerRole_CALLER_ROLE_MEMBER:       Member,
}

// policy is who may call an RPC, and for what, as the contract declares it.
type policy struct {
	roles           []Role
	organization    fieldPath // Empty: the RPC concerns none.
	member          fieldPath // Empty: the RPC concerns no member, or any.
	ifPoolIsVisible bool
	ifPlanIsShared  bool
	recorded        bool
}

// fieldPath leads from a request to a text in it.
type fieldPath []protoreflect.FieldDescriptor

// policiesOf are the policies of everything that is served, by the full method as gRPC names it. Of what gRPC itself
// serves there are none.
func policiesOf(served map[string]grpc.ServiceInfo) (map[string]*policy, error) {
	policies := map[string]*policy{}
	for name := range served {
		if isOpen(name) {
			continue
		}
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("policy of %s: %w", name, err)
		}
		service, ok := found.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("policy of %s: it is no service", name)
		}
		if err := addPolicies(policies, service); err != nil {
			return nil, err
		}
	}
	return policies, nil
}

// isOpen says whether a service, or a method of one, is gRPC's own, for which authentication alone decides.
func isOpen(name string) bool {
	return strings.HasPrefix(name, "grpc.health.") || strings.HasPrefix(name, "grpc.reflection.")
}

func addPolicies(policies map[string]*policy, service protoreflect.ServiceDescriptor) error {
	methods := service.Methods()
	for i := range methods.Len() {
		method := methods.Get(i)
		name := fmt.Sprintf("/%s/%s", service.FullName(), method.Name())
		p, err := policyOf(method)
		if err != nil {
			return fmt.Errorf("policy of %s: %w", name, err)
		}
		policies[name] = p
	}
	return nil
}

// policyOf reads a method's declaration. One that says less, or other, than the authorizer would hold callers to is an
// error.
func policyOf(method protoreflect.MethodDescriptor) (*policy, error) {
	if !proto.HasExtension(method.Options(), meterv1.E_Policy) {
		return nil, errors.New("it declares none")
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		return nil, errors.New("it streams, and streams are not held to policies")
	}
	declared, _ := proto.GetExtension(method.Options(), meterv1.E_Policy).(*meterv1.Policy)
	p := &policy{
		ifPoolIsVisible: declared.GetIfPoolIsVisible(), ifPlanIsShared: declared.GetIfPlanIsShared(),
		recorded: declared.GetRecorded(),
	}
	var err error
	if p.roles, err = rolesOf(declared.GetRoles()); err != nil {
		return nil, err
	}
	if p.organization, err = resolve(method.Input(), declared.GetOrganizationField()); err != nil {
		return nil, fmt.Errorf("organization_field: %w", err)
	}
	if p.member, err = resolve(method.Input(), declared.GetMemberField()); err != nil {
		return nil, fmt.Errorf("member_field: %w", err)
	}
	if err := p.coherent(); err != nil {
		return nil, err
	}
	return p, nil
}

func rolesOf(declared []meterv1.CallerRole) ([]Role, error) {
	var roles []Role
	for _, d := range declared {
		role, known := roleOf[d]
		if !known {
			return nil, fmt.Errorf("%s is no role that a caller has", d)
		}
		roles = append(roles, role)
	}
	if len(roles) == 0 {
		return nil, errors.New("it names no role")
	}
	return roles, nil
}

// resolve follows a path from a message to a text; an empty one leads nowhere.
func resolve(message protoreflect.MessageDescriptor, path string) (fieldPath, error) {
	if path == "" {
		return nil, nil
	}
	var fields fieldPath
	for name := range strings.SplitSeq(path, ".") {
		if message == nil {
			return nil, fmt.Errorf("%s goes on where there is no message", path)
		}
		field := message.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return nil, fmt.Errorf("%s has no field %q", message.FullName(), name)
		}
		if field.Cardinality() == protoreflect.Repeated {
			return nil, fmt.Errorf("%s is repeated", field.FullName())
		}
		fields, message = append(fields, field), field.Message()
	}
	if last := fields[len(fields)-1]; last.Kind() != protoreflect.StringKind {
		return nil, fmt.Errorf("%s is no string", last.FullName())
	}
	return fields, nil
}

// coherent says what no caller could be held to.
func (p *policy) coherent() error {
	member := slices.Contains(p.roles, Member)
	bound := member || slices.Contains(p.roles, Admin)
	switch {
	case bound && len(p.organization) == 0:
		return errors.New("a role of one organization needs an organization_field")
	case !bound && p.ifPlanIsShared:
		return errors.New("if_plan_is_shared is for roles of one organization")
	case !member && (len(p.member) > 0 || p.ifPoolIsVisible):
		return errors.New("member_field and if_pool_is_visible are for the role MEMBER")
	}
	return nil
}

// of is the text in a request; empty if it is not there.
func (p fieldPath) of(req any) string {
	m, ok := req.(proto.Message)
	if !ok || len(p) == 0 {
		return ""
	}
	message, last := m.ProtoReflect(), len(p)-1
	for _, field := range p[:last] {
		message = message.Get(field).Message()
	}
	return message.Get(p[last]).String()
}
