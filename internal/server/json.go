package server

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"connectrpc.com/vanguard"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// spoken is what the names of all services begin with that are spoken over HTTP: ours. Health and reflection are for
// gRPC; over HTTP there are /healthz, /readyz and /openapi.yaml.
const spoken = "meter."

// HTTP answers the calls of the edge over HTTP, in JSON by the Connect protocol or as gRPC-Web: the same services behind
// the same interceptors. It refuses calls once Drain has begun.
func (e *Edge) HTTP() (http.Handler, error) {
	var services []*vanguard.Service
	for name := range e.grpc.GetServiceInfo() {
		if strings.HasPrefix(name, spoken) {
			services = append(services, vanguard.NewService(name, e.grpc))
		}
	}
	transcoder, err := vanguard.NewTranscoder(services,
		vanguard.WithDefaultServiceOptions(
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC),
			vanguard.WithTargetCodecs(vanguard.CodecProto),
			vanguard.WithMaxMessageBufferBytes(maxMessageBytes),
		),
		vanguard.WithCodec(newStrictJSON),
		vanguard.WithUnknownHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			connectError(w, http.StatusNotFound, "unimplemented", "There is no such call.")
		})),
	)
	if err != nil {
		return nil, fmt.Errorf("calls over HTTP: %w", err)
	}
	return e.web.around(spokenTo(http.MaxBytesHandler(transcoder, maxMessageBytes))), nil
}

// spokenTo lets through what calls are made in. Each needs, from a page of another origin, a permission that this server
// never gives; forms and plain text, which would need none, are refused. The page itself speaks JSON alone.
func spokenTo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case err != nil, !slices.Contains(languages, kind), auth.FromPage(r.Context()) && kind != languages[0]:
			w.Header().Set("Accept-Post", strings.Join(languages, ", "))
			connectError(w, http.StatusUnsupportedMediaType, "invalid_argument", "A call is made in application/json.")
			return
		case strings.HasPrefix(kind, "application/grpc-web"):
			r.Header.Set("Content-Type", kind)
		default:
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Connect-Protocol-Version", "1") // May be left out, and vanguard then takes the call for another's.
		}
		next.ServeHTTP(w, r)
	})
}

// languages are the content types that calls over HTTP may have: those of Connect, and those of gRPC-Web.
var languages = []string{
	"application/json", "application/proto", "application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json",
}

// strictJSON refuses a field that there is not: one that is misspelt would be taken for one that was left out.
type strictJSON struct{ vanguard.JSONCodec }

func newStrictJSON(types vanguard.TypeResolver) vanguard.Codec {
	return strictJSON{vanguard.JSONCodec{
		MarshalOptions:   protojson.MarshalOptions{Resolver: types, EmitUnpopulated: true},
		UnmarshalOptions: protojson.UnmarshalOptions{Resolver: types},
	}}
}

// maxToldBytes bounds what of a request is quoted back to who made it.
const maxToldBytes = 200

// Unmarshal answers a request that cannot be read as every other bad one is answered.
func (c strictJSON) Unmarshal(text []byte, message proto.Message) error {
	err := c.JSONCodec.Unmarshal(text, message)
	if err == nil {
		return nil
	}
	told := strings.ToValidUTF8(strings.TrimPrefix(err.Error(), "proto:"), "")
	told = strings.TrimLeft(told, " \u00a0")
	if len(told) > maxToldBytes {
		told = strings.ToValidUTF8(told[:maxToldBytes], "") + "…"
	}
	status := rpc.Unreadable("must be JSON of the contract: " + told).GRPCStatus()
	refused := connect.NewError(connect.Code(status.Code()), errors.New(status.Message()))
	for _, detail := range status.Proto().GetDetails() {
		if d, err := connect.NewErrorDetail(detail); err == nil {
			refused.AddDetail(d)
		}
	}
	return refused
}

// gate counts the calls that came over HTTP. The gRPC server must not stop while one of them runs: it would cut it.
type gate struct {
	mu      sync.Mutex
	running int
	closed  bool
	empty   chan struct{} // Closed once the gate is closed and nothing runs.
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

func (g *gate) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			connectError(w, http.StatusServiceUnavailable, "unavailable", "The server is stopping: send the same request again.")
			return
		}
		defer g.leave()
		next.ServeHTTP(w, r)
	})
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.tellEmpty()
}

// close lets nothing in any more and waits for what runs. It fails if the context is done before that has ended.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.tellEmpty()
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) tellEmpty() {
	if g.closed && g.running == 0 {
		close(g.empty)
	}
}
