package bench

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// overloads are the loads that follow upon each other, as multiples of the capacity. The last is the first again, to see
// how long it takes until everything is as it was.
var overloads = []float64{0.5, 2, 5, 0.5}

// Places in overloads.
const (
	before = iota
	twice
	fivefold
	after
)

// OverloadReport is what RunOverload measured.
type OverloadReport struct {
	Overload
	Runs []Overload `json:"runs"` // One for each number of lanes.

	CPUs            int         `json:"cpus"`
	Connections     int         `json:"connections"`
	DurationSeconds float64     `json:"duration_seconds"` // Of each row.
	Durability      *Durability `json:"durability,omitempty"`
}

// Overload is how a server dealt with more than it can carry.
type Overload struct {
	Lanes    int            `json:"lanes,omitempty"` // Absent: as many as meterd has unless told.
	Capacity OverloadRow    `json:"capacity"`        // In a closed loop.
	Rows     []OverloadRow  `json:"rows"`
	Ratios   OverloadRatios `json:"ratios"`
}

// OverloadRow is one load. A turn is a Reserve and its Commit; it is refused when its Reserve is, and accepted when its
// Commit was answered, however often that had to be sent. Latencies are in milliseconds: those of accepted turns from when
// they should have begun, those of refusals from when the request was sent.
type OverloadRow struct {
	Load      float64 `json:"load"`                // As a multiple of the capacity; 1: the capacity.
	Called    float64 `json:"called_per_second"`   // Turns that the load calls for.
	Offered   float64 `json:"offered_per_second"`  // Turns that this program could begin.
	Accepted  float64 `json:"accepted_per_second"` // Turns settled while the load lasted.
	Refused   float64 `json:"refused_per_second"`
	TurnP50   float64 `json:"accepted_p50_ms"`
	TurnP99   float64 `json:"accepted_p99_ms"`
	RefuseP50 float64 `json:"refusal_p50_ms"`
	RefuseP99 float64 `json:"refusal_p99_ms"`

	CommitsRefused int64 `json:"commits_refused"` // And sent again.
	Bare           int64 `json:"bare_refusals"`   // That lacked OVERLOADED as the reason, or when to come again.
	Errors         int64 `json:"errors"`          // Any other answer but OK.
	Missed         int64 `json:"missed_turns"`    // That this program could not begin: it had as many under way as it may.

	spent
}

// OverloadRatios compare loads of one run.
type OverloadRatios struct {
	AcceptedAt2   float64 `json:"accepted_at_2_to_capacity"`
	AcceptedAt5   float64 `json:"accepted_at_5_to_capacity"`
	P99At5        float64 `json:"accepted_p99_at_5_to_capacity"`
	RecoveryAfter *int    `json:"recovery_seconds"` // Until the 99th percentile of a second is within twice that of before; null: it never was.
}

// RunOverload measures what a server does with more turns than it can carry, and how soon it is itself again.
func RunOverload(ctx context.Context, options Options) (*OverloadReport, error) {
	if err := options.validateLoad(); err != nil {
		return nil, err
	}
	report := &OverloadReport{
		CPUs: runtime.NumCPU(), Connections: leanConnections, DurationSeconds: options.Duration.Seconds(),
	}
	durability, err := options.onEach(ctx, func(ctx context.Context, s *stage, lanes int) error {
		o, err := s.overload(ctx)
		o.Lanes = lanes
		report.Runs = append(report.Runs, o)
		return err
	})
	if len(report.Runs) == 0 || durability == nil {
		return nil, err
	}
	report.Overload, report.Durability = report.Runs[0], durability
	return report, err
}

// overload measures the capacity and then all loads without a pause.
func (s *stage) overload(ctx context.Context) (o Overload, err error) {
	organizations := s.Organizations[0]
	p, err := s.populate(ctx, "turns", organizations, s.seatsOf(organizations))
	if err != nil {
		return o, err
	}
	capacity, err := s.capacity(ctx, 0)
	if err != nil {
		return o, err
	}
	perSecond := capacity.tally.perSecond()
	if perSecond == 0 {
		return o, errors.Join(errors.New("there is no capacity: no turn was settled"), capacity.callers[0].first)
	}
	s.say("overloading: %v times %.0f turns a second", overloads, perSecond)
	a := newArrivals(&s.server, s.connection, []*flow{{population: p, name: "o"}}, overloadPhases(perSecond, s.Duration))
	if err := s.run(ctx, a); err != nil {
		return o, err
	}
	o.Capacity = capacityRow(capacity)
	for i := range overloads {
		o.Rows = append(o.Rows, a.row(i))
	}
	o.Ratios = o.ratios(a.recovery(after, o.Rows[before].TurnP99))
	return o, nil
}

