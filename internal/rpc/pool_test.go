package rpc

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
)

// TestTopUpAndRefund looks at every field of the pool and of its entries.
func TestTopUpAndRefund(t *testing.T) {
	a, ctx := furnished(t), t.Context()
	bought, err := a.pools.TopUp(ctx, &meterv1.TopUpRequest{
		OrganizationId: "acme", RequestId: "inv-1", AmountMicros: 100, Reference: "invoice 1",
	})
	must(t)(bought, err)
	wantEqual(t, bought.GetEntry(), &meterv1.LedgerEntry{
		OrganizationId: "acme", Sequence: 1, At: timestamppb.New(a.now), Kind: meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP,
		AmountMicros: 100, PoolBalanceAfterMicros: 100, Reference: "invoice 1", RequestId: "inv-1",
	})
	refunded, err := a.pools.Refund(ctx, &meterv1.RefundRequest{
		OrganizationId: "acme", RequestId: "note-1", AmountMicros: 30, Reference: "note 1", TopUpRequestId: "inv-1",
	})
	must(t)(refunded, err)
	wantEqual(t, refunded.GetEntry(), &meterv1.LedgerEntry{
		OrganizationId: "acme", Sequence: 2, At: timestamppb.New(a.now), Kind: meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_REFUND,
		AmountMicros: 30, PoolBalanceAfterMicros: 70, Reference: "note 1", RequestId: "note-1", TopUpRequestId: "inv-1",
	})
	wantEqual(t, refunded.GetPool(), &meterv1.Pool{
		OrganizationId: "acme", Unit: meterv1.Unit_UNIT_ACU, BalanceMicros: 70, AvailableMicros: 70,
		PurchasedLifetimeMicros: 100, RefundedLifetimeMicros: 30,
	})
	pool, err := a.pools.GetPool(ctx, &meterv1.GetPoolRequest{OrganizationId: "acme"})
	must(t)(pool, err)
	wantEqual(t, pool.GetPool(), refunded.GetPool())
	_, err = a.pools.Refund(ctx, &meterv1.RefundRequest{
		OrganizationId: "acme", RequestId: "note-2", AmountMicros: 71, TopUpRequestId: "inv-1",
	})
	wantFailure(t, err, codes.FailedPrecondition, "REFUND_EXCEEDS_TOP_UP")
}

// TestAccess grants, adjusts and revokes, and finds who did it on the record.
func TestAccess(t *testing.T) {
	a := furnished(t)
	capped, err := a.pools.GrantAccess(as(t, "ada@acme"), &meterv1.GrantAccessRequest{
		OrganizationId: "acme", MemberId: "cy", Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: 5},
	})
	must(t)(capped, err)
	wantEqual(t, capped.GetMember().GetAccess(), &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 5})
	unlimited, err := a.pools.GrantAccess(t.Context(), &meterv1.GrantAccessRequest{
		OrganizationId: "acme", MemberId: "cy", Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true},
	})
	must(t)(unlimited, err)
	wantEqual(t, unlimited.GetMember().GetAccess(), &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_UNLIMITED})
	revoked, err := a.pools.RevokeAccess(t.Context(), &meterv1.RevokeAccessRequest{OrganizationId: "acme", MemberId: "cy"})
	must(t)(revoked, err)
	wantEqual(t, revoked.GetMember().GetAccess(), &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE})
	record, err := a.pools.ListAccessChanges(t.Context(), &meterv1.ListAccessChangesRequest{OrganizationId: "acme"})
	must(t)(record, err)
	if len(record.GetChanges()) != 3 {
		t.Fatalf("got %v", record)
	}
	first := record.GetChanges()[0]
	wantEqual(t, first, &meterv1.AccessChange{
		OrganizationId: "acme", ChangeId: first.GetChangeId(), MemberId: "cy", At: timestamppb.New(a.now), Actor: "ada@acme",
		Before: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE}, After: capped.GetMember().GetAccess(),
	})
	if actor := record.GetChanges()[1].GetActor(); actor != "operator" {
		t.Errorf("who names nobody is %q", actor)
	}
	_, err = a.pools.RevokeAccess(as(t, "two words"), &meterv1.RevokeAccessRequest{OrganizationId: "acme", MemberId: "cy"})
	wantField(t, err, auth.ActorKey)
}
