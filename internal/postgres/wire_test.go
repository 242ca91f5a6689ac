package postgres_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"

	"github.com/spillway-metering/spillway/internal/postgres"
)

// tap is put between a store's sessions and the server. It counts how often a client asks the server for an answer, and
// can make connections fail.
type tap struct {
	trips       atomic.Int64 // Messages that end what the client sends before it waits: Sync and Query.
	loseRequest atomic.Bool  // Break before the next write.
	loseAnswer  atomic.Bool  // Break before the next read.
}

var errCut = errors.New("the line was cut")

func tapOf(store *postgres.Store) *tap {
	t := &tap{}
	dial := store.Writers().DialFunc
	store.Writers().DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &wire{Conn: conn, tap: t}, err
	}
	return t
}

// during is how many round trips something takes.
func (t *tap) during(do func()) int64 {
	before := t.trips.Load()
	do()
	return t.trips.Load() - before
}

// wire is a tapped connection.
type wire struct {
	net.Conn
	tap     *tap
	started bool   // The first message of a connection has no type.
	sent    []byte // Of a message that is not whole yet.
}

func (w *wire) Write(p []byte) (int, error) {
	if w.tap.loseRequest.CompareAndSwap(true, false) {
		_ = w.Close()
		return 0, errCut
	}
	w.count(p)
	return w.Conn.Write(p)
}

// Read loses an answer only after it has come, so that the server has done what it answers.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.tap.loseAnswer.CompareAndSwap(true, false) {
		_ = w.Close()
		return 0, errCut
	}
	return n, err
}

// count goes through the messages of the protocol: a byte that tells the type, and a length that counts itself.
func (w *wire) count(p []byte) {
	w.sent = append(w.sent, p...)
	for {
		header := 1
		if !w.started {
			header = 0
		}
		if len(w.sent) < header+4 {
			return
		}
		size := header + int(binary.BigEndian.Uint32(w.sent[header:]))
		if len(w.sent) < size {
			return
		}
		if kind := w.sent[0]; w.started && (kind == 'S' || kind == 'Q') {
			w.tap.trips.Add(1)
		}
		w.started, w.sent = true, w.sent[size:]
	}
}
