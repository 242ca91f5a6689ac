package faults

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is a way between two programs that a test can cut: a proxy from a port of its own to wherever the other one
// listens at the time.
type link struct {
	listener net.Listener
	target   func() (network, address string)
	done     sync.WaitGroup

	mu    sync.Mutex
	conns map[*pair]struct{}

	refusing atomic.Bool  // New connections are closed at once.
	silent   atomic.Bool  // Nothing passes, nothing is closed.
	cuts     atomic.Int64 // How often a cut has struck.
	cut      atomic.Pointer[cut]
}

// direction is which way bytes go.
type direction int

const (
	request  direction = iota // From who connected.
	response                  // To who connected.
)

// cut says where to cut a link: at the first bytes in a direction that hold a mark, or once so many have passed. Of the
// bytes at which it strikes the first half passes if it is torn, and none otherwise.
type cut struct {
	way  direction
	mark []byte
	left atomic.Int64
	torn bool
}

// strikes says whether these bytes are where to cut.
func (c *cut) strikes(way direction, bytesRead []byte) bool {
	if way != c.way {
		return false
	}
	if c.mark != nil {
		return bytes.Contains(bytesRead, c.mark)
	}
	return c.left.Add(-int64(len(bytesRead))) < 0
}

// pair is one connection through a link, both of its ends.
type pair struct{ near, far net.Conn }

func (p *pair) close() {
	_ = p.near.Close()
	_ = p.far.Close()
}

// openLink starts a link on a free port of loopback.
func openLink(target func() (network, address string)) (*link, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, target: target, conns: map[*pair]struct{}{}}
	l.done.Go(l.accept)
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

// close ends the link and everything on it.
func (l *link) close() {
	_ = l.listener.Close()
	l.silent.Store(false)
	l.drop()
	l.done.Wait()
}

// drop closes what is connected.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.conns {
		p.close()
	}
}

// part drops what is connected and lets nobody connect.
func (l *link) part() {
	l.refusing.Store(true)
	l.drop()
}

// heal lets everything pass again. What was silent is dropped: its bytes are late beyond use.
func (l *link) heal() {
	l.cut.Store(nil)
	l.refusing.Store(false)
	if l.silent.Swap(false) {
		l.drop()
	}
}

func (l *link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.done.Go(func() { l.join(near) })
	}
}

func (l *link) join(near net.Conn) {
	if l.refusing.Load() {
		_ = near.Close()
		return
	}
	network, address := l.target()
	far, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		_ = near.Close()
		return
	}
	p := &pair{near, far}
	l.mu.Lock()
	l.conns[p] = struct{}{}
	l.mu.Unlock()
	if l.refusing.Load() { // It was parted meanwhile.
		p.close()
	}
	var both sync.WaitGroup
	both.Go(func() { l.copy(p, near, far, request) })
	both.Go(func() { l.copy(p, far, near, response) })
	both.Wait()
	l.mu.Lock()
	delete(l.conns, p)
	l.mu.Unlock()
}

// copy carries bytes one way until either end is closed.
func (l *link) copy(p *pair, from, to net.Conn, way direction) {
	defer p.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !l.pass(to, buffer[:n], way) {
			return
		}
	}
}

// pass hands bytes on, unless this is where to cut.
func (l *link) pass(to net.Conn, some []byte, way direction) bool {
	if l.silent.Load() {
		return true // As if the network had lost them.
	}
	if c := l.cut.Load(); c != nil && c.strikes(way, some) && l.cut.CompareAndSwap(c, nil) {
		l.cuts.Add(1)
		if c.torn {
			_, _ = to.Write(some[:len(some)/2])
		}
		return false
	}
	_, err := to.Write(some)
	return err == nil
}
