package rpc

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what is told of a request that is wrong in many places, or under long names: an answer's details travel in
// headers, and callers bound those.
const (
	maxFields       = 16
	maxPathBytes    = 200
	maxInSummary    = 3
	requireUUID     = "must be a UUID, as the server answered it"
	requireID       = "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ -"
	requireNoNUL    = "must not contain the character NUL"
	requirePresence = "must be set"
	requireTime     = "must be a time of the years 1 to 9999"
)

// FieldError says which fields of a request break a rule of the contract, and what each must be.
type FieldError struct {
	fields []field
	more   int // How many beyond maxFields are wrong, too.
}

// field is one that is wrong: its path in the request, such as turn.labels["x"], and what is required of it.
type field struct{ path, requirement string }

// invalidField is the error of a request with one wrong field.
func invalidField(path, requirement string) error {
	return &FieldError{fields: []field{{path, requirement}}}
}

// Error names the first fields.
func (e *FieldError) Error() string {
	var b strings.Builder
	for i, f := range e.fields[:min(len(e.fields), maxInSummary)] {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", f.path, f.requirement)
	}
	if more := len(e.fields) + e.more - maxInSummary; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

func (e *FieldError) add(path, requirement string) {
	if len(e.fields) == maxFields {
		e.more++
		return
	}
	e.fields = append(e.fields, field{shortened(path), requirement})
}

// orNil is nil if nothing is wrong.
func (e *FieldError) orNil() error {
	if len(e.fields) == 0 {
		return nil
	}
	return e
}

// shortened cuts a path that the caller made long, at the end of a character.
func shortened(path string) string {
	if len(path) <= maxPathBytes {
		return path
	}
	cut := maxPathBytes
	for !utf8.RuneStart(path[cut]) {
		cut--
	}
	return path[:cut] + "…"
}
