package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

const (
	reserveMethod = meterv1.MeteringService_Reserve_FullMethodName
	poolMethod    = meterv1.PoolService_GetPool_FullMethodName
)

// attack is what one who means harm does on a connection, until the server closes it or the attack is over. Then it does
// so again, on another.
type attack struct {
	name        string
	connections int // At a time.
	strike      func(ctx context.Context, r *raw) error
}

var attacks = []attack{
	{"another protocol", 8, sent([]byte("GET / HTTP/1.1\r\nHost: meter\r\n\r\n"))},
	{"noise", 8, noise},
	{"noise after the preface", 8, greeted(noise)},
	{"frames of wrong lengths", 8, greeted(oneOf(
		frame(http2.FrameSettings, 0, 0, 5), frame(http2.FramePing, 0, 0, 7), frame(http2.FrameWindowUpdate, 0, 0, 3),
		frame(http2.FrameRSTStream, 0, 1, 5), frame(http2.FramePriority, 0, 1, 4), frame(http2.FrameGoAway, 0, 0, 7),
		frame(http2.FrameData, http2.FlagDataPadded, 1, 0), frame(http2.FrameHeaders, http2.FlagHeadersPriority, 1, 4),
		[]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}, // A frame of 16 MiB, announced.
	))},
	{"frames on wrong streams", 8, greeted(oneOf(
		frame(http2.FrameData, 0, 0, 4), frame(http2.FrameData, 0, 7, 4), frame(http2.FrameHeaders, 0, 0, 4),
		frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 2, 4), frame(http2.FrameSettings, 0, 1, 6),
		frame(http2.FramePing, 0, 3, 8), frame(http2.FrameContinuation, 0, 1, 4), frame(http2.FrameRSTStream, 0, 0, 4),
		frame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, 8), frame(http2.FrameGoAway, 0, 1, 8),
	))},
	{"frames of no type", 2, greeted(endless(slices.Concat(frame(0xee, 0xff, 0, 512), frame(0xef, 0, 1, 0))))},
	{"headers cut by another frame", 8, greeted(func(_ context.Context, r *raw) error {
		if err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.headers(reserveMethod)}); err != nil {
			return err
		}
		return r.WritePing(false, [8]byte{})
	})},
	{"headers that never end", 4, greeted(func(ctx context.Context, r *raw) error {
		if err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.headers(reserveMethod)}); err != nil {
			return err
		}
		// Each is a literal header x: and 4 KiB of nothing said.
		field := slices.Concat([]byte{0x00, 0x01, 'x', 0x7f, 0x81, 0x1f}, slices.Repeat([]byte{'y'}, 4096))
		return endless(slices.Concat(frame(http2.FrameContinuation, 0, 1, len(field))[:9], field))(ctx, r)
	})},
	{"empty continuations", 2, greeted(func(ctx context.Context, r *raw) error {
		if err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.headers(reserveMethod)}); err != nil {
			return err
		}
		return endless(slices.Repeat(frame(http2.FrameContinuation, 0, 1, 0), 1000))(ctx, r)
	})},
	{"huge headers", 4, greeted(func(_ context.Context, r *raw) error {
		return r.open(reserveMethod, hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 4<<20), Sensitive: true})
	})},
	{"headers that unpack to 2 MiB", 4, greeted(bombs(480))},
	{"headers that unpack to 30 KiB", 4, greeted(bombs(7))},
	{"streams opened and reset", 2, greeted(repeated(func(r *raw) error {
		if err := r.call(poolMethod, []byte("\x0a\x04firm")); err != nil {
			return err
		}
		return r.WriteRSTStream(r.stream-1, http2.ErrCodeCancel)
	}))},
	{"streams opened and left", 8, greeted(repeated(func(r *raw) error { return r.open(reserveMethod) }))},
	{"settings without end", 2, greeted(endless(slices.Repeat(frame(http2.FrameSettings, 0, 0, 0), 1000)))},
	{"pings without end", 2, greeted(endless(slices.Repeat(frame(http2.FramePing, 0, 0, 8), 1000)))},
	{"pings whose answers are not read", 2, unread(endless(slices.Repeat(frame(http2.FramePing, 0, 0, 8), 1000)))},
	{"windows that overflow", 8, greeted(func(_ context.Context, r *raw) error {
		if err := r.WriteWindowUpdate(0, math.MaxInt32); err != nil {
			return err
		}
		if err := r.open(reserveMethod); err != nil {
			return err
		}
		return r.WriteWindowUpdate(1, math.MaxInt32)
	})},
	{"a message of 4 GiB", 8, greeted(func(_ context.Context, r *raw) error {
		if err := r.open(reserveMethod); err != nil {
			return err
		}
		return r.WriteData(1, false, framed(math.MaxUint32, make([]byte, 1000)))
	})},
	{"messages that never end", 8, greeted(func(ctx context.Context, r *raw) error {
		if err := r.open(reserveMethod); err != nil {
			return err
		}
		if err := r.WriteData(1, false, framed(1<<20, nil)); err != nil {
			return err
		}
		return repeated(func(r *raw) error { return r.WriteData(1, false, []byte{0}) })(ctx, r)
	})},
	{"answers that are not let out", 2, func(ctx context.Context, r *raw) error {
		if err := r.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}); err != nil {
			return err
		}
		return repeated(askForMuch)(ctx, r)
	}},
	{"answers that are not read", 2, unread(repeated(askForMuch))},
	{"silence", 300, wait},
	{"silence after the preface", 300, greeted(wait)},
}

