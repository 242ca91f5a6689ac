package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/reload"
)

// answerWithin bounds how long an issuer may take for one answer.
const answerWithin = 10 * time.Second

// callback is where the issuer sends the browser back to. An operator registers it there.
const callback = "/signin/callback"

// signedOut is where one ends who signed out.
const signedOut = "/signedout"

// Tokens tells whose a token is, and until when it is good, as the calls of meter.v1 will be judged.
type Tokens interface {
	Until(ctx context.Context, token string) (auth.Identity, time.Time, error)
}

// IssuerConfig says who signs people in.
type IssuerConfig struct {
	URL              string // Of the issuer.
	ClientID         string // By which the issuer knows this page.
	ClientSecretFile string // Empty: the client is a public one, which PKCE alone protects.
	Scopes           []string
	PublicURL        string // Where browsers reach this server, without a path.
}

// Issuer signs people in by OpenID Connect: the authorization code flow with PKCE.
type Issuer struct {
	sessions *Sessions
	tokens   Tokens
	ways     ways
	logger   *slog.Logger

	issuer    string
	client    *http.Client
	oauth     oauth2.Config
	secret    func() string
	verifier  *oidc.IDTokenVerifier
	endpoint  *url.URL // Where the issuer ends its own session; nil: nowhere.
	publicURL string
}

// OpenIssuer asks the issuer where it signs people in and out. An issuer on another machine must be asked over HTTPS.
func OpenIssuer(ctx context.Context, c IssuerConfig, s *Sessions, tokens Tokens, logger *slog.Logger) (*Issuer, error) {
	i := &Issuer{
		sessions: s, tokens: tokens, logger: logger, issuer: c.URL, client: auth.NewIssuerClient(),
		ways:      newWays(s),
		secret:    func() string { return "" },
		publicURL: strings.TrimSuffix(c.PublicURL, "/"),
	}
	if c.ClientSecretFile != "" {
		file, err := reload.Open(logger, parseSecret, c.ClientSecretFile)
		if err != nil {
			return nil, err
		}
		i.secret = file.Get
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), c.URL)
	if err != nil {
		return nil, fmt.Errorf("the issuer cannot be asked how it signs people in: %w", err)
	}
	i.verifier = provider.VerifierContext(oidc.ClientContext(context.WithoutCancel(ctx), i.client), &oidc.Config{
		ClientID: c.ClientID, SupportedSigningAlgs: []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA},
	})
	i.oauth = oauth2.Config{
		ClientID: c.ClientID, Endpoint: provider.Endpoint(), Scopes: c.Scopes, RedirectURL: i.publicURL + callback,
	}
	if err := i.read(provider); err != nil {
		return nil, err
	}
	return i, nil
}

