package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	// leanStreams is how many calls a lean connection has under way at most: as many as meterd allows.
	leanStreams = 1024
	// leanWindow is how many bytes of answers may be on their way, and leanGrant after how many it is granted anew.
	leanWindow = 1 << 30
	leanGrant  = 1 << 20
	// messagePrefix is what gRPC puts before a message: whether it is compressed, and its length.
	messagePrefix = 5
)

// leanConn is a connection for unary calls without TLS that does as little as may be done for a call. Where load and server
// share the processors, what the load spends on a call that is refused the server lacks for those it accepted, and a client
// of full size spends as much on it as the server does.
type leanConn struct {
	net.Conn
	places chan struct{} // A token for each call under way.

	// writing is taken before mu where both are; who reads takes only mu, so that reading never waits for writing.
	writing sync.Mutex
	out     *bufio.Writer
	frames  *http2.Framer
	fields  bytes.Buffer
	encoder *hpack.Encoder
	last    uint32 // Number of the last stream.

	mu      sync.Mutex
	window  int // How many bytes may be sent.
	widened *sync.Cond
	calls   map[uint32]*leanCall
	replies []func() error // Frames of the connection that are to be written.
	broken  error          // Why there are no more answers.

	dirty chan struct{} // Holds a token when there is something to flush.
	ended chan struct{}
}

// leanCall is a call that is not answered yet.
type leanCall struct {
	message []byte
	err     error
	done    chan struct{}
}

var _ grpc.ClientConnInterface = (*leanConn)(nil)

// dialLean connects to a server on this machine: host:port.
func dialLean(ctx context.Context, address string) (*leanConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &leanConn{
		Conn: conn, places: make(chan struct{}, leanStreams), out: bufio.NewWriterSize(conn, 64<<10),
		window: math.MaxUint16, calls: map[uint32]*leanCall{}, dirty: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	c.widened = sync.NewCond(&c.mu)
	c.encoder = hpack.NewEncoder(&c.fields)
	c.frames = http2.NewFramer(c.out, bufio.NewReaderSize(conn, 64<<10))
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = c.out.WriteString(http2.ClientPreface)
	err = errors.Join(err, c.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: leanWindow}),
		c.frames.WriteWindowUpdate(0, leanWindow), c.out.Flush())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("greet: %w", err), conn.Close())
	}
	go c.flush()
	go c.read()
	return c, nil
}

// Close ends the connection. Calls under way fail.
func (c *leanConn) Close() error {
	err := c.Conn.Close()
	<-c.ended
	return err
}

// NewStream is not for a lean connection.
func (c *leanConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("a lean connection carries no streams")
}

// Invoke makes a unary call. The context's end leaves it unanswered, and its deadline is not told to the server.
func (c *leanConn) Invoke(ctx context.Context, method string, request, answer any, _ ...grpc.CallOption) error {
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	case <-ctx.Done():
		return ctx.Err()
	}
	call, err := c.send(method, request.(proto.Message))
	if err != nil {
		return err
	}
	select {
	case <-call.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if call.err != nil {
		return call.err
	}
	return proto.Unmarshal(call.message[messagePrefix:], answer.(proto.Message))
}

func (c *leanConn) send(method string, request proto.Message) (*leanCall, error) {
	message, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, messagePrefix, 256), request)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)-messagePrefix)) //nolint:gosec // Of a request.
	if err := c.reserve(len(message)); err != nil {
		return nil, err
	}
	call := &leanCall{done: make(chan struct{})}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.last += 2
	id := c.last - 1
	c.register(id, call)
	c.encode(method)
	headers := http2.HeadersFrameParam{StreamID: id, BlockFragment: c.fields.Bytes(), EndHeaders: true}
	if err := errors.Join(c.frames.WriteHeaders(headers), c.frames.WriteData(id, true, message)); err != nil {
		return nil, unanswered(err)
	}
	c.signal()
	return call, nil
}

// reserve waits until so many bytes may be sent.
func (c *leanConn) reserve(length int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.window < length && c.broken == nil {
		c.widened.Wait()
	}
	c.window -= length
	return c.broken
}

