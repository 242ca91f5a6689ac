package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

// notebook keeps the denials that were written, or fails.
type notebook struct {
	written []meter.Denial
	late    int // How many came with a context that had ended.
	fails   error
}

func (n *notebook) Do(ctx context.Context, c meter.Command) (meter.Outcome, error) {
	if ctx.Err() != nil {
		n.late++
	}
	denial, _ := c.(meter.Denial)
	n.written = append(n.written, denial)
	return meter.Outcome{}, n.fails
}

func deniedTo(subject, organization string) auth.Denied {
	role := auth.Member
	if organization == "" {
		role = auth.Orchestrator
	}
	return auth.Denied{
		Caller: auth.Identity{Subject: subject, Issuer: "test", Role: role, OrganizationID: organization},
		Cause:  errors.New("its role may not call this"),
	}
}

// TestDenialsAreCounted: the first is written at once, those that repeat it share one entry at the window's end, and after
// a quiet window the next is the first again.
func TestDenialsAreCounted(t *testing.T) {
	record := &notebook{}
	d := newDenials(record, slog.New(slog.DiscardHandler))
	for i := range 5 {
		d.record(t.Context(), "/TopUp", fmt.Sprint("firm-", i), deniedTo("eve", ""))
	}
	d.record(t.Context(), "/Refund", "acme", deniedTo("eve", ""))
	d.record(t.Context(), "/TopUp", "acme", deniedTo("mallory", ""))
	check := func(when string, want ...string) {
		t.Helper()
		var got []string
		for _, w := range record.written {
			got = append(got, fmt.Sprintf("%s %s %s %d", w.By.Subject, w.By.Method, w.Named, w.Attempts))
		}
		if record.written = nil; strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: written is %q, not %q", when, got, want)
		}
	}
	check("at once", "eve /TopUp firm-0 1", "eve /Refund acme 1", "mallory /TopUp acme 1")
	d.flush(t.Context())
	check("at the end of the window", "eve /TopUp firm-4 4")
	d.record(t.Context(), "/TopUp", "acme", deniedTo("mallory", ""))
	check("another's first of the next window", "mallory /TopUp acme 1")
	d.flush(t.Context())
	check("at the end of a quiet window")
	d.record(t.Context(), "/TopUp", "acme", deniedTo("eve", ""))
	check("the first again", "eve /TopUp acme 1")
}

// TestADenialIsNotForgotten: what could not be written is counted in the next window, and a caller without time keeps nothing off
// the record.
func TestADenialIsNotForgotten(t *testing.T) {
	record := &notebook{fails: errors.New("the database is away")}
	d := newDenials(record, slog.New(slog.DiscardHandler))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	d.record(gone, "/TopUp", "acme", deniedTo("eve", ""))
	d.flush(t.Context())
	d.record(gone, "/TopUp", "acme", deniedTo("eve", ""))
	record.fails = nil
	d.flush(t.Context())
	d.flush(t.Context())
	var attempts []int64
	for _, w := range record.written {
		attempts = append(attempts, w.Attempts)
	}
	if got := fmt.Sprint(attempts, record.late); got != "[1 1 2] 0" {
		t.Errorf("got %s", got)
	}
}

// TestWhoseRecord: a denial goes on the record of the caller's own organization if the call named that, and else on the
// service's.
func TestWhoseRecord(t *testing.T) {
	record := &notebook{}
	d := newDenials(record, slog.New(slog.DiscardHandler))
	d.record(t.Context(), "/own", "acme", deniedTo("mia", "acme"))
	d.record(t.Context(), "/other", "other", deniedTo("mia", "acme"))
	d.record(t.Context(), "/none", "", deniedTo("mia", "acme"))
	d.record(t.Context(), "/unbound", "acme", deniedTo("orchestrator", ""))
	var whose []string
	for _, w := range record.written {
		whose = append(whose, w.By.Method+"="+w.OrganizationID)
	}
	if got := strings.Join(whose, " "); got != "/own=acme /other= /none= /unbound=" {
		t.Errorf("got %s", got)
	}
}

// TestDenialsAreBounded: what is counted for takes a bounded memory, whoever calls.
func TestDenialsAreBounded(t *testing.T) {
	record := &notebook{}
	d := newDenials(record, slog.New(slog.DiscardHandler))
	for i := range maxRepeated + 10 {
		d.record(t.Context(), "/TopUp", "acme", deniedTo(fmt.Sprint("caller-", i), ""))
	}
	if len(record.written) != maxRepeated || len(d.repeated) != maxRepeated {
		t.Errorf("%d were written, %d are kept", len(record.written), len(d.repeated))
	}
}

// TestRecordIsWrittenAtTheEnd: what was counted when the server stops is not lost, and the log says what could not be
// written.
func TestRecordIsWrittenAtTheEnd(t *testing.T) {
	var log bytes.Buffer
	record := &notebook{}
	d := newDenials(record, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		d.record(t.Context(), "/TopUp", "acme", deniedTo("eve", ""))
	}
	record.fails = errors.New("the database is away")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	d.run(ctx)
	if len(record.written) != 2 || record.written[1].Attempts != 2 {
		t.Errorf("written is %+v", record.written)
	}
	for _, want := range []string{"not on record", "caller=eve", "attempts=2", "the database is away"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}
