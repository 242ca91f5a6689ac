package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
)

// TestWhatIsSavedIsWhatIsLoaded runs random batches of every kind of command over random time against the database and
// against a state carried along in memory. Ids are drawn from few, so that turns meet, retry and contradict each other. Two
// servers carry them: what one remembers the other may have changed.
func TestWhatIsSavedIsWhatIsLoaded(t *testing.T) {
	t.Parallel()
	store := open(t)
	lanes := []lane{newLane(t, store), newLane(t, openAt(t, postgres.Config{URL: store.Writers().ConnString(), TestClock: true}))}
	prices := newShelf()
	for n := range 3 {
		prices.put(t, store, bookOf(bookID(n+1), price.Rates{Input: rate(1), Output: rate(n)}))
	}
	conn := connect(t, store)
	firms, ahead := 0, map[bool]int{}
	rapid.Check(t, func(rt *rapid.T) {
		firms++
		start, err := store.SetClock(within(t), time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC))
		must(rt, err)
		id := fmt.Sprintf("firm%d", firms)
		c := &carried{TB: rt, lane: lanes[0], store: store, conn: conn, state: meter.NewState(id, start), ahead: ahead}
		c.state.BookVersions, c.state.Books = prices.versions, prices.tables
		plan := teamPlan()
		plan.ID = "plan of " + id
		c.putPlan(plan)
		c.batch(put(t, id, plan.ID, 0), topUp(id, "first", 5_000),
			meter.PutMember{OrganizationID: id, MemberID: seat(0), Role: meter.RoleOwner},
			access(id, seat(0), meter.Access{Kind: meter.AccessUnlimited}))
		if rapid.Bool().Draw(rt, "all seats") {
			for n := range 6 {
				c.batch(meter.PutMember{OrganizationID: id, MemberID: seat(n), Role: meter.RoleMember})
			}
		}
		turns := make([]meter.UUID, 6)
		for i := range turns {
			turns[i] = newID()
		}
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			if rapid.IntRange(0, 7).Draw(rt, "plan") == 0 {
				c.putPlan(drawPlan(rt, plan.ID))
			}
			if rapid.IntRange(0, 3).Draw(rt, "prices") == 0 {
				prices.put(rt, store, drawBook(rt))
			}
			kinds, most := ofTurns, 3
			if rapid.Bool().Draw(rt, "of all kinds") {
				kinds, most = ofAll, 12
				if step := drawStep(rt); step != 0 {
					c.forward(step)
				}
			}
			var commands []meter.Command
			for range rapid.IntRange(1, most).Draw(rt, "commands") {
				commands = append(commands, drawCommand(rt, t, kinds, id, plan.ID, turns))
			}
			c.lane = lanes[rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1}).Draw(rt, "server")]
			if rapid.Bool().Draw(rt, "by memory") {
				c.lane.Trust(true)
			}
			c.batch(commands...)
		}
		c.same()
	})
	if ahead[false] == 0 || ahead[true] == 0 {
		t.Errorf("%d batches were decided by memory, and %d by what had changed", ahead[false], ahead[true])
	}
}

func put(t testing.TB, id, plan string, n int) meter.PutOrganization {
	zones := []string{"Europe/Berlin", "America/Sao_Paulo", "UTC"}
	return meter.PutOrganization{
		OrganizationID: id, DisplayName: fmt.Sprint("Firm ", n), PlanID: plan, Unit: meter.UnitUSD,
		Anchor:               meter.Anchor{Date: meter.Date{Year: 2026, Month: 1, Day: 31 - n%4}, Zone: zone(t, zones[n%3])},
		State:                meter.OrganizationState(1 + n%5/4),
		PoolVisibleToMembers: n%2 == 1, PriceBookID: []string{"", bookID(1), bookID(2)}[n%3],
	}
}

// bookID is the id of one of three books; the third is the default one.
func bookID(n int) string {
	if n == 3 {
		return meter.DefaultPriceBook
	}
	return fmt.Sprint("book", n)
}

// drawBook is a book as it may be, or as it is already.
func drawBook(rt *rapid.T) price.Book {
	n := rapid.IntRange(0, 5).Draw(rt, "rate")
	b := bookOf(bookID(1+rapid.IntRange(0, 2).Draw(rt, "book")), price.Rates{Input: rate(n), Output: rate(2)})
	b.Models[0].Prices[0].Tiers = []price.Tier{{AboveInputTokens: 8, Rates: price.Rates{Input: rate(2 * n)}}}
	if n == 0 {
		b.Unit, b.ACUMicrosPerUSD = meter.UnitACU, 0 // So it has no price for the firm, which is in dollars.
	}
	return b
}

func drawPlan(rt *rapid.T, id string) meter.Plan {
	p := teamPlan()
	p.ID = id
	p.Kind = meter.PlanKind(rapid.IntRange(1, 4).Draw(rt, "kind"))
	p.SeatAllowance = meter.Micros(rapid.Int64Range(0, 2_000).Draw(rt, "allowance"))
	p.FailedTurns = meter.FailedTurnPolicy(rapid.IntRange(1, 2).Draw(rt, "policy"))
	p.Limits.Devices = rapid.Ptr(rapid.Int64Range(0, 9), true).Draw(rt, "devices")
	if p.Abuse.Tokens = rapid.Int64Range(0, 40).Draw(rt, "abuse"); p.Abuse.Tokens == 0 {
		p.Abuse.Window = 0
	}
	return p
}

