package rpc

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const maxAmount = 1_000_000_000_000_000

// wrong are values that a field must not have; nil stands for absent.
type wrong []any

// The kinds of field of the contract, with what breaks each.
var (
	wrongID        = wrong{nil, "", strings.Repeat("x", 129), "a b", "ä", "a/b", "x\x00", "x\n"}
	wrongOptID     = wrong{strings.Repeat("x", 129), "a b", "x\x00"}
	wrongUUID      = wrong{nil, "", "0", someID + "0", "zz" + someID[2:], "\x00"}
	wrongText      = wrong{strings.Repeat("ü", 257), "a\x00b"}
	wrongAmount    = wrong{nil, int64(0), int64(-1), int64(math.MinInt64), int64(maxAmount + 1), int64(math.MaxInt64)}
	wrongAtLeast0  = wrong{int64(-1), int64(math.MinInt64), int64(maxAmount + 1), int64(math.MaxInt64)}
	wrongTokens    = wrong{int64(-1), int64(1_000_000_000_001), int64(math.MaxInt64)}
	wrongPageSize  = wrong{int32(-1), int32(1001), int32(math.MinInt32)}
	wrongPageToken = wrong{strings.Repeat("x", 513)}
	mustModel      = wrong{nil, "", strings.Repeat("x", 129), "\x00"}
	wrongRate      = wrong{"", strings.Repeat("1", 65)}
	wrongEnum      = wrong{protoreflect.EnumNumber(99), protoreflect.EnumNumber(-1)}
	mustEnum       = append(wrong{nil, protoreflect.EnumNumber(0)}, wrongEnum...)
	wrongLife      = wrong{
		&durationpb.Duration{}, &durationpb.Duration{Seconds: -1}, &durationpb.Duration{Nanos: 999_999_999},
		&durationpb.Duration{Seconds: 86401}, &durationpb.Duration{Seconds: 1, Nanos: -1},
		&durationpb.Duration{Seconds: math.MaxInt64},
	}
)

// fields says of each field of each request what must be refused. A name alone speaks for every message that has no row
// of its own. Fields that may hold anything have an empty row: none is forgotten.
var fields = map[string]wrong{
	"organization_id": wrongID, "member_id": wrongID, "request_id": wrongID, "plan_id": wrongID,
	"top_up_request_id": wrongID, "reservation_id": wrongUUID,
	"price_book_id": wrongOptID, "conversation_id": wrongOptID, "turn_id": wrongOptID,
	"ListReservationsRequest.member_id": wrongOptID, "ListAccessChangesRequest.member_id": wrongOptID,
	"ExplainTurnRequest.member_id": wrongOptID, "ExplainTurnRequest.request_id": wrongOptID,
	"ExplainTurnRequest.reservation_id":       {"0", someID + "0", "zz" + someID[2:], "\x00"},
	"ListAuditEntriesRequest.organization_id": wrongOptID, "resource_id": wrongID, "parent_id": wrongOptID,
	"search": {strings.Repeat("x", 129), "\x00"}, "order_by": wrongEnum,
	"resource": mustEnum, "private": {}, "active": {},
	"reference": wrongText, "reason": wrongText, "display_name": wrongText,
	"email":      {strings.Repeat("x", 321), "\x00"},
	"avatar_url": {strings.Repeat("x", 1025), "\x00"},
	"model":      {strings.Repeat("x", 129), "\x00"},
	"time_zone":  {nil, "", strings.Repeat("x", 65)},

	"GetPriceBookRequest.price_book_id": wrongID, "PriceBook.price_book_id": wrongID, "QuoteRequest.organization_id": wrongOptID,
	"ModelPrices.model": mustModel, "EstimateUsage.model": mustModel, "QuoteRequest.model": mustModel,
	"source": {strings.Repeat("ü", 1025), "a\x00b"}, "licence": wrongText,

	"estimate_micros": wrongAtLeast0, "amount_micros": wrongAmount, "tokens": wrongAmount,
	"cap_micros": {int64(0), int64(-1), int64(maxAmount + 1)}, "unlimited": {false},
	"minimum_micros":    {int64(0), int64(-1), int64(maxAmount + 1)},
	"additional_micros": wrongAtLeast0, "seat_allowance_micros": wrongAtLeast0, "allowance_micros": wrongAtLeast0,
	"actual_micros": wrongAtLeast0,
	"input_tokens":  wrongTokens, "cached_input_tokens": wrongTokens, "cache_write_tokens": wrongTokens,
	"output_tokens": wrongTokens, "reasoning_tokens": wrongTokens, "max_output_tokens": wrongTokens,
	"total_tokens":  {int64(-1), int64(5_000_000_000_001), int64(math.MaxInt64)},
	"orchestrators": {int64(-1)}, "devices": {int64(-1)}, "private_projects": {int64(-1)},

	"page_size": wrongPageSize, "page_token": wrongPageToken,
	"year":  {nil, int32(-1), int32(10000)},
	"month": {nil, int32(-1), int32(13)},
	"day":   {nil, int32(-1), int32(32)},

	"ListReservationsRequest.state": wrongEnum, "Organization.state": wrongEnum, "failed_turn_policy": wrongEnum,
	"Member.state": append(wrong{protoreflect.EnumNumber(2)}, wrongEnum...),
	"role":         wrongEnum, "unit": mustEnum, "Plan.kind": mustEnum,

	"version": {int64(-1)}, "expected_version": {int64(-1), int64(math.MinInt64)},
	"acu_micros_per_usd": {int64(-1), int64(1_000_000_000_001)}, "above_input_tokens": {nil, int64(-1), int64(1_000_000_000_001)},
	"models": {times(20_001)}, "prices": {nil, times(65)}, "tiers": {times(9)}, "rates": {nil},
	"aliases": {times(65), texts{""}, texts{"x", strings.Repeat("x", 129)}, texts{"\x00"}},
	"input":   wrongRate, "cached_input": wrongRate, "cache_write": wrongRate, "output": wrongRate, "reasoning": wrongRate,
	"estimate_policy": wrongEnum,

	"group_by": mustEnum, "order": wrongEnum, "label_key": {strings.Repeat("x", 65), "\x00"},
	"kinds": {enums{0}, enums{99}, enums{1, 1}}, "days": {int32(-1), int32(91)},

	"time_to_live": wrongLife,
	"window":       {nil, &durationpb.Duration{}, &durationpb.Duration{Seconds: 31622401}},
	"duration":     {nil, &durationpb.Duration{Seconds: -1}, &durationpb.Duration{Seconds: 316224001}},
	"time":         {nil, &timestamppb.Timestamp{Seconds: -1}, &timestamppb.Timestamp{Seconds: 7258118400}},

	"plan": {nil}, "organization": {nil}, "member": {nil}, "anniversary": {nil},
	"turn": {}, "token_usage": {}, "limits": {}, "abuse_limit": {}, "pool_visible_to_members": {}, "newest_first": {},
	"estimate_usage": {}, "price_book": {nil}, "as_of": {}, "QuoteRequest.token_usage": {nil},
	// What is not a time the handlers refuse.
	"valid_from": {}, "at": {}, "from": {}, "to": {},
	// What a Put ignores may hold anything.
	"PriceBook.version": {}, "created_at": {},
	"access": {}, "pool_used_period_micros": {}, "pool_used_lifetime_micros": {}, "allowance_period_micros": {},
	"allowance_used_period_micros": {},
	"labels": {
		map[string]string{"": "x"},
		map[string]string{strings.Repeat("x", 65): ""},
		map[string]string{"\x00": ""},
		map[string]string{"x": strings.Repeat("x", 257)},
		map[string]string{"x": "\x00"},
		manyLabels(17),
	},
}

