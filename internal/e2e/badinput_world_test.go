package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// world is what bad requests are about: two organizations with turns that are open, and tokens of lists.
type world struct {
	*client
	open      []*meterv1.Reservation // Of acme: one for each valid request that needs one.
	rivals    *meterv1.Reservation   // An open turn of the other organization.
	planToken string                 // Of the next page of plans.
	renewed   int
	accepted  map[protoreflect.Name]int64 // Requests, by RPC.
	variants  map[protoreflect.FullName][]proto.Message
}

// Who is in the world.
const (
	acme    = "acme"
	rival   = "rival"
	topUpID = "pack"
	funds   = 1_000_000
)

func makeWorld(t *testing.T, c *client) *world {
	t.Helper()
	w := &world{client: c, accepted: map[protoreflect.Name]int64{}}
	must(c.PutPriceBook(t.Context(), &meterv1.PutPriceBookRequest{PriceBook: priceBook("book", "2")}))(t)
	must(c.PutPriceBook(t.Context(), &meterv1.PutPriceBookRequest{PriceBook: priceBook("default", "1")}))(t)
	c.furnish(t, firm{id: acme, allowance: 1_000_000, pool: funds, seats: 2})
	c.furnish(t, firm{id: rival, allowance: 1_000_000, pool: funds, seats: 1})
	for _, request := range []string{"to-commit", "to-release", "to-extend", "to-get"} {
		w.open = append(w.open, must(c.reserve(t.Context(), acme, seat(0), request, 100))(t))
	}
	w.rivals = must(c.reserve(t.Context(), rival, seat(0), "theirs", 100))(t)
	w.planToken = must(c.ListPlans(t.Context(), &meterv1.ListPlansRequest{PageSize: 1}))(t).GetNextPageToken()
	return w
}

// checkUntouched sees that what was refused changed nothing of what belongs to others.
func (w *world) checkUntouched(t *testing.T) {
	t.Helper()
	if now := w.reservation(t, rival, w.rivals.GetReservationId()); !proto.Equal(now, w.rivals) {
		t.Errorf("the other organization's turn was %v and is %v", w.rivals, now)
	}
	if p := w.pool(t, rival); p.GetBalanceMicros() != funds || p.GetHeldMicros() != 0 {
		t.Errorf("the other organization's pool is %v", p)
	}
	// Of all that was sent, only valid top-ups and valid refunds moved acme's pool, by one micro each.
	bought, refunded := funds+w.accepted["TopUp"], w.accepted["Refund"]
	if p := w.pool(t, acme); p.GetPurchasedLifetimeMicros() != bought || p.GetRefundedLifetimeMicros() != refunded {
		t.Errorf("%d were bought and %d refunded, but the pool is %v", bought, refunded, p)
	}
}

// renew gives a request ids that were not used yet, so that it is accepted for itself and not as a retry of another.
func (w *world) renew(t *testing.T, request proto.Message) {
	t.Helper()
	w.renewed++
	id, m := fmt.Sprintf("renewed-%d", w.renewed), request.ProtoReflect()
	_, asks := request.(*meterv1.ExplainTurnRequest) // Of a request that there was.
	if field := m.Descriptor().Fields().ByName("request_id"); field != nil && !asks {
		set(m, field, id)
	}
	switch request := request.(type) {
	case *meterv1.CommitRequest:
		request.ReservationId = must(w.reserve(t.Context(), acme, seat(0), id, 1))(t).GetReservationId()
	case *meterv1.ReleaseRequest:
		request.ReservationId = must(w.reserve(t.Context(), acme, seat(0), id, 1))(t).GetReservationId()
	}
}

// samples are valid requests of every type, with every field set that can be; several, where not all can be at once.
func (w *world) samples() map[protoreflect.FullName][]proto.Message {
	w.variants = map[protoreflect.FullName][]proto.Message{}
	for _, group := range [][]proto.Message{w.turnSamples(), poolSamples(), organizationSamples(), priceSamples()} {
		for _, sample := range group {
			name := sample.ProtoReflect().Descriptor().FullName()
			w.variants[name] = append(w.variants[name], sample)
		}
	}
	return w.variants
}

// ofAnotherVariant says whether a field of a sample is to be tried on another valid request of its type: where there are
// several, each leaves some out because the others have them.
func (w *world) ofAnotherVariant(sample proto.Message, m protoreflect.Message, field protoreflect.FieldDescriptor) bool {
	name := sample.ProtoReflect().Descriptor().FullName()
	return m.Descriptor().FullName() == name && len(w.variants[name]) > 1 && !m.Has(field)
}

