package rpc

import (
	"errors"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// described keeps what was registered.
type described map[string]*grpc.ServiceDesc

func (d described) RegisterService(service *grpc.ServiceDesc, _ any) {
	d[service.ServiceName] = service
}

// TestUndecodable sends every RPC something that is no message, and expects the contract's refusal.
func TestUndecodable(t *testing.T) {
	t.Parallel()
	services := described{}
	Services{}.Register(services)
	TestClock{}.Register(services)
	if len(services) != 7 {
		t.Fatalf("%d services are registered", len(services))
	}
	for name, service := range services {
		for _, method := range service.Methods {
			_, err := method.Handler(nil, t.Context(), func(any) error { return errors.New("no message") }, nil)
			s := status.Convert(err)
			if s.Code() != codes.InvalidArgument {
				t.Errorf("%s/%s answers %v", name, method.MethodName, err)
				continue
			}
			if info, ok := s.Details()[0].(*errdetails.ErrorInfo); !ok || info.GetReason() != ReasonInvalidField {
				t.Errorf("%s/%s answers %v", name, method.MethodName, s.Details())
			}
		}
	}
}
