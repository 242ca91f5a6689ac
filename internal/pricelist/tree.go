package pricelist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Fault is what is wrong with a file, and where.
type Fault struct {
	// Line counts from 1; 0: the file as a whole.
	Line int
	// Key is the way from the root, such as "gpt-4o".input_cost_per_token or [2].models[0].id; empty: the root.
	Key     string
	Problem string
}

// Error is one line.
func (f *Fault) Error() string {
	text := "price list: "
	if f.Line > 0 {
		text += fmt.Sprintf("line %d: ", f.Line)
	}
	if f.Key != "" {
		text += f.Key + ": "
	}
	return text + f.Problem
}

// node is a value of a JSON document with its place. encoding/json alone would drop the places, turn numbers into floats,
// and of a key that is there twice silently keep the last.
type node struct {
	line int
	at   *step
	// value is an object, a []node, a string, a json.Number, a bool or nil.
	value any
}

// object has the members of a JSON object in the order of the file. No name is there twice.
type object []member

type member struct {
	name string
	node
}

func (o object) get(name string) (node, bool) {
	for _, m := range o {
		if m.name == name {
			return m.node, true
		}
	}
	return node{}, false
}

func (o object) has(name string) bool {
	_, ok := o.get(name)
	return ok
}

// fault is a fault of this node.
func (n node) fault(format string, args ...any) error {
	return &Fault{Line: n.line, Key: n.at.String(), Problem: fmt.Sprintf(format, args...)}
}

// sort is what a node is, for people.
func (n node) sort() string {
	switch n.value.(type) {
	case object:
		return "an object"
	case []node:
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	default:
		return "null"
	}
}

// as is the value of a node that must be of some type.
func as[T any](n node, want string) (T, error) {
	value, ok := n.value.(T)
	if !ok {
		return value, n.fault("must be %s, not %s", want, n.sort())
	}
	return value, nil
}

// child is a member that must be there, of a node that must be an object.
func (n node) child(name string) (node, error) {
	all, err := as[object](n, "an object")
	if err != nil {
		return node{}, err
	}
	m, ok := all.get(name)
	if !ok {
		return node{}, n.fault("%s is missing", name)
	}
	return m, nil
}

// required is the value of a member that must be there, and of some type.
func required[T any](n node, name, want string) (value T, err error) {
	m, err := n.child(name)
	if err != nil {
		return value, err
	}
	return as[T](m, want)
}

// The bounds of a document, besides its bytes. Real ones are 11 deep, and hold 42,000 values.
const (
	maxDepth  = 64
	maxValues = 1_000_000
)

// parser makes nodes of tokens, and knows where it is.
type parser struct {
	decoder *json.Decoder
	data    []byte
	at      *step
	values  int
	line    int
	counted int64 // Bytes whose lines are counted in line.
}

// parse reads one JSON document.
func parse(data []byte) (node, error) {
	p := &parser{decoder: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	p.decoder.UseNumber()
	root, err := p.next()
	if err != nil {
		return node{}, err
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return node{}, p.fault("the file goes on after its end")
	}
	return root, nil
}

func (p *parser) next() (node, error) {
	token, err := p.token()
	if err != nil {
		return node{}, err
	}
	p.values++
	if p.values > maxValues {
		return node{}, p.fault("the file holds more than %d values", maxValues)
	}
	n := node{line: p.line, at: p.at}
	switch token {
	case json.Delim('{'):
		n.value, err = p.object()
	case json.Delim('['):
		n.value, err = p.array()
	default:
		n.value = token
	}
	return n, err
}

func (p *parser) object() (object, error) {
	all, seen := object{}, map[string]bool{}
	for p.decoder.More() {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // The decoder answers nothing else where a key stands.
		if err := p.enter(name, -1); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, p.fault("is there twice")
		}
		seen[name] = true
		n, err := p.next()
		if err != nil {
			return nil, err
		}
		all = append(all, member{name, n})
		p.leave()
	}
	_, err := p.token()
	return all, err
}

func (p *parser) array() ([]node, error) {
	all := []node{}
	for p.decoder.More() {
		if err := p.enter("", len(all)); err != nil {
			return nil, err
		}
		n, err := p.next()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		p.leave()
	}
	_, err := p.token()
	return all, err
}

// enter goes to a member, or with an index to an element.
func (p *parser) enter(name string, index int) error {
	next := &step{from: p.at, name: name, index: index}
	if p.at != nil {
		next.depth = p.at.depth + 1
	}
	if next.depth == maxDepth {
		return p.fault("is nested too deep")
	}
	p.at = next
	return nil
}

func (p *parser) leave() { p.at = p.at.from }

// token is the next token. What is no JSON is told with its line, and with the key whose value it is.
func (p *parser) token() (json.Token, error) {
	token, err := p.decoder.Token()
	p.advance(p.decoder.InputOffset())
	if err == nil {
		return token, nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		p.advance(syntax.Offset)
		return nil, p.fault("not JSON: %s", syntax)
	}
	p.advance(int64(len(p.data)))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, p.fault("not JSON: the file ends too early")
	}
	return nil, p.fault("not JSON: %s", err)
}

// advance counts the lines up to an offset.
func (p *parser) advance(offset int64) {
	if offset = min(offset, int64(len(p.data))); offset > p.counted {
		p.line += bytes.Count(p.data[p.counted:offset], []byte{'\n'})
		p.counted = offset
	}
}

func (p *parser) fault(format string, args ...any) error {
	return node{line: p.line, at: p.at}.fault(format, args...)
}

// step is the last step of the way from the root to a node, nil at the root. Only a fault writes the way down.
type step struct {
	from  *step
	depth int
	name  string
	index int // Of an element; -1: the step leads to a member.
}

// longestName is how much of a name is shown.
const longestName = 100

// String has plain words as they stand, and quotes anything else.
func (s *step) String() string {
	switch {
	case s == nil:
		return ""
	case s.index >= 0:
		return s.from.String() + "[" + strconv.Itoa(s.index) + "]"
	}
	name := s.name
	if len(name) > longestName {
		name = strings.ToValidUTF8(name[:longestName], "") + "…"
	}
	odd := func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	if name == "" || strings.ContainsFunc(name, odd) {
		name = strconv.QuoteToGraphic(name)
	}
	if s.from == nil {
		return name
	}
	return s.from.String() + "." + name
}
