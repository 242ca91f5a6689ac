package rpc

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// numbers are the enums of the rules, by the names that the contract gives their values.
var numbers = map[protoreflect.EnumDescriptor]map[protoreflect.Name]int16{
	meterv1.Unit(0).Descriptor(): {
		"UNIT_ACU": int16(meter.UnitACU), "UNIT_USD": int16(meter.UnitUSD),
	},
	meterv1.OrganizationState(0).Descriptor(): {
		"ORGANIZATION_STATE_ACTIVE": int16(meter.OrganizationActive), "ORGANIZATION_STATE_SUSPENDED": int16(meter.OrganizationSuspended),
	},
	meterv1.PlanKind(0).Descriptor(): {
		"PLAN_KIND_TEAM": int16(meter.PlanTeam), "PLAN_KIND_EDUCATION": int16(meter.PlanEducation),
		"PLAN_KIND_ENTERPRISE": int16(meter.PlanEnterprise), "PLAN_KIND_INDIVIDUAL": int16(meter.PlanIndividual),
	},
	meterv1.FailedTurnPolicy(0).Descriptor(): {
		"FAILED_TURN_POLICY_FREE": int16(meter.FailedTurnFree), "FAILED_TURN_POLICY_USE_ALLOWANCE": int16(meter.FailedTurnUseAllowance),
	},
	meterv1.Role(0).Descriptor(): {
		"ROLE_OWNER": int16(meter.RoleOwner), "ROLE_ADMIN": int16(meter.RoleAdmin), "ROLE_MEMBER": int16(meter.RoleMember),
	},
	meterv1.MemberState(0).Descriptor(): {
		"MEMBER_STATE_ACTIVE": int16(meter.MemberActive), "MEMBER_STATE_REMOVED": int16(meter.MemberRemoved),
	},
	meterv1.MemberOrder(0).Descriptor(): {
		"MEMBER_ORDER_ID": int16(meter.MembersByID), "MEMBER_ORDER_NAME": int16(meter.MembersByName),
		"MEMBER_ORDER_POOL_USED_PERIOD":      int16(meter.MembersByPoolPeriod),
		"MEMBER_ORDER_POOL_USED_LIFETIME":    int16(meter.MembersByPoolLifetime),
		"MEMBER_ORDER_ALLOWANCE_USED_PERIOD": int16(meter.MembersByAllowanceUsed),
	},
	meterv1.AccessKind(0).Descriptor(): {
		"ACCESS_KIND_NONE": int16(meter.AccessNone), "ACCESS_KIND_CAPPED": int16(meter.AccessCapped),
		"ACCESS_KIND_UNLIMITED": int16(meter.AccessUnlimited),
	},
	meterv1.ReservationState(0).Descriptor(): {
		"RESERVATION_STATE_HELD": int16(meter.Held), "RESERVATION_STATE_COMMITTED": int16(meter.Committed),
		"RESERVATION_STATE_RELEASED": int16(meter.Released), "RESERVATION_STATE_EXPIRED": int16(meter.Expired),
	},
	meterv1.EstimatePolicy(0).Descriptor(): {
		"ESTIMATE_POLICY_MAXIMUM": int16(meter.EstimateMaximum), "ESTIMATE_POLICY_LEARNED": int16(meter.EstimateLearned),
	},
	meterv1.CostBasis(0).Descriptor(): {
		"COST_BASIS_AMOUNT": int16(meter.CostAmount), "COST_BASIS_TOKENS": int16(meter.CostTokens),
		"COST_BASIS_HELD": int16(meter.CostHeld),
	},
	meterv1.TokenClass(0).Descriptor(): {
		"TOKEN_CLASS_INPUT": int16(price.Input), "TOKEN_CLASS_CACHED_INPUT": int16(price.CachedInput),
		"TOKEN_CLASS_CACHE_WRITE": int16(price.CacheWrite), "TOKEN_CLASS_OUTPUT": int16(price.Output),
		"TOKEN_CLASS_REASONING": int16(price.Reasoning),
	},
	meterv1.HoldBound(0).Descriptor(): {
		"HOLD_BOUND_NOTHING": int16(meter.BoundByNothing), "HOLD_BOUND_ALLOWANCE": int16(meter.BoundByAllowance),
		"HOLD_BOUND_ACCESS": int16(meter.BoundByAccess), "HOLD_BOUND_CAP": int16(meter.BoundByCap),
		"HOLD_BOUND_POOL": int16(meter.BoundByPool),
	},
	meterv1.Resource(0).Descriptor(): {
		"RESOURCE_ORCHESTRATOR": int16(meter.ResourceOrchestrator), "RESOURCE_DEVICE": int16(meter.ResourceDevice),
		"RESOURCE_PRIVATE_PROJECT": int16(meter.ResourcePrivateProject),
	},
	meterv1.UsageGrouping(0).Descriptor(): {
		"USAGE_GROUPING_MEMBER": int16(meter.UsageByMember), "USAGE_GROUPING_MODEL": int16(meter.UsageByModel),
		"USAGE_GROUPING_DAY": int16(meter.UsageByDay), "USAGE_GROUPING_CONVERSATION": int16(meter.UsageByConversation),
		"USAGE_GROUPING_LABEL": int16(meter.UsageByLabel),
	},
	meterv1.AuditOutcome(0).Descriptor(): {
		"AUDIT_OUTCOME_APPLIED": int16(meter.AuditApplied), "AUDIT_OUTCOME_DENIED": int16(meter.AuditDenied),
	},
	meterv1.LedgerEntryKind(0).Descriptor(): {
		"LEDGER_ENTRY_KIND_TOP_UP": int16(meter.EntryTopUp), "LEDGER_ENTRY_KIND_REFUND": int16(meter.EntryRefund),
		"LEDGER_ENTRY_KIND_POOL_CHARGE":      int16(meter.EntryPoolCharge),
		"LEDGER_ENTRY_KIND_ALLOWANCE_CHARGE": int16(meter.EntryAllowanceCharge),
	},
}

