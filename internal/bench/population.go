package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// What a turn asks for and costs, in micros. The seats have no allowance, so that every turn draws on the pool: its row
// is the hot one.
const (
	turnEstimate = 1000
	turnCost     = 800
	topUp        = 1_000_000_000_000_000
)

// What a turn is by its tokens, each of which costs a micro.
const (
	turnModel = "bench-model"
	turnInput = 600
)

// setupAtOnce bounds the calls in flight while organizations are made.
const setupAtOnce = 64

// population is organizations made for one run, each with as many seats.
type population struct {
	plan          string
	organizations []string
	seats         []string
}

func newPopulation(prefix string, organizations, seats int) population {
	p := population{plan: prefix, organizations: make([]string, organizations), seats: make([]string, seats)}
	for i := range p.organizations {
		p.organizations[i] = prefix + "." + strconv.Itoa(i)
	}
	for i := range p.seats {
		p.seats[i] = "seat-" + strconv.Itoa(i)
	}
	return p
}

// pick is any seat of any organization.
func (p population) pick(random *rand.Rand) (organization, seat string) {
	return p.organizations[random.IntN(len(p.organizations))], p.seats[random.IntN(len(p.seats))]
}

// make makes the organizations, fills their pools, and gives every seat access.
func (p population) make(ctx context.Context, conn grpc.ClientConnInterface) error {
	_, err := meterv1.NewOrganizationServiceClient(conn).PutPlan(ctx, &meterv1.PutPlanRequest{
		Plan: &meterv1.Plan{PlanId: p.plan, Kind: meterv1.PlanKind_PLAN_KIND_ENTERPRISE},
	})
	if err != nil {
		return fmt.Errorf("making a plan: %w", err)
	}
	if err := p.putPrices(ctx, conn); err != nil {
		return fmt.Errorf("making a price book: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(setupAtOnce)
	for _, id := range p.organizations {
		group.Go(func() error {
			if err := p.makeOrganization(ctx, conn, id); err != nil {
				return fmt.Errorf("making organization %s: %w", id, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// putPrices puts a book by which a million tokens cost one dollar.
func (p population) putPrices(ctx context.Context, conn grpc.ClientConnInterface) error {
	dollar := &meterv1.TokenRates{Input: proto.String("1"), Output: proto.String("1")}
	_, err := meterv1.NewPriceServiceClient(conn).PutPriceBook(ctx, &meterv1.PutPriceBookRequest{
		PriceBook: &meterv1.PriceBook{PriceBookId: p.plan, Unit: meterv1.Unit_UNIT_USD, Models: []*meterv1.ModelPrices{
			{Model: turnModel, Prices: []*meterv1.Price{{Rates: dollar}}},
		}},
	})
	return err
}

func (p population) makeOrganization(ctx context.Context, conn grpc.ClientConnInterface, id string) error {
	organizations, pools := meterv1.NewOrganizationServiceClient(conn), meterv1.NewPoolServiceClient(conn)
	_, err := organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: &meterv1.Organization{
		OrganizationId: id, DisplayName: "Load", PlanId: p.plan, Unit: meterv1.Unit_UNIT_USD,
		Anniversary: &meterv1.Date{Year: 2026, Month: 1, Day: 1}, TimeZone: "UTC",
		PriceBookId: p.plan,
	}})
	if err != nil {
		return err
	}
	_, err = pools.TopUp(ctx, &meterv1.TopUpRequest{
		OrganizationId: id, RequestId: "pack-1", AmountMicros: topUp, Reference: "load",
	})
	if err != nil {
		return err
	}
	for _, seat := range p.seats {
		if err := makeSeat(ctx, organizations, pools, id, seat); err != nil {
			return err
		}
	}
	return nil
}

func makeSeat(
	ctx context.Context, organizations meterv1.OrganizationServiceClient, pools meterv1.PoolServiceClient, id, seat string,
) error {
	_, err := organizations.PutMember(ctx, &meterv1.PutMemberRequest{
		Member: &meterv1.Member{OrganizationId: id, MemberId: seat},
	})
	if err != nil {
		return err
	}
	_, err = pools.GrantAccess(ctx, &meterv1.GrantAccessRequest{
		OrganizationId: id, MemberId: seat, Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true},
	})
	return err
}

// periodStart is the start of the running period, which is the same for all of them.
func (p population) periodStart(ctx context.Context, conn grpc.ClientConnInterface) (time.Time, error) {
	answer, err := meterv1.NewUsageServiceClient(conn).GetMeter(ctx, &meterv1.GetMeterRequest{
		OrganizationId: p.organizations[0], MemberId: p.seats[0],
	})
	if err != nil {
		return time.Time{}, err
	}
	return answer.GetMeter().GetPeriodStart().AsTime(), nil
}

// consumed is what all pools were charged, and what open turns still hold, in micros.
func (p population) consumed(ctx context.Context, conn grpc.ClientConnInterface) (consumed, held int64, err error) {
	pools := meterv1.NewPoolServiceClient(conn)
	for _, id := range p.organizations {
		answer, err := pools.GetPool(ctx, &meterv1.GetPoolRequest{OrganizationId: id})
		if err != nil {
			return 0, 0, fmt.Errorf("reading the pool of %s: %w", id, err)
		}
		consumed += answer.GetPool().GetConsumedLifetimeMicros()
		held += answer.GetPool().GetHeldMicros()
	}
	return consumed, held, nil
}

// check asks the service whether every acknowledged turn, and nothing else, was charged to the pools, as far as turns that
// failed let it be known.
func (p population) check(ctx context.Context, conn grpc.ClientConnInterface, acknowledged, failed int64, what string) error {
	consumed, held, err := p.consumed(ctx, conn)
	if err != nil {
		return err
	}
	if consumed < acknowledged*turnCost || consumed > (acknowledged+failed)*turnCost || held > failed*turnEstimate {
		return fmt.Errorf("%d %s were acknowledged and %d failed, but the pools were charged for %d and hold %d micros",
			acknowledged, what, failed, consumed/turnCost, held)
	}
	return nil
}
