package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/rpc"
)

const (
	// slowStart is a wait between a call's header and its first step that is too long: a transaction waits as long several
	// times over, once for each of its round trips. While more come than can be carried, slowAgain is; where the answers to
	// a batch bring as many calls at once, they wait longer, and nothing is wrong.
	slowStart = 10 * time.Millisecond
	slowAgain = 2 * time.Millisecond
	// lookFor is how long calls are watched before they are judged, and lookLeast how many they must be: one slow caller is
	// not a busy server.
	lookFor   = 20 * time.Millisecond
	lookLeast = 16
	// slowFor is how long calls may start too late without a break before the door is shut: a burst makes them so, and
	// passes. For as long as wary after it was shut the first look that finds them late shuts it again.
	slowFor = 200 * time.Millisecond
	wary    = time.Second
	// stillLet is of how many turns that would begin one is let in all the same while the door is shut, so that whatever it
	// is that keeps the processors busy, some begin.
	stillLet = 64
)

// door turns away turns that would begin while the processors are busy. To read a request and to find that its lane is full
// costs nearly as much as to carry it; turned away here, before anything was made of it, it costs its header. Without it
// what is refused would take the processors from what was accepted. Turns that run are always let in to end.
//
// It does not know whose a request is, which only the lanes are fair about; so it is shut only while there is no time to
// ask. It keeps no places that somebody could take and hold: it goes by how long those calls that did start had waited for
// a processor, more than half of them too long.
type door struct {
	refused func(reason string)
	logger  *slog.Logger
	crowd   *crowd

	mu        sync.Mutex
	since     time.Time // When the calls that are counted began to start.
	all       int
	late      int       // By slowStart.
	lateAgain int       // By slowAgain.
	lateSince time.Time // Zero: the last look found them in time.
	shutUntil time.Time // It opens by itself when nothing more is heard.
	knocked   int       // Turns that would have begun, while it was shut.
}

func newDoor(refused func(reason string), logger *slog.Logger) *door {
	return &door{refused: refused, logger: logger, crowd: newCrowd()}
}

var errBusy = errors.New("the processors are busy")

type cameKey struct{}

// tap is asked of every call once its header was read, before anything is spent on it. It must not wait.
func (d *door) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	now := time.Now()
	if info.FullMethodName == meterv1.MeteringService_Reserve_FullMethodName && d.turnAway(now) {
		return nil, d.refuse()
	}
	return context.WithValue(ctx, cameKey{}, now), nil
}

func (d *door) turnAway(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !now.Before(d.shutUntil) {
		return false
	}
	d.knocked++
	return d.knocked%stillLet != 0
}

func (d *door) refuse() error {
	failure := rpc.FailureOf(&meter.Refusal{Reason: meter.Overloaded, Cause: errBusy})
	d.refused(failure.Reason)
	d.crowd.tell(func(more ...any) {
		d.logger.Warn("turned away at the door", append(more, "reason", failure.Reason, "cause", errBusy.Error())...)
	})
	return failure
}

// unary notes how long the call waited for a processor.
func (d *door) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if came, ok := ctx.Value(cameKey{}).(time.Time); ok {
		now := time.Now()
		d.started(now, now.Sub(came))
	}
	return handler(ctx, req)
}

// started counts a call that starts after it waited, and judges those that were counted once there are enough.
func (d *door) started(now time.Time, waited time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all++
	if waited >= slowStart {
		d.late++
	}
	if waited >= slowAgain {
		d.lateAgain++
	}
	if now.Sub(d.since) >= lookFor && d.all >= lookLeast {
		d.judge(now)
		d.since, d.all, d.late, d.lateAgain = now, 0, 0, 0
	}
}

// judge opens or shuts the door by the calls that were counted.
func (d *door) judge(now time.Time) {
	wasShut, late := now.Sub(d.shutUntil) < wary, d.late
	if wasShut {
		late = d.lateAgain
	}
	switch {
	case 2*late <= d.all:
		d.lateSince, d.shutUntil = time.Time{}, earlier(d.shutUntil, now)
	case d.lateSince.IsZero() && !wasShut:
		d.lateSince = now
	case wasShut || now.Sub(d.lateSince) >= slowFor:
		d.shutUntil = now.Add(2 * lookFor)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
