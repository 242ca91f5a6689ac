package rpc

import (
	"strings"
	"unicode/utf8"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// glance knows of text fields how to see fast that a value keeps all of its field's rules, as nearly every value does: as
// regular expressions, which the contract writes them as, they are a third of what validation of a Reserve costs. The rules are read
// from the contract; fields with others, and values that do not pass, are left to the library, which says what is wrong.
type glance map[protoreflect.FieldDescriptor]func(string) bool

// glanceAt prepares for requests and what they hold.
func glanceAt(messages []protoreflect.MessageDescriptor) (glance, error) {
	g := glance{}
	seen := map[protoreflect.MessageDescriptor]bool{}
	for len(messages) > 0 {
		m := messages[0]
		messages = messages[1:]
		if seen[m] {
			continue
		}
		seen[m] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if f.Message() != nil {
				messages = append(messages, f.Message())
				continue
			}
			if err := g.add(f); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

func (g glance) add(f protoreflect.FieldDescriptor) error {
	if f.Kind() != protoreflect.StringKind || f.Cardinality() == protoreflect.Repeated {
		return nil
	}
	rules, err := protovalidate.ResolveFieldRules(f)
	if err != nil {
		return err
	}
	if keeps := kept(rules); keeps != nil {
		g[f] = keeps
	}
	return nil
}

// kept says whether a text keeps rules; nil: the library must.
func kept(rules *validate.FieldRules) func(string) bool {
	text := rules.GetString()
	if text == nil {
		return nil
	}
	only := func(r *validate.StringRules) bool {
		return proto.Equal(rules, &validate.FieldRules{Type: &validate.FieldRules_String_{String_: r}})
	}
	switch {
	case only(&validate.StringRules{Pattern: proto.String(idPattern)}):
		return isID
	case only(&validate.StringRules{WellKnown: &validate.StringRules_Uuid{Uuid: true}}):
		return isUUID
	case only(&validate.StringRules{MinLen: text.MinLen, MaxLen: text.MaxLen, Pattern: proto.String(textPattern)}):
		return isText(text)
	default:
		return nil
	}
}

// ShouldValidate is how the library asks whether to look at a field.
func (g glance) ShouldValidate(m protoreflect.Message, d protoreflect.Descriptor) bool {
	f, _ := d.(protoreflect.FieldDescriptor)
	keeps := g[f]
	return keeps == nil || !keeps(m.Get(f).String())
}

// isID is idPattern.
func isID(s string) bool {
	if len(s) < 1 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if !idBytes[s[i]] {
			return false
		}
	}
	return true
}

var idBytes = bytesIn("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-")

func bytesIn(s string) (in [256]bool) {
	for i := range len(s) {
		in[s[i]] = true
	}
	return in
}

// isUUID is the library's string.uuid.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
		} else if !hexBytes[s[i]] {
			return false
		}
	}
	return true
}

var hexBytes = bytesIn("0123456789abcdefABCDEF")

// isText is textPattern with bounds of length.
func isText(rules *validate.StringRules) func(string) bool {
	return func(s string) bool {
		length := uint64(utf8.RuneCountInString(s)) //nolint:gosec // A count is not negative.
		return rules.GetMinLen() <= length && (rules.MaxLen == nil || length <= rules.GetMaxLen()) && !strings.Contains(s, "\x00")
	}
}
