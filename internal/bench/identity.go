package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/dial"
)

// What the token of a run says. Its key is forgotten once it is made, and no other server takes it.
const (
	runIssuer   = "meterbench"
	runAudience = "meterd"
)

// credentialsLast is how long the token and the certificate of a run are good: longer than any run.
const credentialsLast = 30 * 24 * time.Hour

// The files by which a meterd and its callers know each other, among the meterd's scratch data.
const (
	certificateFile = "certificate.pem"
	privateKeyFile  = "private-key.pem"
	keySetFile      = "keys.json"
	tokenFile       = "token"
)

// takeEverybody are the flags of a meterd that takes every caller for an operator.
func takeEverybody(string) ([]string, error) { return []string{"--dev"}, nil }

// tellCallers makes a certificate, a token and the key set by which it is believed, and answers the flags of a meterd that
// goes by them: TLS, and nobody is served without a token.
func tellCallers(dir string) (flags []string, err error) {
	if err := errors.Join(makeCertificate(dir), makeToken(dir)); err != nil {
		return nil, fmt.Errorf("making a certificate and a token: %w", err)
	}
	return []string{
		"--tls-cert=" + filepath.Join(dir, certificateFile), "--tls-key=" + filepath.Join(dir, privateKeyFile),
		"--oidc-issuer=" + runIssuer, "--oidc-audience=" + runAudience, "--jwks-file=" + filepath.Join(dir, keySetFile),
	}, nil
}

// asOrchestrator is how to connect to a meterd that was started to tell its callers, in the way of this repository's tools.
func asOrchestrator(m *meterd) ([]grpc.DialOption, error) {
	return dial.Security{
		TLSCA: filepath.Join(m.dataDir, certificateFile), TokenFile: filepath.Join(m.dataDir, tokenFile),
	}.Options(m.address)
}

// makeCertificate makes one of a server on this machine, which is its own authority.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "meterd of one run of meterbench"},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(credentialsLast),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		keep(dir, certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		keep(dir, privateKeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// makeToken makes one of an orchestrator, which may run turns and nothing else.
func makeToken(dir string) error {
	key, err := auth.NewSigningKey("es256")
	if err != nil {
		return err
	}
	set, err := key.KeySet(nil)
	if err != nil {
		return err
	}
	now := time.Now()
	token, err := key.Mint(auth.Grant{
		Issuer: runIssuer, Audience: runAudience, Subject: "meterbench", Role: auth.Orchestrator.String(),
		NotBefore: now, Expires: now.Add(credentialsLast),
	})
	if err != nil {
		return err
	}
	return errors.Join(keep(dir, keySetFile, set), keep(dir, tokenFile, []byte(token)))
}

// keep writes a file for this user's programs only.
func keep(dir, name string, content []byte) error {
	return os.WriteFile(filepath.Join(dir, name), content, 0o600)
}
