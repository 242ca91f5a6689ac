package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
)

// TestReportsAreWhatHappened runs random histories through the store, over months, changes of zone and a clock that is set
// back, while now and then a roller takes a few rows. Every report of any span must be what a plain count over all turns
// comes to, and what the ledger says.
func TestReportsAreWhatHappened(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	store := openAt(t, postgres.Config{URL: url, TestClock: true})
	l := newLane(t, store)
	l.again = true
	prices := newShelf()
	putDefaultBooks(t, store, prices)
	roller := store.NewRoller()
	t.Cleanup(roller.Close)
	firms := 0
	rapid.Check(t, func(rt *rapid.T) {
		firms++
		c := newCarried(rt, t, store, l, prices, fmt.Sprint("reported", firms))
		roller.InChunksOf(rapid.Int64Range(1, 9).Draw(rt, "chunk"))
		turns := make([]meter.UUID, 12)
		for i := range turns {
			turns[i] = newID()
		}
		for range rapid.IntRange(1, 10).Draw(rt, "batches") {
			if step := drawStep(rt); step != 0 {
				c.forward(step)
			}
			var commands []meter.Command
			for range rapid.IntRange(1, 12).Draw(rt, "commands") {
				command := drawCommand(rt, t, ofAll, c.state.ID, c.plan.ID, turns)
				if r, ok := command.(meter.Reserve); ok {
					// A turn of its own, in the place of an older one.
					i := slices.Index(turns, r.ReservationID)
					turns[i] = newID()
					r.ReservationID, r.RequestID = turns[i], meter.UUIDString(turns[i])
					command = r
				}
				commands = append(commands, command)
			}
			c.batch(commands...)
			for range rapid.IntRange(0, 3).Draw(rt, "roll-ups") {
				_, err := roller.RollUp(within(t), c.state.ID)
				must(rt, err)
			}
		}
		happened := eventsOf(c.state)
		for range 3 {
			checkReports(rt, store, c.state, happened, drawSpan(rt, happened))
		}
	})
	audittest.Check(t, url)
}

// putDefaultBooks puts a book of each id that put names.
func putDefaultBooks(t *testing.T, store *postgres.Store, prices shelf) {
	t.Helper()
	for n := range 3 {
		prices.put(t, store, bookOf(bookID(n+1), price.Rates{Input: rate(1), Output: rate(n)}))
	}
}

