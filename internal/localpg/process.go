package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// pollEvery is how often a state that nothing announces (a database that answers, a process that is gone) is looked at.
	pollEvery = 25 * time.Millisecond
	// leftoverPatience bounds the wait for what a killed server left running.
	leftoverPatience = 30 * time.Second
	// pipeGrace is how long the log of a dead postmaster is still read: a backend that outlives it keeps the pipe open.
	pipeGrace = time.Second
)

// ladder ends a postmaster: fast shutdown, then immediate shutdown (the next start recovers), then the kernel.
var ladder = []struct {
	signal   syscall.Signal
	patience time.Duration
}{
	{syscall.SIGINT, 30 * time.Second},
	{syscall.SIGQUIT, 5 * time.Second},
	{syscall.SIGKILL, 5 * time.Second},
}

// child is a postgres that this process started.
type child struct {
	cmd      *exec.Cmd
	words    *logWriter
	done     chan struct{}
	waitErr  error // Written before done is closed.
	stopping atomic.Bool
}

// spawn starts cmd from a thread that lives as long as the child: the parent-death signal follows the thread, not the
// process, and the Go runtime ends threads as it likes unless a goroutine is locked to them.
func spawn(cmd *exec.Cmd, log *slog.Logger) (*child, error) {
	c := &child{cmd: cmd, words: &logWriter{log: log}, done: make(chan struct{})}
	cmd.Stderr = c.words
	cmd.WaitDelay = pipeGrace
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			defer close(c.done)
		}
		started <- err
		if err == nil {
			c.waitErr = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// runLocked runs a short command whose parent-death signal must not fire early, and gives its output, or the line of it
// that says what went wrong as the error.
func runLocked(cmd *exec.Cmd) (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	output, err := cmd.CombinedOutput()
	if line := tellingLine(output); err != nil && line != "" {
		return "", fmt.Errorf("%w: %s", err, line)
	}
	return strings.TrimSpace(string(output)), err
}

func (c *child) end(ctx context.Context) error {
	if !isClosed(c.done) {
		c.stopping.Store(true)
	}
	signal := func(s syscall.Signal) error { return c.cmd.Process.Signal(s) }
	return endProcess(ctx, signal, func() bool { return isClosed(c.done) })
}

// failure is why the child ended, unless it was asked to.
func (c *child) failure(h home) error {
	if c.stopping.Load() {
		return nil
	}
	status := "exit status 0"
	if c.waitErr != nil {
		status = c.waitErr.Error()
	}
	return fmt.Errorf("the private PostgreSQL in %s ended by itself (%s; its last words: %s)", h.dir, status, c.words.last())
}

// refusedByLeftovers tells whether postgres ended because backends of an earlier one still hold its shared memory. It
// has no exit status of its own for that; the message is in the C locale and as old as the check.
func (c *child) refusedByLeftovers() bool {
	return isClosed(c.done) && strings.Contains(c.words.last(), "pre-existing shared memory block")
}

// endProcess walks down the ladder until gone; a ctx that is done skips the patience for the orderly step.
func endProcess(ctx context.Context, signal func(syscall.Signal) error, gone func() bool) error {
	for _, step := range ladder {
		if gone() {
			return nil
		}
		if err := signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop PostgreSQL with %s: %w", step.signal, err)
		}
		if step.signal != syscall.SIGINT {
			ctx = context.WithoutCancel(ctx)
		}
		waitCtx, cancel := context.WithTimeout(ctx, step.patience)
		err := waitUntil(waitCtx, gone)
		cancel()
		if err == nil {
			return nil
		}
	}
	return errors.New("stop PostgreSQL: it is still there after SIGKILL")
}

func waitUntil(ctx context.Context, happened func() bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// tellingLine picks the line of a program's output that says what went wrong: the first error, or else the last line.
func tellingLine(output []byte) string {
	telling := ""
	for line := range strings.Lines(strings.TrimSpace(string(output))) {
		telling = strings.TrimSpace(line)
		if strings.Contains(telling, "error") || strings.Contains(telling, "FATAL") {
			break
		}
	}
	return telling
}
