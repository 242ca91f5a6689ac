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
func (s *server) openWeb(ctx context.Context) (http.Handler, error) {
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
	headers := console.Headers{HTTPS: s.callers.webTLS != nil || strings.HasPrefix(s.SignIn.PublicURL, "https:")}
	if !s.Dev && s.SignIn.ClientID == "" {
		outer.Handle("/", known)
		return headers.Around(sameOrigin(outer)), nil
	}
	sessions, err := s.openSessions()
	if err != nil {
		return nil, err
	}
	end, err := s.openSignIn(ctx, sessions, outer)
	if err != nil {
		return nil, err
	}
	if err := s.openPage(known); err != nil {
		return nil, err
	}
	headers.FormTargets = end
	outer.Handle("/", sessions.Carry(asCalls(known)))
	if s.Dev {
		return headers.Around(onlyAsLoopback(sameOrigin(outer))), nil
	}
	return headers.Around(sameOrigin(outer)), nil
}

func (s *server) openPage(mux *http.ServeMux) error {
	page, err := console.New(console.Config{
		Identify: s.identify, Directory: s.store, BuyMoreURL: s.BuyMoreURL, Dev: s.Dev, Logger: s.Logger,
	})
	if err != nil {
		return err
	}
	page.Register(mux)
	return nil
}

func (s *server) openSessions() (*session.Sessions, error) {
	secure := strings.HasPrefix(s.SignIn.PublicURL, "https:")
	if s.SignIn.KeyFile == "" {
		if !s.Dev {
			s.Logger.Warn("sessions of the page end with this process, and no other replica takes them: give --session-key-file")
		}
		return session.New(session.RandomKeys(), secure), nil
	}
	keys, err := session.OpenKeys(s.SignIn.KeyFile, s.Logger)
	if err != nil {
		return nil, fmt.Errorf("--session-key-file: %w", err)
	}
	return session.New(keys, secure), nil
}

// openSignIn adds how people sign in and out, and answers the other origins that this leads to by a form.
func (s *server) openSignIn(ctx context.Context, sessions *session.Sessions, mux *http.ServeMux) ([]string, error) {
	if s.Dev {
		session.NewDevelopment(sessions, s.store, s.Logger).Register(mux)
		return nil, nil
	}
	issuer, err := session.OpenIssuer(ctx, session.IssuerConfig{
		URL: s.Identity.Issuer, PublicURL: s.SignIn.PublicURL,
		ClientID: s.SignIn.ClientID, ClientSecretFile: s.SignIn.ClientSecretFile, Scopes: s.SignIn.Scopes,
	}, sessions, s.callers.tokens, s.Logger)
	if err != nil {
		return nil, fmt.Errorf("--oidc-client-id: %w", err)
	}
	issuer.Register(mux)
	if end := issuer.EndsAt(); end != "" {
		return []string{end}, nil
	}
	return nil, nil
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

// onThisMachine says whether a request came over loopback or a Unix socket, whose peers have no address.
func onThisMachine(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err != nil || auth.IsLoopback(host)
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
// anywhere would be one, too, whose name is made to lead here once it is open.
func onlyAsLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !auth.IsLoopback(strings.Trim(host, "[]")) {
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
