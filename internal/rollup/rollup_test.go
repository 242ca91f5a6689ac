package rollup_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-metering/spillway/internal/rollup"
)

var errFault = errors.New("fault")

// store has work left for organizations, so many chunks each.
type store struct {
	mu     sync.Mutex
	left   map[string]int
	done   []string
	fails  map[string]error // Of organizations; of the empty one, of looking for work.
	looks  int
	asked  []int64 // The fewest rows at each look.
	closed bool
}

func (s *store) Behind(_ context.Context, after string, rows int64, limit int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after == "" {
		s.looks++
		s.asked = append(s.asked, rows)
	}
	var behind []string
	for id, n := range s.left {
		if n > 0 && id > after {
			behind = append(behind, id)
		}
	}
	slices.Sort(behind)
	return behind[:min(len(behind), limit)], s.fails[""]
}

func (s *store) RollUp(_ context.Context, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fails[id]; err != nil {
		return true, err
	}
	s.left[id]--
	s.done = append(s.done, id)
	return s.left[id] > 0, nil
}

// set has looking for work fail, or not, and some organizations have some.
func (s *store) set(fails error, behind ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[""] = fails
	for _, id := range behind {
		s.left[id] = 1
	}
}

func (s *store) Close() { s.closed = true }

// TestOrganizationsTakeTurns has one with much to do between others, one of which fails.
func TestOrganizationsTakeTurns(t *testing.T) {
	s := &store{left: map[string]int{"a": 1, "b": 3, "c": 2, "d": 9}, fails: map[string]error{"d": errFault}}
	if err := rollup.New(s, time.Second, nil, nil).Once(t.Context(), 1); !errors.Is(err, errFault) {
		t.Errorf("the failure is told as %v", err)
	}
	if got := strings.Join(s.done, ""); got != "abcbcb" {
		t.Errorf("in order %s", got)
	}
}

// TestManyOrganizationsAreAllFound has more than one look finds.
func TestManyOrganizationsAreAllFound(t *testing.T) {
	s := &store{left: map[string]int{}}
	for n := range 1000 {
		s.left[fmt.Sprintf("firm%03d", n)] = 1
	}
	if err := rollup.New(s, time.Second, nil, nil).Once(t.Context(), 1); err != nil || len(s.done) != 1000 {
		t.Errorf("%d are rolled up, %v", len(s.done), err)
	}
}

// TestARollerGoesOn runs one on a database that is away for a while, until it is told to end.
func TestARollerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{left: map[string]int{}, fails: map[string]error{}}
		var log strings.Builder
		upToDate := 0
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			rollup.New(s, time.Second, slog.New(slog.NewTextHandler(&log, nil)), func() { upToDate++ }).Run(ctx)
			close(ended)
		}()
		pass := func(d time.Duration) {
			select {
			case <-time.After(d):
			case <-ended:
				t.Error("it ended by itself")
			}
			synctest.Wait()
		}
		pass(1500 * time.Millisecond) // From here on between two ticks.
		s.set(errFault)
		pass(2 * time.Second)
		s.set(nil, "a")
		pass(58 * time.Second)
		cancel()
		<-ended
		if s.looks != 61 || len(s.done) != 1 || upToDate != 59 {
			t.Errorf("after 61 ticks it looked %d times, rolled up %s, and was up to date %d times", s.looks, s.done, upToDate)
		}
		if strings.Count(log.String(), "rolling up usage fails") != 1 || strings.Count(log.String(), "works again") != 1 {
			t.Errorf("the log says %q", log.String())
		}
		// Organizations with few rows wait mostly.
		want := slices.Repeat([]int64{256}, 61)
		if want[59] = 1; !slices.Equal(s.asked, want) {
			t.Errorf("it looked for %d rows or more", s.asked)
		}
		if !s.closed {
			t.Error("its connection stays")
		}
	})
}
