package audit_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
)

// office is the service as far as it writes: a store with lanes, on the test clock.
type office struct {
	t     testing.TB
	store *postgres.Store
	lanes *lane.Lanes
}

// open opens an office. Its time begins on 10 January 2026 and from there runs as the tests move it.
func open(t testing.TB, url string) *office {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Config{URL: url, TestClock: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	lanes := lane.New([]lane.Session{store.NewSession(), store.NewSession()}, lane.Config{})
	o := &office{t: t, store: store, lanes: lanes}
	t.Cleanup(func() { o.must(lanes.Close(context.WithoutCancel(t.Context()))) })
	o.setClock(time.Date(2026, 1, 10, 9, 0, 0, 0, time.UTC))
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) setClock(to time.Time) {
	o.t.Helper()
	_, err := o.store.SetClock(o.t.Context(), to)
	o.must(err)
}

func (o *office) shift(by time.Duration) {
	o.t.Helper()
	_, err := o.store.ShiftClock(o.t.Context(), by)
	o.must(err)
}

// do carries commands that must not be refused.
func (o *office) do(commands ...meter.Command) {
	o.t.Helper()
	for _, c := range commands {
		if r, goesOnRecord := c.(meter.Recordable); goesOnRecord {
			c = meter.Recorded{Recordable: r, By: meter.Actor{Subject: "tests", Role: "operator"}}
		}
		if _, err := o.lanes.Do(o.t.Context(), c); err != nil {
			o.t.Fatalf("%+v: %v", c, err)
		}
	}
}

// try carries a command that the rules may refuse.
func (o *office) try(ctx context.Context, c meter.Command) error {
	_, err := o.lanes.Do(ctx, c)
	var refusal *meter.Refusal
	if errors.As(err, &refusal) && refusal.Reason != meter.Unavailable && refusal.Reason != meter.Overloaded {
		return nil
	}
	return err
}

func newID() meter.UUID { return uuid.Must(uuid.NewV7()) }

func anchor(t testing.TB, year int, month time.Month, day int, zone string) meter.Anchor {
	t.Helper()
	location, err := meter.LoadZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	return meter.Anchor{Date: meter.Date{Year: year, Month: month, Day: day}, Zone: location}
}

func (o *office) putPlan(id string, kind meter.PlanKind, allowance meter.Micros, failed meter.FailedTurnPolicy) {
	o.t.Helper()
	o.must(o.store.PutPlan(o.t.Context(), meter.Plan{
		ID: id, Kind: kind, SeatAllowance: allowance, FailedTurns: failed,
		Abuse: meter.AbuseLimit{Tokens: 1_000_000, Window: 48 * time.Hour},
	}, meter.Actor{Subject: "tests"}))
}

func putOrganization(id, plan string, a meter.Anchor) meter.PutOrganization {
	return meter.PutOrganization{
		OrganizationID: id, DisplayName: id, PlanID: plan, Unit: meter.UnitUSD, Anchor: a, State: meter.OrganizationActive,
	}
}

func putMember(organization, id string) meter.PutMember {
	return meter.PutMember{OrganizationID: organization, MemberID: id, DisplayName: id, Role: meter.RoleMember}
}

func resource(kind meter.ResourceKind, id, parent string, private bool) meter.RegisterResource {
	return meter.RegisterResource{OrganizationID: firm, Kind: kind, ID: id, ParentID: parent, Private: private, Active: true}
}

// putBook adds a version to the default price book, which knows one model: at some micros a token, in and out.
func (o *office) putBook(perToken int) {
	o.t.Helper()
	rate, err := price.ParseDecimal(strconv.Itoa(perToken))
	o.must(err)
	_, err = o.store.PutPriceBook(o.t.Context(), price.Book{
		ID: meter.DefaultPriceBook, Unit: meter.UnitUSD, Models: []price.Model{
			{Name: "small", Prices: []price.Price{{Rates: price.Rates{Input: &rate, Output: &rate}}}},
		},
	}, nil, meter.Actor{Subject: "tests"})
	o.must(err)
}

// firm is the organization whose rows the planted bugs change. Its turns are named by their request ids.
const firm = "firm"

func setAccess(member string, kind meter.AccessKind, most meter.Micros) meter.SetAccess {
	return meter.SetAccess{
		OrganizationID: firm, MemberID: member, Access: meter.Access{Kind: kind, Cap: most}, Actor: "tests", ChangeID: newID(),
	}
}

func topUp(request string, amount meter.Micros) meter.TopUp {
	return meter.TopUp{OrganizationID: firm, RequestID: request, Amount: amount, Reference: "invoice"}
}

// reserve opens a turn of the firm for a minute.
func (o *office) reserve(member, request string, estimate meter.Micros) meter.UUID {
	o.t.Helper()
	return o.reserveFor(time.Minute, member, request, estimate)
}

func (o *office) reserveFor(ttl time.Duration, member, request string, estimate meter.Micros) meter.UUID {
	o.t.Helper()
	id := newID()
	o.do(meter.Reserve{
		OrganizationID: firm, ReservationID: id, MemberID: member, RequestID: request, Estimate: estimate, Minimum: estimate,
		TimeToLive: ttl,
	})
	return id
}

// refuse asks for a turn that a seat has no room for, at a price.
func (o *office) refuse(member, request string, output int64) {
	o.t.Helper()
	_, err := o.lanes.Do(o.t.Context(), meter.Reserve{
		OrganizationID: firm, ReservationID: newID(), MemberID: member, RequestID: request, TimeToLive: time.Minute,
		Turn: meter.Turn{Model: "small"}, Usage: &meter.EstimateUsage{
			Tokens: meter.TokenUsage{Output: output}, MaxOutput: output, Policy: meter.EstimateMaximum,
		},
	})
	var refusal *meter.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != meter.ExtraUsageNotEnabled {
		o.t.Fatalf("the turn is refused with %v", err)
	}
}

func (o *office) commit(id meter.UUID, actual meter.Micros, tokens int64) {
	o.t.Helper()
	o.do(meter.Commit{
		OrganizationID: firm, ReservationID: id, Actual: actual, Tokens: meter.TokenUsage{Input: tokens},
	})
}

// reserveUsage opens a turn of the firm on a model, for what it is expected to use.
func (o *office) reserveUsage(member, request, model string, output int64) meter.UUID {
	o.t.Helper()
	id := newID()
	o.do(meter.Reserve{
		OrganizationID: firm, ReservationID: id, MemberID: member, RequestID: request, TimeToLive: time.Minute,
		Turn: meter.Turn{Model: model}, Usage: &meter.EstimateUsage{
			Tokens: meter.TokenUsage{Output: output}, MaxOutput: output, Policy: meter.EstimateMaximum,
		},
	})
	return id
}

func (o *office) commitTokens(id meter.UUID, tokens meter.TokenUsage) {
	o.t.Helper()
	o.do(meter.Commit{OrganizationID: firm, ReservationID: id, ByTokens: true, Tokens: tokens})
}

// fillFirm makes one of everything that a firm can have: turns of every end over three months, charged to every layer, an
// extension, a refund, changes of access, turns by their tokens under two versions of a price book and under none.
func (o *office) fillFirm() {
	o.t.Helper()
	o.putPlan("team", meter.PlanTeam, 1000, meter.FailedTurnUseAllowance)
	o.do(putOrganization(firm, "team", anchor(o.t, 2026, 1, 5, "Europe/Paris")))
	o.do(putOrganization("idle", "team", anchor(o.t, 2026, 1, 31, "America/New_York")))
	o.do(putMember(firm, "ada"), putMember(firm, "bob"), putMember(firm, "cleo"), putMember(firm, "dan"))
	o.do(setAccess("ada", meter.AccessCapped, 5000), setAccess("bob", meter.AccessUnlimited, 0))
	o.shift(time.Minute)
	o.do(setAccess("ada", meter.AccessCapped, 6000))
	o.shift(time.Minute)
	o.do(setAccess("ada", meter.AccessNone, 0))
	o.shift(time.Minute)
	o.do(setAccess("ada", meter.AccessUnlimited, 0))
	o.do(topUp("pack-small", 10), topUp("pack-big", 1_000_000))
	o.do(meter.Refund{OrganizationID: firm, RequestID: "refund", TopUpRequestID: "pack-big", Amount: 500})
	o.shift(time.Minute)
	o.do(topUp("pack-late", 100_000))
	o.do(resource(meter.ResourceOrchestrator, "plant", "", false), resource(meter.ResourceOrchestrator, "mill", "", false),
		resource(meter.ResourceDevice, "press", "plant", false), resource(meter.ResourceDevice, "saw", "mill", false),
		resource(meter.ResourcePrivateProject, "secret", "", true), resource(meter.ResourcePrivateProject, "open", "", false))
	o.do(meter.UnregisterResource{OrganizationID: firm, Kind: meter.ResourceOrchestrator, ID: "mill"})
	early := o.reserve("ada", "no-book", 5)
	o.putBook(2)
	o.commitTokens(early, meter.TokenUsage{Output: 3})
	o.fillMonth("1")
	o.putBook(3)
	o.shift(31 * 24 * time.Hour)
	o.fillMonth("2")
	o.shift(31 * 24 * time.Hour)
	o.commit(o.reserve("bob", "both-3", 1500), 1500, 90)
	o.reserveFor(24*time.Hour, "bob", "open-pool", 300)
	o.reserveFor(24*time.Hour, "cleo", "open-allowance", 40)
	o.commit(o.reserve("cleo", "last", 20), 20, 10)
	o.refuse("cleo", "refused", 1_000_000)
	o.refuse("cleo", "refused", 1_000_001)
}

// fillMonth makes the turns of one month, their request ids ending in its number.
func (o *office) fillMonth(month string) {
	o.t.Helper()
	o.commit(o.reserve("bob", "both-"+month, 1500), 1500, 100)
	o.commit(o.reserve("cleo", "overrun-"+month, 900), 1300, 100)
	o.commit(o.reserve("bob", "free-"+month, 10), 0, 0)
	o.do(meter.Release{
		OrganizationID: firm, ReservationID: o.reserve("ada", "failed-"+month, 100), Reason: "crashed", Actual: 100,
		Tokens: meter.TokenUsage{Output: 7},
	})
	longer := o.reserve("bob", "longer-"+month, 100)
	o.do(meter.Extend{
		OrganizationID: firm, ReservationID: longer, RequestID: "extend-" + month, Additional: 50, TimeToLive: 20 * time.Minute,
	})
	o.reserve("ada", "lapsed-"+month, 50)
	late := o.reserve("ada", "late-"+month, 60)
	o.shift(2 * time.Minute)
	o.do(meter.Sweep{OrganizationID: firm})
	o.commit(late, 60, 0)
	o.commit(longer, 150, 30)
	o.commitTokens(o.reserveUsage("ada", "tokens-"+month, "small", 10), meter.TokenUsage{Input: 1, Output: 5, Reasoning: 2})
	o.commitTokens(o.reserve("ada", "unpriced-"+month, 30), meter.TokenUsage{Output: 4})
}
