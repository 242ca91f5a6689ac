package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of what one client may ask of the HTTP server. A body is bounded where calls are read, at maxMessageBytes, and a
// header at maxHeaderBytes.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	// writeTimeout is of a whole answer. A download asks for more as it goes.
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	// maxConnections is how many are open at a time; more wait to be taken.
	maxConnections = 4096
)

// watched adds what an operator's machines ask over HTTP: /metrics, /healthz (the process lives) and /readyz (it serves).
func watched(mux *http.ServeMux, metrics http.Handler, ready func(context.Context) bool) {
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if !ready(r.Context()) {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
}

// serveHTTP answers until the function it returns is called. With a config it speaks HTTPS, and HTTP/2 to those who do.
func serveHTTP(
	listener net.Listener, config *tls.Config, handler http.Handler, logger *slog.Logger,
) (stop func(context.Context) error) {
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	serve := server.Serve
	if config != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	go func() {
		if err := serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the HTTP server ended", "error", err)
		}
	}()
	return server.Shutdown
}
