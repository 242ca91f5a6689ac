package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// readyPatience bounds how long a meterd may take to serve.
	readyPatience = 30 * time.Second
	// endPatience bounds how long one may take to drain and end.
	endPatience = 30 * time.Second
	// poll is how often what nothing announces is looked at.
	poll = 20 * time.Millisecond
)

// process is one meterd.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // Closed once it says that it is ready.
	ended chan struct{} // Closed once it has ended.
}

// startProcess starts a meterd whose log goes to a file, without waiting for it. It dies with this process.
func startProcess(program string, log *os.File, args ...string) (*process, error) {
	p := &process{ready: make(chan struct{}), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.Background(), program, args...)
	p.cmd.Env = environment()
	p.cmd.Stdout = &readyWatch{ready: p.ready}
	p.cmd.Stderr = log
	p.cmd.WaitDelay = endPatience
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		// The signal of a parent's death goes by the thread that started the program.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
	}()
	return p, <-started
}

// environment is this process's without the settings of a meterd that a developer may have exported.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "METER_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// awaitReady waits until it serves.
func (p *process) awaitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return errors.New("it ended instead of serving")
	case <-time.After(readyPatience):
		return fmt.Errorf("it does not serve after %v", readyPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal is harmless to one that has ended.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// end sends a signal and waits for the end; what does not end in time is killed, and that is an error.
func (p *process) end(s syscall.Signal) error {
	p.signal(s)
	p.signal(syscall.SIGCONT)
	select {
	case <-p.ended:
		return nil
	case <-time.After(endPatience):
		p.signal(syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("it did not end within %v of signal %v", endPatience, s)
	}
}

// readyWatch looks for the line that says ready.
type readyWatch struct {
	mu    sync.Mutex
	text  bytes.Buffer
	once  sync.Once
	ready chan struct{}
}

func (w *readyWatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if bytes.Contains(w.text.Bytes(), []byte("ready: ")) {
		w.once.Do(func() { close(w.ready) })
	}
	return len(p), nil
}
