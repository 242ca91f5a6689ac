package bench

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// fakeMetering answers a Release with its reason as the reservation's model, and refuses what is called so.
type fakeMetering struct {
	meterv1.UnimplementedMeteringServiceServer
	left chan struct{} // Closed: a call that waits for its caller to leave is answered.
}

func (f fakeMetering) Release(ctx context.Context, in *meterv1.ReleaseRequest) (*meterv1.ReleaseResponse, error) {
	switch in.GetReason() {
	case "refuse":
		return nil, turnedAway(overloadedReason, time.Second)
	case "refuse plainly":
		return nil, status.Error(codes.NotFound, "no such thing")
	case "wait":
		<-f.left
	}
	r := &meterv1.Reservation{Turn: &meterv1.Turn{Model: in.GetReason()}}
	return &meterv1.ReleaseResponse{Reservation: r}, nil
}

// lean serves fakeMetering, and connects to it.
func lean(t *testing.T) (meterv1.MeteringServiceClient, *leanConn, *grpc.Server, fakeMetering) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := fakeMetering{left: make(chan struct{})}
	server := grpc.NewServer(grpc.MaxConcurrentStreams(leanStreams))
	meterv1.RegisterMeteringServiceServer(server, f)
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()
	conn, err := dialLean(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return meterv1.NewMeteringServiceClient(conn), conn, server, f
}

// A lean connection tells what a client of full size does: answers, statuses, and their details.
func TestLeanAnswers(t *testing.T) {
	client, _, _, _ := lean(t)
	_, err := client.Release(t.Context(), &meterv1.ReleaseRequest{Reason: "refuse"})
	if again, said, ok := overloaded(err); !said || !ok || again != time.Second {
		t.Errorf("a refusal came as %v", err)
	}
	_, err = client.Release(t.Context(), &meterv1.ReleaseRequest{Reason: "refuse plainly"})
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != "no such thing" || len(s.Details()) > 0 {
		t.Errorf("a plain status came as %v", err)
	}
	if _, err := meterv1.NewPoolServiceClient(nobody(t)).GetPool(t.Context(), &meterv1.GetPoolRequest{}); err == nil {
		t.Error("a service that is not there answered")
	}
}

func nobody(t *testing.T) grpc.ClientConnInterface {
	t.Helper()
	_, conn, _, _ := lean(t)
	return conn
}

// Many calls at a time, of all sizes and more bytes than either side may have on its way, each get their own answer.
func TestLeanManyAtATime(t *testing.T) {
	client, _, _, _ := lean(t)
	var running sync.WaitGroup
	for i := range 3 * leanStreams {
		running.Go(func() {
			text := strings.Repeat(string(rune('a'+i%26)), i%4000)
			r, err := client.Release(t.Context(), &meterv1.ReleaseRequest{Reason: text})
			if err != nil || r.GetReservation().GetTurn().GetModel() != text {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	running.Wait()
}

// Who goes away leaves the connection to the others; a server that goes away fails what it has not answered.
func TestLeanEnds(t *testing.T) {
	client, _, server, f := lean(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Release(ctx, &meterv1.ReleaseRequest{Reason: "wait"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that was left ended with %v", err)
	}
	if _, err := client.Release(t.Context(), &meterv1.ReleaseRequest{Reason: "a"}); err != nil {
		t.Error(err)
	}
	cut := make(chan error)
	go func() {
		_, err := client.Release(t.Context(), &meterv1.ReleaseRequest{Reason: "wait"})
		cut <- err
	}()
	close(f.left)
	server.Stop()
	if err := <-cut; err != nil && status.Code(err) != codes.Unavailable {
		t.Errorf("a call that was cut ended with %v", err)
	}
	if _, err := client.Release(t.Context(), &meterv1.ReleaseRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call on a connection that ended: %v", err)
	}
}

func trailer(name, value string) *http2.MetaHeadersFrame {
	return &http2.MetaHeadersFrame{Fields: []hpack.HeaderField{{Name: name, Value: value}}}
}

// Headers that say something else than a status are an error, not an answer.
func TestStatusOfNonsense(t *testing.T) {
	details, err := proto.Marshal(&errdetails.RetryInfo{})
	if err != nil {
		t.Fatal(err)
	}
	for _, fields := range [][2]string{{"grpc-status", "x"}, {"grpc-status-details-bin", "%"}, {"x", string(details)}} {
		if err := statusOf(trailer(fields[0], fields[1])); err == nil {
			t.Errorf("%s is an answer", fields)
		}
	}
	if err := statusOf(trailer("grpc-status", "0")); err != nil {
		t.Error(err)
	}
}
