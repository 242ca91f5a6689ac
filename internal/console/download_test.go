package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spillway-metering/spillway/internal/auth"
)

// ask asks a console for a path.
func ask(t *testing.T, identify func(*http.Request) (auth.Identity, error), table Table) (*http.Response, string, error) {
	t.Helper()
	c, err := New(Config{Identify: identify, Tables: map[string]Table{"usage.csv": table}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	c.Register(mux)
	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := http.Get(server.URL + "/download/usage.csv?from=x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

func owner(*http.Request) (auth.Identity, error) {
	return auth.Identity{Subject: "ada", Role: auth.Admin, OrganizationID: "acme", MemberID: "ada"}, nil
}

// TestDownload streams a table of the organization of who asks, and of no other.
func TestDownload(t *testing.T) {
	answer, text, err := ask(t, owner, func(_ context.Context, organizationID string, query url.Values, w io.Writer) error {
		_, err := io.WriteString(w, organizationID+","+query.Get("from")+"\r\n")
		return err
	})
	if err != nil || answer.StatusCode != http.StatusOK || text != "acme,x\r\n" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/csv") ||
		answer.Header.Get("Content-Disposition") != `attachment; filename="acme-usage.csv"` {
		t.Errorf("got %v %q %v", answer, text, err)
	}
}

// TestDownloadRefused answers as the calls were, and breaks off what cannot be gone on with.
func TestDownloadRefused(t *testing.T) {
	for code, want := range map[codes.Code]int{
		codes.PermissionDenied: 403, codes.InvalidArgument: 400, codes.Unimplemented: 404, codes.Unavailable: 503,
		codes.Unauthenticated: 401, codes.ResourceExhausted: 429, codes.Internal: 503,
	} {
		answer, text, _ := ask(t, owner, func(context.Context, string, url.Values, io.Writer) error { return status.Error(code, "said") })
		if answer.StatusCode != want || text != "said\n" {
			t.Errorf("%v is answered %d %q", code, answer.StatusCode, text)
		}
	}
	for name, who := range map[string]func(*http.Request) (auth.Identity, error){
		"nobody":      func(*http.Request) (auth.Identity, error) { return auth.Identity{}, auth.Unauthenticated{} },
		"an operator": func(*http.Request) (auth.Identity, error) { return auth.Identity{Role: auth.Operator}, nil },
	} {
		if answer, _, _ := ask(t, who, nil); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s is answered %d", name, answer.StatusCode)
		}
	}
	away := func(*http.Request) (auth.Identity, error) { return auth.Identity{}, errors.New("the database is away") }
	if answer, text, _ := ask(t, away, nil); answer.StatusCode != http.StatusServiceUnavailable || strings.Contains(text, "database") {
		t.Errorf("without a database it is answered %d %q", answer.StatusCode, text)
	}
	_, _, err := ask(t, owner, func(_ context.Context, _ string, _ url.Values, w io.Writer) error {
		_, _ = w.Write(make([]byte, 100_000))
		return errors.New("gone")
	})
	if err == nil {
		t.Error("a file that is not whole looks as if it were")
	}
}
