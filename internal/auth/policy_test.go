package auth

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// TestDeclarations: what a policy may declare, and for what the server does not start.
func TestDeclarations(t *testing.T) {
	roles := func(r ...meterv1.CallerRole) []meterv1.CallerRole { return r }
	operator, admin, member := meterv1.CallerRole_CALLER_ROLE_OPERATOR, meterv1.CallerRole_CALLER_ROLE_ADMIN,
		meterv1.CallerRole_CALLER_ROLE_MEMBER
	for name, c := range map[string]struct {
		declared  *meterv1.Policy
		complaint string // Empty: it is accepted.
	}{
		"of no organization": {&meterv1.Policy{Roles: roles(operator)}, ""},
		"of one organization": {&meterv1.Policy{
			Roles: roles(operator, admin, member), OrganizationField: "organization_id", MemberField: "inner.name",
			IfPoolIsVisible: true, IfPlanIsShared: true,
		}, ""},
		"none":                     {nil, "it declares none"},
		"no role":                  {&meterv1.Policy{OrganizationField: "organization_id"}, "it names no role"},
		"role unspecified":         {&meterv1.Policy{Roles: roles(operator, 0)}, "CALLER_ROLE_UNSPECIFIED is no role"},
		"role of a later contract": {&meterv1.Policy{Roles: roles(99)}, "99 is no role"},
		"organization missing": {
			&meterv1.Policy{Roles: roles(operator), OrganizationField: "organisation_id"},
			`organization_field: meter.trial.Request has no field "organisation_id"`,
		},
		"member missing": {
			&meterv1.Policy{Roles: roles(member), OrganizationField: "organization_id", MemberField: "inner.nome"},
			`member_field: meter.trial.Inner has no field "nome"`,
		},
		"path beyond a text": {
			&meterv1.Policy{Roles: roles(operator), OrganizationField: "organization_id.x"},
			"organization_id.x goes on where there is no message",
		},
		"path ends in a message": {
			&meterv1.Policy{Roles: roles(operator), OrganizationField: "inner"}, "meter.trial.Request.inner is no string",
		},
		"path ends in a number": {
			&meterv1.Policy{Roles: roles(operator), OrganizationField: "count"}, "meter.trial.Request.count is no string",
		},
		"path through many": {
			&meterv1.Policy{Roles: roles(operator), OrganizationField: "inners.name"}, "meter.trial.Request.inners is repeated",
		},
		"admin of no organization": {&meterv1.Policy{Roles: roles(admin)}, "needs an organization_field"},
		"member of no organization": {
			&meterv1.Policy{Roles: roles(member), MemberField: "inner.name"}, "needs an organization_field",
		},
		"a member's field without members": {
			&meterv1.Policy{Roles: roles(admin), OrganizationField: "organization_id", MemberField: "inner.name"},
			"are for the role MEMBER",
		},
		"a pool to be shown to nobody": {
			&meterv1.Policy{Roles: roles(admin), OrganizationField: "organization_id", IfPoolIsVisible: true},
			"are for the role MEMBER",
		},
		"a plan to be shared by nobody": {
			&meterv1.Policy{Roles: roles(operator), OrganizationField: "organization_id", IfPlanIsShared: true},
			"for roles of one organization",
		},
	} {
		t.Run(name, func(t *testing.T) { wantComplaint(t, trialService(t, c.declared, nil), c.complaint) })
	}
	for name, streaming := range map[string]*descriptorpb.MethodDescriptorProto{
		"streams requests": {ClientStreaming: proto.Bool(true)},
		"streams answers":  {ServerStreaming: proto.Bool(true)},
	} {
		t.Run(name, func(t *testing.T) {
			wantComplaint(t, trialService(t, &meterv1.Policy{Roles: roles(operator)}, streaming), "it streams")
		})
	}
}

func wantComplaint(t *testing.T, service protoreflect.ServiceDescriptor, complaint string) {
	t.Helper()
	policies := map[string]*policy{}
	err := addPolicies(policies, service)
	switch {
	case complaint == "" && (err != nil || policies["/meter.trial.Trial/Try"] == nil):
		t.Errorf("got %v, %v", policies, err)
	case complaint != "" && err == nil:
		t.Error("it is accepted")
	case complaint != "" && !strings.Contains(err.Error(), complaint):
		t.Errorf("got %v, want %s", err, complaint)
	case complaint != "" && !strings.HasPrefix(err.Error(), "policy of /meter.trial.Trial/Try: "):
		t.Errorf("%v names no RPC", err)
	}
}

// TestServedWithoutContract: what is served and is neither in the contract nor gRPC's own does not start the server.
func TestServedWithoutContract(t *testing.T) {
	for name, starts := range map[string]bool{
		"meter.v1.PoolService":                     true,
		"grpc.health.v1.Health":                    true,
		"grpc.reflection.v1.ServerReflection":      true,
		"grpc.reflection.v1alpha.ServerReflection": true,
		"grpc.channelz.v1.Channelz":                false,
		"meter.v1.NoSuchService":                   false,
		"meter.v1.Pool":                            false,
	} {
		_, err := NewAuthorizer(map[string]grpc.ServiceInfo{name: {}}, nil)
		if (err == nil) != starts {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "policy of "+name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// trialService describes a service of one method, with the policy declared, that streams or not.
func trialService(
	t *testing.T, declared *meterv1.Policy, streaming *descriptorpb.MethodDescriptorProto,
) protoreflect.ServiceDescriptor {
	t.Helper()
	method := &descriptorpb.MethodDescriptorProto{
		Name: proto.String("Try"), InputType: proto.String(".meter.trial.Request"),
		OutputType: proto.String(".meter.trial.Inner"), Options: &descriptorpb.MethodOptions{},
		ClientStreaming: proto.Bool(streaming.GetClientStreaming()), ServerStreaming: proto.Bool(streaming.GetServerStreaming()),
	}
	if declared != nil {
		proto.SetExtension(method.GetOptions(), meterv1.E_Policy, declared)
	}
	many := trialField("inners", 4, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	many.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("meter/trial.proto"), Package: proto.String("meter.trial"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Inner"), Field: []*descriptorpb.FieldDescriptorProto{
				trialField("name", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING),
			}},
			{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{
				trialField("organization_id", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING),
				trialField("count", 2, descriptorpb.FieldDescriptorProto_TYPE_INT64),
				trialField("inner", 3, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE),
				many,
			}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Trial"), Method: []*descriptorpb.MethodDescriptorProto{method},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().Get(0)
}

// trialField describes a field of the trial's messages; a message in it is an Inner.
func trialField(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: proto.String(name), Number: proto.Int32(number), Type: kind.Enum(),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if kind == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE {
		f.TypeName = proto.String(".meter.trial.Inner")
	}
	return f
}