func overloadPhases(capacity float64, length time.Duration) (phases []phase) {
	for _, times := range overloads {
		phases = append(phases, phase{length: length, rates: []float64{times * capacity}})
	}
	return phases
}

func capacityRow(c *contestant) OverloadRow {
	t := c.tally
	_, errors, _ := c.totals()
	return OverloadRow{
		Load: 1, Called: t.perSecond(), Offered: t.perSecond(), Accepted: t.perSecond(), Errors: errors,
		TurnP50: millis(t.whole, 50), TurnP99: millis(t.whole, 99),
		spent: spent{MeterdCPUs: ratio(t.busy.Seconds(), t.elapsed.Seconds())},
	}
}

// row is what was measured of a phase. Turns count toward it by when they should have begun, but accepted is what was
// settled while it lasted: what a phase leaves undone is not its throughput.
func (a *arrivals) row(i int) OverloadRow {
	from, to := a.marks[i].at, a.marks[i+1].at
	turns, refusals := newHistogram(), newHistogram()
	r := OverloadRow{Load: overloads[i], Called: a.phases[i].rates[0], Missed: a.missed[i]}
	var accepted, begun int64
	a.each(func(_ int, e event) {
		if e.kind == settled && between(e.ended, from, to) {
			accepted++
		}
		if !between(e.intended, from, to) {
			return
		}
		switch e.kind {
		case settled:
			begun++
			record(turns, micros(e.ended-e.intended))
		case reserveRefused:
			begun++
			record(refusals, micros(e.ended-e.sent))
		case commitRefused:
			r.CommitsRefused++
			record(refusals, micros(e.ended-e.sent))
		case failed:
			begun++
			r.Errors++
		}
		if e.bare {
			r.Bare++
		}
	})
	seconds := (to - from).Seconds()
	r.Offered, r.Accepted = ratio(float64(begun), seconds), ratio(float64(accepted), seconds)
	r.Refused = ratio(float64(begun-turns.TotalCount()-r.Errors), seconds)
	r.TurnP50, r.TurnP99 = millis(turns, 50), millis(turns, 99)
	r.RefuseP50, r.RefuseP99 = millis(refusals, 50), millis(refusals, 99)
	r.spent = a.spent(i)
	return r
}

// each looks at everything that happened, with the number of its flow.
func (a *arrivals) each(look func(flow int, e event)) {
	for n, f := range a.flows {
		for _, who := range f.askers {
			for _, e := range who.events {
				look(n, e)
			}
		}
	}
}

// recovery is how many seconds of a phase passed before one in which the 99th percentile of accepted turns was within
// twice what it was before; nil: there was none.
func (a *arrivals) recovery(i int, p99Before float64) *int {
	from, to := a.marks[i].at, a.marks[i+1].at
	windows := make([]*hdrhistogram.Histogram, max(1, int((to-from)/time.Second)))
	for n := range windows {
		windows[n] = newHistogram()
	}
	a.each(func(_ int, e event) {
		n := int((e.intended - from) / time.Second)
		if e.kind == settled && e.intended >= from && n < len(windows) {
			record(windows[n], micros(e.ended-e.intended))
		}
	})
	for n, w := range windows {
		if w.TotalCount() > 0 && millis(w, 99) <= 2*p99Before {
			return &n
		}
	}
	return nil
}

func (o Overload) ratios(recovery *int) OverloadRatios {
	return OverloadRatios{
		AcceptedAt2:   ratio(o.Rows[twice].Accepted, o.Capacity.Accepted),
		AcceptedAt5:   ratio(o.Rows[fivefold].Accepted, o.Capacity.Accepted),
		P99At5:        ratio(o.Rows[fivefold].TurnP99, o.Capacity.TurnP99),
		RecoveryAfter: recovery,
	}
}