func (w *world) turnSamples() []proto.Message {
	tokens := &meterv1.TokenUsage{
		InputTokens: 1, CachedInputTokens: 2, CacheWriteTokens: 3, OutputTokens: 4, ReasoningTokens: 5,
	}
	return []proto.Message{
		&meterv1.ReserveRequest{
			OrganizationId: acme, MemberId: seat(0), RequestId: "new", EstimateMicros: 100, MinimumMicros: proto.Int64(50),
			TimeToLive: durationpb.New(time.Hour),
			Turn: &meterv1.Turn{
				Model: "large", ConversationId: "talk", TurnId: "7", Labels: map[string]string{"line": "4"},
			},
		},
		&meterv1.ReserveRequest{
			OrganizationId: acme, MemberId: seat(0), RequestId: "by-usage", EstimateUsage: &meterv1.EstimateUsage{
				Model: "large", InputTokens: 1, CachedInputTokens: 2, CacheWriteTokens: 3, MaxOutputTokens: 4,
				EstimatePolicy: meterv1.EstimatePolicy_ESTIMATE_POLICY_LEARNED,
			},
		},
		&meterv1.CommitRequest{
			OrganizationId: acme, ReservationId: w.open[0].GetReservationId(), ActualMicros: proto.Int64(0), TokenUsage: tokens,
		},
		&meterv1.ReleaseRequest{
			OrganizationId: acme, ReservationId: w.open[1].GetReservationId(), Reason: "timed out", TokenUsage: tokens,
			ActualMicros: proto.Int64(7),
		},
		&meterv1.ExtendRequest{
			OrganizationId: acme, ReservationId: w.open[2].GetReservationId(), RequestId: "more", AdditionalMicros: 10,
			TimeToLive: durationpb.New(time.Hour),
		},
		&meterv1.GetReservationRequest{OrganizationId: acme, ReservationId: w.open[3].GetReservationId()},
		&meterv1.ListReservationsRequest{
			OrganizationId: acme, MemberId: seat(0), State: meterv1.ReservationState_RESERVATION_STATE_HELD, PageSize: 10,
		},
		&meterv1.GetMeterRequest{OrganizationId: acme, MemberId: seat(0)},
		&meterv1.ExplainTurnRequest{OrganizationId: acme, MemberId: seat(0), ReservationId: w.open[3].GetReservationId()},
		&meterv1.ExplainTurnRequest{OrganizationId: acme, MemberId: seat(0), RequestId: "to-get"},
	}
}

func poolSamples() []proto.Message {
	return []proto.Message{
		&meterv1.TopUpRequest{OrganizationId: acme, RequestId: "pack-2", AmountMicros: 1, Reference: "invoice 2"},
		&meterv1.RefundRequest{
			OrganizationId: acme, RequestId: "note-1", AmountMicros: 1, Reference: "note 1", TopUpRequestId: topUpID,
		},
		&meterv1.GetPoolRequest{OrganizationId: acme},
		&meterv1.GrantAccessRequest{
			OrganizationId: acme, MemberId: seat(0), Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 5000},
		},
		&meterv1.RevokeAccessRequest{OrganizationId: acme, MemberId: seat(1)},
		&meterv1.ListLedgerEntriesRequest{
			OrganizationId: acme, PageSize: 10, From: timestamppb.New(time.Now().Add(-time.Hour)), To: timestamppb.Now(),
			Kinds: []meterv1.LedgerEntryKind{meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP},
		},
		&meterv1.ListAccessChangesRequest{OrganizationId: acme, MemberId: seat(0), PageSize: 10},
		&meterv1.ListAuditEntriesRequest{OrganizationId: acme, PageSize: 10},
	}
}

