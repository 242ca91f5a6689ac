package e2e

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// firm is an organization that a test works on.
type firm struct {
	id        string
	allowance int64 // Of each seat.
	pool      int64 // Top-up; 0: none.
	seats     int   // Of the ids that seat answers, each with unlimited access.
	abuse     *meterv1.AbuseLimit
}

// seat is the id of one of a firm's seats.
func seat(i int) string { return fmt.Sprintf("seat-%d", i) }

// furnish makes a firm with a plan of its own, whose months begin on the last day of each, in Berlin.
func (c *client) furnish(t testing.TB, f firm) {
	t.Helper()
	ctx := t.Context()
	must(c.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: &meterv1.Plan{
		PlanId: f.id, Kind: meterv1.PlanKind_PLAN_KIND_TEAM, SeatAllowanceMicros: f.allowance, AbuseLimit: f.abuse,
	}}))(t)
	must(c.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
		OrganizationId: f.id, PlanId: f.id, Unit: meterv1.Unit_UNIT_ACU,
		Anniversary: &meterv1.Date{Year: 2026, Month: 1, Day: 31}, TimeZone: "Europe/Berlin",
	}}))(t)
	for i := range f.seats {
		must(c.PutMember(ctx, &meterv1.PutMemberRequest{
			Member: &meterv1.Member{OrganizationId: f.id, MemberId: seat(i)},
		}))(t)
		must(c.GrantAccess(ctx, &meterv1.GrantAccessRequest{
			OrganizationId: f.id, MemberId: seat(i), Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true},
		}))(t)
	}
	if f.pool > 0 {
		must(c.TopUp(ctx, &meterv1.TopUpRequest{OrganizationId: f.id, RequestId: "pack", AmountMicros: f.pool}))(t)
	}
}

// reserve holds an estimate for a turn of a seat. A server whose processors are busy with other tests, too, may turn it
// away; then it comes again when it was told to.
func (c *client) reserve(
	ctx context.Context, organization, member, request string, estimate int64,
) (*meterv1.Reservation, error) {
	for {
		held, err := c.reserveOnce(ctx, organization, member, request, estimate)
		if reasonOf(err) != "OVERLOADED" {
			return held, err
		}
		if after(ctx, detail[*errdetails.RetryInfo](err).GetRetryDelay().AsDuration()) != nil {
			return nil, err
		}
	}
}

func (c *client) reserveOnce(
	ctx context.Context, organization, member, request string, estimate int64,
) (*meterv1.Reservation, error) {
	answer, err := c.Reserve(ctx, &meterv1.ReserveRequest{
		OrganizationId: organization, MemberId: member, RequestId: request, EstimateMicros: estimate,
	})
	return answer.GetReservation(), err
}

// commit charges a turn.
func (c *client) commit(ctx context.Context, r *meterv1.Reservation, actual int64) (*meterv1.Reservation, error) {
	answer, err := c.Commit(ctx, &meterv1.CommitRequest{
		OrganizationId: r.GetOrganizationId(), ReservationId: r.GetReservationId(), ActualMicros: proto.Int64(actual),
	})
	return answer.GetReservation(), err
}

// pool is an organization's pool as it now stands.
func (c *client) pool(t testing.TB, organization string) *meterv1.Pool {
	t.Helper()
	return must(c.GetPool(t.Context(), &meterv1.GetPoolRequest{OrganizationId: organization}))(t).GetPool()
}

// meter is a seat's meter as it now stands.
func (c *client) meter(t testing.TB, organization, member string) *meterv1.Meter {
	t.Helper()
	request := &meterv1.GetMeterRequest{OrganizationId: organization, MemberId: member}
	return must(c.GetMeter(t.Context(), request))(t).GetMeter()
}

// reservation is a reservation as it now stands.
func (c *client) reservation(t testing.TB, organization, id string) *meterv1.Reservation {
	t.Helper()
	request := &meterv1.GetReservationRequest{OrganizationId: organization, ReservationId: id}
	return must(c.GetReservation(t.Context(), request))(t).GetReservation()
}

// listed is how many items a test asks for at a time.
const listed = 1000

// ledger is an organization's whole statement.
func (c *client) ledger(t testing.TB, organization string) (entries []*meterv1.LedgerEntry) {
	t.Helper()
	request := &meterv1.ListLedgerEntriesRequest{OrganizationId: organization, PageSize: listed}
	for {
		page := must(c.ListLedgerEntries(t.Context(), request))(t)
		entries = append(entries, page.GetEntries()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			return entries
		}
	}
}

// organizations are the ids of all organizations.
func (c *client) organizations(t testing.TB) (ids []string) {
	t.Helper()
	request := &meterv1.ListOrganizationsRequest{PageSize: listed}
	for {
		page := must(c.ListOrganizations(t.Context(), request))(t)
		for _, o := range page.GetOrganizations() {
			ids = append(ids, o.GetOrganizationId())
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			return ids
		}
	}
}

// books is what the pools and ledgers of all organizations say, added up and checked against each other.
type books struct {
	entries   int
	purchased int64
	refunded  int64
	pool      int64 // Charged to pools.
	allowance int64 // Charged to allowances.
	balance   int64
	held      int64
}

// books reads the books of all organizations, and fails the test if a charge was entered twice or a pool does not add up.
func (c *client) books(t testing.TB) (all books) {
	t.Helper()
	for _, id := range c.organizations(t) {
		pool, before := c.pool(t, id), all
		entered := map[string]bool{}
		for _, e := range c.ledger(t, id) {
			if key := e.GetKind().String() + e.GetReservationId() + e.GetRequestId(); entered[key] {
				t.Errorf("%s: entry %d is there twice: %v", id, e.GetSequence(), e)
			} else {
				entered[key] = true
			}
			all.enter(e)
		}
		all.balance += pool.GetBalanceMicros()
		all.held += pool.GetHeldMicros()
		left := all.purchased - before.purchased - (all.refunded - before.refunded) - (all.pool - before.pool)
		if left < 0 || pool.GetBalanceMicros() != left || pool.GetConsumedLifetimeMicros() != all.pool-before.pool {
			t.Errorf("%s: by its ledger it has %d left, but its pool is %v", id, left, pool)
		}
	}
	return all
}

func (b *books) enter(e *meterv1.LedgerEntry) {
	b.entries++
	switch e.GetKind() {
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP:
		b.purchased += e.GetAmountMicros()
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_REFUND:
		b.refunded += e.GetAmountMicros()
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_POOL_CHARGE:
		b.pool += e.GetAmountMicros()
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_ALLOWANCE_CHARGE:
		b.allowance += e.GetAmountMicros()
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_UNSPECIFIED:
	}
}
