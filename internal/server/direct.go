package server

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// direct is a connection to the edge without a wire: its calls pass the same interceptors and reach the same handlers. Who
// calls is told by the context, which holds incoming metadata as if it were that of a call.
type direct struct {
	around  grpc.UnaryServerInterceptor
	methods map[string]directMethod // By the full method, "/meter.v1.PoolService/TopUp".
}

type directMethod struct {
	implementation any
	handler        grpc.MethodHandler
}

func newDirect(interceptors []grpc.UnaryServerInterceptor) *direct {
	return &direct{around: chain(interceptors), methods: map[string]directMethod{}}
}

// RegisterService takes note of a service's methods.
func (d *direct) RegisterService(service *grpc.ServiceDesc, implementation any) {
	for _, m := range service.Methods {
		d.methods["/"+service.ServiceName+"/"+m.MethodName] = directMethod{implementation, m.Handler}
	}
}

// Invoke makes a call.
func (d *direct) Invoke(ctx context.Context, method string, request, answer any, _ ...grpc.CallOption) error {
	m, known := d.methods[method]
	in, isMessage := request.(proto.Message)
	out, alsoMessage := answer.(proto.Message)
	if !known || !isMessage || !alsoMessage {
		return status.Error(codes.Unimplemented, "There is no such call.")
	}
	decode := func(into any) error {
		message, ok := into.(proto.Message)
		if !ok {
			return fmt.Errorf("%T is no message", into)
		}
		proto.Merge(message, in)
		return nil
	}
	answered, err := m.handler(m.implementation, ctx, decode, d.around)
	if err != nil {
		return err
	}
	if message, ok := answered.(proto.Message); ok {
		proto.Merge(out, message)
	}
	return nil
}

// NewStream refuses: the calls of the contract do not stream.
func (d *direct) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "There is no such call.")
}

// chain makes one interceptor of several, the first outermost.
func chain(interceptors []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		for i := len(interceptors) - 1; i >= 0; i-- {
			around, inner := interceptors[i], handler
			handler = func(ctx context.Context, req any) (any, error) { return around(ctx, req, info, inner) }
		}
		return handler(ctx, req)
	}
}

// both registers a service twice.
type both [2]grpc.ServiceRegistrar

// RegisterService registers it with each.
func (b both) RegisterService(service *grpc.ServiceDesc, implementation any) {
	b[0].RegisterService(service, implementation)
	b[1].RegisterService(service, implementation)
}
