package postgres_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

func onRecord(c meter.Recordable, subject string) meter.Recorded {
	return meter.Recorded{Recordable: c, By: meter.Actor{
		Subject: subject, Issuer: "tests", ActingFor: "zoe", Role: "operator", Method: "/m", RequestID: "q-" + subject,
	}}
}

func auditEntries(t testing.TB, store *postgres.Store, organization string) []meter.AuditEntry {
	t.Helper()
	entries, err := store.AuditEntries(within(t), organization, 0, 1000)
	must(t, err)
	return entries
}

// TestTheRecordIsStored: what the rules put on record is what is read, batch after batch, as one chain that verify follows.
func TestTheRecordIsStored(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm)
	var want []meter.AuditEntry
	for n := range 3 {
		commands := []meter.Command{
			onRecord(topUp(firm, fmt.Sprint("pack-", n), 5), "ada"),
			onRecord(access(firm, seat(n), meter.Access{Kind: meter.AccessCapped, Cap: 7}), "ben"),
			meter.Denial{OrganizationID: firm, By: meter.Actor{Subject: "eve"}, Named: firm, Reason: "no", Attempts: 2},
		}
		states, err := l.load(commands...)
		must(t, err)
		applyAll(states, commands)
		want = append(want, states[firm].AuditEntries()...)
		must(t, l.Save(within(t), states))
	}
	got := auditEntries(t, store, firm)
	if len(got) != 9 || !reflect.DeepEqual(got, want) {
		t.Errorf("written was\n%+v\nread is\n%+v", want, got)
	}
	if page, err := store.AuditEntries(within(t), firm, 4, 2); err != nil || !reflect.DeepEqual(page, want[4:6]) {
		t.Errorf("after the fourth come %+v, %v", page, err)
	}
	_, err := store.AuditEntries(within(t), "unknown", 0, 1)
	mustBe(t, err, meter.OrganizationNotFound)
	audittest.Check(t, store.Writers().ConnString())
}

// TestWithoutACommitNothingIsOnRecord: the entry is part of the transaction of the change.
func TestWithoutACommitNothingIsOnRecord(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm)
	command := onRecord(topUp(firm, "lost", 5), "ada")
	states, err := l.load(command)
	must(t, err)
	applyAll(states, []meter.Command{command})
	l.Abandon()
	if got := auditEntries(t, store, firm); len(got) != 0 {
		t.Errorf("on record is %+v", got)
	}
	l.do(command)
	l.do(command) // As after a COMMIT whose fate is unknown.
	if got := auditEntries(t, store, firm); len(got) != 1 || got[0].Sequence != 1 {
		t.Errorf("on record is %+v", got)
	}
}

// TestPlansAndPriceBooksGoOnTheServicesRecord, with what they were before.
func TestPlansAndPriceBooksGoOnTheServicesRecord(t *testing.T) {
	t.Parallel()
	store := open(t)
	by := meter.Actor{Subject: "billing", Issuer: "mtls", Role: "billing", Method: "/m", RequestID: "q"}
	plan := teamPlan()
	must(t, store.PutPlan(within(t), plan, by))
	must(t, store.PutPlan(within(t), plan, by)) // Changes nothing.
	plan.SeatAllowance++
	must(t, store.PutPlan(within(t), plan, by))
	for _, perToken := range []int{1, 1, 2} {
		_, err := store.PutPriceBook(within(t), listBook(perToken), nil, by)
		must(t, err)
	}
	got := auditEntries(t, store, "")
	if len(got) != 4 {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	if got[0].Before != "" || got[1].Before != got[0].After || got[1].After == got[1].Before ||
		got[3].Before != got[2].After || got[3].After != `{"price_book_id":"list","version":2}` || got[3].Actor != by {
		t.Errorf("on record is %+v", got)
	}
	audittest.Check(t, store.Writers().ConnString())
}

// TestManyWritersMakeOneChain: several processes write to the service's record, by lanes and beside them, and to that of an
// organization that does not exist, whose row no lock can guard.
func TestManyWritersMakeOneChain(t *testing.T) {
	t.Parallel()
	const writers, each = 6, 8
	first := open(t)
	found(t, first, firm)
	before := len(auditEntries(t, first, ""))
	second := openAt(t, postgres.Config{URL: first.Writers().ConnString(), TestClock: true})
	var writing sync.WaitGroup
	for n := range writers {
		store := []*postgres.Store{first, second}[n%2]
		l := newLane(t, store)
		writing.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d-%d", n, i)
				denied := meter.Denial{By: meter.Actor{Subject: name}, Named: "x", Reason: "no", Attempts: 1}
				ghost := denied
				ghost.OrganizationID = "ghost"
				if _, err := l.try(onRecord(topUp(firm, name, 5), name), ghost, denied); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				plan := teamPlan()
				plan.ID = name
				if err := store.PutPlan(context.Background(), plan, meter.Actor{Subject: name}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	writing.Wait()
	for organization, want := range map[string]int{"": before + 2*writers*each, "ghost": writers * each, firm: writers * each} {
		if got := len(auditEntries(t, first, organization)); got != want {
			t.Errorf("%q has %d entries, not %d", organization, got, want)
		}
	}
	audittest.Check(t, first.Writers().ConnString())
}
