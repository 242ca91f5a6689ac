package rpc

import (
	"context"

	"google.golang.org/grpc"
)

// decoding registers services whose requests are refused in the contract's way when they are no message of the contract:
// text that is not UTF-8, or bytes that are no protobuf. Left to itself gRPC would answer INTERNAL, before any
// interceptor.
type decoding struct{ grpc.ServiceRegistrar }

// RegisterService registers a copy of the service's description, in which every method decodes so.
func (d decoding) RegisterService(service *grpc.ServiceDesc, handler any) {
	described := *service
	described.Methods = make([]grpc.MethodDesc, len(service.Methods))
	for i, method := range service.Methods {
		described.Methods[i] = grpc.MethodDesc{MethodName: method.MethodName, Handler: decodingHandler(method.Handler)}
	}
	d.ServiceRegistrar.RegisterService(&described, handler)
}

func decodingHandler(next grpc.MethodHandler) grpc.MethodHandler {
	return func(
		srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor,
	) (any, error) {
		return next(srv, ctx, func(message any) error {
			if err := decode(message); err != nil {
				return Unreadable("must be a protobuf message whose texts are UTF-8").GRPCStatus().Err()
			}
			return nil
		}, interceptor)
	}
}
