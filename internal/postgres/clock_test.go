package postgres_test

import (
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestClock keeps to the answer that is known most closely, until it is old or the clock was set.
func TestClock(t *testing.T) {
	t.Parallel()
	told := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const ago, took = 10 * time.Second, time.Millisecond
	for what, c := range map[string]struct {
		other     time.Time
		otherTook time.Duration
		stays     bool
	}{
		"known as closely":             {told.Add(ago), took, false},
		"known less closely":           {told.Add(ago - 2*time.Millisecond), 40 * time.Millisecond, true},
		"less closely, but it was set": {told.Add(ago + time.Second), 40 * time.Millisecond, false},
		"set back":                     {told, 40 * time.Millisecond, false},
	} {
		now, behind := postgres.ReadClock(told, ago, took, c.other, c.otherTook)
		want, known := c.other, c.otherTook
		if c.stays {
			// One part in ten thousand may have been lost, or won.
			want, known = told.Add(ago-ago/10_000), took+2*ago/10_000
		}
		const slack = 500 * time.Millisecond // Of the test, not of the clock: it reads later than it made it.
		if late := now.Sub(want); late < 0 || late > slack || behind < known || behind > known+slack/1_000 {
			t.Errorf("%s: it shows %v, at most %v behind, not %v and %v", what, now, behind, want, known)
		}
	}
}
