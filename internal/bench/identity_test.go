package bench

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/dial"
)

func TestRunWithIdentity(t *testing.T) {
	for name, url := range map[string]string{"a given database": server.Database(t), "a private database": ""} {
		o := brief()
		o.DatabaseURL, o.Callers, o.Ceilings, o.Identity = url, []int{2, 70}, false, true
		report, err := Run(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, r := range report.Rows {
			if r.TurnsPerSecond <= 0 || r.IdentityTurnsPerSecond <= 0 || r.IdentityTurnP50 <= 0 || r.Errors != 0 {
				t.Errorf("%s, %d callers: got %+v", name, r.Callers, r)
			}
			if r.Ratios.IdentityToTurns != r.IdentityTurnsPerSecond/r.TurnsPerSecond {
				t.Errorf("%s, %d callers: got ratios %+v", name, r.Callers, r.Ratios)
			}
		}
		if url != "" {
			checkDatabase(t, url, 1)
		}
	}
}

func TestWhatIsMeasuredWithIdentityAsksForOne(t *testing.T) {
	m, err := startMeterd(t.Context(), built, server.Database(t), tellCallers)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(m.dataDir, privateKeyFile)); !os.IsNotExist(err) {
			t.Errorf("the private key is still there: %v", err)
		}
	}()
	options, err := asOrchestrator(m)
	if err != nil {
		t.Fatal(err)
	}
	withoutToken, err := dial.Security{TLSCA: filepath.Join(m.dataDir, certificateFile)}.Options(m.address)
	if err != nil {
		t.Fatal(err)
	}
	withoutTLS, err := dial.Security{}.Options(m.address)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options []grpc.DialOption
		want    codes.Code
	}{
		{"an orchestrator", options, codes.NotFound},
		{"nobody", withoutToken, codes.Unauthenticated},
		{"in the clear", withoutTLS, codes.Unavailable},
	} {
		if got := status.Code(reserveNothing(t, m.address, c.options)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// reserveNothing asks for a turn of an organization that there is not, and answers what becomes of it.
func reserveNothing(t *testing.T, address string, options []grpc.DialOption) error {
	t.Helper()
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var server peer.Peer
	_, err = meterv1.NewMeteringServiceClient(conn).Reserve(t.Context(), &meterv1.ReserveRequest{
		OrganizationId: "none", MemberId: "none", RequestId: "none", EstimateMicros: 1,
	}, grpc.Peer(&server))
	if known, ok := server.AuthInfo.(credentials.TLSInfo); ok && known.State.Version != tls.VersionTLS13 {
		t.Errorf("got TLS version %x, want 1.3", known.State.Version)
	}
	return err
}

func TestMeterdMeetsOnlyItsFlags(t *testing.T) {
	for _, setting := range []string{
		"METER_DATABASE_URL", "METER_DEV", "METER_TLS_CERT", "METER_OIDC_ISSUER", "METER_JWKS_FILE", "METER_LANES",
	} {
		t.Setenv(setting, "7")
	}
	got := slices.DeleteFunc(environment(), func(v string) bool { return !strings.HasPrefix(v, "METER_") })
	if !slices.Equal(got, []string{"METER_LANES=7"}) {
		t.Errorf("got %q, want what does not say whom to serve", got)
	}
}

// namedWork takes a while and notes that it was done.
type namedWork struct {
	name string
	done *[]string
}

func (w namedWork) do(context.Context, time.Time) (sample, error) {
	<-time.After(10 * time.Millisecond)
	*w.done = append(*w.done, w.name)
	return sample{}, nil
}

func TestContestantsTakeTurnsInEitherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done []string
		named := func(name string) *contestant { return fakeCallers(1, namedWork{name, &done}) }
		r := &row{turns: named("without"), identified: named("with")}
		for range 4 {
			if err := r.slice(t.Context(), 10*time.Millisecond, 0); err != nil {
				t.Fatal(err)
			}
		}
		want := "without with with without without with with without"
		if got := strings.Join(done, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestRateHoldsForTurnsWithIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := fakeWork{takes: time.Millisecond}
		r := &row{turns: fakeCallers(1, work), identified: fakeCallers(1, work)}
		if err := r.slice(t.Context(), time.Second, 50); err != nil {
			t.Fatal(err)
		}
		if r.turns.tally.done != 50 || r.identified.tally.done != 50 {
			t.Errorf("got %d turns without and %d with an identity, want 50", r.turns.tally.done, r.identified.tally.done)
		}
	})
}
