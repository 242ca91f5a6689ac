package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"google.golang.org/grpc"
)

// Report is what a run measured. In JSON the figures of the first row stand at the top, and those of all under runs.
type Report struct {
	Row
	Rows []Row `json:"runs"`

	CPUs            int         `json:"cpus"`
	Connections     int         `json:"connections"`
	DurationSeconds float64     `json:"duration_seconds"`
	Durability      *Durability `json:"durability,omitempty"` // nil: nobody said where the database is.
}

// Row is what was measured at one number of callers on one number of organizations. A turn is a Reserve and its Commit.
// Latencies are in milliseconds; figures of a ceiling that was not measured are absent.
type Row struct {
	Callers       int     `json:"callers"`
	Organizations int     `json:"organizations"`
	Seats         int     `json:"seats"`          // Of each organization.
	Rate          float64 `json:"rate,omitempty"` // Turns a second that were called for; absent: closed loop.

	TurnsPerSecond float64 `json:"turns_per_second"`
	RPCsPerSecond  float64 `json:"rpcs_per_second"`
	TurnP50        float64 `json:"turn_p50_ms"`
	TurnP99        float64 `json:"turn_p99_ms"`
	ReserveP50     float64 `json:"reserve_p50_ms"`
	ReserveP99     float64 `json:"reserve_p99_ms"`
	CommitP50      float64 `json:"commit_p50_ms"`
	CommitP99      float64 `json:"commit_p99_ms"`
	Errors         int64   `json:"errors"`                 // Of turns and ceilings, warming up included.
	Missed         int64   `json:"missed_turns,omitempty"` // Turns of a rate that no caller was free to begin.

	TokenTurnsPerSecond float64 `json:"token_turns_per_second,omitempty"` // Of turns that tell tokens.
	// Of turns whose callers bring a token, under TLS, to a second meterd on the same database.
	IdentityTurnsPerSecond float64 `json:"identity_turns_per_second,omitempty"`
	IdentityTurnP50        float64 `json:"identity_turn_p50_ms,omitempty"`

	NaiveTurnsPerSecond float64 `json:"naive_turns_per_second,omitempty"`
	NaiveP50            float64 `json:"naive_p50_ms,omitempty"` // Of a whole turn, as TurnP50.
	NaiveP99            float64 `json:"naive_p99_ms,omitempty"`
	NaiveReserveP50     float64 `json:"naive_reserve_p50_ms,omitempty"`
	NaiveCommitP50      float64 `json:"naive_commit_p50_ms,omitempty"`
	EmptyCallsPerSecond float64 `json:"empty_calls_per_second,omitempty"`
	EmptyP50            float64 `json:"empty_p50_ms,omitempty"`

	Ratios Ratios `json:"ratios"`

	// Processor time of meterd alone, in microseconds: for one request of a turn, and for an empty call. Unlike the rates
	// it hardly depends on what else the machine does. Absent, as the bytes below, where meterd was not started here.
	RPCBusyMicros   float64 `json:"meterd_cpu_us_per_rpc,omitempty"`
	EmptyBusyMicros float64 `json:"meterd_cpu_us_per_empty_call,omitempty"`

	IdentityRPCBusyMicros float64 `json:"identity_meterd_cpu_us_per_rpc,omitempty"` // Of the second meterd.

	ResidentBytes     int64 `json:"resident_bytes,omitempty"`      // Of meterd, at the end.
	PeakResidentBytes int64 `json:"peak_resident_bytes,omitempty"` // Since it was started.
}

// Ratios compare a row with its ceilings. Those of throughput are absent at a fixed rate, which they would only repeat.
type Ratios struct {
	TurnsToNaive   float64 `json:"turns_to_naive,omitempty"`
	RPCsToEmpty    float64 `json:"rpcs_to_empty,omitempty"`
	TurnP50ToNaive float64 `json:"turn_p50_to_naive_p50,omitempty"`
	TokensToTurns  float64 `json:"token_turns_to_turns,omitempty"`

	IdentityToTurns float64 `json:"identity_turns_to_turns,omitempty"`
}

// report gathers the figures, and checks that they are worth something.
func (r *run) report(ctx context.Context) (*Report, error) {
	report := &Report{CPUs: runtime.NumCPU(), Connections: r.Connections, DurationSeconds: r.Duration.Seconds()}
	var problems []error
	for _, row := range r.rows {
		figures, err := r.figures(row)
		report.Rows = append(report.Rows, figures)
		problems = append(problems, err)
	}
	report.Row = report.Rows[0]

	ctx, cancel := context.WithTimeout(ctx, closingTimeout)
	defer cancel()
	if r.database != nil {
		var err error
		report.Durability, err = durabilityOf(ctx, r.database)
		problems = append(problems, err, report.Durability.check())
	}
	problems = append(problems, r.checkPools(ctx))
	return report, errors.Join(problems...)
}

