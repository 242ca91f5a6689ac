package bench

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"
)

const (
	defaultQuiet = 20
	// quietLoad is what the quiet organizations ask for together, as a part of the capacity.
	quietLoad = 0.4
	// noisyShares is how many times as much as a quiet organization the noisy one asks for.
	noisyShares = 20
	// settling is how long after each change of the load turns are not counted: they meet what the last load has left.
	settling = 250 * time.Millisecond
)

// Flows of RunNoisy, and what its slices are called by: what arrives beside the quiet organizations.
const (
	quietFlow  = iota // Nothing.
	noisyFlow         // The noisy one.
	spreadFlow        // As much as that, but of as many organizations as it has shares.
)

// NoisyReport is what RunNoisy measured. In JSON the figures of the first row stand at the top, and those of all under runs.
type NoisyReport struct {
	NoisyRow
	Rows []NoisyRow `json:"runs"`

	CPUs            int         `json:"cpus"`
	Connections     int         `json:"connections"`
	DurationSeconds float64     `json:"duration_seconds"` // Of each kind of slices.
	Durability      *Durability `json:"durability,omitempty"`
}

// NoisyRow is how quiet organizations fared without a noisy one and with it, and with the same load spread over
// organizations like them, in alternating slices. Latencies, in milliseconds, are of whole turns from when they should have
// begun.
type NoisyRow struct {
	Lanes    int     `json:"lanes,omitempty"`           // Absent: as many as meterd has unless told.
	Quiet    int     `json:"quiet_organizations"`       // How many there are.
	Capacity float64 `json:"capacity_turns_per_second"` // Of the quiet ones together, in a closed loop.
	Share    float64 `json:"share_turns_per_second"`    // What each quiet one asks for; the noisy one for 20 times that.
	Accepted float64 `json:"noisy_accepted_per_second"` // Of the noisy one.
	Refused  float64 `json:"noisy_refused_per_second"`  // Of the noisy one.
	Without  Quiet   `json:"without"`                   // The quiet ones, undisturbed,
	With     Quiet   `json:"with"`                      // beside the noisy one,
	Spread   Quiet   `json:"spread"`                    // and beside the same load, spread over organizations like them.
	P50      float64 `json:"quiet_p50_with_to_without"` // With ÷ without.
	P99      float64 `json:"quiet_p99_with_to_without"` // With ÷ without.
	Noise    float64 `json:"quiet_p99_with_to_spread"`  // With ÷ spread: what it adds that the load is one organization's.
	Errors   int64   `json:"errors"`                    // Answers other than OK that are not for there being too many.
	Missed   int64   `json:"missed_turns"`              // That this program could not begin.

	spent // Beside the noisy one.
}

// Quiet is how quiet organizations fared.
type Quiet struct {
	Accepted float64 `json:"accepted_per_second"` // Turns of all of them.
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Refused  int64   `json:"refused"` // Requests that had to be sent again.
}

// RunNoisy measures what a noisy organization does to the others: each of many asks for its share of a moderate load,
// without and with one that asks for 20 times as much, and with 20 more of their kind.
func RunNoisy(ctx context.Context, options Options) (*NoisyReport, error) {
	if err := options.validateLoad(); err != nil {
		return nil, err
	}
	if options.Quiet == 0 {
		options.Quiet = defaultQuiet
	}
	report := &NoisyReport{
		CPUs: runtime.NumCPU(), Connections: leanConnections, DurationSeconds: options.Duration.Seconds(),
	}
	durability, err := options.onEach(ctx, func(ctx context.Context, s *stage, lanes int) error {
		row, err := s.noisy(ctx)
		row.Lanes = lanes
		report.Rows = append(report.Rows, row)
		return err
	})
	if len(report.Rows) == 0 || durability == nil {
		return nil, err
	}
	report.NoisyRow, report.Durability = report.Rows[0], durability
	return report, err
}

