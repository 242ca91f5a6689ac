package server

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// closeTimeout bounds how long each part of a server may take to stop, calls apart: those have a bound of their own.
const closeTimeout = 10 * time.Second

// stack is what was started, in order, with how each is stopped.
type stack []part

type part struct {
	name    string
	timeout time.Duration
	stop    func(context.Context) error
}

func (s *stack) push(name string, stop func(context.Context) error) {
	*s = append(*s, part{name, closeTimeout, stop})
}

// close stops everything in reverse order of its start, each within its bound, whatever becomes of the others. It does
// not listen to the context that ended the server: that one is over.
func (s *stack) close() error {
	var errs []error
	for i := len(*s) - 1; i >= 0; i-- {
		p := (*s)[i]
		ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
		if err := p.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.name, err))
		}
		cancel()
	}
	*s = nil
	return errors.Join(errs...)
}

// background runs f until it is stopped, and stopping waits for its end.
func background(f func(context.Context)) (stop func(context.Context) error) {
	running, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(running)
	}()
	return func(ctx context.Context) error {
		cancel()
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