// TestValidation breaks every field of every request in every way that the contract forbids.
func TestValidation(t *testing.T) {
	validator, err := NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	samples := sampleRequests()
	for _, request := range requests() {
		sample, ok := samples[string(request.FullName())]
		if !ok {
			t.Errorf("%s has no sample", request.FullName())
			continue
		}
		if err := validator.Check(sample); err != nil {
			t.Errorf("the sample of %s is refused: %v", request.FullName(), err)
		}
		breakFields(t, validator, sample, nil)
	}
}

// breakFields breaks each field of the message at a path within a sample, and those of the messages in it.
func breakFields(t *testing.T, v *Validator, sample proto.Message, path []protoreflect.FieldDescriptor) {
	t.Helper()
	at := follow(sample.ProtoReflect(), path).Descriptor()
	for i := range at.Fields().Len() {
		field := at.Fields().Get(i)
		values, ok := fields[string(at.Name())+"."+string(field.Name())]
		if !ok {
			values, ok = fields[string(field.Name())]
		}
		if !ok {
			t.Errorf("%s: the test does not say what must be refused", field.FullName())
		}
		for _, value := range values {
			wantBroken(t, v, sample, append(path, field), value)
		}
		isOurs := field.Message() != nil && !field.IsMap() && field.Message().ParentFile().Package() == at.ParentFile().Package()
		if isOurs && follow(sample.ProtoReflect(), path).Has(field) && field.Name() != "access" {
			breakFields(t, v, sample, append(path, field))
		}
	}
}

// wantBroken puts a wrong value into a copy of the sample and wants that field named.
func wantBroken(t *testing.T, v *Validator, sample proto.Message, path []protoreflect.FieldDescriptor, value any) {
	t.Helper()
	broken := proto.Clone(sample)
	last := path[len(path)-1]
	put(follow(broken.ProtoReflect(), path[:len(path)-1]), last, value)
	names := make([]string, len(path))
	for i, f := range path {
		names[i] = string(f.Name())
	}
	want := strings.Join(names, ".")
	var refused *FieldError
	if err := v.Check(broken); !errors.As(err, &refused) {
		t.Errorf("%s: %s = %.40q passes: %v", sample.ProtoReflect().Descriptor().Name(), want, value, err)
		return
	}
	var beside []field // A sample has every field set, also those that do not go together.
	if faults := conversionFaults(sample); faults != nil {
		beside = faults.fields
	}
	for _, f := range refused.fields {
		if slices.Contains(beside, f) {
			continue
		}
		if named := inBrackets.ReplaceAllString(f.path, ""); named != want {
			t.Errorf("%s: for %s = %.40q it names %s", sample.ProtoReflect().Descriptor().Name(), want, value, f.path)
		}
		if !strings.HasPrefix(strings.TrimPrefix(f.requirement, "name "), "must ") {
			t.Errorf("%s: %q does not say what is required", want, f.requirement)
		}
	}
}