// TestEnumNumbers holds every value of the contract to the rules' own of the same number, so that number may convert.
func TestEnumNumbers(t *testing.T) {
	for enum, want := range numbers {
		if got := enum.Values().Len() - 1; got != len(want) {
			t.Errorf("%s has %d values, the rules have %d", enum.Name(), got, len(want))
		}
		for i := 1; i < enum.Values().Len(); i++ {
			value := enum.Values().Get(i)
			if n, ok := want[value.Name()]; !ok || protoreflect.EnumNumber(n) != value.Number() {
				t.Errorf("%s is %d, in the rules %d", value.Name(), value.Number(), n)
			}
		}
	}
	for i := range meterv1.File_meter_v1_error_reason_proto.Enums().Len() {
		numbers[meterv1.File_meter_v1_error_reason_proto.Enums().Get(i)] = nil // TestEveryReason holds these.
	}
	numbers[meterv1.UsageOrder(0).Descriptor()] = nil // To the rules it is yes or no.
	numbers[meterv1.CallerRole(0).Descriptor()] = nil // No message has it; the table of internal/auth holds it.
	for _, request := range requests() {
		wantKnown(t, request.ParentFile().Enums())
		for i := range request.ParentFile().Imports().Len() {
			wantKnown(t, request.ParentFile().Imports().Get(i).Enums())
		}
	}
}

func wantKnown(t *testing.T, enums protoreflect.EnumDescriptors) {
	t.Helper()
	for i := range enums.Len() {
		if enum := enums.Get(i); enum.ParentFile().Package() == "meter.v1" {
			if _, ok := numbers[enum]; !ok {
				t.Errorf("the test does not know %s", enum.Name())
			}
		}
	}
}

// TestPutAnswersWhatWasPut: what a Put takes, the Get answers, whole.
func TestPutAnswersWhatWasPut(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	plan, err := a.organizations.GetPlan(ctx, &meterv1.GetPlanRequest{PlanId: "team"})
	must(t)(plan, err)
	wantEqual(t, plan.GetPlan(), samplePlan())
	organization, err := a.organizations.GetOrganization(ctx, &meterv1.GetOrganizationRequest{OrganizationId: "acme"})
	must(t)(organization, err)
	wantEqual(t, organization.GetOrganization(), sampleOrganization())
	book, err := a.prices.GetPriceBook(ctx, &meterv1.GetPriceBookRequest{PriceBookId: "book"})
	must(t)(book, err)
	wantEqual(t, book.GetPriceBook(), storedBook(a, 1))
	member, err := a.organizations.GetMember(ctx, &meterv1.GetMemberRequest{OrganizationId: "acme", MemberId: "cy"})
	must(t)(member, err)
	want := sampleMember("cy")
	want.AllowancePeriodMicros = want.GetAllowanceMicros()
	wantEqual(t, member.GetMember(), want)
}

// TestPutDefaults: what a Put leaves out becomes what its comment says.
func TestPutDefaults(t *testing.T) {
	a, ctx := serve(t), t.Context()
	plan, err := a.organizations.PutPlan(ctx, &meterv1.PutPlanRequest{
		Plan: &meterv1.Plan{PlanId: "team", Kind: meterv1.PlanKind_PLAN_KIND_TEAM, Limits: &meterv1.PlanLimits{}},
	})
	must(t)(plan, err)
	wantEqual(t, plan.GetPlan(), &meterv1.Plan{
		PlanId: "team", Kind: meterv1.PlanKind_PLAN_KIND_TEAM, FailedTurnPolicy: meterv1.FailedTurnPolicy_FAILED_TURN_POLICY_FREE,
	})
	bare := &meterv1.Organization{
		OrganizationId: "acme", PlanId: "team", Unit: meterv1.Unit_UNIT_USD, TimeZone: "UTC",
		Anniversary: &meterv1.Date{Year: 2024, Month: 2, Day: 29},
	}
	organization, err := a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: bare})
	must(t)(organization, err)
	want := proto.CloneOf(bare)
	want.State = meterv1.OrganizationState_ORGANIZATION_STATE_ACTIVE
	wantEqual(t, organization.GetOrganization(), want)
	member, err := a.organizations.PutMember(ctx, &meterv1.PutMemberRequest{
		Member: &meterv1.Member{
			OrganizationId: "acme", MemberId: "ada", PoolUsedLifetimeMicros: 7, PoolUsedPeriodMicros: 7,
			Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_UNLIMITED},
		},
	})
	must(t)(member, err)
	wantEqual(t, member.GetMember(), &meterv1.Member{
		OrganizationId: "acme", MemberId: "ada",
		Role: meterv1.Role_ROLE_MEMBER, State: meterv1.MemberState_MEMBER_STATE_ACTIVE,
		Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE},
	})
}

func wantEqual(t *testing.T, got, want proto.Message) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