// read takes from the issuer's metadata what the library leaves out.
func (i *Issuer) read(provider *oidc.Provider) error {
	var metadata struct {
		EndSession string   `json:"end_session_endpoint"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return fmt.Errorf("the issuer's metadata: %w", err)
	}
	endpoints := []string{i.oauth.Endpoint.AuthURL, i.oauth.Endpoint.TokenURL}
	if metadata.EndSession != "" {
		endpoints = append(endpoints, metadata.EndSession)
		i.endpoint, _ = url.Parse(metadata.EndSession) // Checked with the others.
	}
	for _, endpoint := range endpoints {
		if err := auth.CheckIssuerURL(endpoint); err != nil {
			return fmt.Errorf("the issuer's metadata: %w", err)
		}
	}
	i.oauth.Endpoint.AuthStyle = authStyle(i.secret() != "", metadata.Methods)
	return nil
}

// authStyle is how the client shows its secret: by its header, as the standard has it, unless the issuer says otherwise.
func authStyle(secret bool, methods []string) oauth2.AuthStyle {
	if !secret {
		return oauth2.AuthStyleInParams
	}
	post := false
	for _, method := range methods {
		if method == "client_secret_basic" {
			return oauth2.AuthStyleInHeader
		}
		post = post || method == "client_secret_post"
	}
	if post {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

func parseSecret(contents [][]byte) (string, error) {
	secret := strings.TrimSpace(string(contents[0]))
	if secret == "" {
		return "", errors.New("there is no secret in it")
	}
	return secret, nil
}

// Leads are the other origins that a form leads to: that of where signing out ends.
func (i *Issuer) Leads() []string {
	if i.endpoint == nil {
		return nil
	}
	return []string{i.endpoint.Scheme + "://" + i.endpoint.Host}
}

// Register adds the paths of signing in and out.
func (i *Issuer) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin.css", style)
	mux.HandleFunc("GET /signin", i.begin)
	mux.HandleFunc("GET "+callback, i.complete)
	mux.HandleFunc("POST /signout", i.signOut)
	mux.HandleFunc("GET "+signedOut, func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, view{Title: "You are signed out", Text: "This browser keeps nothing of your session.", To: home, Again: true})
	})
}

// begin sends the browser to the issuer.
func (i *Issuer) begin(w http.ResponseWriter, r *http.Request) {
	way := newWay(wayBack(r.URL.Query().Get("to")))
	if err := i.ways.put(w, r, way); err != nil {
		i.fail(w, r, http.StatusInternalServerError, err)
		return
	}
	leave(w, r, i.oauth.AuthCodeURL(way.State, oidc.Nonce(way.Nonce), oauth2.S256ChallengeOption(way.Verifier)))
}

// complete takes the browser back from the issuer, with a code that the issuer gives a token for.
func (i *Issuer) complete(w http.ResponseWriter, r *http.Request) {
	way, ok := i.ways.take(w, r)
	switch answer := r.URL.Query(); {
	case !ok || !way.is(answer.Get("state")):
		i.fail(w, r, http.StatusBadRequest, errors.New("the issuer's answer belongs to no sign-in of this browser, or comes late"))
	case answer.Has("iss") && answer.Get("iss") != i.issuer:
		i.fail(w, r, http.StatusBadRequest, errors.New("the answer is another issuer's"))
	case answer.Get("error") != "":
		i.fail(w, r, http.StatusForbidden, fmt.Errorf("the issuer answers %.64q", answer.Get("error")))
	default:
		i.enter(w, r, way, answer.Get("code"))
	}
}

// enter begins the session of whom the issuer gives a token for the code.
func (i *Issuer) enter(w http.ResponseWriter, r *http.Request, way way, code string) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), i.client), answerWithin)
	defer cancel()
	oauth := i.oauth
	oauth.ClientSecret = i.secret()
	given, err := oauth.Exchange(ctx, code, oauth2.VerifierOption(way.Verifier))
	if err != nil {
		i.fail(w, r, http.StatusBadGateway, fmt.Errorf("the issuer gives no token: %w", exchangeError(err)))
		return
	}
	token, until, err := i.bearer(ctx, given, way.Nonce)
	if err != nil {
		i.fail(w, r, http.StatusForbidden, err)
		return
	}
	if err := i.sessions.begin(w, r, kept{Token: token}, until); err != nil {
		i.fail(w, r, http.StatusForbidden, err)
		return
	}
	leave(w, r, way.To)
}

// bearer is what the page's calls will be made by: the access token if this service takes it, else the ID token, and until
// when it is good. The ID token must be of this sign-in in any case.
func (i *Issuer) bearer(ctx context.Context, given *oauth2.Token, nonce string) (string, time.Time, error) {
	raw, _ := given.Extra("id_token").(string)
	id, err := i.verifier.Verify(ctx, raw)
	switch {
	case err != nil:
		return "", time.Time{}, fmt.Errorf("the ID token: %w", err)
	case id.Nonce != nonce:
		return "", time.Time{}, errors.New("the ID token is of another sign-in")
	case id.AccessTokenHash != "":
		if err := id.VerifyAccessToken(given.AccessToken); err != nil {
			return "", time.Time{}, fmt.Errorf("the access token: %w", err)
		}
	}
	_, until, asAccess := i.tokens.Until(ctx, given.AccessToken)
	if asAccess == nil {
		return given.AccessToken, until, nil
	}
	_, until, asID := i.tokens.Until(ctx, raw)
	if asID == nil {
		return raw, until, nil
	}
	return "", time.Time{}, fmt.Errorf("neither of the issuer's tokens is for this service: access token: %w; ID token: %w", asAccess, asID)
}

// signOut ends the session here and, where the issuer ends its own, there.
func (i *Issuer) signOut(w http.ResponseWriter, r *http.Request) {
	i.sessions.end(w, r)
	if i.endpoint == nil {
		leave(w, r, signedOut)
		return
	}
	to := *i.endpoint
	query := to.Query()
	query.Set("client_id", i.oauth.ClientID)
	query.Set("post_logout_redirect_uri", i.publicURL+signedOut)
	to.RawQuery = query.Encode()
	leave(w, r, to.String())
}

// fail tells the person that it did not work, and the log why.
func (i *Issuer) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	i.logger.WarnContext(r.Context(), "somebody could not sign in", "error", err)
	show(w, status, view{
		Title: "You are not signed in", To: home, Again: true,
		Text: "Signing in did not work. Try again; if it fails once more, ask your administrator, who finds the cause in the server's log.",
	})
}

// exchangeError is what an issuer answers, without the answer's text, which may quote what it was sent.
func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return err
	}
	if refused.Response == nil {
		return fmt.Errorf("%.64q", refused.ErrorCode)
	}
	return fmt.Errorf("%s, %.64q", refused.Response.Status, refused.ErrorCode)
}
