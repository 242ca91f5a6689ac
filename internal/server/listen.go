package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
)

// listen opens the address of a flag: host:port, or unix:/path for a Unix socket. Unless it is to be open to other
// machines, only callers of this one are let in, by loopback or by a socket that only this user can open; what an operator
// must give to open it is told then.
func listen(ctx context.Context, flag, address string, open bool, give string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(ctx, flag, path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is neither host:port nor unix:/path", flag, address)
	}
	if !open && !auth.IsLoopback(host) {
		return nil, fmt.Errorf("%s: %s is open to other machines, which %s, or use 127.0.0.1, [::1], localhost or unix:/path",
			flag, address, give)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, cannotListen(flag, address, err)
	}
	return listener, nil
}

// listenUnix opens a socket for this user only. The socket that a killed server left behind is cleared away, that of one
// that still answers is not, nor is anything that is no socket.
func listenUnix(ctx context.Context, flag, path string) (net.Listener, error) {
	if err := clearSocket(ctx, path); err != nil {
		return nil, cannotListen(flag, path, err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, cannotListen(flag, path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, cannotListen(flag, path, errors.Join(err, listener.Close()))
	}
	return listener, nil
}

func clearSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is a file that is no socket")
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(syscall.EADDRINUSE, conn.Close())
	}
	return os.Remove(path)
}

// cannotListen is the line for an operator who may have a server running already.
func cannotListen(flag, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %s is in use by another program", flag, address)
	}
	return fmt.Errorf("%s: cannot listen on %s: %w", flag, address, err)
}