// greeted strikes after HTTP/2 has begun in order.
func greeted(strike func(context.Context, *raw) error) func(context.Context, *raw) error {
	return func(ctx context.Context, r *raw) error {
		if err := r.greet(); err != nil {
			return err
		}
		return strike(ctx, r)
	}
}

// unread strikes so, and reads nothing of what comes; it lets everything come.
func unread(strike func(context.Context, *raw) error) func(context.Context, *raw) error {
	return func(ctx context.Context, r *raw) error {
		if _, err := io.WriteString(r.Conn, http2.ClientPreface); err != nil {
			return err
		}
		if err := r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32}); err != nil {
			return err
		}
		if err := r.WriteWindowUpdate(0, math.MaxInt32-1<<16); err != nil {
			return err
		}
		return strike(ctx, r)
	}
}

// sent sends bytes and waits for what comes of it.
func sent(b []byte) func(context.Context, *raw) error {
	return func(_ context.Context, r *raw) error {
		if _, err := r.Write(b); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, r.Conn)
		return err
	}
}

// oneOf sends one of several on each connection, by chance.
func oneOf(all ...[]byte) func(context.Context, *raw) error {
	return func(ctx context.Context, r *raw) error {
		var chance [1]byte
		_, _ = rand.Read(chance[:]) // It never fails.
		return sent(all[int(chance[0])%len(all)])(ctx, r)
	}
}

// endless sends the same again and again.
func endless(b []byte) func(context.Context, *raw) error {
	return repeated(func(r *raw) error {
		_, err := r.Write(b)
		return err
	})
}

func repeated(strike func(*raw) error) func(context.Context, *raw) error {
	return func(ctx context.Context, r *raw) error {
		for ctx.Err() == nil {
			if err := strike(r); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
}

func noise(ctx context.Context, r *raw) error {
	b := make([]byte, 64<<10)
	_, _ = rand.Read(b) // It never fails.
	return sent(b)(ctx, r)
}

// wait does nothing for as long as the connection lets it.
func wait(ctx context.Context, _ *raw) error {
	select {
	case <-ctx.Done():
	case <-time.After(endPatience):
	}
	return ctx.Err()
}

// frame is one of any type, with as many bytes as said, all of them zero.
func frame(kind http2.FrameType, flags http2.Flags, stream uint32, length int) []byte {
	head := []byte{
		byte(length >> 16), byte(length >> 8), byte(length), byte(kind), byte(flags),
		byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	}
	return append(head, make([]byte, length)...)
}

// bombs opens streams with one binary header of 4 KB said many times, but for the first by a byte each, which the server
// must unpack each time, and leaves them.
func bombs(times int) func(context.Context, *raw) error {
	value := base64.StdEncoding.EncodeToString(make([]byte, 3000))
	many := slices.Repeat([]hpack.HeaderField{{Name: "x-bin", Value: value}}, times)
	return repeated(func(r *raw) error { return r.open(poolMethod, many...) })
}

// askForMuch asks for a large answer.
func askForMuch(r *raw) error {
	return r.call(meterv1.PriceService_GetPriceBook_FullMethodName, []byte("\x0a\x05large"))
}
