package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/audit"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

// TestSoundDatabases audits what the service itself wrote, in an order that the seed leaves to chance.
func TestSoundDatabases(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			url := server.Database(t)
			o := open(t, url)
			o.fillFirm()
			o.fillCrowd(seed, 20, crowdSpans)
			forward(t, url)
			r := audittest.Check(t, url)
			if r.TestClock {
				t.Error("the audit left out what holds while time runs forward")
			}
			s := r.Reservations
			if r.Organizations != 5 || r.Members != 13 || min(s.Held, s.Committed, s.Released, s.Expired, r.LedgerEntries) == 0 {
				t.Errorf("too little to audit: %+v", r)
			}
			var bases int
			o.must(connect(t, url).QueryRow(t.Context(), `SELECT count(DISTINCT (organization_id, cost_basis)) FROM reservation
				WHERE cost_basis > 0 AND price_book_version > 1`).Scan(&bases))
			if bases < 9 {
				t.Errorf("of 3 bases of costs in 4 organizations %d are there", bases)
			}
		})
	}
}

// TestClockSetBack audits a database whose test clock went back: moments contradict each other there, sums do not.
func TestClockSetBack(t *testing.T) {
	url := server.Database(t)
	o := open(t, url)
	o.fillFirm()
	o.fillCrowd(7, 20, backward())
	o.setClock(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC))
	o.do(setAccess("ada", 1, 0), topUp("in-the-past", 1))
	if r := audittest.Check(t, url); !r.TestClock {
		t.Error("the audit did not see that the test clock was used")
	}
	forward(t, url)
	r, err := audit.Run(t.Context(), url, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Broken["ledger_time_never_goes_back"] == 0 {
		t.Errorf("the ledger went back in time and nobody saw: %+v", r.Broken)
	}
}

// TestWhileWriting audits again and again beside the lanes: a snapshot is sound at every moment.
func TestWhileWriting(t *testing.T) {
	url := server.Database(t)
	o := open(t, url)
	var audits []audit.Report
	var failed error
	written, audited := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(audited)
		for failed == nil {
			var r audit.Report
			r, failed = audit.Run(context.WithoutCancel(t.Context()), url, audit.Options{})
			audits = append(audits, r)
			select {
			case <-written:
				return
			default:
			}
		}
	}()
	o.fillCrowd(11, 30, []time.Duration{0, time.Minute})
	close(written)
	<-audited
	if failed != nil || len(audits) < 2 {
		t.Fatalf("audited %d times, %v", len(audits), failed)
	}
	for _, r := range audits {
		if !r.Clean() {
			t.Errorf("found %v", r.Findings)
		}
	}
}

func TestEmptyDatabase(t *testing.T) {
	if r := audittest.Check(t, server.Database(t)); r.Organizations != 0 || r.LedgerEntries != 0 {
		t.Errorf("found %+v in an empty database", r)
	}
}

// TestOneOrganization audits one of two, of which the other is wrong.
func TestOneOrganization(t *testing.T) {
	url := server.Database(t)
	o := open(t, url)
	o.fillFirm()
	o.fillCrowd(5, 3, crowdSpans)
	exec(t, connect(t, url), `UPDATE organization SET pool_held_micros = pool_held_micros + 1 WHERE organization_id = 'firm'`)
	for organization, findings := range map[string]int64{"r1": 0, "idle": 0, firm: 1, "": 1} {
		r, err := audit.Run(t.Context(), url, audit.Options{Organization: organization})
		if err != nil || r.Total != findings {
			t.Errorf("organization %q: %d findings, %v, want %d", organization, r.Total, err, findings)
		}
		if organization == "r1" && (r.Organizations != 1 || r.Members != 3) {
			t.Errorf("counted more than one organization: %+v", r)
		}
	}
	if _, err := audit.Run(t.Context(), url, audit.Options{Organization: "nobody"}); err == nil {
		t.Error("audited an organization that does not exist")
	}
}

// TestManyFindings keeps the first findings and counts all.
func TestManyFindings(t *testing.T) {
	url := server.Database(t)
	open(t, url).fillFirm()
	exec(t, connect(t, url), `INSERT INTO member_period SELECT 'firm', 'nobody', timestamptz '2026-01-01' + n * interval '1 day',
		0, 0, 0, 0, 0 FROM generate_series(1, 250) n`)
	for limit, kept := range map[int]int{0: audit.DefaultMaxFindings, 7: 7, 1000: 250} {
		r, err := audit.Run(t.Context(), url, audit.Options{MaxFindings: limit})
		if err != nil {
			t.Fatal(err)
		}
		if r.Clean() || r.Total != 250 || r.Broken["period_has_its_seat"] != 250 || len(r.Findings) != kept {
			t.Errorf("limit %d: %d findings, %d kept, %v", limit, r.Total, len(r.Findings), r.Broken)
		}
	}
}

func TestNoSuchDatabase(t *testing.T) {
	for _, url := range []string{"postgres://127.0.0.1:1/none", "not a url", server.Admin()} {
		if r, err := audit.Run(t.Context(), url, audit.Options{}); err == nil {
			t.Errorf("audited %s: %+v", url, r)
		}
	}
}

func TestFindingInWords(t *testing.T) {
	f := audit.Finding{
		Promise: "pool_used_is_all_charges", Organization: "firm", Member: "ada",
		Period: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), Expected: "10", Found: "11",
	}
	const want = "pool_used_is_all_charges: organization firm, member ada, period 2026-01-31T00:00:00Z: expected 10, found 11"
	if got := f.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
