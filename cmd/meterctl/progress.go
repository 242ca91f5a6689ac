package main

import (
	"fmt"
	"io"
	"os"
	"time"

	bar "github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"

	"github.com/spillway-metering/spillway/internal/replay"
)

// lineEvery is how often a line tells the progress where there is no terminal to draw a bar on.
const lineEvery = 5 * time.Second

// shownProgress shows how far a replay is: a bar for each phase on a terminal, a line now and then elsewhere.
type shownProgress interface {
	tell(replay.Progress)
	end()
}

func showProgress(to io.Writer) shownProgress {
	if file, ok := to.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return newBars(file)
	}
	return &lines{to: to}
}

// bars draws with go-pretty, whose writer runs from the first phase to the end.
type bars struct {
	writer   bar.Writer
	drawn    chan struct{}
	phase    string
	tracker  *bar.Tracker
	rendered bool
}

func newBars(to io.Writer) *bars {
	b := &bars{writer: bar.NewWriter(), drawn: make(chan struct{})}
	b.writer.SetOutputWriter(to)
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetTrackerLength(40)
	b.writer.Style().Visibility.ETA = true
	return b
}

func (b *bars) tell(p replay.Progress) {
	if p.Phase != b.phase {
		b.phase, b.tracker = p.Phase, &bar.Tracker{Message: p.Phase, Total: p.Total, AutoStopDisabled: true}
		b.writer.AppendTracker(b.tracker)
	}
	if !b.rendered {
		b.rendered = true
		go func() {
			defer close(b.drawn)
			b.writer.Render()
		}()
	}
	b.tracker.SetValue(p.Done)
	if p.Done == p.Total {
		b.tracker.MarkAsDone()
	}
}

// end draws the last state. The writer forgets a Stop that comes before its rendering has begun, so it is told until it
// has ended.
func (b *bars) end() {
	if !b.rendered {
		return
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		b.writer.Stop()
		select {
		case <-b.drawn:
			return
		case <-again.C:
		}
	}
}

// lines writes each phase's last count, and one every few seconds before.
type lines struct {
	to   io.Writer
	last replay.Progress
	due  time.Time
}

func (l *lines) tell(p replay.Progress) {
	if p.Phase != l.last.Phase {
		l.end()
		l.due = time.Now().Add(lineEvery)
	}
	l.last = p
	if time.Now().After(l.due) {
		l.end()
		l.due = time.Now().Add(lineEvery)
	}
}

// end writes the count that was told last.
func (l *lines) end() {
	if l.last.Phase != "" {
		fmt.Fprintf(l.to, "%s: %d of %d\n", l.last.Phase, l.last.Done, l.last.Total)
	}
}
