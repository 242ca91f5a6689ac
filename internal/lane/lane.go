// Package lane is group commit: while one transaction is in flight, the commands that arrive form the next batch, which
// pays for lock, round trips and fsync once. An idle lane adds no wait: a lone command is a batch of one.
//
// An organization always belongs to one lane of a process, a lane has at most one transaction in flight, and lanes run in
// parallel. Organizations take turns in a lane (queue.go), so that a noisy one does not keep others waiting. Between
// processes the organizations' row locks are the only guard, so any number of them work side by side.
package lane

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Session is a lane's way to the store: one connection with at most one transaction on it.
type Session interface {
	// Load answers a state for each of the organizations, with what is needed and what is due. It opens a transaction and
	// locks them, in order of their ids; or it goes by what it remembers, and Save does so, and fails with meter.ErrStale if
	// that is not what there is.
	Load(ctx context.Context, organizations []string, needs meter.Needs) (map[string]*meter.State, error)
	// Save writes what changed and commits. After nil, all of it is on disk.
	Save(ctx context.Context, states map[string]*meter.State) error
	// Abandon ends a transaction after an error of Load or Save.
	Abandon()
	// Close ends the connection.
	Close()
}

// Config bounds the lanes. The zero value of a field stands for its default.
type Config struct {
	// MaxBatch is how many commands one transaction takes at most. Default 512.
	MaxBatch int
	// QueueLength is how many commands wait in one lane at most; when it is full, one is refused at once: the new one, or the
	// newest of the organization that has most waiting. Default 2048.
	QueueLength int
	// MaxQueueAge is how long a command waits at most; an older one is refused unapplied. Default 3 s.
	MaxQueueAge time.Duration
	// BatchTimeout bounds a batch with all its tries, below the deadline of those who wait for it. Default 8 s.
	BatchTimeout time.Duration
	// Attempts is how often a batch is tried while the store says Unavailable. Default 4.
	Attempts int
	// Observe is told of every batch; nil: nobody is.
	Observe func(BatchStats)
	// Logger is told of batches that failed; nil: nobody is.
	Logger *slog.Logger
}

// BatchStats says how one batch went.
type BatchStats struct {
	Commands, Organizations, Expired, Attempts int

	Stale             int // How often it was decided by what had changed, which is no attempt.
	Load, Apply, Save time.Duration
	OldestWait        time.Duration
	Err               error // Why it failed; nil: it was committed.
	GivenUp           bool  // Whether that is the answer of its callers: it is not carried again in parts.
}

// Lanes carry commands to the store.
type Lanes struct {
	config  Config
	lanes   []*worker
	seed    maphash.Seed
	running sync.WaitGroup
}

// New starts a lane on each session. Close ends them, and the sessions with them.
func New(sessions []Session, config Config) *Lanes {
	config = config.withDefaults()
	l := &Lanes{config: config, seed: maphash.MakeSeed()}
	for _, session := range sessions {
		w := &worker{config: config, session: session, queue: newQueue(config.QueueLength)}
		l.lanes = append(l.lanes, w)
		l.running.Go(w.run)
	}
	return l
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxBatch, 512)
	setDefault(&c.QueueLength, 2048)
	setDefault(&c.MaxQueueAge, 3*time.Second)
	setDefault(&c.BatchTimeout, 8*time.Second)
	setDefault(&c.Attempts, 4)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Observe == nil {
		c.Observe = func(BatchStats) {}
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Do carries a command to the store and answers its outcome. The error is a *meter.Refusal, also where the command could
// not be carried, the context's error, or a fault of the program. A caller that goes away after its command was queued
// leaves it to be applied or not; the same command again is the same as once.
func (l *Lanes) Do(ctx context.Context, c meter.Command) (meter.Outcome, error) {
	it := &item{ctx: ctx, command: c, queued: time.Now(), done: make(chan struct{})}
	if err := l.laneOf(c.Organization()).queue.push(it); err != nil {
		return noOutcome, err
	}
	select {
	case <-it.done:
		return it.outcome, it.err
	case <-ctx.Done():
		return noOutcome, ctx.Err()
	}
}

// noOutcome is that of a command that was not applied.
var noOutcome meter.Outcome

// overloaded is what a command is told that finds no place, or loses it.
func overloaded(cause error) error { return &meter.Refusal{Reason: meter.Overloaded, Cause: cause} }

var (
	errClosed = errors.New("the lanes are closed")
	errFull   = errors.New("the lane's queue is full")
	errSlow   = errors.New("the organization's oldest command waits too long for another turn to begin")
	errOld    = errors.New("the command waited too long")
)

func (l *Lanes) laneOf(organization string) *worker {
	return l.lanes[maphash.String(l.seed, organization)%uint64(len(l.lanes))]
}

// Queued is how many commands wait in all lanes.
func (l *Lanes) Queued() int {
	n := 0
	for _, w := range l.lanes {
		n += w.queue.len()
	}
	return n
}

// Close refuses new commands, lets those that wait be carried, and ends the lanes. It answers the context's error if
// that takes longer than the context lasts.
func (l *Lanes) Close(ctx context.Context) error {
	for _, w := range l.lanes {
		w.queue.close()
	}
	ended := make(chan struct{})
	go func() {
		l.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
