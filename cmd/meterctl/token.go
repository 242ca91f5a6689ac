package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
)

// tokenCommand is `meterctl token`. It stands in for an issuer where there is none: for development and tests.
type tokenCommand struct {
	Key          string        `placeholder:"FILE" help:"Private key to sign by, as --new-key makes it. Prints a token."`
	Issuer       string        `placeholder:"NAME" help:"What the token says its issuer is: meterd's --oidc-issuer."`
	Audience     string        `placeholder:"NAME" help:"Whom the token is for: meterd's --oidc-audience."`
	Role         string        `placeholder:"ROLE" help:"What the bearer is: orchestrator, billing, operator, owner, admin or member."`
	Organization string        `placeholder:"ID" help:"Organization of an owner, an admin or a member."`
	Member       string        `placeholder:"ID" help:"Member that an owner, an admin or a member is."`
	Subject      string        `placeholder:"NAME" help:"Who the bearer is, as records name it. Unless given, the member, or else the role."`
	TTL          time.Duration `name:"ttl" default:"1h" help:"How long the token is good (${default})."`

	NewKey    string `placeholder:"FILE" help:"Make a private key in a new file that only this user may read."`
	JWKS      string `name:"jwks" placeholder:"FILE" help:"Put the new key's public part into this JSON Web Key Set, beside the keys it has: meterd's --jwks-file."`
	Algorithm string `enum:"ed25519,es256" default:"ed25519" help:"Kind of the new key: ${enum} (${default})."`
}

// Validate is called by kong once the flags are read.
func (c *tokenCommand) Validate() error {
	switch {
	case (c.Key == "") == (c.NewKey == ""):
		return errors.New("--key signs a token, --new-key makes a key to sign by: give one of them")
	case c.NewKey != "" && c.JWKS == "":
		return errors.New("--new-key needs --jwks, for those who are to believe the key")
	case c.Key != "" && c.JWKS != "":
		return errors.New("--jwks needs --new-key")
	case c.Key != "" && (c.Issuer == "" || c.Audience == "" || c.Role == ""):
		return errors.New("--key needs --issuer, --audience and --role")
	case c.TTL < time.Second:
		return fmt.Errorf("--ttl must be at least 1s, not %s", c.TTL)
	}
	return nil
}

// Run is called by kong.
func (c *tokenCommand) Run(to terminal) error {
	if c.NewKey != "" {
		return c.makeKey(to)
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return fmt.Errorf("--key: %w", err)
	}
	key, err := auth.ParseSigningKey(text)
	if err != nil {
		return fmt.Errorf("--key: %s: %w", c.Key, err)
	}
	token, err := key.Mint(c.grant(time.Now()))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to.stdout, token)
	return err
}

func (c *tokenCommand) grant(now time.Time) auth.Grant {
	g := auth.Grant{
		Issuer: c.Issuer, Audience: c.Audience, Subject: c.Subject, Role: c.Role,
		OrganizationID: c.Organization, MemberID: c.Member, NotBefore: now, Expires: now.Add(c.TTL),
	}
	if g.Subject == "" {
		g.Subject = c.Member
	}
	if g.Subject == "" {
		g.Subject = c.Role
	}
	return g
}

// makeKey writes the private key first: a set that names a key nobody has does no harm, but is of no use.
func (c *tokenCommand) makeKey(to terminal) error {
	others, err := os.ReadFile(c.JWKS)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--jwks: %w", err)
	}
	key, err := auth.NewSigningKey(c.Algorithm)
	if err != nil {
		return err
	}
	set, err := key.KeySet(others)
	if err != nil {
		return fmt.Errorf("--jwks: %s: %w", c.JWKS, err)
	}
	private, err := key.PEM()
	if err != nil {
		return err
	}
	if err := writeNew(c.NewKey, private); err != nil {
		return fmt.Errorf("--new-key: %w", err)
	}
	if err := replaceFile(c.JWKS, append(set, '\n')); err != nil {
		return fmt.Errorf("--jwks: %w", err)
	}
	fmt.Fprintf(to.stdout, "the private key is in %s, its public part in %s\n", c.NewKey, c.JWKS)
	return nil
}

// writeNew never replaces a key: tokens may be signed by it.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// replaceFile replaces a file at once: a server that reads it finds the old content or the new.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	// Everybody may know a public key, and the server may run as another user.
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
