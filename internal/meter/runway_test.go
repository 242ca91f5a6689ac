package meter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRunwaySpan says which days an estimate looks at, by what it is asked, when it is made and when the first entry was.
func TestRunwaySpan(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(`
14 2026-03-31T12:00:00Z 2025-01-01T00:00:00Z 2026-03-16T23:00:00Z 2026-03-30T22:00:00Z 14
1  2026-03-30T12:00:00Z 2025-01-01T00:00:00Z 2026-03-28T23:00:00Z 2026-03-29T22:00:00Z 1
14 2026-03-31T12:00:00Z 2026-03-29T10:00:00Z 2026-03-28T23:00:00Z 2026-03-30T22:00:00Z 2
14 2026-03-31T12:00:00Z 2026-03-28T23:00:00Z 2026-03-28T23:00:00Z 2026-03-30T22:00:00Z 2
14 2026-03-31T12:00:00Z 2026-03-30T22:00:00Z 2026-03-30T22:00:00Z 2026-03-31T12:00:00Z 1
`), "\n") {
		f := strings.Fields(line)
		days, _ := strconv.Atoi(f[0])
		span, n := RunwaySpan(Calendar{Anchor: in(t, "Europe/Berlin")}, at(t, f[1]), days, at(t, f[2]))
		if got := fmt.Sprint(span.Start.Format(time.RFC3339), span.End.Format(" "+time.RFC3339), " ", n); got != strings.Join(f[3:], " ") {
			t.Errorf("%s: got %s", line, got)
		}
	}
}

// TestPoolRunsEmpty says when, by its balance and what was drawn in ten days: at noon of 11 March, or never.
func TestPoolRunsEmpty(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(fmt.Sprintf(`
1000 1000 100 2026-03-21T12:00:00Z
1    3000 300 2026-03-11T12:04:48Z
0    1000 100 2026-03-11T12:00:00Z
0    0    0   2026-03-11T12:00:00Z
1000 0    0   never
%[1]d 1   0   never
%[1]d %[1]d 922337203685477580 2026-03-21T12:00:00Z
1    7    0   2026-03-12T22:17:08.571429Z
`, math.MaxInt64)), "\n") {
		f := strings.Fields(line)
		balance, _ := strconv.ParseInt(f[0], 10, 64)
		drawn, _ := strconv.ParseInt(f[1], 10, 64)
		o := Organization{Calendar: Calendar{Anchor: in(t, "UTC")}, Pool: Pool{Balance: Micros(balance)}}
		r := EstimateRunway(o, Plan{}, tenDays(t, Micros(drawn)), nil)
		got := "never"
		if !r.EmptyAt.IsZero() {
			got = r.EmptyAt.Format(time.RFC3339Nano)
		}
		if got != f[3] || r.Basis.Daily.String() != f[2] {
			t.Errorf("%s: got %s, %s a day", line, got, r.Basis.Daily)
		}
	}
}

func tenDays(t *testing.T, drawn Micros) RunwayBasis {
	t.Helper()
	return RunwayBasis{
		Span: Span{Start: at(t, "2026-03-01T00:00:00Z"), End: at(t, "2026-03-11T00:00:00Z")}, Days: 10, Pool: drawn,
		At: at(t, "2026-03-11T12:00:00Z"),
	}
}

// TestWhoIsStoppedFirst is a table of seats: the plan's kind, what is left of the allowance, the access with its cap and what
// was drawn of that, what the seat cost in ten days; when it is stopped and why. The pool has 100 a day left for 10 days.
func TestWhoIsStoppedFirst(t *testing.T) {
	const table = `
team       500  none         0    1000  2026-03-16T12 EXTRA_USAGE_NOT_ENABLED
team       0    none         0    1000  2026-03-11T12 EXTRA_USAGE_NOT_ENABLED
team       0    none         0    0     2026-03-11T12 EXTRA_USAGE_NOT_ENABLED
team       0    capped:400   400  0     2026-03-11T12 MEMBER_CAP_REACHED
team       0    capped:400   399  0     2026-03-21T12 POOL_EMPTY
team       1    none         0    0     -
team       2100 none         0    1000  -
team       500  capped:400   100  1000  2026-03-19T12 MEMBER_CAP_REACHED
team       500  capped:100   300  1000  2026-03-16T12 MEMBER_CAP_REACHED
team       0    capped:1000  0    1000  2026-03-21T12 POOL_EMPTY
team       0    capped:1001  0    1000  2026-03-21T12 POOL_EMPTY
team       500  unlimited    0    1000  2026-03-21T12 POOL_EMPTY
team       1500 unlimited    0    1000  2026-03-26T12 POOL_EMPTY
individual 1500 none         0    1000  2026-03-26T12 INDIVIDUAL_EXHAUSTED
team       1500 capped:5000  0    1000  2026-03-26T12 POOL_EMPTY`
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		f := strings.Fields(line)
		number := func(text string) Micros { n, _ := strconv.ParseInt(text, 10, 64); return Micros(n) }
		kind, limit, _ := strings.Cut(f[2], ":")
		access := Access{Kind: map[string]AccessKind{"none": AccessNone, "capped": AccessCapped, "unlimited": AccessUnlimited}[kind], Cap: number(limit)}
		use := SeatUse{
			Meter: Meter{MemberID: "ada", Remaining: number(f[1]), Access: access, Period: Period{PoolUsed: number(f[3])}},
			Cost:  number(f[4]),
		}
		plan := Plan{Kind: map[string]PlanKind{"team": PlanTeam, "individual": PlanIndividual}[f[0]]}
		o := Organization{Calendar: Calendar{Anchor: in(t, "UTC")}, Pool: Pool{Balance: 1000}}
		r := EstimateRunway(o, plan, tenDays(t, 1000), []SeatUse{use})
		got := "-"
		if r.Stopped == 1 {
			s := r.Seats[0]
			got = s.StoppedAt.Format("2006-01-02T15 ") + string(s.StoppedBy)
			if s.Daily != use.Cost/10 || r.Drawing != 0 || s.AllowanceAt.After(s.StoppedAt) || r.ResetsAt.Format("01-02") != "04-01" {
				t.Errorf("%s: got %+v", line, s)
			}
		}
		if got != strings.Join(f[5:], " ") {
			t.Errorf("%s: got %s", line, got)
		}
	}
}