// newCarried founds a firm with one seat and money.
func newCarried(rt *rapid.T, t *testing.T, store *postgres.Store, l lane, prices shelf, id string) *carried {
	t.Helper()
	start, err := store.SetClock(within(t), time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
	must(rt, err)
	c := &carried{TB: rt, lane: l, store: store, state: meter.NewState(id, start), ahead: map[bool]int{}}
	c.state.BookVersions, c.state.Books = prices.versions, prices.tables
	plan := teamPlan()
	plan.ID = "plan of " + id
	c.putPlan(plan)
	c.batch(put(t, id, plan.ID, 0), topUp(id, "first", 5_000),
		meter.PutMember{OrganizationID: id, MemberID: seat(0), Role: meter.RoleOwner},
		access(id, seat(0), meter.Access{Kind: meter.AccessUnlimited}))
	return c
}

// event is something that a report counts.
type event struct {
	at      time.Time
	member  string
	turn    meter.Turn
	figures meter.UsageFigures
}

// eventsOf are all of a history: settled turns as their reservations tell, and of the others those that expired or were
// refused. It looks at no entry of the ledger.
func eventsOf(s *meter.State) (events []event) {
	for _, r := range rowsOf(&s.Reservations) {
		f := meter.UsageFigures{
			Tokens: r.Tokens, Allowance: r.Charge.Allowance, Pool: r.Charge.Pool, Overrun: r.Charge.Overrun,
		}
		switch r.State {
		case meter.Committed:
			f.Turns = 1
		case meter.Released:
			f.Failed = 1
		default:
			continue
		}
		if r.Late {
			f.Late = 1
		}
		events = append(events, event{r.SettledAt, r.MemberID, r.Turn, f})
	}
	for _, u := range s.Uncharged() {
		if u.Outcome == meter.UnchargedExpired {
			r, _ := s.Reservations.Get(u.ReservationID)
			events = append(events, event{u.At, u.MemberID, r.Turn, meter.UsageFigures{Expired: 1}})
		}
		if u.Outcome == meter.UnchargedRefused {
			var f meter.UsageFigures
			f.Refused[slices.Index(meter.Refusals[:], u.Refused.Reason)] = 1
			events = append(events, event{u.At, u.MemberID, u.Refused.Turn, f})
		}
	}
	return events
}

// drawSpan is a span whose ends are often those of events and of days.
func drawSpan(rt *rapid.T, events []event) meter.Span {
	ends := []time.Time{{}, {}, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, e := range events {
		ends = append(ends, e.at, e.at.Add(time.Microsecond), e.at.Truncate(24*time.Hour), e.at.Add(3*time.Hour))
	}
	span := meter.Span{
		Start: rapid.SampledFrom(ends).Draw(rt, "from"), End: rapid.SampledFrom(ends).Draw(rt, "to"),
	}
	if !span.Start.IsZero() && !span.End.IsZero() && span.End.Before(span.Start) {
		span.Start, span.End = span.End, span.Start
	}
	return span
}

// keyOf is the row that an event is in; false: none.
func (e event) keyOf(q meter.UsageQuery) (string, bool) {
	switch q.Grouping {
	case meter.UsageByMember:
		return e.member, true
	case meter.UsageByModel:
		return e.turn.Model, true
	case meter.UsageByConversation:
		return e.turn.ConversationID, true
	default:
		value, labelled := e.turn.Labels[q.LabelKey]
		return value, labelled
	}
}

// checkReports holds every grouping of a span to a plain count.
func checkReports(t rapid.TB, store *postgres.Store, s *meter.State, happened []event, span meter.Span) {
	t.Helper()
	for _, q := range []meter.UsageQuery{
		{Grouping: meter.UsageByMember},
		{Grouping: meter.UsageByMember, ByCost: true},
		{Grouping: meter.UsageByModel},
		{Grouping: meter.UsageByConversation},
		{Grouping: meter.UsageByLabel, LabelKey: "a"},
		{Grouping: meter.UsageByLabel, LabelKey: `a=\`, ByCost: true},
		{Grouping: meter.UsageByLabel, LabelKey: "none"},
		{Grouping: meter.UsageByDay},
	} {
		q.OrganizationID, q.Span = s.ID, span
		report := wholeReport(t, store, q)
		within := inSpan(happened, report.Span)
		same(t, fmt.Sprint("totals of ", q), report.Totals, sumOf(within))
		checkLedger(t, s, report)
		if q.Grouping == meter.UsageByDay {
			checkDays(t, s, report, within)
			continue
		}
		rows, grouped := map[string]meter.UsageFigures{}, []event{}
		for _, e := range within {
			if key, has := e.keyOf(q); has {
				grouped = append(grouped, e)
				rows[key] = sumOf([]event{{figures: rows[key]}, e})
			}
		}
		got := map[string]meter.UsageFigures{}
		for _, r := range report.Rows {
			got[r.Value] = r.UsageFigures
		}
		same(t, fmt.Sprint("rows of ", q), got, rows)
		if q.Grouping == meter.UsageByLabel {
			same(t, fmt.Sprint("unlabelled of ", q), report.Unlabelled, report.Totals.Less(sumOf(grouped)))
		}
		sorted := slices.IsSortedFunc(report.Rows, func(a, b meter.UsageRow) int {
			if q.ByCost {
				return cmp.Or(cmp.Compare(b.Actual(), a.Actual()), cmp.Compare(a.Value, b.Value))
			}
			return cmp.Compare(a.Value, b.Value)
		})
		if !sorted {
			t.Fatalf("%+v is not in order: %+v", q, report.Rows)
		}
	}
}

// wholeReport reads a report to its end, page by page.
func wholeReport(t rapid.TB, store *postgres.Store, q meter.UsageQuery) meter.UsageReport {
	t.Helper()
	const size = 2
	q.Limit = size + 1
	var rows []meter.UsageRow
	for {
		report, err := store.Usage(context.Background(), q)
		must(t, err)
		if len(report.Rows) <= size {
			report.Rows = append(rows, report.Rows...)
			return report
		}
		rows = append(rows, report.Rows[:size]...)
		q.Offset, q.AsOf, q.Span = q.Offset+size, report.AsOf, report.Span
	}
}

// checkLedger holds what a report says was charged to the ledger's own sums.
func checkLedger(t rapid.TB, s *meter.State, report meter.UsageReport) {
	t.Helper()
	sums := map[meter.EntryKind]meter.Micros{}
	for _, e := range s.Entries() {
		if !e.At.Before(report.Span.Start) && e.At.Before(report.Span.End) {
			sums[e.Kind] += e.Amount
		}
	}
	same(t, "the ledger's allowance charges", report.Totals.Allowance, sums[meter.EntryAllowanceCharge])
	same(t, "the ledger's pool charges", report.Totals.Pool, sums[meter.EntryPoolCharge])
}

// checkDays holds the rows of days to the events that lie in each, and to the ledger's last balance of it. Every event lies in one.
func checkDays(t rapid.TB, s *meter.State, report meter.UsageReport, within []event) {
	t.Helper()
	counted := 0
	for i, row := range report.Rows {
		if i > 0 && row.Day.Start.Before(report.Rows[i-1].Day.End) {
			t.Fatalf("days overlap: %v and %v", report.Rows[i-1].Day, row.Day)
		}
		if length := row.Day.End.Sub(row.Day.Start); length <= 0 || length > 25*time.Hour {
			t.Fatalf("a day lasts %v", length)
		}
		events := inSpan(within, row.Day)
		counted += len(events)
		same(t, fmt.Sprint("day ", row.Value), row.UsageFigures, sumOf(events))
		same(t, fmt.Sprint("balance of ", row.Value), row.Balance, lastBalance(s, report.Span, row.Day))
	}
	same(t, "events on days", counted, len(within))
}

// lastBalance is the pool's after the last entry, in the ledger's order, that lies in both spans; nil: there is none.
func lastBalance(s *meter.State, spans ...meter.Span) (balance *meter.Micros) {
	for _, e := range s.Entries() {
		if !slices.ContainsFunc(spans, func(within meter.Span) bool { return e.At.Before(within.Start) || !e.At.Before(within.End) }) {
			balance = &e.BalanceAfter
		}
	}
	return balance
}

func inSpan(events []event, span meter.Span) (within []event) {
	for _, e := range events {
		if !e.at.Before(span.Start) && e.at.Before(span.End) {
			within = append(within, e)
		}
	}
	return within
}

func sumOf(events []event) (sum meter.UsageFigures) {
	var none meter.UsageFigures
	for _, e := range events {
		sum = sum.Less(none.Less(e.figures))
	}
	return sum
}
