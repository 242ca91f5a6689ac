package meter_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
)

// explain r1, or explain r1 as=member for what a plain member is told: the sentences by their numbers, and how many.
func viewExplained(s *script, r *request) answer {
	r.t.Helper()
	record, hide := s.record(r.arg()), r.option("as", "admin") == "member"
	a := answer{word: "refused", facts: map[string]string{}}
	if record.Reservation != nil {
		first := record.FirstHold()
		a.word = reservationStates[record.Reservation.State]
		a.facts["first"] = fmt.Sprintf("%d=%d+%d", first.Estimate, first.Allowance, first.Pool)
		a.facts["bound"] = bounds[first.Bound]
	}
	for _, u := range record.Refusals {
		remedy := record.Remedy(u)
		a.facts["healed"], a.facts["why"] = yesNo(remedy.Healed), string(remedy.Reason)
	}
	sentences := record.Story(hide && record.HidesPool())
	a.facts["sentences"] = strconv.Itoa(len(sentences))
	for i, sentence := range sentences {
		a.facts[strconv.Itoa(i+1)] = sentence
	}
	return a
}

var bounds = map[meter.Bound]string{
	0: "unknown", meter.BoundByNothing: "nothing", meter.BoundByAllowance: "allowance", meter.BoundByAccess: "access",
	meter.BoundByCap: "cap", meter.BoundByPool: "pool",
}

// record is all that is stored of a request.
func (s *script) record(request string) meter.TurnRecord {
	f, o := s.store.firm(s.org), s.organization()
	record := meter.TurnRecord{Now: s.now, Organization: o, Plan: s.store.plans[o.PlanID]}
	for _, u := range f.uncharged {
		if u.Refused != nil && u.Refused.RequestID == request {
			record.Refusals, record.Member = append(record.Refusals, u), f.members[u.MemberID]
		}
	}
	for _, r := range f.reservations {
		if r.RequestID == request {
			record.Reservation, record.Member = &r, f.members[r.MemberID]
		}
	}
	for _, x := range f.extensions {
		if record.Reservation != nil && x.ReservationID == record.Reservation.ID {
			record.Extensions, record.Added = append(record.Extensions, x), record.Added+x.Additional
		}
	}
	for _, e := range f.entries {
		if record.Reservation != nil && e.ReservationID == record.Reservation.ID {
			record.Entries = append(record.Entries, e)
		}
	}
	slices.SortFunc(record.Extensions, func(a, b meter.Extension) int { return cmp.Compare(a.RequestID, b.RequestID) })
	for _, u := range f.uncharged {
		if record.Reservation != nil && u.ReservationID == record.Reservation.ID && u.Outcome == meter.UnchargedExpired {
			record.ExpiredAt = u.At
		}
	}
	return record
}

func TestAmountsInTheirUnit(t *testing.T) {
	for amount, want := range map[meter.Micros]string{
		0: "0 USD", 1: "0.000001 USD", 1_000_000: "1 USD", 1_500_000: "1.5 USD", -250_000: "-0.25 USD",
		1_000_000_000_000_000: "1000000000 USD", -9_223_372_036_854_775_808: "-9223372036854.775808 USD",
	} {
		if got := amount.In(meter.UnitUSD); got != want {
			t.Errorf("%d is %q, not %q", amount, got, want)
		}
	}
	if got := meter.Micros(2_500_000).In(meter.UnitACU); got != "2.5 ACU" {
		t.Errorf("it is %q", got)
	}
}

// TestATurnOfBefore tells what is known of a turn that was reserved before there were receipts, and of one with more
// attempts and extensions than are told.
func TestATurnOfBefore(t *testing.T) {
	at := moment(t, "2026-02-10T12:00:00Z")
	record := meter.TurnRecord{
		Now: at, Organization: meter.Organization{ID: "acme", Unit: meter.UnitUSD, Calendar: meter.Calendar{Anchor: anchorAt(t, "2026-01-31", "UTC")}},
		Member: meter.Member{ID: "mia"}, MoreRefusals: true, MoreExtensions: true, Added: 10,
		Reservation: &meter.Reservation{
			MemberID: "mia", State: meter.Released, Estimate: 100, HeldAllowance: 60, HeldPool: 40, CreatedAt: at, ExpiresAt: at, SettledAt: at,
			Late: true, Policy: meter.EstimateMaximum, Book: meter.BookVersion{ID: "list", Version: 2},
		},
	}
	want := []string{
		"Older attempts of the same request were refused too.",
		"On 10 February 2026 at 12:00:00 UTC member mia was let run a turn.",
		"It was expected to cost 0.00009 USD: the price of its tokens by version 2 of price book list.",
		"The estimate counts as many output tokens as the answer may have.",
		"It held 0.00006 USD of the allowance and 0.00004 USD of the pool; what Reserve saw is not on record.",
		"It was extended more often than is told here, by 0.00001 USD in all.",
		"It expired on 10 February 2026 at 12:00:00 UTC, because nobody had settled it: its hold went back.",
		"On 10 February 2026 at 12:00:00 UTC it failed, late.",
		"Nothing was charged.",
	}
	if got := record.Story(false); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("told is\n%q\nnot\n%q", got, want)
	}
	if first := record.FirstHold(); first.Bound != 0 || first.Estimate != 90 {
		t.Errorf("it began with %+v", first)
	}
}
