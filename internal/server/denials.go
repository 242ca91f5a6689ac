package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

const (
	// denialWindow is how long denials that repeat one on record are counted, to share one further entry: whoever may call
	// nothing must not be able to fill the database by trying.
	denialWindow = 10 * time.Second
	// maxRepeated bounds how many callers, each with an RPC, are counted for. Those beyond are in the log only.
	maxRepeated = 10_000
	// recordWait bounds how long a denied call waits to be on record.
	recordWait = 2 * time.Second
)

// denials puts on record that callers asked for what they may not. The first of a kind is on record before it is answered.
type denials struct {
	writer rpc.Writer
	logger *slog.Logger

	mu       sync.Mutex
	repeated map[denialKind]*meter.Denial
}

// denialKind tells denials apart: who was denied what. It does not tell which organization was named, of which a caller can
// make up as many as it likes.
type denialKind struct{ issuer, subject, method string }

func newDenials(writer rpc.Writer, logger *slog.Logger) *denials {
	return &denials{writer: writer, logger: logger, repeated: map[denialKind]*meter.Denial{}}
}

// record is told of each denial of an RPC whose changes go on record. That it cannot be recorded opens no door: the call
// is denied all the same, and the log says both.
func (d *denials) record(ctx context.Context, method, named string, denied auth.Denied) {
	caller := denied.Caller
	denial := meter.Denial{
		By: rpc.ActorOf(caller, method, rpc.CallOf(ctx).RequestID), Named: named, Reason: denied.Cause.Error(), Attempts: 1,
	}
	if caller.Role.Bound() && named == caller.OrganizationID {
		denial.OrganizationID = named
	}
	if d.first(denial) {
		// However short the caller's own time is: it must not be able to keep itself off the record.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWait)
		defer cancel()
		d.write(ctx, denial)
	}
}

// first says whether a denial is the first of its kind in the window. If not, it is counted.
func (d *denials) first(denial meter.Denial) bool {
	kind := denialKind{denial.By.Issuer, denial.By.Subject, denial.By.Method}
	d.mu.Lock()
	defer d.mu.Unlock()
	repeated, known := d.repeated[kind]
	switch {
	case known:
		denial.Attempts += repeated.Attempts
		*repeated = denial
		return false
	case len(d.repeated) >= maxRepeated:
		return false
	default:
		denial.Attempts = 0
		d.repeated[kind] = &denial
		return true
	}
}

func (d *denials) write(ctx context.Context, denial meter.Denial) {
	if _, err := d.writer.Do(ctx, denial); err != nil {
		d.logger.WarnContext(ctx, "a denied call is not on record", "caller", denial.By.Subject, "method", denial.By.Method,
			"request_id", denial.By.RequestID, "attempts", denial.Attempts, "error", err)
		d.again(denial)
	}
}

// again counts what could not be written, for the next window.
func (d *denials) again(denial meter.Denial) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if counted, known := d.repeated[denialKind{denial.By.Issuer, denial.By.Subject, denial.By.Method}]; known {
		counted.Attempts += denial.Attempts
	}
}

// run writes what was counted at the end of each window, and once more when the context ends.
func (d *denials) run(ctx context.Context) {
	ticker := time.NewTicker(denialWindow)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			d.flush(ctx)
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout/2)
	defer cancel()
	d.flush(last)
}

// flush writes what was counted. A kind that was not repeated is forgotten: its next one is the first again.
func (d *denials) flush(ctx context.Context) {
	for _, denial := range d.counted() {
		d.write(ctx, denial)
	}
}

func (d *denials) counted() (counted []meter.Denial) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for kind, denial := range d.repeated {
		if denial.Attempts == 0 {
			delete(d.repeated, kind)
			continue
		}
		counted = append(counted, *denial)
		denial.Attempts = 0
	}
	return counted
}
