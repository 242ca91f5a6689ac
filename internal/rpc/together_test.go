package rpc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// emptyRequests says of each request which fields are named where none is set.
var emptyRequests = map[string]string{
	"ReserveRequest":          "organization_id member_id request_id estimate_micros",
	"CommitRequest":           "organization_id reservation_id actual_micros",
	"ReleaseRequest":          "organization_id reservation_id",
	"ExtendRequest":           "organization_id reservation_id request_id additional_micros",
	"GetReservationRequest":   "organization_id reservation_id",
	"ListReservationsRequest": "organization_id",

	"TopUpRequest":             "organization_id request_id amount_micros",
	"RefundRequest":            "organization_id request_id amount_micros top_up_request_id",
	"GetPoolRequest":           "organization_id",
	"GrantAccessRequest":       "organization_id member_id access",
	"RevokeAccessRequest":      "organization_id member_id",
	"ListLedgerEntriesRequest": "organization_id",
	"ListAccessChangesRequest": "organization_id",

	"PutPlanRequest":           "plan",
	"GetPlanRequest":           "plan_id",
	"ListPlansRequest":         "",
	"PutOrganizationRequest":   "organization",
	"GetOrganizationRequest":   "organization_id",
	"ListOrganizationsRequest": "",
	"PutMemberRequest":         "member",
	"GetMemberRequest":         "organization_id member_id",
	"ListMembersRequest":       "organization_id",
	"RemoveMemberRequest":      "organization_id member_id",

	"GetMeterRequest":           "organization_id member_id",
	"GetPlanUsageRequest":       "organization_id",
	"RecountPlanUsageRequest":   "organization_id",
	"RegisterResourceRequest":   "organization_id resource resource_id",
	"UnregisterResourceRequest": "organization_id resource resource_id",
	"ReportUsageRequest":        "organization_id group_by",
	"EstimateRunwayRequest":     "organization_id",
	"ExplainTurnRequest":        "organization_id reservation_id",

	"PutPriceBookRequest":     "price_book",
	"GetPriceBookRequest":     "price_book_id",
	"ListPriceBooksRequest":   "",
	"QuoteRequest":            "model token_usage price_book_id",
	"ListAuditEntriesRequest": "",

	"GetTimeRequest": "",
	"AdvanceRequest": "duration",
	"SetTimeRequest": "time",
}

// TestEmptyRequests: an empty request is told all that it lacks at once.
func TestEmptyRequests(t *testing.T) {
	validator, err := NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range requests() {
		want, ok := emptyRequests[string(request.Name())]
		if !ok {
			t.Errorf("the test does not say what %s lacks", request.Name())
		}
		kind, err := protoregistry.GlobalTypes.FindMessageByName(request.FullName())
		if err != nil {
			t.Fatal(err)
		}
		var refused *FieldError
		if err := validator.Check(kind.New().Interface()); (err != nil) != (want != "") || (err != nil && !errors.As(err, &refused)) {
			t.Errorf("%s: %v", request.Name(), err)
		}
		wantNamed(t, string(request.Name()), refused, want)
	}
}

// wantNamed wants fields named, each once, in any order.
func wantNamed(t *testing.T, of string, e *FieldError, want string) {
	t.Helper()
	var named []string
	if e != nil {
		for _, f := range e.fields {
			named = append(named, f.path)
		}
	}
	slices.Sort(named)
	wanted := strings.Fields(want)
	slices.Sort(wanted)
	if !slices.Equal(named, wanted) {
		t.Errorf("%s: named are %v, want %v", of, named, wanted)
	}
}

