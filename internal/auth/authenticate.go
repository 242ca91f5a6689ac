package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	middleware "github.com/grpc-ecosystem/go-grpc-middleware/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Authenticator tells who makes a call, by what came with it. An error is an Unauthenticated, or that of a context that
// is over.
type Authenticator interface {
	Authenticate(ctx context.Context) (Identity, error)
}

// Unary is the interceptor that tells who calls, and refuses calls of nobody. Everybody may ask for the health.
func Unary(a Authenticator) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if openToAll(info.FullMethod) {
			return handler(ctx, req)
		}
		id, err := Identify(ctx, a)
		if err != nil {
			return nil, err
		}
		return handler(NewContext(ctx, id), req)
	}
}

// Stream is Unary for streams.
func Stream(a Authenticator) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if openToAll(info.FullMethod) {
			return handler(srv, stream)
		}
		id, err := Identify(stream.Context(), a)
		if err != nil {
			return err
		}
		known := middleware.WrapServerStream(stream)
		known.WrappedContext = NewContext(stream.Context(), id)
		return handler(srv, known)
	}
}

// Callers tells callers apart by certificate and by token. A call may bring both: the token says who calls, and the
// certificate must be good all the same.
type Callers struct {
	Certificates *Certificates // Nil: nobody is known by a certificate.
	Tokens       *Tokens       // Nil: nobody is known by a token.
}

// Authenticate tells who makes the call.
func (c *Callers) Authenticate(ctx context.Context) (Identity, error) {
	service, err := c.byCertificate(ctx)
	if err != nil {
		return Identity{}, err
	}
	token, brought, err := bearerToken(ctx)
	switch {
	case err != nil:
		return Identity{}, Unauthenticated{Cause: err}
	case brought && c.Tokens == nil:
		return Identity{}, Unauthenticated{Cause: errors.New("there is a token, and this server takes none")}
	case brought:
		return c.Tokens.Verify(ctx, token)
	case service.Role != 0:
		return service, nil
	case service.Subject != "":
		return Identity{}, Unauthenticated{Cause: fmt.Errorf("the certificate's name %q has no role, and there is no token", service.Subject)}
	default:
		return Identity{}, Unauthenticated{Cause: errors.New("there is neither a token nor a client certificate")}
	}
}

// byCertificate is whom the connection's certificate shows, nobody if there is none. A name that no role was given to
// has no Role.
func (c *Callers) byCertificate(ctx context.Context) (Identity, error) {
	if c.Certificates == nil {
		return Identity{}, nil
	}
	caller, ok := peer.FromContext(ctx)
	if !ok {
		return Identity{}, nil
	}
	connection, ok := caller.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return Identity{}, nil
	}
	return c.Certificates.identify(connection.State.PeerCertificates)
}

// openToAll says whether a method serves those who only ask whether the server is there.
func openToAll(method string) bool {
	return strings.HasPrefix(method, "/"+grpc_health_v1.Health_ServiceDesc.ServiceName+"/")
}

// Identify is who calls, and for whom, as the interceptors see it.
func Identify(ctx context.Context, a Authenticator) (Identity, error) {
	if sessionOf(ctx).Over {
		return Identity{}, Unauthenticated{Expired: true, Cause: errors.New("the page's session is over")}
	}
	id, err := a.Authenticate(ctx)
	if err != nil {
		return Identity{}, err
	}
	named := metadata.ValueFromIncomingContext(ctx, ActorKey)
	switch {
	case len(named) == 0:
		return id, nil
	case id.Role.Bound():
		return Identity{}, SubjectError{ActorKey, "must not be given by who acts for itself"}
	case len(named) > 1 || !subject.MatchString(named[0]):
		return Identity{}, SubjectError{ActorKey, "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, once"}
	}
	id.ActingFor = named[0]
	return id, nil
}

// bearerToken is the token that a call brings, if it does.
func bearerToken(ctx context.Context) (token string, brought bool, err error) {
	given := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(given) == 0 {
		return "", false, nil
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", true, errors.New("the authorization is not one bearer token")
	}
	return token, true, nil
}
