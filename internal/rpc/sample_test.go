package rpc

import (
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

var someID = uuid.Must(uuid.NewV7()).String()

func samplePlan() *meterv1.Plan {
	return &meterv1.Plan{
		PlanId:              "team",
		Kind:                meterv1.PlanKind_PLAN_KIND_TEAM,
		SeatAllowanceMicros: 5_000_000,
		Limits:              &meterv1.PlanLimits{Orchestrators: proto.Int64(1), Devices: proto.Int64(0)},
		AbuseLimit:          &meterv1.AbuseLimit{Tokens: 1000, Window: &durationpb.Duration{Seconds: 3600}},
		FailedTurnPolicy:    meterv1.FailedTurnPolicy_FAILED_TURN_POLICY_USE_ALLOWANCE,
	}
}

func sampleOrganization() *meterv1.Organization {
	return &meterv1.Organization{
		OrganizationId:       "acme",
		DisplayName:          "Acme",
		PlanId:               "team",
		Unit:                 meterv1.Unit_UNIT_ACU,
		Anniversary:          &meterv1.Date{Year: 2026, Month: 1, Day: 31},
		TimeZone:             "Europe/Berlin",
		State:                meterv1.OrganizationState_ORGANIZATION_STATE_ACTIVE,
		PoolVisibleToMembers: true,
		PriceBookId:          "book",
	}
}

func sampleMember(id string) *meterv1.Member {
	return &meterv1.Member{
		OrganizationId:  "acme",
		MemberId:        id,
		DisplayName:     "Ada",
		Email:           "ada@example.org",
		AvatarUrl:       "https://example.org/ada.png",
		Role:            meterv1.Role_ROLE_ADMIN,
		State:           meterv1.MemberState_MEMBER_STATE_ACTIVE,
		AllowanceMicros: proto.Int64(2_000_000),
		Access:          &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE},
	}
}

func sampleTurn() *meterv1.Turn {
	return &meterv1.Turn{
		Model: "large", ConversationId: "talk", TurnId: "7", Labels: map[string]string{"project": "line 4"},
	}
}

// samplePriceBook is in dollars, of which each buys two and a half ACU. Its first model has everything that a model may.
func samplePriceBook() *meterv1.PriceBook {
	rates := func(input, cached, write, output, reasoning string) *meterv1.TokenRates {
		return &meterv1.TokenRates{Input: &input, CachedInput: &cached, CacheWrite: &write, Output: &output, Reasoning: &reasoning}
	}
	return &meterv1.PriceBook{
		PriceBookId: "book", Unit: meterv1.Unit_UNIT_USD, AcuMicrosPerUsd: 2_500_000, Source: "made up", Licence: "none",
		AsOf: &meterv1.Date{Year: 2026, Month: 3, Day: 1},
		Models: []*meterv1.ModelPrices{
			{Model: "large", Aliases: []string{"large-latest"}, Prices: []*meterv1.Price{
				{
					ValidFrom: &timestamppb.Timestamp{Seconds: 1_767_225_600}, // 2026-01-01
					Rates:     rates("2", "0.2", "2.5", "10", "20"),
					Tiers:     []*meterv1.PriceTier{{AboveInputTokens: 200_000, Rates: rates("4", "0.4", "5", "15", "30")}},
				},
				{
					ValidFrom: &timestamppb.Timestamp{Seconds: 1_772_323_200}, // 2026-03-01
					Rates:     &meterv1.TokenRates{Input: proto.String("1.1"), Output: proto.String("7")},
					Tiers: []*meterv1.PriceTier{
						{AboveInputTokens: 200_000, Rates: &meterv1.TokenRates{Input: proto.String("3")}},
					},
				},
			}},
			{Model: "silent", Prices: []*meterv1.Price{{Rates: &meterv1.TokenRates{Input: proto.String("0.15")}}}},
			{Model: "free", Prices: []*meterv1.Price{{Rates: rates("0", "0", "0", "0", "0")}}},
		},
	}
}

func sampleEstimate() *meterv1.EstimateUsage {
	return &meterv1.EstimateUsage{
		Model: "large", InputTokens: 10, CachedInputTokens: 20, CacheWriteTokens: 30, MaxOutputTokens: 40,
		EstimatePolicy: meterv1.EstimatePolicy_ESTIMATE_POLICY_LEARNED,
	}
}

func sampleTokens() *meterv1.TokenUsage {
	return &meterv1.TokenUsage{
		InputTokens: 1, CachedInputTokens: 2, CacheWriteTokens: 3, OutputTokens: 4, ReasoningTokens: 5,
	}
}

