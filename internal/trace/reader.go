package trace

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// The columns of the normal form; a file may have them in any order, and others beside them.
const (
	columnTrace        = "trace"
	columnRow          = "row"
	columnAt           = "t_ms"
	columnInputTokens  = "input_tokens"
	columnOutputTokens = "output_tokens"
	columnFailed       = "failed"
	columnModel        = "model"
	columnSession      = "session"
	columnDuration     = "duration_ms"
)

var columns = []string{
	columnTrace, columnRow, columnAt, columnInputTokens, columnOutputTokens,
	columnFailed, columnModel, columnSession, columnDuration,
}

// maxNumber bounds every number of a trace. As milliseconds it is three years, and an answer of as many tokens takes
// sixty: a duration holds both.
const maxNumber = 1e11

// Reader reads the rows of one trace in the order of the file, one at a time.
type Reader struct {
	table *table
	clock map[string]time.Duration // The latest arrival of each session; of rows without one under "".
	first string                   // Name of the trace, from its first row.
}

// NewReader reads a trace in the normal form, plain or compressed with gzip. The name stands in errors.
func NewReader(name string, source io.Reader) (*Reader, error) {
	t, err := newTable(name, source, columns)
	if err != nil {
		return nil, err
	}
	return &Reader{table: t, clock: map[string]time.Duration{}}, nil
}

// ReadFile reads every row of the trace in a file.
func ReadFile(path string) ([]Row, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the trace: %w", err)
	}
	defer file.Close()
	r, err := NewReader(path, file)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// Next is the next row, or io.EOF after the last. An error names the file, the line and the column, and is final.
func (r *Reader) Next() (Row, error) {
	if err := r.table.next(); err != nil {
		return Row{}, err
	}
	row := Row{
		Trace:        r.table.text(columnTrace),
		Number:       r.table.number(columnRow),
		At:           r.table.milliseconds(columnAt),
		InputTokens:  r.table.number(columnInputTokens),
		OutputTokens: r.table.number(columnOutputTokens),
		Outcome:      r.table.outcome(columnFailed),
		Model:        r.table.text(columnModel),
		Session:      r.table.text(columnSession),
	}
	if row.Measured = r.table.text(columnDuration) != ""; row.Measured {
		row.Duration = r.table.milliseconds(columnDuration)
	}
	r.check(row)
	return row, r.table.err
}

// check holds a row to those before it. Only a session's own clock must not run backwards: sources list one session
// after the other, and some start each at zero.
func (r *Reader) check(row Row) {
	if r.first == "" {
		r.first = row.Trace
	}
	switch {
	case row.Trace == "":
		r.table.fail(columnTrace, "is empty")
	case row.Trace != r.first:
		r.table.fail(columnTrace, "is %q after rows of %q: one file is one trace", row.Trace, r.first)
	case row.At < r.clock[row.Session]:
		r.table.fail(columnAt, "is %d, before the row above of the same session at %d",
			row.At.Milliseconds(), r.clock[row.Session].Milliseconds())
	}
	r.clock[row.Session] = row.At
}

// table reads named columns out of a CSV file and keeps the first error, so that a row reads as a list of its fields.
type table struct {
	name   string
	csv    *csv.Reader
	index  map[string]int
	record []string
	err    error
}

func newTable(name string, source io.Reader, required []string) (*table, error) {
	plain, err := uncompressed(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t := &table{name: name, csv: csv.NewReader(plain), index: map[string]int{}}
	t.csv.ReuseRecord = true
	header, err := t.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: reading the header: %w", name, err)
	}
	for i, column := range header {
		t.index[column] = i
	}
	for _, column := range required {
		if _, ok := t.index[column]; !ok {
			return nil, fmt.Errorf("%s: line 1: column %s is missing", name, column)
		}
	}
	return t, nil
}

// uncompressed goes by what the file begins with, not by its name.
func uncompressed(source io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(source)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(magic) == "\x1f\x8b" {
		return gzip.NewReader(buffered)
	}
	return buffered, nil
}

func (t *table) next() error {
	if t.err != nil {
		return t.err
	}
	record, err := t.csv.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", t.name, err)
	}
	t.record, t.err = record, err
	return err
}

func (t *table) text(column string) string {
	return t.record[t.index[column]]
}

func (t *table) number(column string) int64 {
	text := t.text(column)
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		t.fail(column, "%q is not a whole number", text)
	case n < 0:
		t.fail(column, "%d is negative", n)
	case n > maxNumber:
		t.fail(column, "%d is more than %d", n, int64(maxNumber))
	}
	return n
}

func (t *table) milliseconds(column string) time.Duration {
	return time.Duration(t.number(column)) * time.Millisecond
}

func (t *table) outcome(column string) Outcome {
	switch text := t.text(column); text {
	case "":
		return Unknown
	case "0":
		return Completed
	case "1":
		return Failed
	default:
		t.fail(column, "%q is neither 0, 1 nor empty", text)
		return Unknown
	}
}

func (t *table) fraction(column string) float64 {
	text := t.text(column)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		t.fail(column, "%q is not a fraction from 0 to 1", text)
	}
	return f
}

// fail keeps the first complaint, with the place of the field it is about.
func (t *table) fail(column, format string, args ...any) {
	if t.err == nil {
		line, _ := t.csv.FieldPos(t.index[column])
		t.err = fmt.Errorf("%s: line %d: column %s: %s", t.name, line, column, fmt.Sprintf(format, args...))
	}
}
