package postgres_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
)

// The firm that most tests are about: three seats on a plan that counts tokens, with money in the pool.
const (
	firm       = "acme"
	seats      = 3
	allowance  = meter.Micros(1_000)
	firstTopUp = meter.Micros(1_000_000)
)

func teamPlan() meter.Plan {
	orchestrators := int64(5)
	return meter.Plan{
		ID: "team", Kind: meter.PlanTeam, SeatAllowance: allowance, FailedTurns: meter.FailedTurnUseAllowance,
		Limits: meter.PlanLimits{Orchestrators: &orchestrators},
		Abuse:  meter.AbuseLimit{Tokens: 1_000_000_000, Window: 90 * time.Minute},
	}
}

// listBook is the book that firms name: in their own unit, at some micros a token.
func listBook(perToken int) price.Book {
	return bookOf("list", price.Rates{Input: rate(perToken), Output: rate(2 * perToken)})
}

// bookOf is a book in ACU, with one model that has two names.
func bookOf(id string, rates price.Rates) price.Book {
	return price.Book{
		ID: id, Unit: meter.UnitACU, ACUMicrosPerUSD: 1_500_000, Source: "a quote", Licence: "none",
		AsOf:   meter.Date{Year: 2026, Month: time.February, Day: 28},
		Models: []price.Model{{Name: "large", Aliases: []string{"big"}, Prices: []price.Price{{Rates: rates}}}},
	}
}

func rate(n int) *price.Decimal {
	d, err := price.ParseDecimal(strconv.Itoa(n))
	if err != nil {
		panic(err) // A number is one.
	}
	return &d
}

// putBook puts a book and answers its version.
func putBook(t testing.TB, store *postgres.Store, b price.Book) int64 {
	t.Helper()
	put, err := store.PutPriceBook(within(t), b, nil, meter.Actor{Subject: "ada"})
	must(t, err)
	return put.Version
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := meter.LoadZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func organization(t testing.TB, id string) meter.PutOrganization {
	t.Helper()
	return meter.PutOrganization{
		OrganizationID: id, DisplayName: "Firm " + id, PlanID: "team", Unit: meter.UnitACU,
		Anchor: meter.Anchor{Date: meter.Date{Year: 2026, Month: time.January, Day: 31}, Zone: zone(t, "Europe/Berlin")},
		State:  meter.OrganizationActive, PriceBookID: "list",
	}
}

// seat is the id of a firm's n-th member.
func seat(n int) string { return fmt.Sprintf("m%d", n%seats) }

// found makes firms with their seats and pools.
func found(t testing.TB, store *postgres.Store, ids ...string) lane {
	t.Helper()
	if err := store.PutPlan(within(t), teamPlan(), meter.Actor{}); err != nil {
		t.Fatal(err)
	}
	putBook(t, store, listBook(1))
	l := newLane(t, store)
	for _, id := range ids {
		l.do(organization(t, id), topUp(id, "first", firstTopUp))
		for n := range seats {
			l.do(meter.PutMember{OrganizationID: id, MemberID: seat(n), Role: meter.RoleMember},
				access(id, seat(n), meter.Access{Kind: meter.AccessUnlimited}))
		}
	}
	return l
}

func topUp(firm, request string, amount meter.Micros) meter.TopUp {
	return meter.TopUp{OrganizationID: firm, RequestID: request, Amount: amount, Reference: "invoice of " + request}
}

func access(firm, member string, a meter.Access) meter.SetAccess {
	return meter.SetAccess{OrganizationID: firm, MemberID: member, Access: a, Actor: "ada", ChangeID: newID()}
}

// reserve asks for a turn of the member with that request id.
func reserve(firm, member, request string, estimate meter.Micros, ttl time.Duration) meter.Reserve {
	return meter.Reserve{
		OrganizationID: firm, ReservationID: newID(), MemberID: member, RequestID: request,
		Estimate: estimate, Minimum: estimate, TimeToLive: ttl,
		Turn: meter.Turn{Model: "large", ConversationID: "c-" + request, TurnID: "t-" + request},
	}
}

// reserveUsage asks for a turn by what it is expected to use.
func reserveUsage(firm, member, request string, usage meter.EstimateUsage) meter.Reserve {
	r := reserve(firm, member, request, 0, time.Hour)
	r.Minimum, r.Usage = 0, &usage
	return r
}

func commitTokens(r meter.Reserve, tokens meter.TokenUsage) meter.Commit {
	return meter.Commit{
		OrganizationID: r.OrganizationID, ReservationID: r.ReservationID, ByTokens: true, Tokens: tokens,
	}
}

func commit(r meter.Reserve, actual meter.Micros) meter.Commit {
	return meter.Commit{
		OrganizationID: r.OrganizationID, ReservationID: r.ReservationID, Actual: actual,
		Tokens: meter.TokenUsage{Input: 1, CachedInput: 2, CacheWrite: 3, Output: 4, Reasoning: 5},
	}
}
