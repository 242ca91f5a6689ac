// Package audittest ends a test with the audit that `meterctl verify` makes.
package audittest

import (
	"context"
	"testing"

	"github.com/spillway-metering/spillway/internal/audit"
)

// Check fails the test unless the database keeps every promise. Call it once nothing writes any more, or while something
// does, also from a Cleanup: it reads one snapshot. It answers the report, so that a test can see that there was something to check.
func Check(t testing.TB, url string) audit.Report {
	t.Helper()
	report, err := audit.Run(context.WithoutCancel(t.Context()), url, audit.Options{})
	if err != nil {
		t.Fatalf("the audit could not be made: %v", err)
	}
	for _, f := range report.Findings {
		t.Error(f)
	}
	if more := report.Total - int64(len(report.Findings)); more > 0 {
		t.Errorf("and %d findings more", more)
	}
	return report
}
