package rpc

import (
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// patterns says in plain words what each pattern of the contract requires.
var patterns = map[string]string{
	"^[A-Za-z0-9._:@-]{1,128}$": requireID,
	"^[^\\x00]*$":               requireNoNUL,
}

// violated tells a broken rule: the field's path in the request, and what is required of it.
func violated(request proto.Message, v *protovalidate.Violation) (path, requirement string) {
	path, requirement = protovalidate.FieldPathString(v.Proto.GetField()), required(request, v)
	if v.Proto.GetForKey() {
		return path, "name " + requirement
	}
	if choice := request.ProtoReflect().Descriptor().Oneofs().ByName(protoreflect.Name(path)); choice != nil {
		return path, "must be " + strings.Join(fieldNames(choice), " or ")
	}
	return path, requirement
}

// fieldNames are the fields of which one is to be set.
func fieldNames(choice protoreflect.OneofDescriptor) []string {
	names := make([]string, choice.Fields().Len())
	for i := range names {
		names[i] = string(choice.Fields().Get(i).Name())
	}
	return names
}

// required says in plain words what a rule requires. The words for bounds are the library's own.
func required(request proto.Message, v *protovalidate.Violation) string {
	switch v.Proto.GetRuleId() {
	case "required":
		return requirePresence
	case "string.pattern":
		return patternWords(v.RuleValue.String())
	case "string.uuid", "string.uuid_empty":
		return requireUUID
	case "string.max_len":
		return fmt.Sprintf("must be at most %d characters", v.RuleValue.Uint())
	case "string.min_len":
		return atLeast(v.RuleValue.Uint())
	case "map.max_pairs":
		return fmt.Sprintf("must have at most %d entries", v.RuleValue.Uint())
	case "repeated.unique":
		return "must not name anything twice"
	case "enum.defined_only":
		return "must be one of " + valueNames(fieldOf(request, v))
	case "enum.not_in":
		return otherThan(fieldOf(request, v), v.FieldValue.Enum())
	default:
		return strings.TrimPrefix(v.Proto.GetMessage(), "value ")
	}
}

// fieldOf is the field of which a rule is broken. Of an item of a list the library does not tell it; the contract has such
// rules on lists of requests themselves only.
func fieldOf(request proto.Message, v *protovalidate.Violation) protoreflect.FieldDescriptor {
	if v.FieldDescriptor != nil {
		return v.FieldDescriptor
	}
	number := v.Proto.GetField().GetElements()[0].GetFieldNumber()
	return request.ProtoReflect().Descriptor().Fields().ByNumber(protoreflect.FieldNumber(number))
}

// atLeast says how short a text may be.
func atLeast(characters uint64) string {
	if characters == 1 {
		return "must not be empty"
	}
	return fmt.Sprintf("must be at least %d characters", characters)
}

func patternWords(pattern string) string {
	if words, ok := patterns[pattern]; ok {
		return words
	}
	return "must match " + pattern
}

// otherThan says that a value of an enum is not taken: the first one of each says nothing.
func otherThan(f protoreflect.FieldDescriptor, refused protoreflect.EnumNumber) string {
	if refused == 0 {
		return requirePresence
	}
	return "must not be " + string(f.Enum().Values().ByNumber(refused).Name())
}

// valueNames lists the values of an enum that say something.
func valueNames(f protoreflect.FieldDescriptor) string {
	var names []string
	for i := range f.Enum().Values().Len() {
		if value := f.Enum().Values().Get(i); value.Number() != 0 {
			names = append(names, string(value.Name()))
		}
	}
	return strings.Join(names, ", ")
}
