package localpg

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logWriter passes PostgreSQL's log on line by line, and remembers why it gave up.
type logWriter struct {
	log     *slog.Logger
	mu      sync.Mutex
	partial []byte
	words   string
	fatal   bool
}

// Write takes any piece of the log; it never fails.
func (w *logWriter) Write(piece []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, piece...)
	for {
		line, rest, whole := bytes.Cut(w.partial, []byte("\n"))
		if !whole {
			return len(piece), nil
		}
		w.line(strings.TrimSpace(string(line)))
		w.partial = rest
	}
}

func (w *logWriter) line(line string) {
	severity, _, _ := strings.Cut(line, ":")
	level := slog.LevelDebug
	switch severity {
	case "PANIC":
		level, w.fatal, w.words = slog.LevelError, true, line
	case "FATAL": // Of one connection, unless the server ends too: then the words are in the error of that.
		level, w.fatal, w.words = slog.LevelWarn, true, line
	case "WARNING", "ERROR":
		level = slog.LevelWarn
	}
	if !w.fatal && line != "" {
		w.words = line
	}
	w.log.Log(context.Background(), level, "postgres", "line", line)
}

func (w *logWriter) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.words == "" {
		return "none"
	}
	return w.words
}

func (w *logWriter) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.words, w.fatal = "", false
}
