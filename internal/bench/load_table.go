package bench

import (
	"fmt"
	"io"
)

// laneRow is a row of an overload, with the lanes of its run.
type laneRow struct {
	lanes int
	OverloadRow
}

var overloadColumns = []column[laneRow]{
	{"lanes\n", func(r laneRow) string { return count(int64(r.lanes)) }},
	{"× ca-\npacity", func(r laneRow) string { return fmt.Sprintf("%g", r.Load) }},
	{"turns/s\ncalled", func(r laneRow) string { return whole(r.Called) }},
	{"turns/s\noffered", func(r laneRow) string { return whole(r.Offered) }},
	{"turns/s\naccepted", func(r laneRow) string { return whole(r.Accepted) }},
	{"turns/s\nrefused", func(r laneRow) string { return whole(r.Refused) }},
	{"accepted\np50 ms", func(r laneRow) string { return fine(r.TurnP50) }},
	{"\np99 ms", func(r laneRow) string { return fine(r.TurnP99) }},
	{"refusal\np50 ms", func(r laneRow) string { return fine(r.RefuseP50) }},
	{"\np99 ms", func(r laneRow) string { return fine(r.RefuseP99) }},
	{"Commits\nrefused", func(r laneRow) string { return count(r.CommitsRefused) }},
	{"bare\nrefusals", func(r laneRow) string { return fmt.Sprint(r.Bare) }},
	{"errors\n", func(r laneRow) string { return fmt.Sprint(r.Errors) }},
	{"not\nbegun", func(r laneRow) string { return count(r.Missed) }},
	{"meterd\nCPUs", func(r laneRow) string { return fine(r.MeterdCPUs) }},
	{"\nMiB", func(r laneRow) string { return mebibytes(r.ResidentBytes) }},
	{"load\nCPUs", func(r laneRow) string { return fine(r.GeneratorCPUs) }},
	{"other\nCPUs", func(r laneRow) string { return fine(r.OtherCPUs) }},
}

// WriteTable writes the report as one table, and below it its ratios and what the figures rest on.
func (r *OverloadReport) WriteTable(w io.Writer) {
	var rows []laneRow
	for _, run := range r.Runs {
		rows = append(rows, laneRow{run.Lanes, run.Capacity})
		for _, row := range run.Rows {
			rows = append(rows, laneRow{run.Lanes, row})
		}
	}
	writeRows(w, overloadColumns, rows)
	for _, run := range r.Runs {
		fmt.Fprintln(w, run.Ratios)
	}
	fmt.Fprintln(w, "a turn is a Reserve and its Commit; accepted from when it should have begun, a refusal from when it was sent;")
	fmt.Fprintf(w, "the loads follow upon each other without a pause; the capacity is that of %d callers in a closed loop\n", capacityCallers)
	writeBasis(w, r.CPUs, r.DurationSeconds, r.Connections, r.Durability)
}

// String tells the ratios in one line.
func (q OverloadRatios) String() string {
	recovery := "not recovered"
	if q.RecoveryAfter != nil {
		recovery = fmt.Sprintf("p99 within twice that of before after %d s", *q.RecoveryAfter)
	}
	return fmt.Sprintf("accepted ÷ capacity: %.2f at 2 times, %.2f at 5 times; accepted p99 at 5 times ÷ at capacity: %.2f; %s",
		q.AcceptedAt2, q.AcceptedAt5, q.P99At5, recovery)
}

