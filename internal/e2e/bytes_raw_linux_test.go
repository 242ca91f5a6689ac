package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// raw is a connection on which any bytes can be sent, with HTTP/2's frames at hand for those that are meant to be some.
type raw struct {
	net.Conn
	*http2.Framer
	block  bytes.Buffer
	coder  *hpack.Encoder
	stream uint32 // The last that was opened.
}

// connect opens a connection and sends nothing. It is closed with the context, which ends whatever waits on it.
func connect(ctx context.Context, address string) (*raw, error) {
	conn, err := (&net.Dialer{Timeout: rawTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	r := &raw{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	r.AllowIllegalWrites = true
	r.coder = hpack.NewEncoder(&r.block)
	return r, nil
}

// rawTimeout bounds how long an attacker waits for a connection.
const rawTimeout = 5 * time.Second

// greet begins HTTP/2 with settings, and reads all that comes without looking at it.
func (r *raw) greet(settings ...http2.Setting) error {
	if _, err := io.WriteString(r.Conn, http2.ClientPreface); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, r.Conn) }()
	if err := r.WriteSettings(settings...); err != nil {
		return err
	}
	return r.WriteSettingsAck()
}

// headers are those of a call of a method, and more.
func (r *raw) headers(method string, more ...hpack.HeaderField) []byte {
	r.block.Reset()
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: method},
		{Name: ":authority", Value: "meter.test"},
		{Name: "te", Value: "trailers"},
		{Name: "content-type", Value: "application/grpc"},
	}, more...) {
		_ = r.coder.WriteField(f) // Into memory: it cannot fail.
	}
	return r.block.Bytes()
}

// open opens a stream for a call of a method, and leaves it open for its message.
func (r *raw) open(method string, more ...hpack.HeaderField) error {
	return r.openBy(r.headers(method, more...))
}

// openBy opens a stream with a header block, in as many frames as it needs.
func (r *raw) openBy(block []byte) error {
	const most = 16 << 10
	r.stream += 2
	first := block[:min(len(block), most)]
	err := r.WriteHeaders(http2.HeadersFrameParam{
		StreamID: r.stream - 1, BlockFragment: first, EndHeaders: len(first) == len(block),
	})
	for block = block[len(first):]; err == nil && len(block) > 0; {
		part := block[:min(len(block), most)]
		block = block[len(part):]
		err = r.WriteContinuation(r.stream-1, len(block) == 0, part)
	}
	return err
}

// call opens a stream and sends a whole message on it.
func (r *raw) call(method string, message []byte) error {
	if err := r.open(method); err != nil {
		return err
	}
	return r.WriteData(r.stream-1, true, framed(len(message), message))
}

// framed is a message as gRPC sends it, or at least what says how long it is.
func framed(length int, message []byte) []byte {
	return append([]byte{0, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}, message...)
}
