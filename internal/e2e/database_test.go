package e2e

import (
	"context"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/localpg"
)

// TestDatabaseGoesAwayAndComesBack stops PostgreSQL under a running server and starts it again: meanwhile callers are told
// to come again, and afterwards everything goes on without a restart.
func TestDatabaseGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	database := startDatabase(t, dir)
	server := start(t, "--database-url="+database.URL())
	c := dial(t, server.address)
	c.furnish(t, firm{id: "acme", allowance: 1000, pool: 1000, seats: 1})
	held := must(c.reserve(t.Context(), "acme", seat(0), "before", 100))(t)

	stopDatabase(t, database)
	eventually(t, "health is NOT_SERVING", func() bool {
		return c.health(t.Context()) == grpc_health_v1.HealthCheckResponse_NOT_SERVING
	})
	for what, send := range map[string]func(context.Context) error{
		"a write": func(ctx context.Context) error { _, err := c.commit(ctx, held, 70); return err },
		"a read": func(ctx context.Context) error {
			_, err := c.GetPool(ctx, &meterv1.GetPoolRequest{OrganizationId: "acme"})
			return err
		},
		"a plan": func(ctx context.Context) error {
			_, err := c.ListPlans(ctx, &meterv1.ListPlansRequest{})
			return err
		},
	} {
		err := send(t.Context())
		retry := detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration()
		if status.Code(err) != codes.Unavailable || reasonOf(err) != "UNAVAILABLE" || retry <= 0 || retry > time.Minute {
			t.Errorf("%s while the database is away: %v, retry after %v", what, err, retry)
		}
	}

	database = startDatabase(t, dir)
	committed, err := persist(t.Context(), func(ctx context.Context, c *client) (*meterv1.Reservation, error) {
		return c.commit(ctx, held, 70)
	}, c)
	if err != nil || committed.GetCharge().GetAllowanceMicros() != 70 {
		t.Errorf("once the database is back: %v, %v", committed, err)
	}
	eventually(t, "health is SERVING", func() bool {
		return c.health(t.Context()) == grpc_health_v1.HealthCheckResponse_SERVING
	})
	if entries := c.ledger(t, "acme"); len(entries) != 2 {
		t.Errorf("the ledger has %v", entries)
	}
	audittest.Check(t, database.URL())
}

// startDatabase starts a PostgreSQL of the test's own, whose address goes by its directory.
func startDatabase(t *testing.T, dir string) *localpg.Server {
	t.Helper()
	database := must(localpg.Start(t.Context(), localpg.Options{DataDir: dir}))(t)
	t.Cleanup(func() { stopDatabase(t, database) })
	return database
}

func stopDatabase(t *testing.T, database *localpg.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), endPatience)
	defer cancel()
	if err := database.Stop(ctx); err != nil {
		t.Error(err)
	}
}