func (c *leanConn) register(id uint32, call *leanCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[id] = call
	if c.broken != nil {
		c.answer(id, c.broken)
	}
}

// encode writes the header of a call. All of its fields but a new path are in the table that both sides keep.
func (c *leanConn) encode(method string) {
	c.fields.Reset()
	for _, f := range [...]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: method},
		{Name: ":authority", Value: "meterd"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	} {
		_ = c.encoder.WriteField(f) // To a buffer it never fails.
	}
}

func (c *leanConn) signal() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// flush sends what was written, until the connection ends. What is written meanwhile goes together.
func (c *leanConn) flush() {
	for {
		select {
		case <-c.dirty:
		case <-c.ended:
			return
		}
		if err := c.flushOnce(); err != nil {
			return // The reader meets it, too.
		}
	}
}

func (c *leanConn) flushOnce() error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	replies := c.replies
	c.replies = nil
	c.mu.Unlock()
	for _, reply := range replies {
		if err := reply(); err != nil {
			return err
		}
	}
	return c.out.Flush()
}

// read takes in answers until the connection ends, which is an error to all who still wait.
func (c *leanConn) read() {
	defer close(c.ended)
	granted := 0
	for {
		frame, err := c.frames.ReadFrame()
		if err != nil {
			c.fail(unanswered(err))
			return
		}
		if data, ok := frame.(*http2.DataFrame); ok {
			granted += len(data.Data())
		}
		c.take(frame)
		if granted >= leanGrant {
			c.grant()
			granted -= leanGrant
		}
	}
}

// take takes in one frame.
func (c *leanConn) take(frame http2.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.DataFrame:
		if call := c.calls[id]; call != nil {
			call.message = append(call.message, f.Data()...)
		}
	case *http2.MetaHeadersFrame:
		if f.StreamEnded() {
			c.answer(id, statusOf(f))
		}
	case *http2.RSTStreamFrame:
		c.answer(id, unanswered(fmt.Errorf("stream reset: %v", f.ErrCode)))
	case *http2.WindowUpdateFrame:
		if id == 0 {
			c.window += int(f.Increment)
			c.widened.Broadcast()
		}
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.reply(c.frames.WriteSettingsAck)
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			data := f.Data
			c.reply(func() error { return c.frames.WritePing(true, data) })
		}
	}
}

func (c *leanConn) grant() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply(func() error { return c.frames.WriteWindowUpdate(0, leanGrant) })
}

// reply has a frame written. Who calls it holds mu.
func (c *leanConn) reply(write func() error) {
	c.replies = append(c.replies, write)
	c.signal()
}

func (c *leanConn) answer(id uint32, err error) {
	call := c.calls[id]
	if call == nil {
		return
	}
	delete(c.calls, id)
	if err == nil && len(call.message) < messagePrefix {
		err = unanswered(errors.New("an answer without a message"))
	}
	call.err = err
	close(call.done)
}

func (c *leanConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
	for id := range c.calls {
		c.answer(id, err)
	}
	c.widened.Broadcast()
}

// statusOf is the status that ends a call; nil: it was answered OK.
func statusOf(trailer *http2.MetaHeadersFrame) error {
	s := &statuspb.Status{Code: int32(codes.Unknown), Message: "no status"}
	for _, f := range trailer.RegularFields() {
		switch f.Name {
		case "grpc-status":
			code, err := strconv.ParseInt(f.Value, 10, 32)
			if err != nil {
				return unanswered(err)
			}
			s.Code = int32(code)
		case "grpc-message":
			s.Message = f.Value
		case "grpc-status-details-bin":
			details, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(f.Value, "="))
			if err := errors.Join(err, proto.Unmarshal(details, s)); err != nil {
				return unanswered(err)
			}
		}
	}
	return status.ErrorProto(s)
}

// unanswered is the error of a call whose fate is not known, as a client of full size tells it.
func unanswered(cause error) error {
	if errors.Is(cause, io.EOF) || errors.Is(cause, net.ErrClosed) {
		cause = errors.New("the connection ended")
	}
	return status.Error(codes.Unavailable, cause.Error())
}