// noisy measures the capacity of the quiet organizations and then, slice by slice, their share of it.
func (s *stage) noisy(ctx context.Context) (r NoisyRow, err error) {
	seats := s.seatsOf(s.Quiet)
	quiet, err := s.populate(ctx, "quiet", s.Quiet, seats)
	if err != nil {
		return r, err
	}
	noisy, err := s.populate(ctx, "noisy", 1, seats)
	if err != nil {
		return r, err
	}
	spread, err := s.populate(ctx, "spread", noisyShares, seats)
	if err != nil {
		return r, err
	}
	capacity, err := s.capacity(ctx, quietFlow)
	if err != nil {
		return r, err
	}
	r.Capacity = capacity.tally.perSecond()
	if r.Capacity == 0 {
		return r, errors.Join(errors.New("there is no capacity: no turn was settled"), capacity.callers[0].first)
	}
	r.Quiet, r.Share = s.Quiet, quietLoad*r.Capacity/float64(s.Quiet)
	s.say("measuring %d organizations at %.0f turns a second each, without and with one at %d times that",
		r.Quiet, r.Share, noisyShares)
	phases, kinds := noisyPhases(r, s.Duration)
	a := newArrivals(&s.server, s.connection, []*flow{
		{population: quiet, name: "q"}, {population: noisy, name: "n"}, {population: spread, name: "s"},
	}, phases)
	if err := s.run(ctx, a); err != nil {
		return r, err
	}
	a.noisyFigures(&r, kinds)
	return r, nil
}

// noisyPhases are slices of each kind, the next time in the opposite order, so that none always meets the larger tables.
// kinds says which are which.
func noisyPhases(r NoisyRow, duration time.Duration) (phases []phase, kinds []int) {
	rounds := max(1, int((duration+sliceLength-1)/sliceLength))
	order := []int{quietFlow, noisyFlow, spreadFlow}
	for range rounds {
		for _, kind := range order {
			rates := make([]float64, len(order))
			rates[kind] = noisyShares * r.Share
			rates[quietFlow] = r.Share * float64(r.Quiet)
			phases, kinds = append(phases, phase{duration / time.Duration(rounds), rates}), append(kinds, kind)
		}
		slices.Reverse(order)
	}
	return phases, kinds
}

// noisyFigures adds up the slices.
func (a *arrivals) noisyFigures(r *NoisyRow, kinds []int) {
	r.Without, r.With, r.Spread = a.quiet(kinds, quietFlow), a.quiet(kinds, noisyFlow), a.quiet(kinds, spreadFlow)
	r.P50, r.P99 = ratio(r.With.P50, r.Without.P50), ratio(r.With.P99, r.Without.P99)
	r.Noise = ratio(r.With.P99, r.Spread.P99)
	seconds := a.counted(kinds, noisyFlow, func(e event, flow int) {
		switch {
		case flow != noisyFlow:
		case e.kind == settled:
			r.Accepted++
		case e.kind == reserveRefused:
			r.Refused++
		}
	})
	r.Accepted, r.Refused = ratio(r.Accepted, seconds), ratio(r.Refused, seconds)
	for _, f := range a.flows {
		_, errors, _ := f.totals()
		r.Errors += errors
	}
	r.spent = a.spentIn(kinds, noisyFlow)
	for _, missed := range a.missed {
		r.Missed += missed
	}
}

// spentIn is what the slices of a kind took on average, but the most memory.
func (a *arrivals) spentIn(kinds []int, kind int) (all spent) {
	n := 0.0
	for i := range a.phases {
		if kinds[i] != kind {
			continue
		}
		one := a.spent(i)
		n++
		all.MeterdCPUs += one.MeterdCPUs
		all.GeneratorCPUs += one.GeneratorCPUs
		all.OtherCPUs += one.OtherCPUs
		all.ResidentBytes = max(all.ResidentBytes, one.ResidentBytes)
	}
	all.MeterdCPUs, all.GeneratorCPUs, all.OtherCPUs = ratio(all.MeterdCPUs, n), ratio(all.GeneratorCPUs, n), ratio(all.OtherCPUs, n)
	return all
}

// quiet is how the quiet organizations fared in the slices of a kind.
func (a *arrivals) quiet(kinds []int, kind int) (q Quiet) {
	turns := newHistogram()
	seconds := a.counted(kinds, kind, func(e event, flow int) {
		switch {
		case flow != quietFlow:
		case e.kind == settled:
			record(turns, micros(e.ended-e.intended))
		case e.kind != failed:
			q.Refused++
		}
	})
	q.Accepted, q.P50, q.P99 = ratio(float64(turns.TotalCount()), seconds), millis(turns, 50), millis(turns, 99)
	return q
}

// counted looks at all events of turns that should have begun in slices of one kind, once these had settled, and answers
// how many seconds that were.
func (a *arrivals) counted(kinds []int, kind int, look func(e event, flow int)) (seconds float64) {
	for i := range a.phases {
		if kinds[i] != kind {
			continue
		}
		to := a.marks[i+1].at
		from := a.marks[i].at + min(settling, a.phases[i].length/4)
		seconds += (to - from).Seconds()
		a.each(func(flow int, e event) {
			if between(e.intended, from, to) {
				look(e, flow)
			}
		})
	}
	return seconds
}
