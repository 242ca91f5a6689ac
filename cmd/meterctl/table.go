package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/spillway-metering/spillway/internal/replay"
)

// replayTables is the result of a replay for people: what became of the turns, who paid, how the calls answered.
func replayTables(r replay.Report) string {
	parts := []string{turnsTable(r), chargesTable(r)}
	if len(r.RPCs) > 0 {
		parts = append(parts, rpcsTable(r.RPCs))
	}
	parts = append(parts, fmt.Sprintf("%.1f turns a second settled, in %.1f s; %d organizations, %d seats",
		r.TurnsPerSecond, r.Seconds, r.Organizations, r.Seats))
	for _, what := range r.Synthetic {
		parts = append(parts, "synthetic: "+what)
	}
	for _, what := range r.Differences {
		parts = append(parts, "wrong: "+what)
	}
	if r.Interrupted {
		parts = append(parts, "interrupted: run the same command again to go on")
	}
	return strings.Join(parts, "\n")
}

func turnsTable(r replay.Report) string {
	t := newTable("turns of "+r.Trace, "number")
	t.AppendRow(table.Row{"completed", r.Completed})
	t.AppendRow(table.Row{"failed, released", r.Failed})
	for _, reason := range slices.Sorted(maps.Keys(r.Refused)) {
		t.AppendRow(table.Row{"refused, " + reason, r.Refused[reason]})
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Faulty)) {
		t.AppendRow(table.Row{"faulty, " + reason, r.Faulty[reason]})
	}
	t.AppendRow(table.Row{"unsettled", r.Unsettled})
	t.AppendRow(table.Row{"not started", r.NotStarted})
	t.AppendFooter(table.Row{"all", r.Turns})
	return t.Render() + fmt.Sprintf("\n%d of them settled by a replay before, %d settled late", r.Replayed, r.Late)
}

func chargesTable(r replay.Report) string {
	t := newTable("charged to completed turns", "units", "micros")
	for _, row := range []struct {
		layer  string
		micros int64
	}{
		{"allowance", r.Charged.AllowanceMicros}, {"pool", r.Charged.PoolMicros}, {"overrun, nobody", r.Charged.OverrunMicros},
	} {
		t.AppendRow(table.Row{row.layer, replay.FormatMicros(row.micros), row.micros})
	}
	t.AppendFooter(table.Row{"charged", replay.FormatMicros(r.Charged.ActualMicros), r.Charged.ActualMicros})
	t.AppendFooter(table.Row{"cost of the trace's rows", replay.FormatMicros(r.ExpectedMicros), r.ExpectedMicros})
	if r.ChargedFailed.ActualMicros > 0 {
		micros := r.ChargedFailed.AllowanceMicros
		t.AppendFooter(table.Row{"allowance used by failed turns", replay.FormatMicros(micros), micros})
	}
	return t.Render()
}

func rpcsTable(rpcs []replay.RPC) string {
	t := newTable("RPC", "answers", "sent again", "p50 ms", "p90 ms", "p99 ms", "max ms")
	for _, rpc := range rpcs {
		row := table.Row{rpc.Name, rpc.Answers, rpc.Retries}
		for _, ms := range []float64{rpc.P50Millis, rpc.P90Millis, rpc.P99Millis, rpc.MaxMillis} {
			row = append(row, fmt.Sprintf("%.2f", ms))
		}
		t.AppendRow(row)
	}
	return t.Render()
}

// newTable has a first column of names, and numbers in the others.
func newTable(columns ...string) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header, t.Style().Format.Footer = text.FormatDefault, text.FormatDefault
	var header table.Row
	var configs []table.ColumnConfig
	for i, column := range columns {
		header = append(header, column)
		if i > 0 {
			configs = append(configs, table.ColumnConfig{
				Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight,
			})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	return t
}
