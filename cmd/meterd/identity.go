package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/server"
)

// identity are the flags that say how connections are encrypted and how callers are told apart.
type identity struct {
	TLSCert              string   `name:"tls-cert" env:"METER_TLS_CERT" placeholder:"FILE" help:"The server's certificate and those between it and its authority, PEM. Read again when it changes, like every file here."`
	TLSKey               string   `name:"tls-key" env:"METER_TLS_KEY" placeholder:"FILE" help:"The certificate's private key, PEM."`
	TLSClientCA          string   `name:"tls-client-ca" env:"METER_TLS_CLIENT_CA" placeholder:"FILE" help:"Authorities of client certificates, PEM: mutual TLS."`
	TLSRequireClientCert bool     `name:"tls-require-client-cert" env:"METER_TLS_REQUIRE_CLIENT_CERT" help:"Refuse connections without a client certificate."`
	ServiceIdentity      []string `env:"METER_SERVICE_IDENTITY" placeholder:"NAME=ROLE" help:"What a service is, by the SPIFFE id or DNS name in its client certificate: orchestrator, billing or operator. May be repeated."`

	OIDCIssuer   string `name:"oidc-issuer" env:"METER_OIDC_ISSUER" placeholder:"URL" help:"Issuer of callers' tokens. It is asked for its keys, once a minute."`
	OIDCAudience string `name:"oidc-audience" env:"METER_OIDC_AUDIENCE" placeholder:"NAME" help:"Audience that tokens must be made for."`
	JWKSFile     string `name:"jwks-file" env:"METER_JWKS_FILE" placeholder:"FILE" help:"The issuer's keys, a JSON Web Key Set. Then the issuer is not asked, and --oidc-issuer only compared."`

	roles map[string]auth.Role
}

// check says in one line what is missing, or what does not go together.
func (i *identity) check(dev bool) (err error) {
	if dev {
		return i.checkDev()
	}
	if i.roles, err = auth.ParseServiceIdentities(i.ServiceIdentity); err != nil {
		return fmt.Errorf("--service-identity: %w", err)
	}
	if err := i.checkTLS(); err != nil {
		return err
	}
	if err := i.checkTokens(); err != nil {
		return err
	}
	if i.OIDCIssuer == "" && len(i.roles) == 0 {
		return errors.New("nobody could be told apart: give --oidc-issuer and --oidc-audience for callers with tokens, " +
			"or --tls-client-ca and --service-identity for those with certificates; --dev is for trying on this machine")
	}
	return nil
}

// checkDev refuses what looks like protection and would be none.
func (i *identity) checkDev() error {
	given := []string{i.TLSCert, i.TLSKey, i.TLSClientCA, i.OIDCIssuer, i.OIDCAudience, i.JWKSFile}
	if slices.ContainsFunc(given, func(v string) bool { return v != "" }) || i.TLSRequireClientCert || len(i.ServiceIdentity) > 0 {
		return errors.New("--dev takes every caller for an operator and has no TLS: leave it out, " +
			"or the settings of TLS, certificates and tokens")
	}
	return nil
}

func (i *identity) checkTLS() error {
	switch {
	case (i.TLSCert == "") != (i.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key need each other")
	case i.TLSClientCA != "" && i.TLSCert == "":
		return errors.New("--tls-client-ca needs --tls-cert and --tls-key")
	case i.TLSRequireClientCert && i.TLSClientCA == "":
		return errors.New("--tls-require-client-cert needs --tls-client-ca")
	case len(i.roles) > 0 && i.TLSClientCA == "":
		return errors.New("--service-identity needs --tls-client-ca")
	}
	return nil
}

func (i *identity) checkTokens() error {
	switch {
	case i.JWKSFile != "" && i.OIDCIssuer == "":
		return errors.New("--jwks-file needs --oidc-issuer, which tokens must name")
	case (i.OIDCIssuer == "") != (i.OIDCAudience == ""):
		return errors.New("--oidc-issuer and --oidc-audience need each other")
	case i.OIDCIssuer != "" && i.JWKSFile == "":
		if err := auth.CheckIssuerURL(i.OIDCIssuer); err != nil {
			return fmt.Errorf("--oidc-issuer: %w", err)
		}
	}
	return nil
}

func (i *identity) server() server.Identity {
	return server.Identity{
		TLS: auth.TLSFiles{
			Certificate: i.TLSCert, Key: i.TLSKey, ClientCA: i.TLSClientCA, RequireClientCertificate: i.TLSRequireClientCert,
		},
		Services: i.roles, Issuer: i.OIDCIssuer, Audience: i.OIDCAudience, JWKSFile: i.JWKSFile,
	}
}