var noisyColumns = []column[NoisyRow]{
	{"lanes\n", func(r NoisyRow) string { return count(int64(r.Lanes)) }},
	{"capacity\nturns/s", func(r NoisyRow) string { return whole(r.Capacity) }},
	{"quiet\norganizations", func(r NoisyRow) string { return fmt.Sprint(r.Quiet) }},
	{"turns/s\neach", func(r NoisyRow) string { return whole(r.Share) }},
	{"noisy turns/s\naccepted", func(r NoisyRow) string { return whole(r.Accepted) }},
	{"\nrefused", func(r NoisyRow) string { return whole(r.Refused) }},
	{"quiet without\np50 ms", func(r NoisyRow) string { return fine(r.Without.P50) }},
	{"\np99 ms", func(r NoisyRow) string { return fine(r.Without.P99) }},
	{"quiet with\np50 ms", func(r NoisyRow) string { return fine(r.With.P50) }},
	{"\np99 ms", func(r NoisyRow) string { return fine(r.With.P99) }},
	{"\nrefused", func(r NoisyRow) string { return fmt.Sprint(r.With.Refused) }},
	{"quiet spread\np99 ms", func(r NoisyRow) string { return fine(r.Spread.P99) }},
	{"with ÷ without\np50", func(r NoisyRow) string { return fine(r.P50) }},
	{"\np99", func(r NoisyRow) string { return fine(r.P99) }},
	{"÷ spread\np99", func(r NoisyRow) string { return fine(r.Noise) }},
	{"errors\n", func(r NoisyRow) string { return fmt.Sprint(r.Errors) }},
	{"not\nbegun", func(r NoisyRow) string { return count(r.Missed) }},
	{"meterd\nCPUs", func(r NoisyRow) string { return fine(r.MeterdCPUs) }},
	{"\nMiB", func(r NoisyRow) string { return mebibytes(r.ResidentBytes) }},
	{"load\nCPUs", func(r NoisyRow) string { return fine(r.GeneratorCPUs) }},
	{"other\nCPUs", func(r NoisyRow) string { return fine(r.OtherCPUs) }},
}

// WriteTable writes the report as one table, and below it what the figures rest on.
func (r *NoisyReport) WriteTable(w io.Writer) {
	writeRows(w, noisyColumns, r.Rows)
	fmt.Fprintf(w, "the noisy organization asks for %d times what each quiet one does; spread is the same load of %d organizations;\n",
		noisyShares, noisyShares)
	fmt.Fprintln(w, "slices of each kind alternate; a turn is a Reserve and its Commit, its latency from when it should have begun")
	writeBasis(w, r.CPUs, r.DurationSeconds, r.Connections, r.Durability)
}

// writeBasis says what the figures of a load rest on.
func writeBasis(w io.Writer, cpus int, seconds float64, connections int, d *Durability) {
	fmt.Fprintf(w, "%d CPUs for service, load and all others, of which the database is one; %g s each; %d client connections; "+
		"PostgreSQL %s: fsync %s, synchronous_commit %s, full_page_writes %s\n",
		cpus, seconds, connections, d.Version, d.Fsync, d.SynchronousCommit, d.FullPageWrites)
}

// count and mebibytes are figures of which none is a dash.
func count(n int64) string { return whole(float64(n)) }

func mebibytes(bytes int64) string { return whole(float64(bytes) / (1 << 20)) }

var questionColumns = []column[Question]{
	{"asked", func(q Question) string { return q.Name }},
	{"times", func(q Question) string { return count(q.Asked) }},
	{"errors", func(q Question) string { return fmt.Sprint(q.Errors) }},
	{"p50 ms", func(q Question) string { return fine(q.P50) }},
	{"p99 ms", func(q Question) string { return fine(q.P99) }},
	{"most ms", func(q Question) string { return fine(q.Most) }},
}

// WriteTable writes the report as one table, and below it what the turns beside it came to and what the figures rest on.
func (r *ReportsReport) WriteTable(w io.Writer) {
	writeRows(w, questionColumns, r.Questions)
	fmt.Fprintf(w, "of %d turns in %d days, of %d seats; made in %.0f s, rolled up in %.0f s; %s MiB, the roll-ups %s MiB of it\n",
		r.Turns, r.Days, r.Seats, r.FillSeconds, r.RollUpSeconds, mebibytes(r.DatabaseBytes), mebibytes(r.RollUpBytes))
	fmt.Fprintf(w, "turns a second of a hot organization: %s without reports, %s with one caller answered %s reports a second, %d refused, ÷ %.2f\n",
		whole(r.TurnsPerSecond), whole(r.WithReports), fine(r.ReportsPerSecond), r.ReportsRefused, r.Ratio)
	writeBasis(w, r.CPUs, r.DurationSeconds, r.Connections, r.Durability)
}
