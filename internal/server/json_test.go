package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

// overHTTP serves an edge's calls over HTTP.
func (s started) overHTTP(t *testing.T) (topUp func() (int, string)) {
	t.Helper()
	calls, err := s.HTTP()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(calls)
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return func() (int, string) {
		body := strings.NewReader(`{"organizationId": "acme", "requestId": "inv-1", "amountMicros": "1"}`)
		answer, err := client.Post(server.URL+"/meter.v1.PoolService/TopUp", "application/json", body)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Error(err)
		}
		return answer.StatusCode, string(text)
	}
}

// TestDrainOverHTTP lets a running call end, and takes no new one.
func TestDrainOverHTTP(t *testing.T) {
	running, release := make(chan struct{}), make(chan struct{})
	s := start(t, func(ctx context.Context, c meter.Command) (meter.Outcome, error) {
		close(running)
		<-release
		return done(ctx, c)
	})
	topUp := s.overHTTP(t)
	answered, drained := make(chan int, 1), make(chan error, 1)
	go func() {
		code, _ := topUp()
		answered <- code
	}()
	<-running
	go func() { drained <- s.Drain(t.Context()) }()
	<-s.draining.Done()
	for code, text := topUp(); code != http.StatusServiceUnavailable || !strings.Contains(text, `"unavailable"`); code, text = topUp() {
		if code != http.StatusOK {
			t.Fatalf("a new call is answered %d %s", code, text)
		}
		runtime.Gosched() // The gate may not be closed yet.
	}
	close(release)
	if code, err := <-answered, <-drained; code != http.StatusOK || err != nil {
		t.Errorf("the running call is answered %d, and draining ends with %v", code, err)
	}
}

// TestDrainOverHTTPIsBounded cuts a call that does not end.
func TestDrainOverHTTPIsBounded(t *testing.T) {
	running := make(chan struct{})
	s := start(t, func(ctx context.Context, _ meter.Command) (meter.Outcome, error) {
		close(running)
		<-ctx.Done()
		return meter.Outcome{}, ctx.Err()
	})
	topUp := s.overHTTP(t)
	answered := make(chan int, 1)
	go func() {
		code, _ := topUp()
		answered <- code
	}()
	<-running
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drain(over); err == nil {
		t.Error("nothing was cut")
	}
	if code := <-answered; code == http.StatusOK {
		t.Error("the call that was cut is answered as if it had been made")
	}
}

// TestWatchers: metrics are for this machine, and for operators from anywhere.
func TestWatchers(t *testing.T) {
	s := &server{}
	s.callers.authenticator = knowing{}
	handler := s.toWatchers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		from, authorization string
		status              int
	}{
		{"127.0.0.1:5", "", 200},
		{"[::1]:5", "", 200},
		{"@", "", 200},
		{"192.0.2.1:5", "", 403},
		{"192.0.2.1:5", "Bearer good", 200},
		{"192.0.2.1:5", "Bearer bad", 403},
	} {
		r, w := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody), httptest.NewRecorder()
		r.RemoteAddr = c.from
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		handler.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%v is answered %d", c, w.Code)
		}
	}
}

// TestOnlyAsLoopback: where everybody is an operator, a name that was made to lead here is turned away.
func TestOnlyAsLoopback(t *testing.T) {
	handler := onlyAsLoopback(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, status := range map[string]int{
		"localhost": 200, "localhost:7401": 200, "127.0.0.1:7401": 200, "[::1]:7401": 200, "[::1]": 200,
		"evil.test": 421, "evil.test:7401": 421, "192.0.2.1:7401": 421, "": 421, "localhost.evil.test": 421,
	} {
		r, w := httptest.NewRequest(http.MethodGet, "/", http.NoBody), httptest.NewRecorder()
		r.Host = host
		handler.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q is answered %d", host, w.Code)
		}
	}
}

// TestSessionSpeaksJSON: who is signed in to the page calls in JSON alone, others also in protobuf.
func TestSessionSpeaksJSON(t *testing.T) {
	handler := spokenTo(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for kind, want := range map[string][2]int{
		"application/json": {200, 200}, "application/json; charset=utf-8": {200, 200}, "application/proto": {200, 415},
		"application/grpc-web+proto": {200, 415}, "text/plain": {415, 415}, "": {415, 415}, "application/grpc": {415, 415},
	} {
		for i, status := range want {
			r, w := httptest.NewRequest(http.MethodPost, "/", http.NoBody), httptest.NewRecorder()
			r.Header.Set("Content-Type", kind)
			if i == 1 {
				r = r.WithContext(auth.WithSession(r.Context(), auth.Session{}))
			}
			handler.ServeHTTP(w, r)
			if w.Code != status {
				t.Errorf("%q, from the page: %v, is answered %d", kind, i == 1, w.Code)
			}
		}
	}
}