func (r *run) figures(row *row) (f Row, err error) {
	turns := row.turns.tally
	f = Row{
		Callers: row.callers, Organizations: row.organizations, Seats: r.seatsOf(row.organizations), Rate: r.Rate,
		TurnsPerSecond: turns.perSecond(), RPCsPerSecond: 2 * turns.perSecond(), Missed: turns.missed,
		TurnP50: millis(turns.whole, 50), TurnP99: millis(turns.whole, 99),
		ReserveP50: millis(turns.reserve, 50), ReserveP99: millis(turns.reserve, 99),
		CommitP50: millis(turns.commit, 50), CommitP99: millis(turns.commit, 99),
		RPCBusyMicros: turns.busyMicros() / 2,
		ResidentBytes: row.resident, PeakResidentBytes: row.peak,
	}
	if row.naive != nil {
		t := row.naive.tally
		f.NaiveTurnsPerSecond, f.NaiveP50, f.NaiveP99 = t.perSecond(), millis(t.whole, 50), millis(t.whole, 99)
		f.NaiveReserveP50, f.NaiveCommitP50 = millis(t.reserve, 50), millis(t.commit, 50)
	}
	if row.empty != nil {
		t := row.empty.tally
		f.EmptyCallsPerSecond, f.EmptyP50, f.EmptyBusyMicros = t.perSecond(), millis(t.whole, 50), t.busyMicros()
	}
	if row.tokens != nil {
		f.TokenTurnsPerSecond = row.tokens.tally.perSecond()
	}
	if row.identified != nil {
		t := row.identified.tally
		f.IdentityTurnsPerSecond, f.IdentityTurnP50, f.IdentityRPCBusyMicros = t.perSecond(), millis(t.whole, 50), t.busyMicros()/2
	}
	f.Ratios = f.ratios()
	for _, c := range row.contestants() {
		_, failed, first := c.totals()
		if f.Errors += failed; first != nil && err == nil {
			err = fmt.Errorf("with %d callers on %d organizations work failed, first: %w", row.callers, row.organizations, first)
		}
	}
	return f, err
}

func (r Row) ratios() (q Ratios) {
	if r.Rate == 0 {
		q.TurnsToNaive = ratio(r.TurnsPerSecond, r.NaiveTurnsPerSecond)
		q.RPCsToEmpty = ratio(r.RPCsPerSecond, r.EmptyCallsPerSecond)
		q.TokensToTurns = ratio(r.TokenTurnsPerSecond, r.TurnsPerSecond)
		q.IdentityToTurns = ratio(r.IdentityTurnsPerSecond, r.TurnsPerSecond)
	}
	q.TurnP50ToNaive = ratio(r.TurnP50, r.NaiveP50)
	return q
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// checkPools asks the service whether every acknowledged turn, and nothing else, was charged to the pools. After an
// error nobody knows whether that turn was; then the pools must only have been charged for no less than what was
// acknowledged, and no more than what was tried.
func (r *run) checkPools(ctx context.Context) error {
	var problems []error
	for n, p := range r.populations {
		problems = append(problems,
			r.checkPool(ctx, r.server.setup(), "turns", p.turns, n, func(row *row) []*contestant {
				return []*contestant{row.turns, row.tokens, row.identified}
			}),
			r.checkPool(ctx, r.server.setup(), "naive turns", p.naive, n, func(row *row) []*contestant {
				return []*contestant{row.naive}
			}))
	}
	return errors.Join(problems...)
}

func (r *run) checkPool(
	ctx context.Context, conn grpc.ClientConnInterface, what string, p population, n int, of func(*row) []*contestant,
) error {
	if len(p.organizations) == 0 {
		return nil
	}
	var acknowledged, failed int64
	for _, row := range r.rows {
		if row.organizations == n {
			for _, c := range of(row) {
				done, errors, _ := c.totals()
				acknowledged, failed = acknowledged+done, failed+errors
			}
		}
	}
	if err := p.check(ctx, conn, acknowledged, failed, what); err != nil {
		return fmt.Errorf("%d organizations: %w", n, err)
	}
	return nil
}
