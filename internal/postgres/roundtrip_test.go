package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// kinds makes the n-th command of every kind. Those that settle or extend a turn take one that turnsOf made.
var kinds = map[string]func(t testing.TB, n int) meter.Command{
	"Reserve": func(_ testing.TB, n int) meter.Command {
		return reserve(firm, seat(n), fmt.Sprint("reserve", n), 100, time.Hour)
	},
	"Commit":              func(_ testing.TB, n int) meter.Command { return commit(turn("commit", n), 50) },
	"Commit at no charge": func(_ testing.TB, n int) meter.Command { return commit(turn("free", n), 0) },
	"Reserve by usage": func(_ testing.TB, n int) meter.Command {
		return reserveUsage(firm, seat(n), fmt.Sprint("usage", n), meter.EstimateUsage{
			Tokens: meter.TokenUsage{Input: 10, Output: 5}, MaxOutput: 5, Policy: meter.EstimateMaximum,
		})
	},
	"Commit by tokens": func(_ testing.TB, n int) meter.Command {
		return commitTokens(turn("tokens", n), meter.TokenUsage{Input: 10, Output: int64(n)})
	},
	"Release": func(_ testing.TB, n int) meter.Command { return release(turn("release", n), 10) },
	"Extend":  func(_ testing.TB, n int) meter.Command { return extend(turn("extend", n), fmt.Sprint("x", n), 10) },
	"TopUp":   func(_ testing.TB, n int) meter.Command { return topUp(firm, fmt.Sprint("t", n), 10) },
	"Refund": func(_ testing.TB, n int) meter.Command {
		return meter.Refund{OrganizationID: firm, RequestID: fmt.Sprint("f", n), TopUpRequestID: "first", Amount: 1}
	},
	"SetAccess": func(_ testing.TB, n int) meter.Command {
		return access(firm, seat(n), meter.Access{Kind: meter.AccessCapped, Cap: meter.Micros(1_000_000 + n)})
	},
	"PutOrganization": func(t testing.TB, n int) meter.Command {
		c := organization(t, fmt.Sprint("other", n%7))
		c.DisplayName = fmt.Sprint("Other ", n)
		return c
	},
	"PutMember": func(_ testing.TB, n int) meter.Command {
		return meter.PutMember{OrganizationID: firm, MemberID: fmt.Sprint("new", n%20), DisplayName: fmt.Sprint(n), Role: meter.RoleAdmin}
	},
	"RemoveMember": func(_ testing.TB, n int) meter.Command {
		return meter.RemoveMember{OrganizationID: firm, MemberID: fmt.Sprint("leaver", n%20)}
	},
	"Sweep": func(_ testing.TB, _ int) meter.Command { return meter.Sweep{OrganizationID: firm} },
}

// turn is the Reserve that made the n-th turn of a name: the same one each time.
func turn(name string, n int) meter.Reserve {
	r := reserve(firm, seat(n), fmt.Sprint(name, n), 100, time.Hour)
	copy(r.ReservationID[:], fmt.Sprintf("%-8s%8d", name, n))
	return r
}

func release(r meter.Reserve, actual meter.Micros) meter.Release {
	return meter.Release{
		OrganizationID: r.OrganizationID, ReservationID: r.ReservationID, Reason: "the model timed out", Actual: actual,
		Tokens: meter.TokenUsage{Input: 7},
	}
}

func extend(r meter.Reserve, request string, additional meter.Micros) meter.Extend {
	return meter.Extend{
		OrganizationID: r.OrganizationID, ReservationID: r.ReservationID, RequestID: request, Additional: additional,
		TimeToLive: 2 * time.Hour,
	}
}

// byMemory are the kinds that need only what a session remembers once it has served the seats.
var byMemory = []string{
	"Reserve", "Reserve by usage", "Commit", "Commit at no charge", "Commit by tokens", "Release", "RemoveMember",
}

