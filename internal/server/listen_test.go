package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spillway-metering/spillway/internal/auth"
)

// TestOnlyThisMachine: no address is open to other machines.
func TestOnlyThisMachine(t *testing.T) {
	for address, allowed := range map[string]bool{
		"127.0.0.1:0": true, "127.9.9.9:0": true, "localhost:0": true,
		":0": false, "0.0.0.0:0": false, "[::]:0": false, "192.0.2.1:0": false, "example.org:0": false, "127.0.0.1": false,
	} {
		listener, err := listen(t.Context(), "--listen", address, false, "needs TLS")
		if (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "--listen: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: says %q", address, err)
			}
			continue
		}
		_ = listener.Close()
	}
	if !auth.IsLoopback("::1") {
		t.Error("::1 is not taken for loopback")
	}
}

// TestOpenToOtherMachines: with TLS an address is not refused for being another machine's way in. This one, of the
// documentation's network, is no machine's own.
func TestOpenToOtherMachines(t *testing.T) {
	listener, err := listen(t.Context(), "--listen", "192.0.2.1:0", true, "")
	if err == nil {
		_ = listener.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "cannot listen on 192.0.2.1:0") {
		t.Errorf("got %v", err)
	}
}

// TestUnixSocket is this user's alone, replaces one that was left behind, and never one that answers.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), "--listen", "unix:"+path, false, ""); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a socket that answers: %v", err)
	}
	left.SetUnlinkOnClose(false) // As if it had been killed.
	_ = left.Close()
	listener, err := listen(t.Context(), "--listen", "unix:"+path, false, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if got := addressOf(listener); got != "unix:"+path {
		t.Errorf("it is announced as %s", got)
	}
}

// TestStack stops in reverse order of the start, whatever fails.
func TestStack(t *testing.T) {
	var s stack
	var stopped []string
	for _, name := range []string{"first", "second", "third"} {
		s.push(name, func(ctx context.Context) error {
			stopped = append(stopped, name)
			if _, bounded := ctx.Deadline(); !bounded {
				t.Errorf("%s may take for ever", name)
			}
			return syscall.EIO
		})
	}
	if err := s.close(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "stop second") {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(stopped, []string{"third", "second", "first"}) {
		t.Errorf("stopped in the order %v", stopped)
	}
}

// TestOperations asks what a machine that watches a server asks.
func TestOperations(t *testing.T) {
	s := start(t, done)
	listener, err := listen(t.Context(), "--http-listen", "127.0.0.1:0", false, "")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	watched(mux, s.metrics.Handler(), s.Serving)
	stop := serveHTTP(listener, nil, mux, slog.New(slog.DiscardHandler))
	defer func() {
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}()
	if err := s.topUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) (int, string) {
		answer, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	served := `meter_grpc_server_handled_total{grpc_code="OK",grpc_method="TopUp",grpc_service="meter.v1.PoolService",grpc_type="unary"} 1`
	if code, text := ask("/metrics"); code != 200 || !strings.Contains(text, served) {
		t.Errorf("/metrics answers %d without %s", code, served)
	}
	for _, serving := range []bool{true, false} {
		s.SetServing(serving)
		if code, _ := ask("/readyz"); (code == 200) != serving {
			t.Errorf("/readyz answers %d while serving is %v", code, serving)
		}
		if code, _ := ask("/healthz"); code != 200 {
			t.Errorf("/healthz answers %d", code)
		}
	}
}