// inBrackets is what a path says of a map's key or of a place in a list.
var inBrackets = regexp.MustCompile(`\[[^]]*\]`)

// follow goes down a path: through lists by their first element.
func follow(m protoreflect.Message, path []protoreflect.FieldDescriptor) protoreflect.Message {
	for _, field := range path {
		if field.IsList() {
			m = m.Mutable(field).List().Get(0).Message()
		} else {
			m = m.Mutable(field).Message()
		}
	}
	return m
}

// times stands for a list with its first element so many times, and texts for one of those.
type (
	times int
	texts []string
	enums []protoreflect.EnumNumber
)

func put(m protoreflect.Message, field protoreflect.FieldDescriptor, value any) {
	switch value := value.(type) {
	case nil:
		m.Clear(field)
	case proto.Message:
		m.Set(field, protoreflect.ValueOfMessage(value.ProtoReflect()))
	case times:
		list := m.Mutable(field).List()
		list.Truncate(1)
		for range value - 1 {
			list.Append(list.Get(0))
		}
	case texts:
		list := m.Mutable(field).List()
		list.Truncate(0)
		for _, v := range value {
			list.Append(protoreflect.ValueOfString(v))
		}
	case enums:
		list := m.Mutable(field).List()
		list.Truncate(0)
		for _, v := range value {
			list.Append(protoreflect.ValueOfEnum(v))
		}
	case map[string]string:
		m.Clear(field)
		for k, v := range value {
			m.Mutable(field).Map().Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString(v))
		}
	default:
		m.Set(field, protoreflect.ValueOf(value))
	}
}

func manyLabels(n int) map[string]string {
	labels := map[string]string{}
	for i := range n {
		labels[strings.Repeat("x", i+1)] = ""
	}
	return labels
}

// TestRequirements shows the words for people at their keyboards, and the path into a map.
func TestRequirements(t *testing.T) {
	validator, err := NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		message, field string
		value          any
		path, want     string
	}{
		{"ReserveRequest", "organization_id", "a b", "organization_id", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ -"},
		{"ReserveRequest", "estimate_micros", int64(-1), "estimate_micros", "must be greater than or equal to 1 and less than or equal to 1000000000000000"},
		{"ReserveRequest", "time_to_live", &durationpb.Duration{}, "time_to_live", "must be greater than or equal to 1s and less than or equal to 86400s"},
		{"TopUpRequest", "reference", "\x00", "reference", "must not contain the character NUL"},
		{"TopUpRequest", "reference", strings.Repeat("x", 257), "reference", "must be at most 256 characters"},
		{"PutPriceBookRequest", "price_book", nil, "price_book", "must be set"},
		{"QuoteRequest", "model", "", "model", "must not be empty"},
		{"CommitRequest", "reservation_id", "7", "reservation_id", "must be a UUID, as the server answered it"},
		{"GrantAccessRequest", "cap_micros", nil, "access", "must be cap_micros or unlimited"},
		{"ListReservationsRequest", "state", protoreflect.EnumNumber(9), "state", "must be one of RESERVATION_STATE_HELD, " +
			"RESERVATION_STATE_COMMITTED, RESERVATION_STATE_RELEASED, RESERVATION_STATE_EXPIRED"},
	} {
		request := proto.Clone(sampleRequests()["meter.v1."+c.message])
		put(request.ProtoReflect(), request.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(c.field)), c.value)
		var refused *FieldError
		if !errors.As(validator.Check(request), &refused) || refused.fields[0] != (field{path: c.path, requirement: c.want}) {
			t.Errorf("%s.%s = %v: got %v, want %s %s", c.message, c.field, c.value, refused, c.path, c.want)
		}
	}
}

// TestFieldErrorIsBounded: what travels in headers must stay small however much is wrong.
func TestFieldErrorIsBounded(t *testing.T) {
	var e FieldError
	for range 100 {
		e.add("turn.labels["+strings.Repeat("ü", 1000)+"]", requireNoNUL)
	}
	if len(e.fields) != maxFields || e.more != 100-maxFields {
		t.Errorf("holds %d fields and %d more", len(e.fields), e.more)
	}
	if size := proto.Size(FailureOf(&e).GRPCStatus().Proto()); size > 8000 {
		t.Errorf("the status has %d bytes", size)
	}
	if !strings.HasSuffix(e.Error(), "; and 97 more") {
		t.Errorf("got %q", e.Error())
	}
}
