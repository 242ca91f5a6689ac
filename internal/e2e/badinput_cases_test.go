package e2e

import (
	"math"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// What a case wants, beside the contract's other reasons.
const (
	invalid  = "INVALID_FIELD"
	accepted = "" // That it is no fault: a field that may be left out, or that is not read.
)

// badCase is one way in which a field can be wrong.
type badCase struct {
	value any    // What it is set to; nil: it is absent.
	want  string // The reason of the answer.
	field string // The field that is named, where it is not the broken one but one beside it.
}

// each makes a case of each value.
func each(want string, values ...any) (cases []badCase) {
	for _, value := range values {
		cases = append(cases, badCase{value: value, want: want})
	}
	return cases
}

func join(groups ...[]badCase) (all []badCase) {
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

const (
	maxAmount = 1_000_000_000_000_000
	nobody    = "nobody" // An id that is well formed and that nothing has.
	tooLong   = 129      // Characters, for an id.
)

// enum is a number of an enum.
type enum = protoreflect.EnumNumber

// The ways in which a field of each kind is wrong.
var (
	malformedID = each(invalid, strings.Repeat("x", tooLong), "a b", "ä", "a/b", "x\x00", "x\n", "'; --")
	mandatoryID = join(each(invalid, nil, ""), malformedID)
	optionalID  = join(each(accepted, nil, ""), malformedID)

	malformedUUID = each(invalid, nil, "", "7", strings.Repeat("0", 40), "zz000000-0000-7000-8000-000000000000", "\x00")

	malformedToken = each(invalid, "x", "%%%", "\x00", "AQ", strings.Repeat("A", 513))

	tooMuch     = each(invalid, int64(maxAmount+1), int64(math.MaxInt64))
	negative    = each(invalid, int64(-1), int64(math.MinInt64))
	positive    = join(each(invalid, nil, int64(0)), negative, tooMuch)
	notNegative = join(each(accepted, nil, int64(0)), negative, tooMuch)
	tokenCount  = join(each(accepted, nil, int64(0)), negative, each(invalid, int64(1_000_000_000_001), int64(math.MaxInt64)))
	limit       = join(each(accepted, nil, int64(0), int64(math.MaxInt64)), negative)

	unknownNumber = each(invalid, enum(99), enum(-1), enum(math.MaxInt32))
	optionalEnum  = join(each(accepted, nil, enum(0)), unknownNumber)
	mandatoryEnum = join(each(invalid, nil, enum(0)), unknownNumber)

	timeToLive = join(each(accepted, nil), each(invalid,
		&durationpb.Duration{}, &durationpb.Duration{Seconds: -1}, &durationpb.Duration{Nanos: 999_999_999},
		&durationpb.Duration{Seconds: 86401}, &durationpb.Duration{Seconds: 1, Nanos: -1},
		&durationpb.Duration{Seconds: math.MaxInt64}))
)

// The ways in which parts of a price book are wrong.
var (
	rate = join(each(accepted, nil, "0", "0.15", "1.5e-07", "1000000"), each(invalid,
		"", "-1", "+1", "NaN", "Inf", "0x1", "1,5", " 1", "1e7", "1000000.1", ".", "\x00", strings.Repeat("0", 65)))
	// modelName ends with what only a book refuses.
	modelName = join(each(invalid, nil, "", strings.Repeat("x", tooLong), "\x00"), each(invalid, " large"))
	noTimes   = []any{
		&timestamppb.Timestamp{Seconds: math.MaxInt64}, &timestamppb.Timestamp{Seconds: math.MinInt64},
		&timestamppb.Timestamp{Nanos: -1}, &timestamppb.Timestamp{Nanos: 1_000_000_000},
	}
	// absentBook is a Quote by no book at all.
	absentBook = []badCase{{nil, invalid, "price_book_id"}, {"", invalid, "price_book_id"}}
)

// times stands for a list with its first element so many times, and texts for one of those.
type (
	times int
	texts []string
	enums []protoreflect.EnumNumber
)

// text is what is wrong with a text for people of so many characters.
func text(most int) []badCase {
	return join(each(accepted, nil, "", strings.Repeat("ü", most)),
		each(invalid, strings.Repeat("ü", most+1), "a\x00b", strings.Repeat("x", 100_000)))
}

// casesOf is the table of a field: its own, or that of its name for every message that has none of its own.
func (w *world) casesOf(field protoreflect.FieldDescriptor) ([]badCase, bool) {
	message := string(field.Parent().Name())
	for _, name := range []string{message + "." + string(field.Name()), string(field.Name())} {
		for _, table := range []map[string][]badCase{w.idCases(), amountCases, otherCases} {
			if cases, ok := table[name]; ok {
				return cases, true
			}
		}
	}
	return nil, false
}

// idCases are the tables of what names something. Whoever is named must be there, and be the organization's own.
func (w *world) idCases() map[string][]badCase {
	return map[string][]badCase{
		"organization_id":              join(mandatoryID, each("ORGANIZATION_NOT_FOUND", nobody)),
		"Organization.organization_id": mandatoryID,
		"member_id":                    join(mandatoryID, each("MEMBER_NOT_FOUND", nobody)),
		"Member.member_id":             mandatoryID,
		// To list what there is of nobody is to list nothing.
		"ListReservationsRequest.member_id":  join(optionalID, each(accepted, nobody)),
		"ListAccessChangesRequest.member_id": join(optionalID, each(accepted, nobody)),
		"ExplainTurnRequest.member_id":       join(optionalID, each("RESERVATION_NOT_FOUND", nobody)),
		"ExplainTurnRequest.request_id": join(malformedID, each("RESERVATION_NOT_FOUND", nobody),
			[]badCase{{nil, invalid, "reservation_id"}, {"", invalid, "reservation_id"}}),
		"plan_id":                   join(mandatoryID, each("PLAN_NOT_FOUND", nobody)),
		"Plan.plan_id":              mandatoryID,
		"request_id":                mandatoryID,
		"ReserveRequest.request_id": join(mandatoryID, each("REQUEST_ID_REUSED", "to-get")),
		"TopUpRequest.request_id":   join(mandatoryID, each("REQUEST_ID_REUSED", topUpID)),
		"top_up_request_id":         join(mandatoryID, each("TOP_UP_NOT_FOUND", nobody)),
		"reservation_id": join(malformedUUID,
			each("RESERVATION_NOT_FOUND", uuid.Must(uuid.NewV7()).String(), uuid.Nil.String(), w.rivals.GetReservationId())),
		"price_book_id":                           join(mandatoryID, each("PRICE_BOOK_NOT_FOUND", nobody)),
		"PriceBook.price_book_id":                 mandatoryID,
		"Organization.price_book_id":              join(optionalID, each("PRICE_BOOK_NOT_FOUND", nobody)),
		"ListAuditEntriesRequest.organization_id": join(optionalID, each("ORGANIZATION_NOT_FOUND", nobody)),
		"QuoteRequest.organization_id":            join(absentBook, malformedID, each("ORGANIZATION_NOT_FOUND", nobody)),
		"resource_id":                             join(mandatoryID, each("RESOURCE_NOT_FOUND", nobody)),
		"RegisterResourceRequest.resource_id":     mandatoryID,
		"parent_id":                               join(each(invalid, nil, ""), malformedID, each("RESOURCE_NOT_FOUND", nobody)),
		"conversation_id":                         optionalID, "turn_id": optionalID,
		"page_token":                  join(each(accepted, nil, ""), malformedToken, each(invalid, w.planToken)),
		"ListPlansRequest.page_token": join(each(accepted, nil, "", w.planToken), malformedToken, each(invalid, w.planToken+"A")),
	}
}

// amountCases are the tables of numbers.
var amountCases = map[string][]badCase{
	"PriceBook.unit":              mandatoryEnum,
	"version":                     join(each(accepted, nil, int64(0)), negative, each("PRICE_BOOK_NOT_FOUND", int64(2), int64(math.MaxInt64))),
	"expected_version":            join(each(accepted, nil), negative, each("PRICE_BOOK_CHANGED", int64(0), int64(math.MaxInt64))),
	"acu_micros_per_usd":          join(tokenCount, each(accepted, int64(1_000_000_000_000))),
	"above_input_tokens":          join(each(invalid, nil, int64(0), int64(1_000_000_000_001)), negative),
	"max_output_tokens":           tokenCount,
	"total_tokens":                join(each(accepted, nil, int64(15)), negative, each(invalid, int64(0), int64(14), int64(math.MaxInt64))),
	"estimate_micros":             join(positive, []badCase{{int64(49), invalid, "minimum_micros"}}),
	"minimum_micros":              join(each(accepted, nil), each(invalid, int64(0), int64(101)), negative, tooMuch),
	"amount_micros":               positive,
	"RefundRequest.amount_micros": join(positive, each("REFUND_EXCEEDS_TOP_UP", int64(funds+1), int64(maxAmount))),
	"cap_micros":                  join([]badCase{{nil, invalid, "access"}}, each(invalid, int64(0)), negative, tooMuch),
	"unlimited":                   each(invalid, false),
	"actual_micros":               notNegative,
	"additional_micros":           join(notNegative, each("POOL_EMPTY", int64(maxAmount))),
	"seat_allowance_micros":       notNegative,
	"allowance_micros":            notNegative,
	"input_tokens":                tokenCount,
	"cached_input_tokens":         tokenCount,
	"cache_write_tokens":          tokenCount,
	"output_tokens":               tokenCount,
	"reasoning_tokens":            tokenCount,
	"orchestrators":               limit, "devices": limit, "private_projects": limit,
	"tokens":    positive,
	"page_size": join(each(accepted, nil, int32(1), int32(1000)), each(invalid, int32(-1), int32(1001), int32(math.MinInt32))),
	"year":      each(invalid, nil, int32(-1), int32(10000)),
	"month":     each(invalid, nil, int32(-1), int32(13)),
	"day":       each(invalid, nil, int32(-1), int32(32), int32(math.MaxInt32)),
}

// otherCases are the tables of everything else.
var otherCases = map[string][]badCase{
	"reference": text(256), "reason": text(256), "display_name": text(256), "model": text(128), "email": text(320),
	"avatar_url": text(1024),
	"time_zone":  each(invalid, nil, "", "Mars/Olympus", "Local", "../etc/passwd", "europe berlin", "\x00", strings.Repeat("x", 65)),

	"search": text(128), "order_by": optionalEnum,
	"state":              optionalEnum,
	"Member.state":       join(optionalEnum, each(invalid, meterv1.MemberState_MEMBER_STATE_REMOVED.Number())),
	"failed_turn_policy": optionalEnum, "role": optionalEnum,
	"kind": mandatoryEnum, "resource": mandatoryEnum, "private": each(accepted, nil, false), "active": each(accepted, nil, false),
	"unit": join(mandatoryEnum, each("UNIT_IMMUTABLE", meterv1.Unit_UNIT_USD.Number())),

	"source": text(1024), "licence": text(256),
	"ModelPrices.model": modelName, "QuoteRequest.model": join(modelName[:len(modelName)-1], each("UNPRICED_MODEL", nobody)),
	"EstimateUsage.model": join(modelName[:len(modelName)-1], each("UNPRICED_MODEL", nobody)),
	"aliases": join(each(accepted, nil, texts{"a", "b"}), each(invalid, texts{""}, texts{"a", "a"}, texts{"large"}, texts{"a\x00"},
		texts{strings.Repeat("x", tooLong)}, times(65))),
	"models": each(accepted, nil), "prices": each(invalid, nil, times(65)), "rates": each(invalid, nil, &meterv1.TokenRates{}),
	"PriceTier.rates": each(invalid, nil),
	"tiers":           join(each(accepted, nil), each(invalid, times(9))),
	"valid_from":      join(each(accepted, nil, &timestamppb.Timestamp{}), each(invalid, noTimes...)),
	"at":              join(each(accepted, nil), each(invalid, noTimes...), each("UNPRICED_MODEL", &timestamppb.Timestamp{})),
	"input":           rate, "cached_input": rate, "cache_write": rate, "output": rate, "reasoning": rate,
	"estimate_policy": optionalEnum,
	"estimate_usage":  {{nil, invalid, "estimate_micros"}},
	"price_book":      each(invalid, nil), "as_of": each(accepted, nil), "QuoteRequest.token_usage": each(invalid, nil),

	"from": join(each(accepted, nil, &timestamppb.Timestamp{}), each(invalid, noTimes...),
		[]badCase{{&timestamppb.Timestamp{Seconds: 7258118400}, invalid, "to"}}),
	"to": join(each(accepted, nil, &timestamppb.Timestamp{Seconds: 7258118400}),
		each(invalid, append(noTimes, &timestamppb.Timestamp{})...)),
	"kinds":     join(each(accepted, nil, enums{1, 2, 3, 4}), each(invalid, enums{0}, enums{99}, enums{-1}, enums{1, 1})),
	"group_by":  join(mandatoryEnum, []badCase{{enum(3), invalid, "label_key"}}),
	"label_key": join(each(accepted, strings.Repeat("ü", 64)), each(invalid, nil, "", strings.Repeat("ü", 65), "a\x00b")),
	"order":     optionalEnum,
	"days":      join(each(accepted, nil, int32(1), int32(90)), each(invalid, int32(-1), int32(91), int32(math.MaxInt32))),

	"time_to_live": timeToLive,
	"window":       each(invalid, nil, &durationpb.Duration{}, &durationpb.Duration{Seconds: -1}, &durationpb.Duration{Seconds: 31622401}),
	"duration": join(each(accepted, &durationpb.Duration{}), each(invalid, nil, &durationpb.Duration{Seconds: -1}, &durationpb.Duration{Seconds: 316224001},
		&durationpb.Duration{Seconds: math.MaxInt64})),
	"time": each(invalid, nil, &timestamppb.Timestamp{Seconds: -1}, &timestamppb.Timestamp{Seconds: 7258118400},
		&timestamppb.Timestamp{Seconds: math.MaxInt64}, &timestamppb.Timestamp{Seconds: 0, Nanos: -1}),

	"plan": each(invalid, nil), "organization": each(invalid, nil), "member": each(invalid, nil),
	"anniversary": each(invalid, nil, &meterv1.Date{Year: 2026, Month: 2, Day: 31}, &meterv1.Date{Year: 2023, Month: 2, Day: 29}),
	"limits":      each(accepted, nil), "abuse_limit": each(accepted, nil),
	"pool_visible_to_members": each(accepted, nil, false), "newest_first": each(accepted, nil, false),
	"turn": each(accepted, nil), "token_usage": each(accepted, nil),
	// What a Put only answers is not read.
	"PriceBook.version":         each(accepted, int64(-1), int64(math.MaxInt64)),
	"created_at":                each(accepted, &timestamppb.Timestamp{Seconds: math.MaxInt64}),
	"access":                    each(accepted, nil, &meterv1.Access{Kind: 99, CapMicros: -1}),
	"pool_used_period_micros":   each(accepted, int64(-1), int64(math.MaxInt64)),
	"pool_used_lifetime_micros": each(accepted, int64(-1), int64(math.MaxInt64)),

	"allowance_period_micros":      each(accepted, int64(-1), int64(math.MaxInt64)),
	"allowance_used_period_micros": each(accepted, int64(-1), int64(math.MaxInt64)),
	"labels": join(each(accepted, nil, manyLabels(16)), each(invalid, labels("", "x"), labels(strings.Repeat("x", 65), ""), labels("\x00", ""),
		labels("x", strings.Repeat("x", 257)), labels("x", "\x00"), manyLabels(17))),
}

func labels(name, value string) map[string]string { return map[string]string{name: value} }

func manyLabels(n int) map[string]string {
	many := map[string]string{}
	for i := range n {
		many[strings.Repeat("x", i+1)] = ""
	}
	return many
}

// fieldPath is where a field is in a request.
type fieldPath []protoreflect.FieldDescriptor

// names is a path as the answer writes it.
type names []string

func (p fieldPath) names() names {
	all := make(names, len(p))
	for i, field := range p {
		all[i] = string(field.Name())
	}
	return all
}

func (p fieldPath) String() string { return p.names().String() }

func (n names) String() string { return strings.Join(n, ".") }

// follow is the message at a path, which goes through lists by their first element.
func (p fieldPath) follow(m protoreflect.Message) protoreflect.Message {
	for _, field := range p {
		if field.IsList() {
			m = m.Mutable(field).List().Get(0).Message()
		} else {
			m = m.Mutable(field).Message()
		}
	}
	return m
}

// set sets a field of a message; nil: it is made absent.
func set(m protoreflect.Message, field protoreflect.FieldDescriptor, value any) {
	switch value := value.(type) {
	case nil:
		m.Clear(field)
	case proto.Message:
		m.Set(field, protoreflect.ValueOfMessage(value.ProtoReflect()))
	case times:
		list := m.Mutable(field).List()
		for range int(value) - 1 {
			list.Append(list.Get(0))
		}
	case enums:
		list := m.Mutable(field).List()
		list.Truncate(0)
		for _, v := range value {
			list.Append(protoreflect.ValueOfEnum(v))
		}
	case texts:
		list := m.Mutable(field).List()
		list.Truncate(0)
		for _, v := range value {
			list.Append(protoreflect.ValueOfString(v))
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
