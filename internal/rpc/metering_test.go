package rpc

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// periodStart is that of the sample organization at the time of memory: local midnight of the last day of February.
var periodStart = time.Date(2026, time.February, 27, 23, 0, 0, 0, time.UTC)

// TestTurn walks one turn from Reserve to Commit and looks at every field of the answers.
func TestTurn(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	reserved, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 1_500_000, Turn: sampleTurn(),
	})
	must(t)(reserved, err)
	id := reserved.GetReservation().GetReservationId()
	if parsed, err := uuid.Parse(id); err != nil || parsed.Version() != 7 {
		t.Errorf("%q is no UUIDv7", id)
	}
	held := &meterv1.Reservation{
		OrganizationId: "acme", ReservationId: id, MemberId: "ada", RequestId: "turn-1",
		State: meterv1.ReservationState_RESERVATION_STATE_HELD, EstimateMicros: 1_500_000, HeldAllowanceMicros: 1_500_000,
		PeriodStart: timestamppb.New(periodStart), CreatedAt: timestamppb.New(a.now),
		ExpiresAt: timestamppb.New(a.now.Add(10 * time.Minute)), Turn: sampleTurn(), PriceBookId: "book", PriceBookVersion: 1,
	}
	wantEqual(t, reserved.GetReservation(), held)
	wantEqual(t, reserved.GetMeter(), &meterv1.Meter{
		OrganizationId: "acme", MemberId: "ada", Unit: meterv1.Unit_UNIT_ACU,
		PeriodStart: timestamppb.New(periodStart), ResetsAt: timestamppb.New(time.Date(2026, time.March, 30, 22, 0, 0, 0, time.UTC)),
		AllowanceMicros: 2_000_000, HeldMicros: 1_500_000, RemainingMicros: 500_000,
		Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE},
	})
	committed, err := a.turns.Commit(ctx, &meterv1.CommitRequest{
		OrganizationId: "acme", ReservationId: id, ActualMicros: proto.Int64(2_500_000), TokenUsage: sampleTokens(),
	})
	must(t)(committed, err)
	settled := proto.CloneOf(held)
	settled.State = meterv1.ReservationState_RESERVATION_STATE_COMMITTED
	settled.SettledAt = timestamppb.New(a.now)
	settled.Charge = &meterv1.Charge{ActualMicros: 2_500_000, AllowanceMicros: 2_000_000, OverrunMicros: 500_000}
	settled.TokenUsage = sampleTokens()
	settled.CostBasis = meterv1.CostBasis_COST_BASIS_AMOUNT
	wantEqual(t, committed.GetReservation(), settled)
	got, err := a.turns.GetReservation(ctx, &meterv1.GetReservationRequest{OrganizationId: "acme", ReservationId: id})
	must(t)(got, err)
	wantEqual(t, got.GetReservation(), settled)
	usage, err := a.usage.GetMeter(ctx, &meterv1.GetMeterRequest{OrganizationId: "acme", MemberId: "ada"})
	must(t)(usage, err)
	wantEqual(t, usage.GetMeter(), committed.GetMeter())
	if usage.GetMeter().GetUsedMicros() != 2_000_000 || usage.GetMeter().GetOverrunMicros() != 500_000 {
		t.Errorf("the meter shows %v", usage.GetMeter())
	}
}

// TestReleaseAndExtend: what a failed turn answers, and a longer one.
func TestReleaseAndExtend(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	reserved, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 9_000_000,
		MinimumMicros: proto.Int64(1), TimeToLive: &durationpb.Duration{Seconds: 1, Nanos: 1500},
	})
	must(t)(reserved, err)
	r := reserved.GetReservation()
	if r.GetHeldAllowanceMicros() != 2_000_000 || r.GetTurn() != nil || r.GetCharge() != nil || r.GetTokenUsage() != nil {
		t.Errorf("got %v", r)
	}
	if life := r.GetExpiresAt().AsTime().Sub(a.now); life != time.Second+time.Microsecond {
		t.Errorf("the hold stands for %v", life)
	}
	extended, err := a.turns.Extend(ctx, &meterv1.ExtendRequest{
		OrganizationId: "acme", ReservationId: r.GetReservationId(), RequestId: "more-1", TimeToLive: &durationpb.Duration{Seconds: 90},
	})
	must(t)(extended, err)
	if until := extended.GetReservation().GetExpiresAt().AsTime(); until != a.now.Add(90*time.Second) {
		t.Errorf("it now stands until %v", until)
	}
	_, err = a.turns.Extend(ctx, &meterv1.ExtendRequest{
		OrganizationId: "acme", ReservationId: r.GetReservationId(), RequestId: "more-2", AdditionalMicros: 1,
	})
	wantFailure(t, err, codes.ResourceExhausted, "EXTRA_USAGE_NOT_ENABLED")
	released, err := a.turns.Release(ctx, &meterv1.ReleaseRequest{
		OrganizationId: "acme", ReservationId: r.GetReservationId(), Reason: "timed out", ActualMicros: proto.Int64(5),
	})
	must(t)(released, err)
	wantEqual(t, released.GetReservation().GetCharge(), &meterv1.Charge{ActualMicros: 5, AllowanceMicros: 5})
	if released.GetMeter().GetHeldMicros() != 0 || released.GetMeter().GetUsedMicros() != 5 {
		t.Errorf("the meter shows %v", released.GetMeter())
	}
}

