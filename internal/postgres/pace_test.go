package postgres

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// runFor is a report that runs for so long.
func runFor(t *testing.T, p *pace, d time.Duration) {
	t.Helper()
	leave, err := p.enter(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	<-time.After(d)
	leave()
}

func quietly(time.Duration) {}

func TestReportsHaveTheirShareOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began, ran := newPace(0.5, quietly), time.Now(), time.Duration(0)
		for time.Since(began) < time.Minute {
			runFor(t, p, 300*time.Millisecond)
			ran += 300 * time.Millisecond
		}
		if share := ran.Seconds() / time.Since(began).Seconds(); share < 0.49 || share > 0.53 {
			t.Errorf("asked for without a pause, reports ran for %.3f of the time, want 0.5", share)
		}
	})
}

func TestALongReportIsRestedFromInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0.5, quietly)
		runFor(t, p, 7*time.Second)
		asked := time.Now()
		runFor(t, p, 0)
		// One second of the seven was free, and of the others each is worth two.
		if waited := time.Since(asked); waited < 12*time.Second || waited > 12*time.Second+10*time.Millisecond {
			t.Errorf("waited %v after a report of 7 s, want 12 s", waited)
		}
	})
}

func TestAPageOfReportsDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waited time.Duration
		p := newPace(0.5, func(d time.Duration) { waited += d })
		for range 9 {
			runFor(t, p, 100*time.Millisecond)
		}
		if waited > 0 {
			t.Errorf("nine short reports waited %v", waited)
		}
	})
}

func TestReportsWithoutAShareAreNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := newPace(0, quietly), time.Now()
		for range 100 {
			runFor(t, p, time.Second)
		}
		if took := time.Since(began); took != 100*time.Second {
			t.Errorf("100 reports of a second took %v", took)
		}
	})
}

func TestAReportThatWouldWaitTooLongIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0.5, quietly)
		runFor(t, p, 7*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		asked := time.Now()
		var refusal *meter.Refusal
		if _, err := p.enter(ctx); !errors.As(err, &refusal) || refusal.Reason != meter.Overloaded || time.Since(asked) > 0 {
			t.Errorf("answered %v after %v, want OVERLOADED at once", err, time.Since(asked))
		}
		<-time.After(12 * time.Second)
		runFor(t, p, 0) // It kept no place.
	})
}

func TestReportsRunTwoAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0, quietly)
		one, _ := p.enter(t.Context())
		two, _ := p.enter(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third answered %v", err)
		}
		one()
		three, err := p.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		two()
		three()
	})
}