func organizationSamples() []proto.Message {
	return []proto.Message{
		&meterv1.PutPlanRequest{Plan: &meterv1.Plan{
			PlanId: "new", Kind: meterv1.PlanKind_PLAN_KIND_TEAM, SeatAllowanceMicros: 5,
			Limits: &meterv1.PlanLimits{
				Orchestrators: proto.Int64(1), Devices: proto.Int64(0), PrivateProjects: proto.Int64(2),
			},
			AbuseLimit:       &meterv1.AbuseLimit{Tokens: 1000, Window: durationpb.New(time.Hour)},
			FailedTurnPolicy: meterv1.FailedTurnPolicy_FAILED_TURN_POLICY_FREE,
		}},
		&meterv1.GetPlanRequest{PlanId: acme},
		&meterv1.ListPlansRequest{PageSize: 10},
		&meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
			OrganizationId: acme, DisplayName: "Acme", PlanId: acme, Unit: meterv1.Unit_UNIT_ACU,
			Anniversary: &meterv1.Date{Year: 2024, Month: 2, Day: 29}, TimeZone: "Europe/Berlin",
			State:                meterv1.OrganizationState_ORGANIZATION_STATE_ACTIVE,
			PoolVisibleToMembers: true, PriceBookId: "book",
		}},
		&meterv1.GetOrganizationRequest{OrganizationId: acme},
		&meterv1.ListOrganizationsRequest{PageSize: 10},
		&meterv1.PutMemberRequest{Member: &meterv1.Member{
			OrganizationId: acme, MemberId: "new", DisplayName: "New", Email: "new@example.org",
			AvatarUrl: "https://example.org/" + strings.Repeat("n", 100), Role: meterv1.Role_ROLE_ADMIN,
			State: meterv1.MemberState_MEMBER_STATE_ACTIVE, AllowanceMicros: proto.Int64(5),
			Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE},
		}},
		&meterv1.GetMemberRequest{OrganizationId: acme, MemberId: seat(0)},
		&meterv1.ListMembersRequest{OrganizationId: acme, PageSize: 10},
		&meterv1.RemoveMemberRequest{OrganizationId: acme, MemberId: seat(1)},
		&testingv1.GetTimeRequest{},
		&testingv1.AdvanceRequest{Duration: durationpb.New(time.Second)},
		&testingv1.SetTimeRequest{Time: timestamppb.Now()},
	}
}

// priceBook is a book in ACU in which every class of tokens of the model "large" has a price of its own, from rate up.
func priceBook(id, rate string) *meterv1.PriceBook {
	rates := func() *meterv1.TokenRates {
		return &meterv1.TokenRates{
			Input: proto.String(rate), CachedInput: proto.String(rate + "0"), CacheWrite: proto.String(rate + "1"),
			Output: proto.String(rate + "2"), Reasoning: proto.String(rate + "3"),
		}
	}
	return &meterv1.PriceBook{
		PriceBookId: id, Unit: meterv1.Unit_UNIT_ACU, AcuMicrosPerUsd: 1_000_000, Source: "made up", Licence: "none",
		AsOf: &meterv1.Date{Year: 2026, Month: 3, Day: 1},
		Models: []*meterv1.ModelPrices{{Model: "large", Aliases: []string{"big"}, Prices: []*meterv1.Price{{
			ValidFrom: timestamppb.New(time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)), Rates: rates(),
			Tiers: []*meterv1.PriceTier{{AboveInputTokens: 100_000, Rates: rates()}},
		}}}},
	}
}

func priceSamples() []proto.Message {
	tokens := &meterv1.TokenUsage{InputTokens: 5, OutputTokens: 10}
	return []proto.Message{
		&meterv1.PutPriceBookRequest{PriceBook: priceBook("new", "3")},
		&meterv1.GetPriceBookRequest{PriceBookId: "book", Version: 1},
		&meterv1.ListPriceBooksRequest{PageSize: 10},
		&meterv1.RegisterResourceRequest{
			OrganizationId: acme, Resource: meterv1.Resource_RESOURCE_ORCHESTRATOR, ResourceId: "plant", Active: true,
		},
		&meterv1.RegisterResourceRequest{
			OrganizationId: acme, Resource: meterv1.Resource_RESOURCE_DEVICE, ResourceId: "press", ParentId: "plant",
		},
		&meterv1.RegisterResourceRequest{
			OrganizationId: acme, Resource: meterv1.Resource_RESOURCE_PRIVATE_PROJECT, ResourceId: "secret", Private: true,
		},
		&meterv1.ReportUsageRequest{
			OrganizationId: acme, From: timestamppb.New(time.Now().Add(-time.Hour)), To: timestamppb.Now(), PageSize: 10,
			GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_LABEL, LabelKey: "team",
		},
		&meterv1.EstimateRunwayRequest{OrganizationId: acme, Days: 7},
		&meterv1.GetPlanUsageRequest{OrganizationId: acme},
		&meterv1.RecountPlanUsageRequest{OrganizationId: acme},
		&meterv1.UnregisterResourceRequest{
			OrganizationId: acme, Resource: meterv1.Resource_RESOURCE_ORCHESTRATOR, ResourceId: "plant",
		},
		&meterv1.QuoteRequest{
			PriceBookId: "book", Model: "large", TokenUsage: tokens, Version: 1, At: timestamppb.Now(),
		},
		&meterv1.QuoteRequest{OrganizationId: acme, Model: "big", TokenUsage: tokens},
	}
}