// TestHardStop shows what an orchestrator gets to show to a person.
func TestHardStop(t *testing.T) {
	a := furnished(t)
	_, err := a.turns.Reserve(t.Context(), &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "cy", RequestId: "turn-1", EstimateMicros: 2_000_001,
	})
	wantFailure(t, err, codes.ResourceExhausted, "EXTRA_USAGE_NOT_ENABLED")
	facts := infoOf(err).GetMetadata()
	if facts["needed_micros"] != "2000001" || facts["allowance_room_micros"] != "2000000" || facts["resets_at"] == "" {
		t.Errorf("got facts %v", facts)
	}
	if people := detail[*errdetails.LocalizedMessage](err); people.GetLocale() != "en-US" || people.GetMessage() == "" {
		t.Errorf("people are told %v", people)
	}
}

// TestFieldsThatDependOnOthers are the rules of the contract that no single field can tell.
func TestFieldsThatDependOnOthers(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	_, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 5, MinimumMicros: proto.Int64(6),
	})
	wantField(t, err, "minimum_micros")
	_, err = a.turns.Extend(ctx, &meterv1.ExtendRequest{OrganizationId: "acme", ReservationId: someID, RequestId: "more-1"})
	wantField(t, err, "additional_micros")
	for path, spoil := range map[string]func(*meterv1.Organization){
		"organization.anniversary": func(o *meterv1.Organization) { o.Anniversary = &meterv1.Date{Year: 2026, Month: 2, Day: 31} },
		"organization.time_zone":   func(o *meterv1.Organization) { o.TimeZone = "Mars/Olympus" },
	} {
		spoiled := sampleOrganization()
		spoil(spoiled)
		_, err := a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: spoiled})
		wantField(t, err, path)
	}
	for _, zone := range []string{"Local", "localtime", "../etc/passwd", "Europe/Berlin\x00", "/etc/localtime"} {
		spoiled := sampleOrganization()
		spoiled.TimeZone = zone
		_, err := a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: spoiled})
		wantField(t, err, "organization.time_zone")
	}
}

// TestUnknown names what is missing, for every RPC that can miss something.
func TestUnknown(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	_, err := a.turns.GetReservation(ctx, &meterv1.GetReservationRequest{OrganizationId: "acme", ReservationId: someID})
	wantFailure(t, err, codes.NotFound, "RESERVATION_NOT_FOUND")
	_, err = a.turns.Commit(ctx, &meterv1.CommitRequest{OrganizationId: "acme", ReservationId: someID, ActualMicros: proto.Int64(0)})
	wantFailure(t, err, codes.NotFound, "RESERVATION_NOT_FOUND")
	_, err = a.turns.Release(ctx, &meterv1.ReleaseRequest{OrganizationId: "acme", ReservationId: someID})
	wantFailure(t, err, codes.NotFound, "RESERVATION_NOT_FOUND")
	_, err = a.usage.GetMeter(ctx, &meterv1.GetMeterRequest{OrganizationId: "acme", MemberId: "zoe"})
	wantFailure(t, err, codes.NotFound, "MEMBER_NOT_FOUND")
	_, err = a.pools.GetPool(ctx, &meterv1.GetPoolRequest{OrganizationId: "nobody"})
	wantFailure(t, err, codes.NotFound, "ORGANIZATION_NOT_FOUND")
	_, err = a.organizations.GetPlan(ctx, &meterv1.GetPlanRequest{PlanId: "gold"})
	wantFailure(t, err, codes.NotFound, "PLAN_NOT_FOUND")
	_, err = a.organizations.RemoveMember(ctx, &meterv1.RemoveMemberRequest{OrganizationId: "acme", MemberId: "zoe"})
	wantFailure(t, err, codes.NotFound, "MEMBER_NOT_FOUND")
	for _, request := range []*meterv1.GetPriceBookRequest{{PriceBookId: "list"}, {PriceBookId: "book", Version: 2}} {
		_, err = a.prices.GetPriceBook(ctx, request)
		wantFailure(t, err, codes.NotFound, "PRICE_BOOK_NOT_FOUND")
	}
	elsewhere := sampleOrganization()
	elsewhere.PriceBookId = "list"
	_, err = a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: elsewhere})
	wantFailure(t, err, codes.NotFound, "PRICE_BOOK_NOT_FOUND")
}