// TestABatchIsTwoRoundTrips whatever its kinds and its size, and one if the session remembers all that it needs.
func TestABatchIsTwoRoundTrips(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	tap := tapOf(store)
	l := found(t, store, firm)
	const each = 25
	var commands []meter.Command
	for n := range 3 * each {
		commands = append(commands, turn("commit", n), turn("tokens", n), turn("release", n), turn("extend", n), turn("free", n),
			meter.PutMember{OrganizationID: firm, MemberID: fmt.Sprint("leaver", n%each), Role: meter.RoleMember})
	}
	l.do(commands...)
	next := map[string]int{}
	batch := func(name string, size int) (commands []meter.Command) {
		for range size {
			commands = append(commands, kinds[name](t, next[name]))
			next[name]++
		}
		return commands
	}
	all := func() (commands []meter.Command) {
		for name := range kinds {
			commands = append(commands, batch(name, 18)...)
		}
		return commands
	}
	l.Trust(true)
	for range 64 {
		l.do(batch("Reserve", 1)...) // Until one has plans made anew, which is a statement of its own.
	}
	for name := range kinds {
		l.do(batch(name, 1)...) // Its statements are prepared now.
		l.do(batch(name, 1)...)
		want := int64(2)
		if slices.Contains(byMemory, name) {
			want = 1
			l.Trust(true)
		}
		if trips := tap.during(func() { l.do(batch(name, 1)...) }); trips != want {
			t.Errorf("a batch of one %s takes %d round trips", name, trips)
		}
	}
	var turns []meter.Command
	for _, name := range byMemory {
		turns = append(turns, batch(name, seats)...)
	}
	l.Trust(true)
	if trips := tap.during(func() { l.do(turns...) }); trips != 1 {
		t.Errorf("a batch of %d commands of turns takes %d round trips", len(turns), trips)
	}
	l.do(all()...)
	commands = all()
	if trips := tap.during(func() { l.do(commands...) }); trips != 2 || len(commands) < 190 {
		t.Errorf("a batch of %d commands of every kind takes %d round trips", len(commands), trips)
	}
}

// TestAnUnmetPlanIsOneRoundTripMore moves a firm through more plans than a session keeps in mind.
func TestAnUnmetPlanIsOneRoundTripMore(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	tap := tapOf(store)
	admin, l := found(t, store, firm), newLane(t, store)
	l.do(meter.Sweep{OrganizationID: firm}) // Its statements are prepared now.
	for n := range 70 {
		p := teamPlan()
		p.ID, p.SeatAllowance = fmt.Sprint("plan", n), meter.Micros(1000+n)
		must(t, store.PutPlan(within(t), p, meter.Actor{}))
		o := organization(t, firm)
		o.PlanID = p.ID
		admin.do(o)
		for _, want := range []int64{3, 2} {
			var states map[string]*meter.State
			trips := tap.during(func() {
				var err error
				states, err = l.load(meter.Sweep{OrganizationID: firm})
				must(t, err)
				must(t, l.Save(within(t), states))
			})
			if trips != want {
				t.Errorf("on plan %d a batch takes %d round trips, not %d", n, trips, want)
			}
			if got := states[firm].Plans[p.ID].SeatAllowance; got != p.SeatAllowance {
				t.Errorf("on plan %d the allowance is %d", n, got)
			}
		}
	}
}

// TestTurnsUpdateInPlace runs turns and looks at how their rows were updated: a row that moves to another page leaves
// entries behind in every index. It runs by itself: a transaction under way, in whichever database, keeps old versions of
// rows, whose room updates in place take.
func TestTurnsUpdateInPlace(t *testing.T) {
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm, "busy", "bees")
	conn := connect(t, store)
	for _, table := range []string{"organization", "member", "reservation"} {
		// Nor does an analysis keep them.
		_, err := conn.Exec(within(t), "ALTER TABLE "+table+" SET (autovacuum_enabled = off)")
		must(t, err)
	}
	const batches, size = 40, 72
	for b := range batches {
		var reserves, settles []meter.Command
		for n := range size {
			r := reserve([]string{firm, "busy", "bees"}[n%3], seat(n/3), fmt.Sprint(b, ".", n), 100, time.Hour)
			reserves, settles = append(reserves, r), append(settles, commit(r, 60))
		}
		l.do(reserves...)
		l.do(settles...)
	}
	l.Close() // The server counts what a connection did when it ends, at the latest.
	for table, updates := range map[string]int64{
		"organization": 2 * 3 * batches, "member": 2 * 3 * seats * batches, "reservation": batches * size,
	} {
		var updated, inPlace int64
		eventually(t, "the server has counted the updates of "+table, func() bool {
			err := conn.QueryRow(within(t), `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1`, table).
				Scan(&updated, &inPlace)
			must(t, err)
			return updated >= updates
		})
		if 10*inPlace < 9*updated {
			t.Errorf("of %d updates of %s, %d were in place", updated, table, inPlace)
		}
	}
}
