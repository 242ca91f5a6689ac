package lane

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/spillway-metering/spillway/internal/meter"
)

// answer is what a command gets once its batch is on disk.
type answer struct {
	outcome meter.Outcome
	err     error
}

// needsOf are a batch's organizations, in the order in which they are locked, and the rows its commands must see.
func needsOf(batch []*item) ([]string, meter.Needs) {
	needs := meter.Needs{Again: slices.ContainsFunc(batch, func(it *item) bool { return it.applied })}
	organizations := make([]string, 0, len(batch))
	for _, it := range batch {
		organizations = append(organizations, it.command.Organization())
		it.command.Need(&needs)
	}
	slices.Sort(organizations)
	return slices.Compact(organizations), needs
}

// apply applies commands in order of arrival. A refusal is an answer; any other error is a fault and ends the batch.
func apply(batch []*item, states map[string]*meter.State) ([]answer, error) {
	answers := make([]answer, len(batch))
	for i, it := range batch {
		it.applied = true
		outcome, err := applyOne(it.command, states[it.command.Organization()])
		var refusal *meter.Refusal
		if err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
		answers[i] = answer{outcome, err}
	}
	return answers, nil
}

// applyOne applies a command. A panic is a fault of that command: no caller's own recovery is on this goroutine.
func applyOne(c meter.Command, s *meter.State) (o meter.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%T panicked: %v\n%s", c, p, debug.Stack())
		}
	}()
	return c.Apply(s)
}

// deliver answers the callers of a batch that is on disk.
func deliver(batch []*item, answers []answer) {
	for i, a := range answers {
		batch[i].answer(a.outcome, a.err)
	}
}

// apart parts a batch that failed into those that may succeed without each other. Commands of an organization stay in order.
func apart(batch []*item, err error) (parts [][]*item) {
	switch {
	case err == nil:
	case errors.Is(err, meter.ErrLocked):
		of := map[string]int{}
		for _, it := range batch {
			n, begun := of[it.command.Organization()]
			if !begun {
				n = len(parts)
				of[it.command.Organization()] = n
				parts = append(parts, nil)
			}
			parts[n] = append(parts[n], it)
		}
	case !unavailable(err):
		for _, it := range batch {
			parts = append(parts, []*item{it})
		}
	}
	return parts
}

// unavailable says whether the same may be tried again.
func unavailable(err error) bool {
	var refusal *meter.Refusal
	return errors.As(err, &refusal) && refusal.Reason == meter.Unavailable
}
