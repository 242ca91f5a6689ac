package session

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spillway-metering/spillway/internal/reload"
)

// keyBytes is the length of a key: AES-256.
const keyBytes = 32

// Keys seal what a browser keeps for the server, so that nobody can read it or make it up. The first of them seals, and
// every one opens: a new key is put before the old one, which is taken out once what it sealed is over.
type Keys struct{ current func() []cipher.AEAD }

// OpenKeys reads keys from a file, one a line: 32 random bytes in base64. The file is read again when it changes.
func OpenKeys(path string, logger *slog.Logger) (*Keys, error) {
	parse := func(contents [][]byte) ([]cipher.AEAD, error) { return parseKeys(contents[0]) }
	file, err := reload.Open(logger, parse, path)
	if err != nil {
		return nil, err
	}
	return &Keys{file.Get}, nil
}

// RandomKeys are keys that no other process has, and that end with this one.
func RandomKeys() *Keys {
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // Documented never to fail.
	only := []cipher.AEAD{aead(secret)}
	return &Keys{func() []cipher.AEAD { return only }}
}

// seal is content as only these keys open it, and only for the same purpose.
func (k *Keys) seal(purpose string, content []byte) string {
	sealed := k.current()[0].Seal(nil, nil, content, []byte(purpose)) //nolint:gosec // It makes its own nonce, at random.
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// open is the content of what was sealed for a purpose; ok is false if one of these keys did not seal it.
func (k *Keys) open(purpose, sealed string) (content []byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, false
	}
	for _, key := range k.current() {
		if content, err = key.Open(nil, nil, raw, []byte(purpose)); err == nil {
			return content, true
		}
	}
	return nil, false
}

func parseKeys(text []byte) ([]cipher.AEAD, error) {
	var keys []cipher.AEAD
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("key %d is not %d bytes in base64 (openssl rand -base64 %d)", len(keys)+1, keyBytes, keyBytes)
		}
		keys = append(keys, aead(secret))
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

// aead is AES-256-GCM with nonces made at random, of which 2^32 are safe under one key: a sign-in a second for a century.
func aead(secret []byte) cipher.AEAD {
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // Only for another length than keyBytes.
	}
	sealed, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // Only for another block size than that of AES.
	}
	return sealed
}
