package replay

import (
	"fmt"
	"strings"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// mostDifferences bounds how many single turns a report describes.
const mostDifferences = 10

// Report is what became of every turn of a replay: Turns = Completed + Failed + every Refused + every Faulty +
// Unsettled + NotStarted.
type Report struct {
	Trace         string   `json:"trace"`
	Synthetic     []string `json:"synthetic"` // What of the turns is not from the trace.
	Organizations int      `json:"organizations"`
	Seats         int      `json:"seats"`

	Turns      int64            `json:"turns"`
	Completed  int64            `json:"completed"`   // Committed.
	Failed     int64            `json:"failed"`      // Released.
	Refused    map[string]int64 `json:"refused"`     // By reason: turns that may not run.
	Faulty     map[string]int64 `json:"faulty"`      // By reason: turns ended by an answer that no turn should get.
	Unsettled  int64            `json:"unsettled"`   // Started, the last answer never came.
	NotStarted int64            `json:"not_started"` // Left over when the replay was cut off.
	Replayed   int64            `json:"replayed"`    // Of those completed and failed: settled already by a replay before.
	Late       int64            `json:"late"`        // Of those completed and failed: settled after they had expired.

	Charged        Charge   `json:"charged"`         // What the server answered to the completed turns.
	ChargedFailed  Charge   `json:"charged_failed"`  // What it answered to the failed ones.
	ExpectedMicros int64    `json:"expected_micros"` // What the completed turns cost by the rows of the trace.
	Differences    []string `json:"differences"`     // The first answers that never came, or were not what was asked for.

	RPCs           []RPC   `json:"rpcs"`
	Seconds        float64 `json:"seconds"`          // Of the turns, without the setup.
	TurnsPerSecond float64 `json:"turns_per_second"` // Completed and failed.
	Interrupted    bool    `json:"interrupted"`
}

// Charge is what turns cost and who paid, in micros.
type Charge struct {
	ActualMicros    int64 `json:"actual_micros"`
	AllowanceMicros int64 `json:"allowance_micros"`
	PoolMicros      int64 `json:"pool_micros"`
	OverrunMicros   int64 `json:"overrun_micros"`
}

// RPC is how one RPC answered.
type RPC struct {
	Name      string  `json:"rpc"`
	Answers   int64   `json:"answers"` // Refusals included.
	Retries   int64   `json:"retries"` // Attempts that got no answer and were sent again.
	P50Millis float64 `json:"p50_ms"`
	P90Millis float64 `json:"p90_ms"`
	P99Millis float64 `json:"p99_ms"`
	MaxMillis float64 `json:"max_ms"`
}

// Problem is why the replay must not count as a good one, nil if it may. That turns were refused is no problem.
func (r Report) Problem() error {
	var problems []string
	complain := func(holds bool, format string, args ...any) {
		if holds {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	complain(r.Interrupted, "interrupted")
	complain(r.Unsettled > 0, "%d turns unsettled", r.Unsettled)
	complain(r.NotStarted > 0, "%d turns not started", r.NotStarted)
	complain(r.Charged.ActualMicros != r.ExpectedMicros || r.Charged.layers() != r.ExpectedMicros,
		"charged %s (its layers %s), but the trace's rows cost %s",
		FormatMicros(r.Charged.ActualMicros), FormatMicros(r.Charged.layers()), FormatMicros(r.ExpectedMicros))
	if len(r.Differences) > 0 {
		complain(true, "wrong or missing answers, the first: %s", r.Differences[0])
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("replay of %s: %s", r.Trace, strings.Join(problems, "; "))
}

// add counts the turns once all have ended. What they should have cost is priced anew from the rows.
func (r *Report) add(turns []*turn, price costs) {
	r.Refused, r.Faulty, r.Differences = map[string]int64{}, map[string]int64{}, []string{}
	for _, t := range turns {
		r.Turns++
		r.count(t)
		if t.difference != "" && len(r.Differences) < mostDifferences {
			r.Differences = append(r.Differences, t.difference)
		}
		if t.fate == committed {
			// The price was in range when the turn was made of the same row.
			cost, _ := price(t.model, t.Row.InputTokens, t.Row.OutputTokens)
			r.ExpectedMicros += cost
		}
	}
	if r.Seconds > 0 {
		r.TurnsPerSecond = float64(r.Completed+r.Failed) / r.Seconds
	}
}

func (r *Report) count(t *turn) {
	switch t.fate {
	case waiting:
		r.NotStarted++
	case unsettled:
		r.Unsettled++
	case refused:
		r.Refused[t.reason]++
	case faulty:
		r.Faulty[t.reason]++
	case committed:
		r.Completed++
		r.Charged = r.Charged.plus(t.charge)
	case released:
		r.Failed++
		r.ChargedFailed = r.ChargedFailed.plus(t.charge)
	}
	if t.fate == committed || t.fate == released {
		r.Replayed += one(t.replayed)
		r.Late += one(t.late)
	}
}

func one(holds bool) int64 {
	if holds {
		return 1
	}
	return 0
}

func chargeOf(c *meterv1.Charge) Charge {
	return Charge{c.GetActualMicros(), c.GetAllowanceMicros(), c.GetPoolMicros(), c.GetOverrunMicros()}
}

func (c Charge) plus(d Charge) Charge {
	return Charge{
		c.ActualMicros + d.ActualMicros, c.AllowanceMicros + d.AllowanceMicros,
		c.PoolMicros + d.PoolMicros, c.OverrunMicros + d.OverrunMicros,
	}
}

func (c Charge) layers() int64 { return c.AllowanceMicros + c.PoolMicros + c.OverrunMicros }

// synthetic names what of the turns is invented, so that nobody takes it for measured.
func synthetic(o Options, turns []*turn) []string {
	what := []string{"organizations and seats, by Zipf's law"}
	switch {
	case o.OneOrganization:
		what = []string{"one organization for all"}
	case o.Clients != "":
		what = []string{"organizations and seats, by the real shares of a provider's clients"}
	}
	unknown, unmeasured := 0, 0
	for _, t := range turns {
		unknown += int(one(t.Outcome == 0))
		unmeasured += int(one(!t.Measured))
	}
	if o.FailureRate > 0 && unknown > 0 {
		what = append(what, fmt.Sprintf("failures, at a rate of %g in %d turns", o.FailureRate, unknown))
	}
	if o.Speed > 0 && unmeasured > 0 {
		what = append(what, fmt.Sprintf("durations, of %d turns", unmeasured))
	}
	return what
}
