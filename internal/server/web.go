package server

import (
	"encoding/json"
	"net"
	"net/http"

	"google.golang.org/grpc/metadata"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/console"
	"github.com/spillway-metering/spillway/internal/session"
)

// openWeb puts together what is served over HTTP: for machines that watch, for callers that speak JSON, and the page.
func (s *server) openWeb() (http.Handler, error) {
	calls, err := s.edge.HTTP()
	if err != nil {
		return nil, err
	}
	page, err := console.New(console.Config{
		Identify: s.identify, Directory: s.store, BuyMoreURL: s.BuyMoreURL, Dev: s.Dev, Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	watched(mux, s.metrics.Handler(), s.edge.Serving)
	mux.Handle("POST /{service}/{method}", calls)
	page.Register(mux)
	sessions := session.New(session.RandomKeys(), false)
	outer := http.NewServeMux()
	session.NewDevelopment(sessions, s.store, s.Logger).Register(outer)
	outer.Handle("/", sessions.Carry(mux))
	return console.Headers{}.Around(sameOrigin(outer)), nil
}

// identify is who a request is from, as a call of meter.v1 with the same header would be judged.
func (s *server) identify(r *http.Request) (auth.Identity, error) {
	header := metadata.MD{}
	for _, given := range r.Header.Values("Authorization") {
		header.Append("authorization", given)
	}
	return auth.Identify(metadata.NewIncomingContext(r.Context(), header), s.callers.authenticator)
}

// sameOrigin refuses what another page has a browser do here.
func sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connectError(w, http.StatusForbidden, "permission_denied", "The request was made by a page of another origin.")
	}))
	return guard.Handler(next)
}

// connectError answers an error as a call of the Connect protocol would.
func connectError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	answer := map[string]string{"code": code, "message": message}
	_ = json.NewEncoder(w).Encode(answer) // Who went away need not be told.
}

// onThisMachine says whether a request was made on this machine.
func onThisMachine(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && auth.IsLoopback(host)
}
