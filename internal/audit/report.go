package audit

import (
	"fmt"
	"strings"
	"time"
)

// Report is what an audit saw.
type Report struct {
	Organizations int64  `json:"organizations"`
	Members       int64  `json:"members"`
	Reservations  States `json:"reservations"`
	LedgerEntries int64  `json:"ledger_entries"`
	// Sums is how many figures were recomputed and compared with those that are kept.
	Sums int64 `json:"sums_checked"`
	// TestClock says that the test clock has been used on this database. It may have been set back, after which moments
	// contradict each other without any fault: what holds only while time runs forward was not checked.
	TestClock bool    `json:"test_clock"`
	Seconds   float64 `json:"seconds"` // That the audit took.

	// Total is the number of findings; 0: every promise is kept.
	Total int64 `json:"findings_total"`
	// Broken is the number of findings by promise.
	Broken map[string]int64 `json:"broken"`
	// Findings are the first of them, at most Options.MaxFindings.
	Findings []Finding `json:"findings"`
}

// States counts reservations by state.
type States struct {
	Held      int64 `json:"held"`
	Committed int64 `json:"committed"`
	Released  int64 `json:"released"`
	Expired   int64 `json:"expired"`
}

// Clean says whether every promise is kept.
func (r Report) Clean() bool { return r.Total == 0 }

// Finding is one thing that is not as promised. Which of the fields from Book to Request are set depends on the
// promise.
type Finding struct {
	// Promise is the name of one of Promises.
	Promise      string    `json:"promise"`
	Organization string    `json:"organization,omitempty"` // Empty: the promise is one of the schema, or of a price book.
	Book         string    `json:"price_book,omitempty"`
	Member       string    `json:"member,omitempty"`
	Period       time.Time `json:"period,omitzero"` // Its start.
	Reservation  string    `json:"reservation,omitempty"`
	Sequence     int64     `json:"sequence,omitempty"` // Of a ledger entry.
	Request      string    `json:"request,omitempty"`
	Expected     string    `json:"expected"`
	Found        string    `json:"found"`
}

// String is the finding in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: expected %s, found %s", f.Promise, f.Subject(), f.Expected, f.Found)
}

// Subject says what the finding is about.
func (f Finding) Subject() string {
	switch {
	case f.Book != "":
		return "price book " + f.Book
	case f.Organization == "":
		return "schema"
	}
	parts := []string{"organization " + f.Organization}
	say := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	say("member", f.Member)
	if !f.Period.IsZero() {
		say("period", f.Period.UTC().Format(time.RFC3339Nano))
	}
	say("reservation", f.Reservation)
	if f.Sequence != 0 {
		say("entry", fmt.Sprint(f.Sequence))
	}
	say("request", f.Request)
	return strings.Join(parts, ", ")
}
