package bench

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// column is one of a table: a head of two lines, and a figure of each row.
type column[R any] struct {
	head   string
	figure func(R) string
}

// columns are those of a report.
var columns = []column[Row]{
	{"callers\n", func(r Row) string { return fmt.Sprint(r.Callers) }},
	{"organi-\nzations", func(r Row) string { return fmt.Sprint(r.Organizations) }},
	{"turns\n/s", func(r Row) string { return whole(r.TurnsPerSecond) }},
	{"RPCs\n/s", func(r Row) string { return whole(r.RPCsPerSecond) }},
	{"turn\np50 ms", func(r Row) string { return fine(r.TurnP50) }},
	{"Reserve\np50 ms", func(r Row) string { return fine(r.ReserveP50) }},
	{"\np99 ms", func(r Row) string { return fine(r.ReserveP99) }},
	{"Commit\np50 ms", func(r Row) string { return fine(r.CommitP50) }},
	{"\np99 ms", func(r Row) string { return fine(r.CommitP99) }},
	{"errors\n", func(r Row) string { return fmt.Sprint(r.Errors) }},
	{"tokens\nturns/s", func(r Row) string { return whole(r.TokenTurnsPerSecond) }},
	{"identity\nturns/s", func(r Row) string { return whole(r.IdentityTurnsPerSecond) }},
	{"naive\nturns/s", func(r Row) string { return whole(r.NaiveTurnsPerSecond) }},
	{"naive turn\np50 ms", func(r Row) string { return fine(r.NaiveP50) }},
	{"empty\ncalls/s", func(r Row) string { return whole(r.EmptyCallsPerSecond) }},
	{"turns/s\n÷ naive", func(r Row) string { return fine(r.Ratios.TurnsToNaive) }},
	{"RPCs/s\n÷ empty", func(r Row) string { return fine(r.Ratios.RPCsToEmpty) }},
	{"turn p50\n÷ naive", func(r Row) string { return fine(r.Ratios.TurnP50ToNaive) }},
	{"tokens\n÷ turns", func(r Row) string { return fine(r.Ratios.TokensToTurns) }},
	{"identity\n÷ turns", func(r Row) string { return fine(r.Ratios.IdentityToTurns) }},
	{"meterd\nµs/RPC", func(r Row) string { return whole(r.RPCBusyMicros) }},
	{"\npeak MiB", func(r Row) string { return whole(float64(r.PeakResidentBytes) / (1 << 20)) }},
}

// WriteTable writes the report as one table, and below it what the figures rest on.
func (r *Report) WriteTable(w io.Writer) {
	writeRows(w, columns, r.Rows)
	for _, note := range r.notes() {
		fmt.Fprintln(w, note)
	}
}

// writeRows writes rows as a table.
func writeRows[R any](w io.Writer, columns []column[R], rows []R) {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", ""
	t.SetStyle(style)
	head, alignment := table.Row{}, []table.ColumnConfig{}
	for i, c := range columns {
		head = append(head, c.head)
		alignment = append(alignment, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(alignment)
	for _, row := range rows {
		line := table.Row{}
		for _, c := range columns {
			line = append(line, c.figure(row))
		}
		t.AppendRow(line)
	}
	fmt.Fprintln(w, t.Render())
}

// notes say what the figures rest on.
func (r *Report) notes() []string {
	notes := []string{fmt.Sprintf("%d CPUs; %g s a row and contestant; %d client connections; a turn is a Reserve and its Commit",
		r.CPUs, r.DurationSeconds, r.Connections)}
	if d := r.Durability; d != nil {
		notes = append(notes, fmt.Sprintf("PostgreSQL %s: fsync %s, synchronous_commit %s, full_page_writes %s",
			d.Version, d.Fsync, d.SynchronousCommit, d.FullPageWrites))
	} else {
		notes = append(notes, "the database was not told, by --database-url: its durability is unknown, the naive way left out")
	}
	if r.IdentityTurnsPerSecond > 0 {
		notes = append(notes, "identity: every call with a token, under TLS 1.3, to a second meterd on the same database")
	}
	if rate := r.Row.Rate; rate > 0 {
		notes = append(notes, fmt.Sprintf("open loop: %g turns/s called for; latency from the intended start", rate))
	}
	for _, row := range r.Rows {
		if row.Missed > 0 {
			notes = append(notes, fmt.Sprintf("with %d callers %d turns could not be begun: too few callers for the rate",
				row.Callers, row.Missed))
		}
	}
	return notes
}

// whole and fine are a figure with no decimals and with two; one that was not measured is a dash.
func whole(f float64) string { return figure("%.0f", f) }

func fine(f float64) string { return figure("%.2f", f) }

func figure(format string, f float64) string {
	if f == 0 {
		return "–"
	}
	return fmt.Sprintf(format, f)
}
