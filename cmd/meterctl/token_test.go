package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/auth"
)

// TestTokenIsGoodForTheServer makes keys of both kinds in one set, as a rotation does, and tokens that a server with that
// set takes for what they were to say.
func TestTokenIsGoodForTheServer(t *testing.T) {
	dir := t.TempDir()
	set, first, second := filepath.Join(dir, "jwks"), filepath.Join(dir, "first"), filepath.Join(dir, "second")
	for key, kind := range map[string]string{first: "ed25519", second: "es256"} {
		out, _, err := call(t.Context(), "token", "--new-key", key, "--jwks", set, "--algorithm", kind)
		if err != nil || strings.Contains(out, "PRIVATE") {
			t.Fatalf("got %q, %v", out, err)
		}
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's mode is %v, %v", info.Mode(), err)
		}
	}
	keys, err := auth.OpenFileKeys(set, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := auth.NewTokens("me", "meter", keys)
	for _, c := range []struct {
		args []string
		want auth.Identity
	}{
		{[]string{"--key", first, "--role", "operator"}, auth.Identity{Subject: "operator", Role: auth.Operator}},
		{
			[]string{"--key", second, "--role", "owner", "--organization", "acme", "--member", "ada", "--ttl", "1s"},
			auth.Identity{Subject: "ada", Role: auth.Admin, OrganizationID: "acme", MemberID: "ada"},
		},
		{
			[]string{"--key", first, "--role", "member", "--organization", "acme", "--member", "ada", "--subject", "auth0|7"},
			auth.Identity{Subject: "auth0|7", Role: auth.Member, OrganizationID: "acme", MemberID: "ada"},
		},
	} {
		out, _, err := call(t.Context(), append([]string{"token", "--issuer", "me", "--audience", "meter"}, c.args...)...)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Issuer = "me"
		if got, err := server.Verify(t.Context(), strings.TrimSuffix(out, "\n")); err != nil || got != c.want {
			t.Errorf("%v: got %+v, %v", c.args, got, err)
		}
	}
}

// TestTokenRefuses what would be of no use, and never replaces a key.
func TestTokenRefuses(t *testing.T) {
	dir := t.TempDir()
	key, set, odd := filepath.Join(dir, "key"), filepath.Join(dir, "jwks"), filepath.Join(dir, "odd")
	if _, _, err := call(t.Context(), "token", "--new-key", key, "--jwks", set); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(odd, []byte("hush"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	both := []string{"token", "--key", key, "--new-key", key, "--jwks", set}
	if _, _, err := call(t.Context(), both...); err == nil || !strings.Contains(err.Error(), "give one of them") {
		t.Errorf("both: got %v", err)
	}
	sign := []string{"--issuer", "me", "--audience", "meter", "--role"}
	for says, args := range map[string][]string{
		"give one of them":                {},
		"--new-key needs --jwks":          {"--new-key", filepath.Join(dir, "k")},
		"--jwks needs --new-key":          append([]string{"--key", key, "--jwks", set}, append(sign, "operator")...),
		"--key needs --issuer":            {"--key", key, "--role", "operator"},
		"meter_role must be":              append([]string{"--key", key}, append(sign, "root")...),
		"role member needs":               append([]string{"--key", key}, append(sign, "member")...),
		"belongs to no organization":      append([]string{"--key", key, "--organization", "acme"}, append(sign, "billing")...),
		"--ttl must be":                   append([]string{"--key", key, "--ttl", "0s"}, append(sign, "operator")...),
		"not a private key":               append([]string{"--key", odd}, append(sign, "operator")...),
		"file exists":                     {"--new-key", key, "--jwks", set},
		"odd: not a JSON Web Key Set":     {"--new-key", filepath.Join(dir, "k"), "--jwks", odd},
		"must be one of \"ed25519\",\"es": {"--new-key", filepath.Join(dir, "k"), "--jwks", set, "--algorithm", "hs256"},
	} {
		out, _, err := call(t.Context(), append([]string{"token"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), says) || out != "" || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v: got %v, %q, want it to say %q", args, err, out, says)
		}
	}
	if after, err := os.ReadFile(key); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the key was changed: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "k")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// TestServerFlags: every command that calls a server can be told how it is encrypted and by what it is known.
func TestServerFlags(t *testing.T) {
	trace, none := oneTurn(t), filepath.Join(t.TempDir(), "none")
	for _, command := range [][]string{
		{"replay", trace},
		{"prices", "show"},
		{"prices", "import", "../../internal/pricelist/testdata/genai_prices_data.json.gz", "--book", "b"},
	} {
		for _, flag := range []string{"--tls-ca", "--token-file"} {
			_, _, err := call(t.Context(), append(slices.Clone(command), flag, none)...)
			if err == nil || !strings.Contains(err.Error(), flag+": open "+none) {
				t.Errorf("%v %s: got %v", command, flag, err)
			}
		}
	}
}
