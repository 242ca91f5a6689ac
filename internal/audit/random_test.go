package audit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/meter"
)

// crowd sends random commands to random organizations, many at a time.
type crowd struct {
	*office
	organizations []string

	mu    sync.Mutex
	rng   *rand.Rand
	turns []turn
	made  int
}

type turn struct {
	organization string
	id           meter.UUID
}

var (
	crowdMembers = []string{"m1", "m2", "m3"}
	crowdPlans   = []string{"school", "enterprise", "free"}
	crowdSpans   = []time.Duration{0, time.Second, 30 * time.Second, 10 * time.Minute, 26 * time.Hour, 20 * 24 * time.Hour}
)

// fillCrowd sends rounds of commands and moves the clock between them, by one of the spans.
func (o *office) fillCrowd(seed uint64, rounds int, spans []time.Duration) *crowd {
	o.t.Helper()
	c := &crowd{office: o, organizations: []string{"r1", "r2", "r3"}, rng: rand.New(rand.NewPCG(seed, 1))}
	o.putPlan("school", meter.PlanEducation, 5000, meter.FailedTurnFree)
	o.putPlan("enterprise", meter.PlanEnterprise, 20_000, meter.FailedTurnUseAllowance)
	o.putPlan("free", meter.PlanTeam, 0, meter.FailedTurnUseAllowance)
	for i, id := range c.organizations {
		o.do(putOrganization(id, crowdPlans[i], anchor(o.t, 2026, 1, 29+i, "America/Santiago")))
		for _, m := range crowdMembers {
			o.do(putMember(id, m))
		}
	}
	for range rounds {
		o.shift(spans[c.rng.IntN(len(spans))])
		if c.rng.IntN(3) == 0 {
			o.putBook(c.rng.IntN(4))
		}
		c.round(60)
	}
	return c
}

// round sends commands, eight at a time.
func (c *crowd) round(commands int) {
	c.t.Helper()
	group, ctx := errgroup.WithContext(c.t.Context())
	group.SetLimit(8)
	for range commands {
		group.Go(func() error { return c.try(ctx, c.command()) })
	}
	c.must(group.Wait())
}

// command is a random one.
func (c *crowd) command() meter.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	organization, member := pick(c.rng, c.organizations), pick(c.rng, crowdMembers)
	request := fmt.Sprintf("request-%d", c.made-c.rng.IntN(2)) // Now and then one that is used already.
	switch c.rng.IntN(20) {
	case 0, 1, 2:
		return meter.TopUp{OrganizationID: organization, RequestID: request, Amount: c.amount()}
	case 3:
		before := fmt.Sprintf("request-%d", 1+c.rng.IntN(c.made))
		return meter.Refund{OrganizationID: organization, RequestID: request, TopUpRequestID: before, Amount: c.amount() / 8}
	case 4, 5:
		return c.access(organization, member)
	case 6:
		return c.profile(organization, member)
	case 7, 8, 9, 10, 11, 12, 13:
		return c.reserve(organization, member, request)
	default:
		return c.settle(request)
	}
}

func (c *crowd) amount() meter.Micros { return meter.Micros(1 + c.rng.IntN(8000)) }

func (c *crowd) access(organization, member string) meter.Command {
	kind, most := pick(c.rng, []meter.AccessKind{meter.AccessNone, meter.AccessCapped, meter.AccessUnlimited}), meter.Micros(0)
	if kind == meter.AccessCapped {
		most = c.amount()
	}
	return meter.SetAccess{
		OrganizationID: organization, MemberID: member, Access: meter.Access{Kind: kind, Cap: most}, Actor: "crowd",
		ChangeID: newID(),
	}
}

// profile changes what may change under a seat's feet: the plan, the anchor, the state, the membership.
func (c *crowd) profile(organization, member string) meter.Command {
	zone := pick(c.rng, []string{"America/Santiago", "Asia/Tokyo", "UTC"})
	put := putOrganization(organization, pick(c.rng, crowdPlans), anchor(c.t, 2026, 1, 1+c.rng.IntN(31), zone))
	switch c.rng.IntN(6) {
	case 0:
		return put
	case 1:
		put.State = meter.OrganizationSuspended
		return put
	case 2:
		return meter.RemoveMember{OrganizationID: organization, MemberID: member}
	default:
		again := putMember(organization, member)
		if own := c.amount(); own%2 == 0 {
			again.Allowance = &own
		}
		return again
	}
}

func (c *crowd) reserve(organization, member, request string) meter.Command {
	estimate := c.amount()
	r := meter.Reserve{
		OrganizationID: organization, ReservationID: newID(), MemberID: member, RequestID: request, Estimate: estimate,
		Minimum: 1 + estimate/4, TimeToLive: pick(c.rng, []time.Duration{time.Second, time.Minute, 24 * time.Hour}),
	}
	r.Turn.Model = pick(c.rng, []string{"small", "small", "unknown"})
	if c.rng.IntN(3) == 0 {
		r.Estimate, r.Usage = 0, &meter.EstimateUsage{
			Tokens: meter.TokenUsage{Input: int64(estimate)}, MaxOutput: 1, Policy: meter.EstimateLearned,
		}
	}
	c.turns = append(c.turns, turn{organization, r.ReservationID})
	return r
}

// settle settles or extends a turn, which may have been settled, refused, or not have begun.
func (c *crowd) settle(request string) meter.Command {
	if len(c.turns) == 0 {
		return meter.Sweep{OrganizationID: c.organizations[0]}
	}
	t := pick(c.rng, c.turns[max(0, len(c.turns)-60):])
	tokens := meter.TokenUsage{Input: c.rng.Int64N(9000), Reasoning: c.rng.Int64N(9000)}
	switch c.rng.IntN(4) {
	case 0:
		return meter.Release{
			OrganizationID: t.organization, ReservationID: t.id, Actual: c.amount(), Tokens: tokens, ByTokens: c.rng.IntN(2) == 0,
		}
	case 1:
		return meter.Extend{
			OrganizationID: t.organization, ReservationID: t.id, RequestID: request, Additional: c.amount() / 4,
			TimeToLive: pick(c.rng, []time.Duration{0, time.Minute, time.Hour}),
		}
	default:
		return meter.Commit{
			OrganizationID: t.organization, ReservationID: t.id, Actual: c.amount(), Tokens: tokens, ByTokens: c.rng.IntN(2) == 0,
		}
	}
}

func pick[V any](rng *rand.Rand, of []V) V { return of[rng.IntN(len(of))] }

// forward takes the traces of the test clock away, as of a database whose time only ever ran forward.
func forward(t testing.TB, url string) {
	t.Helper()
	exec(t, connect(t, url), "DELETE FROM test_clock")
}

// backward are spans that also lead back in time.
func backward() []time.Duration {
	return slices.Concat(crowdSpans, []time.Duration{-20 * time.Minute, -30 * 24 * time.Hour})
}