// wrongTogether are requests with fields that break a rule of their own beside fields that do not go together, and with
// several of the latter; and the fields that are to be named.
var wrongTogether = []struct{ rpc, request, want string }{
	{
		"Reserve", `{"estimateMicros": 5, "minimumMicros": 9, "timeToLive": "0.5s", "organizationId": "acme", "memberId": "ada", "requestId": "r"}`,
		"time_to_live minimum_micros",
	},
	{
		"Reserve", `{"estimateMicros": -5, "minimumMicros": 9, "organizationId": "acme", "memberId": "ada", "requestId": "r"}`,
		"estimate_micros",
	},
	{
		"Reserve", `{"estimateMicros": 5, "estimateUsage": {"model": "x"}, "turn": {"model": "y"}, "organizationId": "acme", "memberId": "ada", "requestId": "r"}`,
		"estimate_micros turn.model",
	},
	{
		"Reserve", `{"turn": {"labels": {"": "x"}, "model": "y"}, "estimateUsage": {"model": "x", "inputTokens": -1}}`,
		`organization_id member_id request_id turn.labels[""] turn.model estimate_usage.input_tokens`,
	},
	{
		"Commit", `{"organizationId": "acme", "reservationId": "7", "tokenUsage": {"inputTokens": 3, "totalTokens": 4}}`,
		"reservation_id token_usage.total_tokens",
	},
	{
		"Commit", `{"organizationId": "acme", "reservationId": "7", "tokenUsage": {"inputTokens": -3, "totalTokens": 4}}`,
		"reservation_id token_usage.input_tokens",
	},
	{
		"Release", `{"organizationId": "acme", "reservationId": "7", "tokenUsage": {"totalTokens": 4}}`,
		"reservation_id token_usage.total_tokens",
	},
	{
		"Extend", `{"organizationId": "a b", "reservationId": "` + someID + `", "requestId": "more"}`,
		"organization_id additional_micros",
	},
	{"ListReservations", `{"organizationId": "acme", "pageSize": -1, "pageToken": "x"}`, "page_size page_token"},
	{
		"ListLedgerEntries", `{"organizationId": "acme", "pageSize": -1, "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z", "pageToken": "x"}`,
		"page_size to page_token",
	},
	{
		"ListLedgerEntries", `{"organizationId": "acme", "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z", "pageToken": "x"}`,
		"to page_token",
	},
	{
		"PutOrganization", `{"organization": {"organizationId": "a b", "planId": "team", "unit": 1, "timeZone": "Mars",
		"anniversary": {"year": 2026, "month": 2, "day": 30}}}`,
		"organization.organization_id organization.anniversary organization.time_zone",
	},
	{
		"PutOrganization", `{"organization": {"organizationId": "acme", "planId": "team", "unit": 1, "timeZone": "Mars",
		"anniversary": {"year": 2026, "month": 13, "day": 30}}}`,
		"organization.anniversary.month organization.time_zone",
	},
	{
		"RegisterResource", `{"organizationId": "acme", "resource": 1, "resourceId": "plant", "parentId": "x", "private": true}`,
		"parent_id private",
	},
	{"RegisterResource", `{"organizationId": "acme", "resource": 2, "private": true}`, "resource_id parent_id private"},
	{"RegisterResource", `{"organizationId": "acme", "resource": 9, "resourceId": "x", "parentId": "x", "private": true}`, "resource"},
	{"ExplainTurn", `{"organizationId": "a b", "requestId": "r", "reservationId": "` + someID + `"}`, "organization_id reservation_id"},
	{"ExplainTurn", `{"organizationId": "a b", "requestId": "r", "reservationId": "7"}`, "organization_id reservation_id"},
	{
		"ReportUsage", `{"organizationId": "acme", "groupBy": 1, "labelKey": "x", "pageToken": "x", "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}`,
		"label_key to page_token",
	},
	{
		"ReportUsage", `{"organizationId": "acme", "groupBy": 99, "labelKey": "x", "from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}`,
		"group_by to",
	},
	{"Quote", `{"model": "large", "tokenUsage": {"inputTokens": 3, "totalTokens": 4}}`, "token_usage.total_tokens price_book_id"},
	{"Quote", `{"priceBookId": "a b", "organizationId": "acme", "tokenUsage": {}}`, "model price_book_id"},
	{
		"PutPriceBook", `{"priceBook": {"priceBookId": "a b", "unit": 2, "models": [{"model": "m", "prices": [{"rates": {"input": "x"}}]}]}}`,
		"price_book.price_book_id price_book.models[0].prices[0].rates.input",
	},
	{
		"PutPriceBook", `{"priceBook": {"priceBookId": "book", "unit": 2, "models": [{"model": "m", "prices": [{}]}]}}`,
		"price_book.models[0].prices[0].rates",
	},
}

// TestAllThatIsWrongIsNamedAtOnce sends each of them.
func TestAllThatIsWrongIsNamedAtOnce(t *testing.T) {
	a, ctx := serve(t), t.Context()
	calls := map[string]func(context.Context, string) error{
		"Reserve": call(a.turns.Reserve), "Commit": call(a.turns.Commit), "Release": call(a.turns.Release),
		"Extend": call(a.turns.Extend), "ListReservations": call(a.turns.ListReservations),
		"ListLedgerEntries": call(a.pools.ListLedgerEntries), "PutOrganization": call(a.organizations.PutOrganization),
		"RegisterResource": call(a.usage.RegisterResource), "ExplainTurn": call(a.usage.ExplainTurn),
		"ReportUsage": call(a.usage.ReportUsage), "Quote": call(a.prices.Quote), "PutPriceBook": call(a.prices.PutPriceBook),
	}
	for _, c := range wrongTogether {
		err := calls[c.rpc](ctx, c.request)
		wantFailure(t, err, codes.InvalidArgument, ReasonInvalidField)
		var told FieldError
		for _, v := range detail[*errdetails.BadRequest](err).GetFieldViolations() {
			told.fields = append(told.fields, field{path: v.GetField(), requirement: v.GetDescription()})
		}
		wantNamed(t, c.rpc+c.request, &told, c.want)
	}
}

// call makes a call of an RPC with a request in JSON.
func call[In any, Message interface {
	*In
	proto.Message
}, Out, Option any](rpc func(context.Context, Message, ...Option) (Out, error)) func(context.Context, string) error {
	return func(ctx context.Context, request string) error {
		in := Message(new(In))
		if err := protojson.Unmarshal([]byte(request), in); err != nil {
			return err
		}
		_, err := rpc(ctx, in)
		return err
	}
}

// TestValidRequestsCostNothingMore: what is right is not looked at again, and makes no errors.
func TestValidRequestsCostNothingMore(t *testing.T) {
	reserve := &meterv1.ReserveRequest{EstimateMicros: 5, MinimumMicros: proto.Int64(5), Turn: sampleTurn()}
	commit := &meterv1.CommitRequest{TokenUsage: sampleTokens()}
	if n := testing.AllocsPerRun(100, func() {
		if reserveFaults(reserve) != nil || commitFaults(commit) != nil {
			t.Error("they are valid")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
