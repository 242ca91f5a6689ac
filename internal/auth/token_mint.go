package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Grant is what a token is to say.
type Grant struct {
	Issuer, Audience, Subject string
	Role                      string // As meter_role names it.
	OrganizationID, MemberID  string // Of an owner, an admin or a member.
	NotBefore, Expires        time.Time
}

// SigningKey makes tokens, for development and for tests: in earnest an issuer does.
type SigningKey struct {
	private   crypto.Signer
	algorithm jose.SignatureAlgorithm
	id        string
}

// NewSigningKey makes an Ed25519 key ("ed25519") or one on the curve P-256 ("es256").
func NewSigningKey(kind string) (*SigningKey, error) {
	switch kind {
	case "ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return signingKey(private)
	case "es256":
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return signingKey(private)
	default:
		return nil, fmt.Errorf("%q is neither ed25519 nor es256", kind)
	}
}

// ParseSigningKey reads a private key: PEM, PKCS #8.
func ParseSigningKey(text []byte) (*SigningKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("not a private key in PEM, PKCS #8")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	return signingKey(private)
}

// signingKey names a key by its thumbprint (RFC 7638), which anybody who has the public one can compute.
func signingKey(private any) (*SigningKey, error) {
	k := &SigningKey{}
	switch private := private.(type) {
	case ed25519.PrivateKey:
		k.private, k.algorithm = private, jose.EdDSA
	case *ecdsa.PrivateKey:
		k.private, k.algorithm = private, jose.ES256
	case *rsa.PrivateKey:
		k.private, k.algorithm = private, jose.RS256
	}
	if k.private == nil || !usable(jose.JSONWebKey{Key: k.private.Public()}) {
		return nil, errors.New("the private key must be Ed25519, on the curve P-256, or RSA of 2048 bits or more")
	}
	public := jose.JSONWebKey{Key: k.private.Public()}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("thumbprint: %w", err)
	}
	k.id = base64.RawURLEncoding.EncodeToString(thumbprint)
	return k, nil
}

// PEM is the private key: keep it where nobody else reads it.
func (k *SigningKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// KeySet is a JSON Web Key Set with the public key, beside the keys of another set that it comes to; nil: of none.
func (k *SigningKey) KeySet(others []byte) ([]byte, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if others != nil {
		if _, err := ParseKeys(others); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(others, &set); err != nil {
			return nil, err
		}
	}
	public, err := json.Marshal(jose.JSONWebKey{
		Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.algorithm), Use: "sig",
	})
	if err != nil {
		return nil, err
	}
	set.Keys = append(set.Keys, public)
	return json.MarshalIndent(set, "", "  ")
}

// Mint makes a token. What Tokens would refuse for what it says of the caller is refused here.
func (k *SigningKey) Mint(g Grant) (string, error) { return k.MintWith(g, map[string]any{}) }

// MintWith is Mint with more claims, which stand in place of those of the same name.
func (k *SigningKey) MintWith(g Grant, more map[string]any) (string, error) {
	own := tokenClaims{Role: g.Role, OrganizationID: g.OrganizationID, MemberID: g.MemberID}
	if _, err := own.identity(g.Subject, g.Issuer); err != nil {
		return "", err
	}
	return k.sign(jwt.Claims{
		Issuer: g.Issuer, Subject: g.Subject, Audience: jwt.Audience{g.Audience},
		IssuedAt: jwt.NewNumericDate(g.NotBefore), NotBefore: jwt.NewNumericDate(g.NotBefore), Expiry: jwt.NewNumericDate(g.Expires),
	}, own, more)
}

func (k *SigningKey) sign(claims ...any) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", k.id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: k.private}, options)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	token := jwt.Signed(signer)
	for _, c := range claims {
		token = token.Claims(c)
	}
	return token.Serialize()
}
