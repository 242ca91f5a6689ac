package lane_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/pgtest"
	"github.com/spillway-metering/spillway/internal/postgres"
)

var server *pgtest.Server

// TestMain also sees that nothing that the lanes started outlives them.
func TestMain(m *testing.M) {
	code := pgtest.Main(m, func(s *pgtest.Server) { server = s })
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience bounds what a test waits for.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reasonOf is why an error says it was refused; empty: it is no refusal.
func reasonOf(err error) meter.Reason {
	var refusal *meter.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return ""
}

func newID() meter.UUID { return uuid.Must(uuid.NewV7()) }

// process is what one meterd has: a store, and lanes on it.
type process struct {
	testing.TB
	*postgres.Store
	lanes *lane.Lanes
}

// start is a process on a database, with that many lanes. Each session passes through between, which may be nil.
func start(
	t testing.TB, database postgres.Config, lanes int, config lane.Config, between func(lane.Session) lane.Session,
) process {
	t.Helper()
	store, err := postgres.Open(within(t), database)
	must(t, err)
	sessions := make([]lane.Session, lanes)
	for i := range sessions {
		sessions[i] = store.NewSession()
		if between != nil {
			sessions[i] = between(sessions[i])
		}
	}
	p := process{t, store, lane.New(sessions, config)}
	t.Cleanup(func() {
		if err := p.lanes.Close(within(t)); err != nil {
			t.Error(err)
		}
		store.Close()
	})
	return p
}

// do carries a command that must not be refused.
func (p process) do(c meter.Command) meter.Outcome {
	p.Helper()
	outcome, err := p.lanes.Do(within(p), c)
	if err != nil {
		p.Errorf("%+v: %v", c, err)
	}
	return outcome
}

// The firm that the tests are about: ada draws on the pool without bound, ben up to a cap, cy not at all.
const (
	firm      = "acme"
	allowance = meter.Micros(1_000)
	benCap    = meter.Micros(8_000)
)

// found makes the firm with a pool.
func (p process) found(pool meter.Micros) {
	p.Helper()
	must(p, p.PutPlan(within(p), meter.Plan{
		ID: "team", Kind: meter.PlanTeam, SeatAllowance: allowance, FailedTurns: meter.FailedTurnUseAllowance,
	}, meter.Actor{}))
	p.do(putFirm("Acme"))
	p.do(topUp("first", pool))
	for id, a := range map[string]meter.Access{
		"ada": {Kind: meter.AccessUnlimited}, "ben": {Kind: meter.AccessCapped, Cap: benCap}, "cy": {Kind: meter.AccessNone},
	} {
		p.do(meter.PutMember{OrganizationID: firm, MemberID: id, Role: meter.RoleMember})
		p.do(setAccess(id, a))
	}
}

func putFirm(name string) meter.PutOrganization {
	return meter.PutOrganization{
		OrganizationID: firm, DisplayName: name, PlanID: "team", Unit: meter.UnitACU, State: meter.OrganizationActive,
		Anchor: meter.Anchor{Date: meter.Date{Year: 2026, Month: time.January, Day: 1}, Zone: time.UTC},
	}
}

func topUp(request string, amount meter.Micros) meter.TopUp {
	return meter.TopUp{OrganizationID: firm, RequestID: request, Amount: amount, Reference: "invoice"}
}

func setAccess(member string, a meter.Access) meter.SetAccess {
	return meter.SetAccess{OrganizationID: firm, MemberID: member, Access: a, Actor: "eve", ChangeID: newID()}
}

func reserve(member, request string, estimate meter.Micros, ttl time.Duration) meter.Reserve {
	return meter.Reserve{
		OrganizationID: firm, ReservationID: newID(), MemberID: member, RequestID: request, Estimate: estimate,
		Minimum: estimate, TimeToLive: ttl,
	}
}

func commit(id meter.UUID, actual meter.Micros) meter.Commit {
	return meter.Commit{OrganizationID: firm, ReservationID: id, Actual: actual}
}
