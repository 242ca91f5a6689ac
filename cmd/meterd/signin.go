package main

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/server"
)

// signIn are the flags that say how people sign in to the page.
type signIn struct {
	PublicURL            string   `name:"public-url" env:"METER_PUBLIC_URL" placeholder:"URL" help:"Where browsers reach --http-listen, such as https://meter.example.com. The issuer sends people back to /signin/callback there."`
	OIDCClientID         string   `name:"oidc-client-id" env:"METER_OIDC_CLIENT_ID" placeholder:"ID" help:"By which --oidc-issuer knows the page. People sign in to the page only with it."`
	OIDCClientSecretFile string   `name:"oidc-client-secret-file" env:"METER_OIDC_CLIENT_SECRET_FILE" placeholder:"FILE" help:"The client's secret. Left out: the client is a public one. Read again when it changes."`
	OIDCScopes           []string `name:"oidc-scopes" env:"METER_OIDC_SCOPES" default:"openid,profile,email" placeholder:"NAME" help:"What the issuer is asked for (${default}). One of them may be what brings --oidc-audience and the meter_ claims into its tokens."`
	SessionKeyFile       string   `name:"session-key-file" env:"METER_SESSION_KEY_FILE" placeholder:"FILE" help:"Keys of the page's sessions, the same for all replicas: 32 bytes in base64 a line, the first seals, all open. Left out: a key of this process alone, and its end ends all sessions. Read again when it changes."`
	BuyMoreURL           string   `name:"buy-more-url" env:"METER_BUY_MORE_URL" placeholder:"URL" help:"Where the page sends an admin who wants to buy more for the pool."`
}

// check says in one line what is missing, or what does not go together.
func (s *signIn) check(dev bool, httpListen, issuer string) error {
	if err := checkLink(s.BuyMoreURL); err != nil {
		return fmt.Errorf("--buy-more-url: %w", err)
	}
	switch given := s.PublicURL != "" || s.OIDCClientSecretFile != "" || s.SessionKeyFile != ""; {
	case dev && (given || s.OIDCClientID != ""):
		return errors.New("--dev signs in whoever asks: leave it out, or the settings of signing in")
	case s.OIDCClientID == "" && given:
		return errors.New("--public-url, --oidc-client-secret-file and --session-key-file need --oidc-client-id")
	case s.OIDCClientID == "":
		return nil
	case issuer == "" || httpListen == "" || s.PublicURL == "":
		return errors.New("--oidc-client-id needs --oidc-issuer, --http-listen and --public-url")
	}
	return checkPublicURL(s.PublicURL)
}

// checkPublicURL takes an origin: cookies and redirects are of all of it.
func checkPublicURL(address string) error {
	if err := auth.CheckIssuerURL(address); err != nil {
		return fmt.Errorf("--public-url: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("--public-url: %q must be a scheme and a host only", address)
	}
	return nil
}

// checkLink takes what a link may lead to.
func checkLink(address string) error {
	u, err := url.Parse(address)
	if address == "" || (err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")) {
		return nil
	}
	return fmt.Errorf("%q is no https URL", address)
}

func (s *signIn) server() server.SignIn {
	return server.SignIn{
		PublicURL: s.PublicURL, ClientID: s.OIDCClientID, ClientSecretFile: s.OIDCClientSecretFile, Scopes: s.OIDCScopes,
		KeyFile: s.SessionKeyFile,
	}
}
