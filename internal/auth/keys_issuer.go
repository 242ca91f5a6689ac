package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// discoverWithin bounds how long an issuer may keep a server from starting.
	discoverWithin = 10 * time.Second
	// fetchWithin bounds one request for keys.
	fetchWithin = 10 * time.Second
	// renewEvery is how often keys are fetched: one that the issuer took back is good for that long at most.
	renewEvery = time.Minute
	// renewPause is the least time between two requests for keys, however many unknown ones callers bring.
	renewPause = time.Second
	// maxKeySetBytes bounds an issuer's answer.
	maxKeySetBytes = 1 << 20
)

// IssuerKeys are the keys of an OpenID Connect issuer. They are fetched when the server starts and then while Run runs;
// an issuer that does not answer leaves them as they were. The library's own set of keys is not used because it asks for
// keys only when it meets an unknown one, at every such token, and never learns that a key was taken back.
type IssuerKeys struct {
	url    string // Of the key set.
	client *http.Client
	logger *slog.Logger
	keys   atomic.Pointer[Keys]
	raw    []byte        // The set as it was fetched last; Run's alone after the start.
	failed bool          // Whether the last request did; Run's alone.
	every  time.Duration // renewEvery, and
	pause  time.Duration // renewPause, but in tests.
	wanted chan struct{}

	mu   sync.Mutex
	next chan struct{} // Closed at the end of the first request that begins from now on.
}

// OpenIssuerKeys asks the issuer where its keys are, and fetches them. An issuer on another machine must be asked over
// HTTPS.
func OpenIssuerKeys(ctx context.Context, issuer string, logger *slog.Logger) (*IssuerKeys, error) {
	if err := CheckIssuerURL(issuer); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	k := &IssuerKeys{
		client: NewIssuerClient(), logger: logger, every: renewEvery, pause: renewPause,
		wanted: make(chan struct{}, 1), next: make(chan struct{}),
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer cannot be asked for its keys: %w", cutShort(err))
	}
	var metadata struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return nil, fmt.Errorf("the issuer's metadata: %w", err)
	}
	k.url = metadata.KeysURL
	if err := CheckIssuerURL(k.url); err != nil {
		return nil, fmt.Errorf("the issuer's jwks_uri: %w", err)
	}
	if err := k.fetch(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// CheckIssuerURL says whether what an issuer at that address answers can be believed.
func CheckIssuerURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%q is no URL", address)
	case u.Scheme == "https", u.Scheme == "http" && IsLoopback(u.Hostname()):
		return nil
	default:
		return fmt.Errorf("%q must be an https URL", address)
	}
}

// Run keeps the keys true until the context ends.
func (k *IssuerKeys) Run(ctx context.Context) {
	defer k.client.CloseIdleConnections()
	ticker := time.NewTicker(k.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.wanted:
		}
		k.renew(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(k.pause):
		}
	}
}

// Current are the keys as they were fetched last.
func (k *IssuerKeys) Current() *Keys { return k.keys.Load() }

// Renewed waits for a request that begins from now on. Callers who come together, or while one runs, share the next.
func (k *IssuerKeys) Renewed(ctx context.Context) (*Keys, error) {
	k.mu.Lock()
	next := k.next
	k.mu.Unlock()
	select {
	case k.wanted <- struct{}{}:
	default: // Somebody has asked already.
	}
	select {
	case <-next:
		return k.keys.Load(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// renew fetches the keys for everybody who waits, and logs when the issuer goes away and comes back.
func (k *IssuerKeys) renew(ctx context.Context) {
	k.mu.Lock()
	waited := k.next
	k.next = make(chan struct{})
	k.mu.Unlock()
	defer close(waited)
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	err := k.fetch(ctx)
	switch {
	case err != nil && !k.failed:
		k.logger.Warn("the issuer's keys cannot be fetched: those that are known stay in use", "error", err)
	case err == nil && k.failed:
		k.logger.Info("the issuer's keys can be fetched again")
	}
	k.failed = err != nil
}

// fetch replaces the keys if they have changed.
func (k *IssuerKeys) fetch(ctx context.Context) error {
	raw, err := k.get(ctx)
	if err != nil {
		return fmt.Errorf("the issuer's keys: %w", err)
	}
	if bytes.Equal(raw, k.raw) {
		return nil
	}
	keys, err := ParseKeys(raw)
	if err != nil {
		return fmt.Errorf("the issuer's keys at %s: %w", k.url, err)
	}
	k.raw = raw
	k.keys.Store(keys)
	return nil
}

func (k *IssuerKeys) get(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Cache-Control", "no-cache")
	answer, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", k.url, answer.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetBytes+1))
	if err == nil && len(raw) > maxKeySetBytes {
		err = fmt.Errorf("%s answers more than %d bytes", k.url, maxKeySetBytes)
	}
	return raw, err
}

// NewIssuerClient is a client that is not led from an address that can be believed to one that cannot.
func NewIssuerClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() // Documented to be one.
	transport.TLSHandshakeTimeout = fetchWithin
	return &http.Client{Transport: transport, Timeout: fetchWithin, CheckRedirect: func(to *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return CheckIssuerURL(to.URL.String())
	}}
}

// IsLoopback says whether a host is this machine, seen from itself.
func IsLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

// cutShort is an error that does not quote a whole page of an address that is no issuer's.
func cutShort(err error) error {
	var network net.Error
	if text := err.Error(); len(text) > 200 && !errors.As(err, &network) {
		return errors.New(text[:200] + "…")
	}
	return err
}
