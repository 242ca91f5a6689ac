package export

import (
	"context"
	"encoding/csv"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// server answers pages of two rows of whatever it holds.
type server struct {
	meterv1.UsageServiceClient
	meterv1.PoolServiceClient
	meterv1.OrganizationServiceClient

	rows    []*meterv1.UsageRow
	entries []*meterv1.LedgerEntry
	members []*meterv1.Member
	asked   []proto.Message
	fails   error // Of every page but the first.
}

func paged[T any](s *server, all []T, request proto.Message, size int32, token string) ([]T, string, error) {
	s.asked = append(s.asked, proto.Clone(request))
	if token != "" && s.fails != nil {
		return nil, "", s.fails
	}
	from := len(token)
	if until := from + 2; size == pageSize && until < len(all) {
		return all[from:until], strings.Repeat("x", until), nil
	}
	return all[from:], "", nil
}

func (s *server) ReportUsage(
	_ context.Context, in *meterv1.ReportUsageRequest, _ ...grpc.CallOption,
) (*meterv1.ReportUsageResponse, error) {
	rows, next, err := paged(s, s.rows, in, in.GetPageSize(), in.GetPageToken())
	out := &meterv1.ReportUsageResponse{Rows: rows, NextPageToken: next, Unit: meterv1.Unit_UNIT_ACU}
	if in.GetGroupBy() == meterv1.UsageGrouping_USAGE_GROUPING_LABEL {
		out.Unlabelled = &meterv1.UsageFigures{Turns: 5}
	}
	return out, err
}

func (s *server) ListLedgerEntries(
	_ context.Context, in *meterv1.ListLedgerEntriesRequest, _ ...grpc.CallOption,
) (*meterv1.ListLedgerEntriesResponse, error) {
	entries, next, err := paged(s, s.entries, in, in.GetPageSize(), in.GetPageToken())
	return &meterv1.ListLedgerEntriesResponse{Entries: entries, NextPageToken: next}, err
}

func (s *server) ListMembers(
	_ context.Context, in *meterv1.ListMembersRequest, _ ...grpc.CallOption,
) (*meterv1.ListMembersResponse, error) {
	members, next, err := paged(s, s.members, in, in.GetPageSize(), in.GetPageToken())
	return &meterv1.ListMembersResponse{Members: members, NextPageToken: next}, err
}

// table reads what was written as other programs do, each row by its columns' names.
func table(t *testing.T, written string) (rows []map[string]string) {
	t.Helper()
	if strings.Count(written, "\r\n") < 1 || !strings.HasSuffix(written, "\r\n") {
		t.Errorf("lines do not end as RFC 4180 says: %q", written)
	}
	lines, err := csv.NewReader(strings.NewReader(written)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range line {
			row[lines[0][i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

func want(t *testing.T, row map[string]string, cells map[string]string) {
	t.Helper()
	for column, cell := range cells {
		if got, there := row[column]; !there || got != cell {
			t.Errorf("%s is %q (%v), want %q", column, got, there, cell)
		}
	}
}

func TestUsage(t *testing.T) {
	s := &server{rows: []*meterv1.UsageRow{
		{
			Value: "ada", DisplayName: `Ada "the" first, of Acme`, StartsAt: &timestamppb.Timestamp{Seconds: 1_772_323_200},
			PoolBalanceMicros: proto.Int64(7), Figures: &meterv1.UsageFigures{
				Turns: 1, FailedTurns: 2, ExpiredTurns: 3, LateTurns: 4, RefusedTurns: 5,
				Refusals:        []*meterv1.RefusedTurns{{Reason: "POOL_EMPTY", Turns: 5}},
				TokenUsage:      &meterv1.TokenUsage{InputTokens: 11, CachedInputTokens: 12, CacheWriteTokens: 13, OutputTokens: 14, ReasoningTokens: 15},
				AllowanceMicros: 1, PoolMicros: 2_000_000, OverrunMicros: 3_500_000, ActualMicros: 5_500_001,
			},
		},
		{Value: "=cmd|' /C calc'!A0"},
		{Value: "third"},
	}}
	var out strings.Builder
	request := &meterv1.ReportUsageRequest{OrganizationId: "acme", GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_LABEL, LabelKey: "x"}
	if err := Usage(t.Context(), s, request, &out); err != nil {
		t.Fatal(err)
	}
	rows := table(t, out.String())
	if len(rows) != 4 || len(s.asked) != 2 || request.GetPageSize() != 0 {
		t.Fatalf("%d rows after %d calls: %s", len(rows), len(s.asked), out.String())
	}
	want(t, rows[0], map[string]string{
		"group": "label", "value": "ada", "display_name": `Ada "the" first, of Acme`, "day_starts_at": "2026-03-01T00:00:00Z",
		"day_ends_at": "", "turns": "1", "failed_turns": "2", "expired_turns": "3", "late_turns": "4", "refused_turns": "5",
		"refused_pool_empty": "5", "refused_abuse_limit": "0", "input_tokens": "11", "cached_input_tokens": "12",
		"cache_write_tokens": "13", "output_tokens": "14", "reasoning_tokens": "15", "unit": "ACU", "allowance": "0.000001",
		"pool": "2.000000", "overrun": "3.500000", "actual": "5.500001", "pool_balance": "0.000007",
	})
	want(t, rows[1], map[string]string{"value": "'=cmd|' /C calc'!A0", "pool_balance": ""})
	want(t, rows[3], map[string]string{"group": "unlabelled", "value": "", "turns": "5"})
}

func TestStatement(t *testing.T) {
	s := &server{}
	for kind := range meterv1.LedgerEntryKind(4) {
		s.entries = append(s.entries, &meterv1.LedgerEntry{
			Sequence: int64(kind) + 1, Kind: kind + 1, AmountMicros: 1_500_000, PoolBalanceAfterMicros: 9, Reference: "-1+2",
			MemberId: "@ada", At: &timestamppb.Timestamp{Seconds: 1_772_323_200, Nanos: 1000},
		})
	}
	var out strings.Builder
	if err := Statement(t.Context(), s, &meterv1.ListLedgerEntriesRequest{OrganizationId: "acme"}, &out); err != nil {
		t.Fatal(err)
	}
	rows := table(t, out.String())
	for i, w := range []struct{ kind, change string }{
		{"top_up", "1.500000"}, {"refund", "-1.500000"}, {"pool_charge", "-1.500000"}, {"allowance_charge", "0.000000"},
	} {
		want(t, rows[i], map[string]string{
			"sequence": number(int64(i) + 1), "at": "2026-03-01T00:00:00.000001Z", "kind": w.kind, "amount": "1.500000",
			"pool_change": w.change, "pool_balance": "0.000009", "reference": "'-1+2", "member_id": "'@ada",
		})
	}
}

func TestMembers(t *testing.T) {
	s := &server{members: []*meterv1.Member{
		{
			MemberId: "ada", DisplayName: "\tAda\r\nof Acme", Email: "+1@example.com", Role: meterv1.Role_ROLE_OWNER,
			State: meterv1.MemberState_MEMBER_STATE_ACTIVE, AllowanceMicros: proto.Int64(0),
			Access:               &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 5_000_000},
			PoolUsedPeriodMicros: 1, PoolUsedLifetimeMicros: 2,
		},
		{MemberId: "bo", Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_UNLIMITED}},
		{MemberId: "cy"},
	}}
	var out strings.Builder
	if err := Members(t.Context(), s, "acme", &out); err != nil {
		t.Fatal(err)
	}
	rows := table(t, out.String())
	want(t, rows[0], map[string]string{
		"member_id": "ada", "display_name": "'\tAda\nof Acme", "email": "'+1@example.com", "role": "owner", "state": "active",
		"allowance": "0.000000", "access": "capped", "cap": "5.000000", "pool_used_period": "0.000001",
		"pool_used_lifetime": "0.000002",
	})
	want(t, rows[1], map[string]string{"member_id": "bo", "allowance": "", "access": "unlimited", "cap": ""})
	if len(rows) != 3 {
		t.Errorf("%d rows", len(rows))
	}
}

// failing takes so many writes.
type failing int

func (f *failing) Write(p []byte) (int, error) {
	*f--
	if *f < 0 {
		return 0, errors.ErrUnsupported
	}
	return len(p), nil
}

// TestWhatFailsIsTold wants a page that is refused, and a writer that takes no more, told.
func TestWhatFailsIsTold(t *testing.T) {
	s := &server{members: []*meterv1.Member{{}, {}, {}}, fails: errors.New("gone")}
	if err := Members(t.Context(), s, "acme", new(strings.Builder)); !errors.Is(err, s.fails) {
		t.Errorf("a page that is refused is told as %v", err)
	}
	full := failing(0)
	if err := Members(t.Context(), s, "acme", &full); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a writer that is full is told as %v", err)
	}
}

func TestAmounts(t *testing.T) {
	for micros, want := range map[int64]string{
		0: "0.000000", 1: "0.000001", -1: "-0.000001", 12_500_000: "12.500000", -1_000_000: "-1.000000",
		math.MaxInt64: "9223372036854.775807",
	} {
		if got := amount(micros); got != want {
			t.Errorf("%d is %s, want %s", micros, got, want)
		}
	}
}

// TestEveryReasonHasAColumn holds the columns to the reasons of the contract.
func TestEveryReasonHasAColumn(t *testing.T) {
	for _, reason := range refusals {
		if _, known := meterv1.ErrorReason_value["ERROR_REASON_"+reason]; !known {
			t.Errorf("%s is no reason of the contract", reason)
		}
		if !slices.Contains(usageColumns, "refused_"+strings.ToLower(reason)) {
			t.Errorf("%s has no column", reason)
		}
	}
}