// TestTheFirstHundredAreTold has more seats stopped than are told of, in no order.
func TestTheFirstHundredAreTold(t *testing.T) {
	var seats []SeatUse
	for n := range 150 {
		seats = append(seats, SeatUse{
			Meter: Meter{MemberID: fmt.Sprintf("m%03d", (n*37)%150), Remaining: Micros((n * 37) % 150 / 2), Access: Access{Kind: AccessNone}},
			Cost:  1000,
		})
	}
	r := EstimateRunway(Organization{Calendar: Calendar{Anchor: in(t, "UTC")}}, Plan{}, tenDays(t, 0), seats)
	if r.Stopped != 150 || len(r.Seats) != RunwaySeats {
		t.Fatalf("%d are stopped, %d told", r.Stopped, len(r.Seats))
	}
	for n, s := range r.Seats {
		if s.MemberID != fmt.Sprintf("m%03d", n) {
			t.Fatalf("in place %d is %s", n, s.MemberID)
		}
	}
}

// TestWhoIsStoppedNow: a seat without any room is stopped now, though it had no turn for long, and comes before those that
// are stopped later.
func TestWhoIsStoppedNow(t *testing.T) {
	running := SeatUse{Meter: Meter{MemberID: "abe", Remaining: 500, Access: Access{Kind: AccessNone}}, Cost: 1000}
	capped, open := Access{Kind: AccessCapped, Cap: 100}, Access{Kind: AccessUnlimited}
	for name, c := range map[string]struct {
		kind   PlanKind
		pool   Pool
		access Access
		period Period
		want   Reason
	}{
		"no access":        {PlanTeam, Pool{Balance: 1000}, Access{Kind: AccessNone}, Period{}, ExtraUsageNotEnabled},
		"cap used":         {PlanTeam, Pool{Balance: 1000}, capped, Period{PoolUsed: 100}, MemberCapReached},
		"cap held":         {PlanTeam, Pool{Balance: 1000}, capped, Period{PoolUsed: 30, PoolHeld: 70}, MemberCapReached},
		"pool empty":       {PlanTeam, Pool{}, open, Period{}, PoolEmpty},
		"pool and cap":     {PlanTeam, Pool{}, capped, Period{PoolUsed: 100}, PoolEmpty},
		"pool held":        {PlanTeam, Pool{Balance: 1000, Held: 1000}, open, Period{}, PoolEmpty},
		"alone, all empty": {PlanIndividual, Pool{}, open, Period{}, IndividualExhausted},
	} {
		idle := SeatUse{Meter: Meter{MemberID: "zoe", Access: c.access, Period: c.period}}
		o := Organization{Calendar: Calendar{Anchor: in(t, "UTC")}, Pool: c.pool}
		r := EstimateRunway(o, Plan{Kind: c.kind}, tenDays(t, 0), []SeatUse{running, idle})
		if r.Stopped < 1 || r.Seats[0].MemberID != "zoe" || r.Seats[0].StoppedBy != c.want || !r.Seats[0].StoppedAt.Equal(r.Basis.At) ||
			!r.Seats[0].AllowanceAt.Equal(r.Basis.At) {
			t.Errorf("%s: got %+v", name, r.Seats)
		}
	}
}

// TestWhoDrawsOnThePool: a seat that may draw is told of with the day on which its allowance is used up, where that comes
// before the period ends and nothing stops it before.
func TestWhoDrawsOnThePool(t *testing.T) {
	use := func(id string, remaining, cost Micros, access Access) SeatUse {
		return SeatUse{Meter: Meter{MemberID: id, Remaining: remaining, Access: access}, Cost: cost}
	}
	open := Access{Kind: AccessUnlimited}
	r := EstimateRunway(Organization{Calendar: Calendar{Anchor: in(t, "UTC")}, Pool: Pool{Balance: 1 << 40}}, Plan{Kind: PlanTeam},
		tenDays(t, 1000), []SeatUse{
			use("later", 1000, 1000, open), use("capped", 500, 1000, Access{Kind: AccessCapped, Cap: 5000}), use("draws", 0, 0, open),
			use("next month", 2100, 1000, open), use("idle", 1, 0, open), use("stopped", 500, 1000, Access{Kind: AccessNone}),
		})
	var got []string
	for _, s := range r.DrawingSeats {
		got = append(got, s.MemberID+s.AllowanceAt.Format(" 01-02"))
		if !s.StoppedAt.IsZero() || s.StoppedBy != "" {
			t.Errorf("%s is stopped: %+v", s.MemberID, s)
		}
	}
	if strings.Join(got, ", ") != "draws 03-11, capped 03-16, later 03-21" || r.Drawing != 3 || r.Stopped != 1 {
		t.Errorf("got %v of %d, and %d are stopped", got, r.Drawing, r.Stopped)
	}
}
