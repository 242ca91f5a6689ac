package bench

import (
	"context"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
)

const (
	// mostInFlight bounds the turns under way in all. What would begin beyond it does not, and is counted.
	mostInFlight = leanConnections * leanStreams
	// grain is how finely arrivals are told apart: those that are due within it begin together. A finer one would cost the
	// processor time that is to be measured.
	grain = 500 * time.Microsecond
	// residentEvery is how often meterd's memory is looked at.
	residentEvery = 100 * time.Millisecond
)

// arrivals is an open loop: turns begin at fixed rates, whatever becomes of those before. It goes through its phases
// without a pause, so that each begins with what the last has left.
type arrivals struct {
	server  *target
	connect func(i int) grpc.ClientConnInterface // The connection of a flow's i-th asker.
	flows   []*flow
	phases  []phase

	began   time.Time
	marks   []mark // Where each phase begins, and where the last one ends.
	missed  []int64
	flight  int // Turns under way; mu guards it with the flows' askers.
	mu      sync.Mutex
	running sync.WaitGroup
}

// flow are turns of the same organizations.
type flow struct {
	population population
	name       string   // Begins the ids of its requests.
	askers     []*asker // All of them.
	idle       []*asker // Those that are free; the one that was busy last is taken first.
}

// phase is a stretch with fixed rates.
type phase struct {
	length time.Duration
	rates  []float64 // Of each flow, in turns a second.
}

// mark is the processor time used so far, at an end of a phase.
type mark struct {
	at        time.Duration // Since the arrivals began.
	busy, own time.Duration // Of meterd, and of this process.
	machine   time.Duration // Of everything that runs on this machine.
	resident  int64         // The most bytes that meterd had in the phase that begins here.
}

// newArrivals makes a load of flows on a server.
func newArrivals(
	server *target, connect func(i int) grpc.ClientConnInterface, flows []*flow, phases []phase,
) *arrivals {
	return &arrivals{
		server: server, connect: connect, flows: flows, phases: phases, marks: make([]mark, len(phases)+1), missed: make([]int64, len(phases)),
	}
}

// run goes through all phases, and returns when the last turn is over. The context's end cuts what is under way.
func (a *arrivals) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.began = time.Now()
	for i := range a.phases {
		a.mark(i)
		a.runPhase(ctx, i)
	}
	a.mark(len(a.phases))
	watchdog := time.AfterFunc(overtime, cancel)
	defer watchdog.Stop()
	a.running.Wait()
	return ctx.Err()
}

func (a *arrivals) mark(i int) {
	m := &a.marks[i]
	m.at, m.busy, m.own, m.machine = time.Since(a.began), a.server.busy(), processorTime(os.Getpid()), machineTime()
	a.watchMemory(m)
}

func (a *arrivals) watchMemory(m *mark) {
	now, _ := a.server.resident()
	m.resident = max(m.resident, now)
}

// runPhase begins what is due until the phase is over.
func (a *arrivals) runPhase(ctx context.Context, i int) {
	p := a.phases[i]
	memory := time.NewTicker(residentEvery)
	defer memory.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := make([]int64, len(a.flows))
	for {
		select {
		case <-timer.C:
		case <-memory.C:
			a.watchMemory(&a.marks[i])
			continue
		case <-ctx.Done():
			return
		}
		now := time.Since(a.began) - a.marks[i].at
		soonest := p.length
		for f, rate := range p.rates {
			soonest = min(soonest, a.beginDue(ctx, i, f, rate, &next[f], min(now, p.length-1)))
		}
		if now >= p.length {
			return
		}
		timer.Reset(max(soonest-now, grain))
	}
}

// beginDue begins what a flow has due at a moment of a phase, and answers when its next turn is.
func (a *arrivals) beginDue(ctx context.Context, i, f int, rate float64, next *int64, now time.Duration) time.Duration {
	if rate <= 0 {
		return a.phases[i].length
	}
	for {
		due := time.Duration(float64(*next) / rate * float64(time.Second))
		if due > now {
			return due
		}
		*next++
		if !a.begin(ctx, f, a.marks[i].at+due) {
			a.missed[i]++
		}
	}
}

// begin begins a turn of a flow; false: there are too many under way.
func (a *arrivals) begin(ctx context.Context, f int, intended time.Duration) bool {
	who := a.take(a.flows[f])
	if who == nil {
		return false
	}
	a.running.Go(func() {
		who.turn(ctx, a.began, intended)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.flows[f].idle = append(a.flows[f].idle, who)
		a.flight--
	})
	return true
}

// take is somebody free to ask for a turn; nil: nobody is.
func (a *arrivals) take(f *flow) *asker {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight == mostInFlight {
		return nil
	}
	a.flight++
	if last := len(f.idle) - 1; last >= 0 {
		who := f.idle[last]
		f.idle = f.idle[:last]
		return who
	}
	n := len(f.askers)
	who := &asker{turns: newTurns(a.connect(n), f.population, f.name+strconv.Itoa(n))}
	f.askers = append(f.askers, who)
	return who
}

// totals are how many turns of the flow were ever acknowledged, how many calls failed, and one reason of that.
func (f *flow) totals() (done, errors int64, first error) {
	for _, who := range f.askers {
		for _, e := range who.events {
			switch e.kind {
			case settled:
				done++
			case failed:
				errors++
			}
		}
		if first == nil {
			first = who.first
		}
	}
	return done, errors, first
}

// spent is how many processors were kept busy in a phase, and the most memory that meterd had.
type spent struct {
	MeterdCPUs    float64 `json:"meterd_cpus"`
	GeneratorCPUs float64 `json:"generator_cpus"` // This program.
	OtherCPUs     float64 `json:"other_cpus"`     // The database, and whatever else the machine did.
	ResidentBytes int64   `json:"resident_bytes"` // Of meterd.
}

func (a *arrivals) spent(i int) spent {
	from, to := &a.marks[i], &a.marks[i+1]
	length := (to.at - from.at).Seconds()
	cpus := func(began, ended time.Duration) float64 { return ratio((ended - began).Seconds(), length) }
	s := spent{MeterdCPUs: cpus(from.busy, to.busy), GeneratorCPUs: cpus(from.own, to.own), ResidentBytes: from.resident}
	s.OtherCPUs = max(0, cpus(from.machine, to.machine)-s.MeterdCPUs-s.GeneratorCPUs)
	return s
}