// TestTestClock moves the time and sees that what fell due went back before the answer.
func TestTestClock(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	reserved, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 1,
	})
	must(t)(reserved, err)
	before := a.now
	advanced, err := a.clock.Advance(ctx, &testingv1.AdvanceRequest{Duration: &durationpb.Duration{Seconds: 600}})
	must(t)(advanced, err)
	if got := advanced.GetTime().AsTime(); got != before.Add(10*time.Minute) || a.swept != 1 {
		t.Errorf("it is %v, swept %d times", got, a.swept)
	}
	r, err := a.turns.GetReservation(ctx, &meterv1.GetReservationRequest{
		OrganizationId: "acme", ReservationId: reserved.GetReservation().GetReservationId(),
	})
	must(t)(r, err)
	if r.GetReservation().GetState() != meterv1.ReservationState_RESERVATION_STATE_EXPIRED || r.GetReservation().GetCharge() != nil {
		t.Errorf("got %v", r.GetReservation())
	}
	moment := timestamppb.New(time.Date(2199, time.December, 31, 0, 0, 0, 0, time.UTC))
	set, err := a.clock.SetTime(ctx, &testingv1.SetTimeRequest{Time: moment})
	must(t)(set, err)
	now, err := a.clock.GetTime(ctx, &testingv1.GetTimeRequest{})
	must(t)(now, err)
	wantEqual(t, set.GetTime(), moment)
	wantEqual(t, now.GetTime(), moment)
	_, err = a.clock.Advance(ctx, &testingv1.AdvanceRequest{Duration: &durationpb.Duration{Seconds: 86400}})
	wantField(t, err, "duration")
}

// TestFailuresPass: whoever carries a command or answers a read may fail, and every RPC says so.
func TestFailuresPass(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	a.fails = &meter.Refusal{Reason: meter.Unavailable, Cause: errors.New("connection lost")}
	_, err := a.turns.Reserve(ctx, &meterv1.ReserveRequest{OrganizationId: "acme", MemberId: "ada", RequestId: "1", EstimateMicros: 1})
	wantFailure(t, err, codes.Unavailable, "UNAVAILABLE")
	_, err = a.organizations.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: samplePlan()})
	wantFailure(t, err, codes.Unavailable, "UNAVAILABLE")
	_, err = a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: samplePriceBook()})
	wantFailure(t, err, codes.Unavailable, "UNAVAILABLE")
	_, err = a.clock.GetTime(ctx, &testingv1.GetTimeRequest{})
	wantFailure(t, err, codes.Unavailable, "UNAVAILABLE")
	for name, read := range map[string]func() (any, error){
		"plans":       func() (any, error) { return a.organizations.ListPlans(ctx, &meterv1.ListPlansRequest{}) },
		"price books": func() (any, error) { return a.prices.ListPriceBooks(ctx, &meterv1.ListPriceBooksRequest{}) },
		"time": func() (any, error) {
			return a.prices.Quote(ctx, &meterv1.QuoteRequest{PriceBookId: "book", Model: "free", TokenUsage: sampleTokens()})
		},
		"organizations": func() (any, error) {
			return a.organizations.ListOrganizations(ctx, &meterv1.ListOrganizationsRequest{})
		},
		"entries": func() (any, error) {
			return a.pools.ListLedgerEntries(ctx, &meterv1.ListLedgerEntriesRequest{OrganizationId: "acme"})
		},
	} {
		_, err := read()
		t.Run(name, func(t *testing.T) { wantFailure(t, err, codes.Unavailable, "UNAVAILABLE") })
	}
}
