package trace

import "time"

// Outcome says whether a turn gave its answer.
type Outcome int

// What a source can say of a turn.
const (
	Unknown   Outcome = iota // The source does not say.
	Completed                // It gave its answer.
	Failed                   // It did not.
)

// Row is one turn as its source recorded it.
type Row struct {
	Trace        string        // Name of the trace.
	Number       int64         // Row number in the source, which with the trace's name identifies the turn.
	At           time.Duration // Since the start of the trace, or of the session where each session has a clock of its own.
	InputTokens  int64
	OutputTokens int64
	Outcome      Outcome
	Model        string        // Empty: the source names none.
	Session      string        // Empty: the source knows no sessions.
	Duration     time.Duration // How long the call took; meaningful only where Measured.
	Measured     bool          // Whether the source measured the duration.
}
