// Package reload keeps a value that is made of files true to them while a program runs.
package reload

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how old what is known of the files may be.
const Interval = time.Second

// Files is a value made of files. It looks at them when it is asked, and not in between; what cannot be used is logged
// once, and the value stays as it was. It goes by content: a time of change tells too little of a file that is written
// twice in a moment, or by a link that points elsewhere.
type Files[T any] struct {
	paths  []string
	parse  func(contents [][]byte) (T, error)
	logger *slog.Logger
	opened time.Time

	value atomic.Pointer[T]
	due   atomic.Int64 // When to look again, in nanoseconds since opened.

	mu   sync.Mutex
	seen [sha256.Size]byte // Of the files as they were last, or of why they could not be read.
}

// Open makes the value for the first time, which must succeed. parse gets the contents in the order of the paths; its
// errors are logged, so they must tell no secrets.
func Open[T any](logger *slog.Logger, parse func(contents [][]byte) (T, error), paths ...string) (*Files[T], error) {
	f := &Files[T]{paths: paths, parse: parse, logger: logger, opened: time.Now()}
	contents, err := f.read()
	if err != nil {
		return nil, err
	}
	value, err := f.made(contents)
	if err != nil {
		return nil, err
	}
	f.seen = digest(contents)
	f.value.Store(&value)
	f.due.Store(int64(Interval))
	return f, nil
}

// Get is the value as the files were at most Interval ago. Only one caller looks at them; the others are not kept waiting.
func (f *Files[T]) Get() T {
	now := int64(time.Since(f.opened))
	if due := f.due.Load(); now >= due && f.due.CompareAndSwap(due, now+int64(Interval)) {
		return f.Look()
	}
	return *f.value.Load()
}

// Look is the value as the files are now.
func (f *Files[T]) Look() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	contents, err := f.read()
	seen := digest(contents)
	if err != nil {
		seen = sha256.Sum256([]byte(err.Error()))
	}
	if seen == f.seen {
		return *f.value.Load()
	}
	f.seen = seen
	if err == nil {
		var value T
		if value, err = f.made(contents); err == nil {
			f.value.Store(&value)
			f.logger.Info("changed files are in use", "files", strings.Join(f.paths, ", "))
			return value
		}
	}
	f.logger.Warn("changed files cannot be used: what was before stays in use", "error", err)
	return *f.value.Load()
}

func (f *Files[T]) read() ([][]byte, error) {
	contents := make([][]byte, len(f.paths))
	for i, path := range f.paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		contents[i] = content
	}
	return contents, nil
}

func (f *Files[T]) made(contents [][]byte) (T, error) {
	value, err := f.parse(contents)
	if err != nil {
		return value, fmt.Errorf("%s: %w", strings.Join(f.paths, ", "), err)
	}
	return value, nil
}

// digest stands for the contents, so that no key is kept longer than needed. It tells apart where one file ends.
func digest(contents [][]byte) [sha256.Size]byte {
	var each bytes.Buffer
	for _, content := range contents {
		sum := sha256.Sum256(content)
		each.Write(sum[:])
	}
	return sha256.Sum256(each.Bytes())
}
