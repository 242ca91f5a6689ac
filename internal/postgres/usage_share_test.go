package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestRollersShareTheWorkAndCrash has three rollers take a few rows at a time while turns go on, and the database end their
// connections in whatever they do, again and again. What they leave is what happened, once.
func TestRollersShareTheWorkAndCrash(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url, TestClock: true})
	firms := []string{"shared0", "shared1"}
	l := found(t, store, firms...)
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	var rollers errgroup.Group
	for range 3 {
		roller := store.NewRoller().InChunksOf(3)
		rollers.Go(func() error {
			defer roller.Close()
			return rollUntil(ctx, roller)
		})
	}
	super := connect(t, store)
	for n := range 60 {
		var commands []meter.Command
		for _, id := range firms {
			r := reserve(id, seat(n), fmt.Sprint("t", n), 40, time.Minute)
			commands = append(commands, r, commit(r, meter.Micros(40+n%3)))
		}
		l.do(commands...)
		if n%7 == 3 {
			exec(t, super, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'meterd roll-up' AND datname = current_database()`)
		}
	}
	eventually(t, "all is rolled up", func() bool {
		return one[bool](t, super, `SELECT bool_and(w.ledger_sequence = o.ledger_sequence
			AND w.uncharged_sequence = o.uncharged_sequence) AND count(*) = 2
			FROM organization o JOIN usage_watermark w USING (organization_id)`)
	})
	stop()
	must(t, rollers.Wait())
	for _, id := range firms {
		report, err := store.Usage(within(t), meter.UsageQuery{OrganizationID: id, Grouping: meter.UsageByMember, Limit: 10})
		must(t, err)
		if sum := report.Totals; sum.Turns != 60 || sum.Actual() != 60*41 || len(report.Rows) != seats {
			t.Errorf("%s has %+v", id, report)
		}
	}
	audittest.Check(t, url)
}

// rollUntil rolls up until the context ends. That a connection is lost is what the test is about.
func rollUntil(ctx context.Context, roller *postgres.Roller) error {
	for ctx.Err() == nil {
		behind, err := roller.Behind(ctx, "", 1, 10)
		for _, id := range behind {
			if _, err = roller.RollUp(ctx, id); err != nil {
				break
			}
		}
		var refusal *meter.Refusal
		if err != nil && ctx.Err() == nil && !errors.As(err, &refusal) {
			return err
		}
	}
	return nil
}

// TestReportsOfDaysWithChangedClocks has turns around the day of 23 hours in Berlin, in each of its hours, and reports them
// by day, rolled up and not.
func TestReportsOfDaysWithChangedClocks(t *testing.T) {
	t.Parallel()
	store := open(t)
	_, err := store.SetClock(within(t), time.Date(2026, 3, 28, 21, 30, 0, 0, time.UTC))
	must(t, err)
	l := found(t, store, firm)
	roller := store.NewRoller()
	t.Cleanup(roller.Close)
	for n := range 27 { // Until half past midnight, UTC, of the day after.
		r := reserve(firm, seat(n), fmt.Sprint("h", n), 10, time.Minute)
		l.do(r, commit(r, 10))
		if n == 11 {
			_, err := roller.RollUp(within(t), firm)
			must(t, err)
		}
		_, err := store.ShiftClock(within(t), time.Hour)
		must(t, err)
	}
	days := func() (rows []string) {
		report, err := store.Usage(within(t), meter.UsageQuery{OrganizationID: firm, Grouping: meter.UsageByDay, Limit: 10})
		must(t, err)
		for _, r := range report.Rows {
			rows = append(rows, fmt.Sprint(r.Value, " ", r.Turns, r.Day.Start.Format(" 02T15"), r.Day.End.Format(" 02T15")))
		}
		return rows
	}
	want := []string{"2026-03-28 2 27T23 28T23", "2026-03-29 23 28T23 29T22", "2026-03-30 2 29T22 30T22"}
	same(t, "days, half of them rolled up", days(), want)
	_, err = roller.RollUp(within(t), firm)
	must(t, err)
	same(t, "days, all of them rolled up", days(), want)
}

// TestEntriesAreNarrowed lists entries of spans and kinds, with nothing rolled up, half of it, and all.
func TestEntriesAreNarrowed(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t), TestClock: true, EntriesLooked: 7})
	start, err := store.SetClock(within(t), time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC))
	must(t, err)
	l := found(t, store, firm)
	for n := range 40 {
		r := reserve(firm, seat(n), fmt.Sprint("e", n), 600, time.Minute)
		l.do(r, commit(r, 600), topUp(firm, fmt.Sprint("more", n), 5))
		_, err := store.ShiftClock(within(t), 5*time.Hour)
		must(t, err)
	}
	all := pages(t, func(last meter.Entry, n int) ([]meter.Entry, error) {
		page, err := store.Entries(within(t), meter.EntryQuery{OrganizationID: firm, After: last.Sequence, Limit: n})
		return page.Entries, err
	})
	roller := store.NewRoller()
	t.Cleanup(roller.Close)
	for _, chunk := range []int64{0, 60, 1000} {
		if chunk > 0 {
			_, err := roller.InChunksOf(chunk).RollUp(within(t), firm)
			must(t, err)
		}
		for _, span := range []meter.Span{
			{},
			{Start: start.Add(31 * time.Hour)},
			{End: start.Add(100 * time.Hour)},
			{Start: start.Add(31 * time.Hour), End: start.Add(111 * time.Hour)},
			{Start: start.Add(9000 * time.Hour)},
			{End: start.Add(-time.Hour)},
		} {
			for _, kinds := range [][]meter.EntryKind{
				nil, {meter.EntryTopUp}, {meter.EntryPoolCharge}, {meter.EntryTopUp, meter.EntryRefund, meter.EntryAllowanceCharge},
			} {
				q := meter.EntryQuery{OrganizationID: firm, Span: span, Kinds: kinds, Limit: 3}
				same(t, fmt.Sprintf("entries of %+v", q), entriesOf(t, store, q), narrowed(all, q))
			}
		}
	}
	_, err = store.Entries(within(t), meter.EntryQuery{OrganizationID: "nobody", Span: meter.Span{Start: start}, Limit: 1})
	mustBe(t, err, meter.OrganizationNotFound)
}

func entriesOf(t testing.TB, store *postgres.Store, q meter.EntryQuery) (all []meter.Entry) {
	t.Helper()
	for {
		page, err := store.Entries(within(t), q)
		must(t, err)
		if len(page.Entries) > q.Limit {
			t.Fatalf("%d entries on a page of %d", len(page.Entries), q.Limit)
		}
		all = append(all, page.Entries...)
		if page.Next == 0 {
			return all
		}
		if page.Next <= q.After {
			t.Fatalf("after %d it goes on after %d", q.After, page.Next)
		}
		q.After = page.Next
	}
}

func narrowed(all []meter.Entry, q meter.EntryQuery) (wanted []meter.Entry) {
	for _, e := range all {
		in := !e.At.Before(q.Span.Start) && (q.Span.End.IsZero() || e.At.Before(q.Span.End))
		for _, kind := range q.Kinds {
			in = in && (e.Kind == kind || len(q.Kinds) > 1 && e.Kind != meter.EntryPoolCharge)
		}
		if in {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// TestRunwayIsOfTheLastDays draws on the pool for three days, and estimates on the fourth.
func TestRunwayIsOfTheLastDays(t *testing.T) {
	t.Parallel()
	store := open(t)
	_, err := store.SetClock(within(t), time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC))
	must(t, err)
	l := found(t, store, firm)
	for n := range 4 {
		r := reserve(firm, seat(0), fmt.Sprint("d", n), 2_000, time.Minute)
		l.do(r, commit(r, 2_000))
		_, err := store.ShiftClock(within(t), 24*time.Hour)
		must(t, err)
		if n == 1 {
			roller := store.NewRoller()
			_, err := roller.RollUp(within(t), firm)
			must(t, err)
			roller.Close()
		}
	}
	runway, err := store.Runway(within(t), firm, 14)
	must(t, err)
	// The first turn of 2,000 was paid by the allowance of 1,000 in part; the days are 10 to 13 March.
	if b := runway.Basis; b.Days != 4 || b.Turns != 4 || b.Pool != 7_000 || b.Daily != 1_750 || runway.Balance != firstTopUp-7_000 {
		t.Errorf("it rests on %+v", runway)
	}
	if empty := runway.EmptyAt.Sub(runway.Basis.At).Hours() / 24; empty < 567 || empty > 568 {
		t.Errorf("the pool is empty in %v days", empty)
	}
	_, err = store.Runway(within(t), "nobody", 14)
	mustBe(t, err, meter.OrganizationNotFound)
}

// TestReportsLeaveOthersTheirConnections has reports wait for a lock, and for the one that does. Other reads, and
// the question whether the database is there, are answered meanwhile; the reports are, afterwards.
func TestReportsLeaveOthersTheirConnections(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t), TestClock: true, Readers: 1})
	found(t, store, firm)
	holder, super := connect(t, store), connect(t, store)
	exec(t, holder, "BEGIN")
	exec(t, holder, "LOCK usage_day")
	ctx := within(t)
	var reports errgroup.Group
	for range 6 {
		reports.Go(func() error {
			_, err := store.Usage(ctx, meter.UsageQuery{OrganizationID: firm, Grouping: meter.UsageByDay, Limit: 10})
			return err
		})
	}
	eventually(t, "a report waits", func() bool { return waits(t, super) })
	must(t, store.Ping(ctx))
	_, err := store.Meter(ctx, firm, seat(0))
	must(t, err)
	exec(t, holder, "ROLLBACK")
	must(t, reports.Wait())
}

// waits says whether a report waits for a lock.
func waits(t *testing.T, super *pgx.Conn) bool {
	t.Helper()
	return one[bool](t, super, `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE application_name = 'meterd report' AND wait_event_type = 'Lock' AND datname = current_database())`)
}

// TestAReportIsRestedFrom has a report take a while, and another one asked for at once begin no sooner than after twice as long again.
func TestAReportIsRestedFrom(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t), TestClock: true})
	found(t, store, firm)
	holder, super := connect(t, store), connect(t, store)
	exec(t, holder, "BEGIN")
	exec(t, holder, "LOCK usage_day")
	report := func() error {
		_, err := store.Usage(within(t), meter.UsageQuery{OrganizationID: firm, Grouping: meter.UsageByDay, Limit: 10})
		return err
	}
	first := make(chan error, 1)
	go func() { first <- report() }()
	eventually(t, "the report waits", func() bool { return waits(t, super) })
	exec(t, holder, "SELECT pg_sleep(0.5)")
	freed := time.Now() // Not before the first has run for half a second; so however slow the machine is, the next one is later by twice as much.
	exec(t, holder, "ROLLBACK")
	must(t, <-first)
	must(t, report())
	if rested := time.Since(freed); rested < time.Second {
		t.Errorf("after a report of over 500 ms the next one was answered within %v", rested)
	}
}

// TestWhoGivesWay tells of the connections of reports and of roll-ups, and of no other.
func TestWhoGivesWay(t *testing.T) {
	t.Parallel()
	told := make(chan uint32, 100)
	store := openAt(t, postgres.Config{
		URL: server.Database(t), TestClock: true, Background: func(backend uint32) { told <- backend },
	})
	found(t, store, firm)
	super := connect(t, store)
	programOf := func(backend uint32) string {
		return one[string](t, super, "SELECT application_name FROM pg_stat_activity WHERE pid = $1", backend)
	}
	_, err := store.Usage(within(t), meter.UsageQuery{OrganizationID: firm, Grouping: meter.UsageByDay, Limit: 10})
	must(t, err)
	same(t, "who gives way", programOf(<-told), "meterd report")
	roller := store.NewRoller()
	t.Cleanup(roller.Close)
	_, err = roller.RollUp(within(t), firm)
	must(t, err)
	same(t, "who gives way", programOf(<-told), "meterd roll-up")
	same(t, "how many others do", len(told), 0)
}

// TestWhoGoesFirst tells of the connections of sessions, of each again when it had to connect anew, and of no other.
func TestWhoGoesFirst(t *testing.T) {
	t.Parallel()
	told := make(chan uint32, 100)
	store := openAt(t, postgres.Config{
		URL: server.Database(t), TestClock: true, Foreground: func(backend uint32) { told <- backend },
	})
	l := found(t, store, firm)
	super := connect(t, store)
	backend := <-told
	same(t, "who goes first", one[string](t, super, "SELECT application_name FROM pg_stat_activity WHERE pid = $1", backend), "meterd lane")
	_, err := store.Usage(within(t), meter.UsageQuery{OrganizationID: firm, Grouping: meter.UsageByDay, Limit: 10})
	must(t, err)
	l.Session.Close()
	l.do(topUp(firm, "again", 1))
	if again := <-told; again == backend {
		t.Errorf("process %d is told twice", again)
	}
	same(t, "how many others do", len(told), 0)
}

// TestWhoStoppedLongAgoIsTold lets a seat use up its allowance, and estimates once the days looked at know nothing of it.
func TestWhoStoppedLongAgoIsTold(t *testing.T) {
	t.Parallel()
	store := open(t)
	start, err := store.SetClock(within(t), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	must(t, err)
	l := found(t, store, firm)
	r := reserve(firm, seat(0), "last", 1_000, time.Minute)
	l.do(access(firm, seat(0), meter.Access{Kind: meter.AccessNone}), r, commit(r, 1_000))
	_, err = store.SetClock(within(t), start.AddDate(0, 0, 6))
	must(t, err)
	runway, err := store.Runway(within(t), firm, 2)
	must(t, err)
	if runway.Basis.Turns != 0 || runway.Stopped == 0 || len(runway.Seats) == 0 {
		t.Fatalf("nobody is stopped: %+v", runway)
	}
	first := runway.Seats[0]
	if first.MemberID != seat(0) || first.StoppedBy != meter.ExtraUsageNotEnabled || !first.StoppedAt.Equal(runway.Basis.At) {
		t.Errorf("the first is %+v", first)
	}
}
