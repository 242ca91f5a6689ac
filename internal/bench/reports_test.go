package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/pgtest"
)

// TestRunReports makes a few turns in a database that outlasts the run. Every question has an answer, and what was made keeps
// every promise of the service.
func TestRunReports(t *testing.T) {
	o := shortLoad(t)
	o.Reports, o.Duration = 1_950, 200*time.Millisecond
	o.DatabaseURL = pgtest.As(pgtest.Superuser, server.Database(t))
	report, err := RunReports(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if report.Turns != 2_000 || len(report.Questions) != 17 || report.TurnsPerSecond <= 0 || report.WithReports <= 0 ||
		report.Ratio != report.WithReports/report.TurnsPerSecond || report.ReportsPerSecond <= 0 || report.RollUpBytes <= 0 {
		t.Errorf("got %+v", report)
	}
	for _, q := range report.Questions {
		if q.Asked < leastAsked || q.Errors != 0 || q.P50 <= 0 || q.P99 < q.P50 || q.Most < q.P99 {
			t.Errorf("got %+v", q)
		}
	}
	var table bytes.Buffer
	report.WriteTable(&table)
	for _, told := range []string{
		"ReportUsage by conversation, a ragged span of 30 days", "ReportUsage by member, a month, 1000 a page",
		"ListMembers by name, 25 a page", "ListMembers by pool use, 25 a page", fmt.Sprintf("reports a second, %d refused", report.ReportsRefused),
	} {
		if !strings.Contains(table.String(), told) {
			t.Errorf("nothing of %q:\n%s", told, &table)
		}
	}
	hasKeys(t, report, "questions", "turns_per_second", "turns_per_second_with_reports", "with_to_without", "reports_refused",
		"fill_seconds", "roll_up_seconds", "durability")
	audittest.Check(t, o.DatabaseURL)
}

// TestRefusedQuestionsAreCounted asks two questions in turn, of which one is always refused, and then that one alone.
func TestRefusedQuestionsAreCounted(t *testing.T) {
	var over atomic.Bool
	refusal := errors.New("too many")
	refused := question{ask: func(_ context.Context, n int) error {
		over.Store(n >= 7)
		return refusal
	}}
	heard := question{ask: func(context.Context, int) error { return nil }}
	if a, r, err := takeTurns(t.Context(), []question{heard, refused}, &over); a != 4 || r != 4 || err != nil {
		t.Errorf("%d answered, %d refused, %v", a, r, err)
	}
	over.Store(false)
	if a, r, err := takeTurns(t.Context(), []question{refused}, &over); a != 0 || r != 8 || !errors.Is(err, refusal) {
		t.Errorf("%d answered, %d refused, %v", a, r, err)
	}
}