// sampleRequests holds a request of every type, with every field set and each of them valid, by the type's name.
func sampleRequests() map[string]proto.Message {
	samples := map[string]proto.Message{}
	for _, sample := range append(sampleUsageRequests(), []proto.Message{
		&meterv1.ReserveRequest{
			OrganizationId: "acme", MemberId: "ada", RequestId: "turn-1", EstimateMicros: 100, MinimumMicros: proto.Int64(50),
			TimeToLive: &durationpb.Duration{Seconds: 60}, Turn: sampleTurn(), EstimateUsage: sampleEstimate(),
		},
		&meterv1.CommitRequest{
			OrganizationId: "acme", ReservationId: someID, ActualMicros: proto.Int64(0), TokenUsage: sampleTokens(),
		},
		&meterv1.ReleaseRequest{
			OrganizationId: "acme", ReservationId: someID, Reason: "timed out", TokenUsage: sampleTokens(),
			ActualMicros: proto.Int64(7),
		},
		&meterv1.ExtendRequest{
			OrganizationId: "acme", ReservationId: someID, RequestId: "more-1", AdditionalMicros: 10,
			TimeToLive: &durationpb.Duration{Seconds: 60},
		},
		&meterv1.GetReservationRequest{OrganizationId: "acme", ReservationId: someID},
		&meterv1.ListReservationsRequest{
			OrganizationId: "acme", MemberId: "ada", State: meterv1.ReservationState_RESERVATION_STATE_HELD,
			PageSize: 10, PageToken: "token",
		},
		&meterv1.TopUpRequest{OrganizationId: "acme", RequestId: "inv-1", AmountMicros: 1, Reference: "invoice 1"},
		&meterv1.RefundRequest{
			OrganizationId: "acme", RequestId: "note-1", AmountMicros: 1, Reference: "note 1", TopUpRequestId: "inv-1",
		},
		&meterv1.GetPoolRequest{OrganizationId: "acme"},
		&meterv1.GrantAccessRequest{
			OrganizationId: "acme", MemberId: "ada", Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 5},
		},
		&meterv1.RevokeAccessRequest{OrganizationId: "acme", MemberId: "ada"},
		&meterv1.ListLedgerEntriesRequest{
			OrganizationId: "acme", PageSize: 10, PageToken: "token", From: &timestamppb.Timestamp{Seconds: 1_772_323_200},
			To:    &timestamppb.Timestamp{Seconds: 1_772_323_300},
			Kinds: []meterv1.LedgerEntryKind{meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_REFUND}, NewestFirst: true,
		},
		&meterv1.ListAccessChangesRequest{OrganizationId: "acme", MemberId: "ada", PageSize: 10, PageToken: "token"},
		&meterv1.PutPlanRequest{Plan: samplePlan()},
		&meterv1.GetPlanRequest{PlanId: "team"},
		&meterv1.ListPlansRequest{PageSize: 10, PageToken: "token"},
		&meterv1.PutOrganizationRequest{Organization: sampleOrganization()},
		&meterv1.GetOrganizationRequest{OrganizationId: "acme"},
		&meterv1.ListOrganizationsRequest{PageSize: 10, PageToken: "token"},
		&meterv1.PutMemberRequest{Member: sampleMember("ada")},
		&meterv1.GetMemberRequest{OrganizationId: "acme", MemberId: "ada"},
		&meterv1.ListMembersRequest{OrganizationId: "acme", PageSize: 10, PageToken: "token"},
		&meterv1.RemoveMemberRequest{OrganizationId: "acme", MemberId: "ada"},
		&meterv1.GetMeterRequest{OrganizationId: "acme", MemberId: "ada"},
		&meterv1.ExplainTurnRequest{OrganizationId: "acme", MemberId: "ada", ReservationId: someID, RequestId: "turn-1"},
		&meterv1.ListAuditEntriesRequest{OrganizationId: "acme", PageSize: 10, PageToken: "token"},
		&meterv1.PutPriceBookRequest{PriceBook: samplePriceBook(), ExpectedVersion: proto.Int64(0)},
		&meterv1.GetPriceBookRequest{PriceBookId: "book", Version: 1},
		&meterv1.ListPriceBooksRequest{PageSize: 10, PageToken: "token"},
		&meterv1.QuoteRequest{
			PriceBookId: "book", OrganizationId: "acme", Model: "large", TokenUsage: sampleTokens(), Version: 1,
			At: &timestamppb.Timestamp{Seconds: 1_772_323_200},
		},
		&testingv1.GetTimeRequest{},
		&testingv1.AdvanceRequest{Duration: &durationpb.Duration{Seconds: 60}},
		&testingv1.SetTimeRequest{Time: &timestamppb.Timestamp{Seconds: 1_800_000_000}},
	}...) {
		samples[string(sample.ProtoReflect().Descriptor().FullName())] = sample
	}
	return samples
}

// sampleUsageRequests are those of what was used and what is left.
func sampleUsageRequests() []proto.Message {
	return []proto.Message{
		&meterv1.GetPlanUsageRequest{OrganizationId: "acme"},
		&meterv1.ReportUsageRequest{
			OrganizationId: "acme", From: &timestamppb.Timestamp{Seconds: 1_772_323_200},
			To: &timestamppb.Timestamp{Seconds: 1_772_323_300}, GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_LABEL,
			LabelKey: "team", Order: meterv1.UsageOrder_USAGE_ORDER_BY_COST, PageSize: 10, PageToken: "token",
		},
		&meterv1.EstimateRunwayRequest{OrganizationId: "acme", Days: 7},
		&meterv1.RecountPlanUsageRequest{OrganizationId: "acme"},
		&meterv1.RegisterResourceRequest{
			OrganizationId: "acme", Resource: meterv1.Resource_RESOURCE_DEVICE, ResourceId: "press", ParentId: "plant", Active: true,
		},
		&meterv1.UnregisterResourceRequest{
			OrganizationId: "acme", Resource: meterv1.Resource_RESOURCE_ORCHESTRATOR, ResourceId: "plant",
		},
	}
}
