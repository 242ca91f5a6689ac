// Package export writes what the service answers as tables of comma-separated values (RFC 4180, with a header row), page by
// page as it is answered, so that a table of any length needs no more memory than a page.
//
// Amounts are written exactly, in units with six decimals, as spreadsheets and people read them: 12.5 ACU is 12.500000, and a
// million times that is its micros. Moments are in UTC, as in 2026-01-31T23:00:00Z. A text that a spreadsheet would take for a
// formula is made a text by an apostrophe before it.
package export

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// pageSize is how many rows are asked for at a time: as many as the contract allows.
const pageSize = 1000

// written is a table on its way out.
type written struct {
	csv *csv.Writer
}

// begin writes the header.
func begin(w io.Writer, columns []string) (written, error) {
	t := written{csv.NewWriter(w)}
	t.csv.UseCRLF = true
	return t, t.csv.Write(columns)
}

// pages reads page after page and writes the rows of each, until there is none after it. read answers the token of the next.
func (t written) pages(ctx context.Context, read func(token string) (rows [][]string, next string, err error)) error {
	for token := ""; ; {
		rows, next, err := read(token)
		if err != nil {
			return err
		}
		if err := t.csv.WriteAll(rows); err != nil { // Which flushes.
			return fmt.Errorf("write the table: %w", err)
		}
		if next == "" {
			return ctx.Err()
		}
		token = next
	}
}

// text is a cell that people wrote. What begins like a formula is not to be one.
func text(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// amount writes micros as units with six decimals, exactly.
func amount(micros int64) string {
	const million = 1_000_000
	sign, whole, rest := "", micros/million, micros%million
	if micros < 0 {
		sign, whole, rest = "-", -whole, -rest
	}
	return fmt.Sprintf("%s%d.%06d", sign, whole, rest)
}

// optionalAmount is empty where there is none.
func optionalAmount(micros *int64) string {
	if micros == nil {
		return ""
	}
	return amount(*micros)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// moment is empty where there is none.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339Nano)
}

// name is an enum's value without the enum's prefix, in lower case: pool_charge.
func name(value fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(value.String(), prefix))
}