// drawStep is how far time goes between two batches: mostly a little, at times into the next months, at times back.
func drawStep(rt *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{
		0, 0, 0, time.Second, 40 * time.Second, 20 * time.Minute, 26 * time.Hour, 12 * 24 * time.Hour,
		40 * 24 * time.Hour, -30 * time.Second, -3 * 24 * time.Hour,
	}).Draw(rt, "step")
}

// The commands that a batch is drawn from, by how often; one that is of turns alone is decided by memory.
var (
	ofTurns = []string{"reserve", "reserve", "reserve", "commit", "commit", "release"}
	ofAll   = append([]string{"extend", "extend", "topup", "refund", "access", "put", "member", "remove", "sweep"}, ofTurns...)
)

func drawCommand(rt *rapid.T, t testing.TB, kinds []string, id, plan string, turns []meter.UUID) meter.Command {
	n := rapid.IntRange(0, 9).Draw(rt, "n")
	member := seat(n)
	turn := turns[n%len(turns)]
	amount := meter.Micros(rapid.Int64Range(1, 1_500).Draw(rt, "amount"))
	switch rapid.SampledFrom(kinds).Draw(rt, "command") {
	case "reserve":
		r := meter.Reserve{
			OrganizationID: id, ReservationID: turn, MemberID: seat(n % len(turns)), RequestID: fmt.Sprint("r", n%len(turns)),
			Estimate: amount, Minimum: 1 + amount/3, TimeToLive: time.Duration(1+amount/50) * time.Second,
			Turn: meter.Turn{Model: drawModel(rt), ConversationID: "c", TurnID: member, Labels: drawLabels(rt)},
		}
		if rapid.Bool().Draw(rt, "by usage") {
			r.Estimate, r.Usage = 0, &meter.EstimateUsage{Tokens: drawTokens(rt), MaxOutput: 2, Policy: meter.EstimatePolicy(1 + n%2)}
		}
		return r
	case "commit":
		return meter.Commit{
			OrganizationID: id, ReservationID: turn, Actual: amount - 1, Tokens: drawTokens(rt), ByTokens: amount%2 == 0,
		}
	case "release":
		return meter.Release{
			OrganizationID: id, ReservationID: turn, Reason: "it ''failed''", Actual: amount - 1, Tokens: drawTokens(rt),
			ByTokens: amount%2 == 0,
		}
	case "extend":
		return meter.Extend{
			OrganizationID: id, ReservationID: turn, RequestID: fmt.Sprint("x", rapid.IntRange(0, 20).Draw(rt, "x")),
			Additional: amount - 1, TimeToLive: time.Duration(n) * time.Minute,
		}
	case "topup":
		return topUp(id, fmt.Sprint("t", n), 1+amount%3)
	case "refund":
		return meter.Refund{
			OrganizationID: id, RequestID: fmt.Sprint("f", n), TopUpRequestID: rapid.SampledFrom([]string{"first", "t1", "t2"}).Draw(rt, "of"),
			Amount: amount, Reference: "credit note",
		}
	case "access":
		kind := meter.AccessKind(1 + n%3)
		granted := meter.Access{Kind: kind}
		if kind == meter.AccessCapped {
			granted.Cap = amount
		}
		return access(id, member, granted)
	case "put":
		return put(t, id, plan, n)
	case "member":
		return meter.PutMember{
			OrganizationID: id, MemberID: member, DisplayName: fmt.Sprint("Ada ", n), Email: "ada@example.com",
			AvatarURL: "https://example.com/a.png", Role: meter.Role(1 + n%3), Allowance: drawAllowance(rt),
		}
	case "remove":
		return meter.RemoveMember{OrganizationID: id, MemberID: member}
	default:
		return meter.Sweep{OrganizationID: id}
	}
}

// drawModel is a model by its name or alias, or one that no book knows.
func drawModel(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"large", "large", "big", "unknown", ""}).Draw(rt, "model")
}

func drawLabels(rt *rapid.T) map[string]string {
	if rapid.Bool().Draw(rt, "labelled") {
		return map[string]string{"team": "größe \"1\"", "empty": "", `a=\`: `b=`, `a`: rapid.SampledFrom([]string{"", "=", "b"}).Draw(rt, "label")}
	}
	return nil
}

func drawTokens(rt *rapid.T) meter.TokenUsage {
	if rapid.Bool().Draw(rt, "tokens") {
		return meter.TokenUsage{Input: 5, CachedInput: 4, CacheWrite: 3, Output: 2, Reasoning: 1}
	}
	return meter.TokenUsage{}
}

func drawAllowance(rt *rapid.T) *meter.Micros {
	if rapid.Bool().Draw(rt, "own") {
		own := meter.Micros(rapid.Int64Range(0, 3_000).Draw(rt, "own allowance"))
		return &own
	}
	return nil
}
