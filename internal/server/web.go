package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/console"
	"github.com/spillway-metering/spillway/internal/openapi"
	"github.com/spillway-metering/spillway/internal/session"
)

// SignIn says how people sign in to the page. Under --dev it is not looked at.
type SignIn struct {
	PublicURL        string // Where browsers reach the HTTP side.
	ClientID         string // By which the issuer knows the page; empty: there is no page.
	ClientSecretFile string // Empty: the client is a public one.
	Scopes           []string
	KeyFile          string // Keys of sessions; empty: one of this process alone.
}

// openWeb puts together what is served over HTTP: for machines that watch, for callers that speak JSON, and the page.
// Cookies mean nothing to what watches; everybody else is known before they are answered.
func (s *server) openWeb() (http.Handler, error) {
	calls, err := s.edge.HTTP()
	if err != nil {
		return nil, err
	}
	known, outer := http.NewServeMux(), http.NewServeMux()
	known.Handle("POST /{service}/{method}", calls)
	known.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(openapi.Document) // Who went away need not be told.
	})
	known.HandleFunc("GET /", http.NotFound) // Else the mux would say of every unknown path that it can be posted to.
	watched(outer, s.toWatchers(s.metrics.Handler()), s.edge.Serving)
	headers := console.Headers{HTTPS: s.callers.webTLS != nil || s.overHTTPS()}
	switch {
	case s.signIn.sessions == nil:
		outer.Handle("/", known)
		return headers.Around(sameOrigin(outer)), nil
	case s.Dev:
		session.NewDevelopment(s.signIn.sessions, s.store, s.Logger).Register(outer)
	default:
		s.signIn.issuer.Register(outer)
		headers.FormTargets = s.signIn.issuer.Leads()
	}
	if err := s.registerPage(known); err != nil {
		return nil, err
	}
	outer.Handle("/", s.signIn.sessions.Carry(asCalls(known)))
	if s.Dev {
		return headers.Around(onlyAsLoopback(sameOrigin(outer))), nil
	}
	return headers.Around(sameOrigin(outer)), nil
}

func (s *server) registerPage(mux *http.ServeMux) error {
	page, err := console.New(console.Config{
		Identify: s.identify, Directory: s.store, Now: s.store.Now, Tables: s.edge.tables(), BuyMoreURL: s.BuyMoreURL,
		Dev: s.Dev, Logger: s.Logger,
	})
	if err != nil {
		return err
	}
	page.Register(mux)
	return nil
}

// signIn is how people sign in; zero: there is no page.
type signIn struct {
	sessions *session.Sessions
	issuer   *session.Issuer // Nil under --dev.
}

// overHTTPS says whether browsers reach the page over HTTPS alone.
func (s *server) overHTTPS() bool { return strings.HasPrefix(s.SignIn.PublicURL, "https:") }

// openSignIn makes ready what people sign in by, as far as there is HTTP and it is wanted.
func (s *server) openSignIn(ctx context.Context) error {
	switch {
	case s.HTTPListen == "":
		return nil
	case s.Dev:
		s.signIn.sessions = session.New(session.RandomKeys(), false)
		return nil
	case s.SignIn.ClientID == "":
		return nil
	}
	keys := session.RandomKeys()
	var err error
	if s.SignIn.KeyFile != "" {
		if keys, err = session.OpenKeys(s.SignIn.KeyFile, s.Logger); err != nil {
			return fmt.Errorf("--session-key-file: %w", err)
		}
	}
	s.signIn.sessions = session.New(keys, s.overHTTPS())
	s.signIn.issuer, err = session.OpenIssuer(ctx, session.IssuerConfig{
		URL: s.Identity.Issuer, PublicURL: s.SignIn.PublicURL,
		ClientID: s.SignIn.ClientID, ClientSecretFile: s.SignIn.ClientSecretFile, Scopes: s.SignIn.Scopes,
	}, s.signIn.sessions, s.callers.tokens, s.Logger)
	if err != nil {
		return fmt.Errorf("--oidc-client-id: %w", err)
	}
	if s.SignIn.KeyFile == "" {
		s.Logger.WarnContext(ctx, "sessions of the page end with this process, and no other replica takes them: give --session-key-file")
	}
	return nil
}

// identify is who a request is from, as a call of meter.v1 with the same header would be judged.
func (s *server) identify(r *http.Request) (auth.Identity, error) {
	return auth.Identify(asCall(r), s.callers.authenticator)
}

// asCall is the context of a request as that of a call with the same authorization.
func asCall(r *http.Request) context.Context {
	header := metadata.MD{}
	for _, given := range r.Header.Values("Authorization") {
		header.Append("authorization", given)
	}
	return metadata.NewIncomingContext(r.Context(), header)
}

// asCalls gives requests such a context, so that what answers them can call the edge directly.
func asCalls(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r.WithContext(asCall(r))) })
}

// toWatchers lets through requests of this machine, and of operators: the address may be open to everybody.
func (s *server) toWatchers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !onThisMachine(r) {
			if id, err := s.identify(r); err != nil || id.Role != auth.Operator {
				http.Error(w, "metrics are for this machine, and for operators", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// onThisMachine says whether a request came over loopback or a Unix socket.
func onThisMachine(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return overUnixSocket(r) || auth.IsLoopback(host)
}

// overUnixSocket says whether a request came over a Unix socket, whose peers have no address.
func overUnixSocket(r *http.Request) bool {
	_, _, err := net.SplitHostPort(r.RemoteAddr)
	return err != nil
}

// sameOrigin refuses what another page has a browser do here.
func sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connectError(w, http.StatusForbidden, "permission_denied", "The request was made by a page of another origin.")
	}))
	return guard.Handler(next)
}

// onlyAsLoopback refuses requests for any other name than this machine's own. Where everybody is an operator, a page from
// anywhere would be one, too, whose name is made to lead here once it is open. No page reaches a Unix socket.
func onlyAsLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !overUnixSocket(r) && !auth.IsLoopback(strings.Trim(host, "[]")) {
			connectError(w, http.StatusMisdirectedRequest, "permission_denied", "Under --dev this server is localhost alone.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// connectError answers an error as a call of the Connect protocol would.
func connectError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	answer := map[string]string{"code": code, "message": message}
	_ = json.NewEncoder(w).Encode(answer) // Who went away need not be told.
}
