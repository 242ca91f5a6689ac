package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-jose/go-jose/v4"

	"github.com/spillway-metering/spillway/internal/reload"
)

// minRSABits is the least length of an RSA key that is taken.
const minRSABits = 2048

// Keys are public keys by their ids.
type Keys struct {
	byID map[string][]jose.JSONWebKey
	all  []jose.JSONWebKey
}

// ParseKeys reads a JSON Web Key Set. Keys of kinds that no allowed algorithm works with are left out, as the standard
// has it; a set without any other, and one that gives a private key away, are errors.
func ParseKeys(jwks []byte) (*Keys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	k := &Keys{byID: map[string][]jose.JSONWebKey{}}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(raw, &key); err != nil {
			continue // Of a kind that is not known, or broken: nobody can show a token by it.
		}
		if isPrivate(key.Key) {
			return nil, fmt.Errorf("the key %.64q is a private one, which must not be in a JSON Web Key Set", key.KeyID)
		}
		if usable(key) {
			k.byID[key.KeyID] = append(k.byID[key.KeyID], key)
			k.all = append(k.all, key)
		}
	}
	if len(k.all) == 0 {
		return nil, errors.New("the JSON Web Key Set has no public key for RS256, PS256, ES256 or EdDSA")
	}
	return k, nil
}

// named are the keys of an id. A token that names none can only mean the only one there is.
func (k *Keys) named(id string) []jose.JSONWebKey {
	if id == "" && len(k.all) == 1 {
		return k.all
	}
	return k.byID[id]
}

func isPrivate(key crypto.PrivateKey) bool {
	_, ok := key.(crypto.Signer)
	return ok
}

// usable says whether a public key can verify a token.
func usable(key jose.JSONWebKey) bool {
	if !key.Valid() || (key.Use != "" && key.Use != "sig") {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return true
	default:
		return false // A shared secret.
	}
}

// FileKeys are keys in a file, which is read again when it changes.
type FileKeys struct{ file *reload.Files[*Keys] }

// OpenFileKeys reads a JSON Web Key Set from a file.
func OpenFileKeys(path string, logger *slog.Logger) (*FileKeys, error) {
	parse := func(contents [][]byte) (*Keys, error) { return ParseKeys(contents[0]) }
	file, err := reload.Open(logger, parse, path)
	if err != nil {
		return nil, err
	}
	return &FileKeys{file}, nil
}

// Current are the keys as the file was reload.Interval ago at most. A key that was taken out is of no use from then on.
func (k *FileKeys) Current() *Keys { return k.file.Get() }

// Renewed are the keys as the file is now.
func (k *FileKeys) Renewed(context.Context) (*Keys, error) { return k.file.Look(), nil }
