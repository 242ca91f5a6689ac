package authtest

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Methods are all RPCs of all services of the contract, found in its descriptors so that none is forgotten. The test must
// import the contract's packages.
func Methods(t testing.TB) (methods []protoreflect.MethodDescriptor) {
	t.Helper()
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			if service := file.Services().Get(i); strings.HasPrefix(string(service.FullName()), "meter.") {
				for j := range service.Methods().Len() {
					methods = append(methods, service.Methods().Get(j))
				}
			}
		}
		return true
	})
	if len(methods) == 0 {
		t.Fatal("the contract has no RPC")
	}
	return methods
}

// FullMethod is a method as gRPC names it: "/meter.v1.PoolService/TopUp".
func FullMethod(method protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
}

// Target is whom a request names.
type Target struct{ Organization, Member string }

// Request is a method's request that names the target wherever the method's declaration may look for it, and sets nothing
// else.
func Request(t testing.TB, method protoreflect.MethodDescriptor, at Target) proto.Message {
	t.Helper()
	request := newMessage(t, method.Input())
	at.name(request)
	fields := method.Input().Fields()
	for i := range fields.Len() {
		if f := fields.Get(i); f.Message() != nil && !f.IsList() && !f.IsMap() {
			at.name(request.Mutable(f).Message())
		}
	}
	return request.Interface()
}

// Answer is an empty message for a method's answer.
func Answer(t testing.TB, method protoreflect.MethodDescriptor) proto.Message {
	t.Helper()
	return newMessage(t, method.Output()).Interface()
}

func newMessage(t testing.TB, of protoreflect.MessageDescriptor) protoreflect.Message {
	t.Helper()
	found, err := protoregistry.GlobalTypes.FindMessageByName(of.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return found.New()
}

func (at Target) name(m protoreflect.Message) {
	for field, value := range map[protoreflect.Name]string{"organization_id": at.Organization, "member_id": at.Member} {
		if f := m.Descriptor().Fields().ByName(field); f != nil {
			m.Set(f, protoreflect.ValueOfString(value))
		}
	}
}
