package bench

import (
	"bytes"
	"strings"
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
	if report.Turns != 2_000 || len(report.Questions) != 14 || report.TurnsPerSecond <= 0 || report.WithReports <= 0 ||
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
	if !strings.Contains(table.String(), "ReportUsage by conversation, a ragged span of 30 days") {
		t.Errorf("got:\n%s", &table)
	}
	hasKeys(t, report, "questions", "turns_per_second", "turns_per_second_with_reports", "with_to_without",
		"fill_seconds", "roll_up_seconds", "durability")
	audittest.Check(t, o.DatabaseURL)
}
