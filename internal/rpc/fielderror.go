package rpc

import (
	"fmt"
	"slices"
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
type field struct {
	path, requirement string
	against           string // The path of the field that it does not go together with; empty: it is wrong by itself.
}

// invalidField is the error of a request with one wrong field.
func invalidField(path, requirement string) error {
	return &FieldError{fields: []field{{path: path, requirement: requirement}}}
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

// and adds a field to those that are wrong, of which nil has none: so what is right costs nothing.
func (e *FieldError) and(path, requirement string) *FieldError {
	return e.andAgainst("", path, requirement)
}

// andAgainst adds a field that does not go together with another.
func (e *FieldError) andAgainst(against, path, requirement string) *FieldError {
	if e == nil {
		e = &FieldError{}
	}
	e.addField(field{path, requirement, against})
	return e
}

// merged adds what another error, which may be nil, says of fields of which this one says nothing. What they do not go
// together with must be right by itself to say so.
func (e *FieldError) merged(other *FieldError) *FieldError {
	if other == nil {
		return e
	}
	for _, f := range other.fields {
		if !e.tellsOf(f.path) && (f.against == "" || !e.tellsOf(f.against)) {
			e.addField(f)
		}
	}
	return e
}

// tellsOf says whether it names a field, one that it is in, or one that is in it.
func (e *FieldError) tellsOf(path string) bool {
	return slices.ContainsFunc(e.fields, func(f field) bool { return within(f.path, path) || within(path, f.path) })
}

// within says whether a path is that of a field or leads into it.
func within(path, of string) bool {
	rest, leads := strings.CutPrefix(path, of)
	return leads && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (e *FieldError) add(path, requirement string) {
	e.addField(field{path: path, requirement: requirement})
}

func (e *FieldError) addField(f field) {
	if len(e.fields) == maxFields {
		e.more++
		return
	}
	f.path = shortened(f.path)
	e.fields = append(e.fields, f)
}

// orNil is nil if nothing is wrong.
func (e *FieldError) orNil() error {
	if e == nil {
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
