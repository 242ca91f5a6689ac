package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/auth/authtest"
)

// TestRotation replaces everything, twice, while calls run over old and over new connections. None of them fails.
func TestRotation(t *testing.T) {
	e := secure(t, nil)
	load := e.startLoad(t)
	for range 2 {
		authority, signs := authtest.NewAuthority(t), authtest.NewKey(t)
		// What is to be believed comes first, then what is shown by it, and at last what is not to be believed any more.
		both := append(append([]byte{}, e.authority.PEM()...), authority.PEM()...)
		authtest.Write(t, e.dir, "ca", both)
		authtest.Write(t, e.dir, "keys", authtest.KeySet(t, e.signs, signs))
		load.believe(e.authority, authority)
		within(t, "all believe both authorities", load.allNew)
		certificate, key := authority.Pair(t, authtest.Name{})
		authtest.Write(t, e.dir, "cert", certificate)
		authtest.Write(t, e.dir, "key", key)
		within(t, "the new certificate is shown", func() bool { return load.sees(authority) })
		load.use(authority.Certificate(t, authtest.Name{DNS: []string{"svc.test"}}), authtest.Token(t, signs, issuer, nil))
		within(t, "all use what is new", load.allNew)
		authtest.Write(t, e.dir, "ca", authority.PEM())
		authtest.Write(t, e.dir, "keys", authtest.KeySet(t, signs))
		e.authority, e.signs = authority, signs
	}
	if calls := load.stop(); calls < 100 {
		t.Errorf("only %d calls were made", calls)
	}
	if said := e.log.String(); strings.Contains(said, "reason=") || strings.Contains(said, "PRIVATE") {
		t.Errorf("the log says %s", said)
	}
}

// load are callers, each with a connection of its own that it renews now and then. Half of them show a certificate, the
// others a token.
type load struct {
	t       *testing.T
	e       *secured
	mu      sync.Mutex
	pool    *x509.CertPool
	shown   tls.Certificate
	token   string
	version int   // Of what is believed and shown.
	using   []int // Which version each caller has used last.
	calls   atomic.Int64
	ending  chan struct{}
	callers sync.WaitGroup
}

func (e *secured) startLoad(t *testing.T) *load {
	t.Helper()
	l := &load{
		t: t, e: e, pool: e.authority.Pool(), shown: e.certificate(t, time.Time{}), token: authtest.Token(t, e.signs, issuer, nil),
		using: make([]int, 8), ending: make(chan struct{}),
	}
	for i := range l.using {
		l.callers.Go(func() { l.call(i) })
	}
	return l
}

// call makes calls until the load ends.
func (l *load) call(caller int) {
	for {
		l.mu.Lock()
		config, token, version := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: l.pool}, "", l.version
		if caller%2 == 0 {
			config.Certificates = []tls.Certificate{l.shown}
		} else {
			token = l.token
		}
		l.mu.Unlock()
		conn := l.e.dial(l.t, config)
		for range 10 {
			if err := topUp(context.Background(), conn, token); err != nil {
				l.t.Errorf("caller %d with version %d: %v", caller, version, err)
			}
			l.calls.Add(1)
		}
		_ = conn.Close()
		l.mu.Lock()
		l.using[caller] = version
		l.mu.Unlock()
		select {
		case <-l.ending:
			return
		default:
		}
	}
}

// believe has callers take certificates of these authorities from now on.
func (l *load) believe(authorities ...*authtest.Authority) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pool = x509.NewCertPool()
	for _, a := range authorities {
		l.pool.AppendCertsFromPEM(a.PEM())
	}
	l.version++
}

// use has callers show these from now on.
func (l *load) use(shown tls.Certificate, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown, l.token = shown, token
	l.version++
}

// allNew says whether no caller believes or shows what it did before.
func (l *load) allNew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, version := range l.using {
		if version != l.version {
			return false
		}
	}
	return true
}

// sees says whether the edge shows a certificate of the authority.
func (l *load) sees(authority *authtest.Authority) bool {
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: authority.Pool(), NextProtos: []string{"h2"}}
	conn, err := (&tls.Dialer{Config: config}).DialContext(l.t.Context(), "tcp", l.e.address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// stop ends the load and answers how many calls were made.
func (l *load) stop() int64 {
	close(l.ending)
	l.callers.Wait()
	return l.calls.Load()
}
