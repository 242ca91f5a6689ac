package rpc

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// TestReportPagesTellOfOneMoment reads a report to its end. Every page after the first asks for the first one's moment and
// span, and takes up where the page before ended.
func TestReportPagesTellOfOneMoment(t *testing.T) {
	a := serve(t)
	a.memory.report.AsOf = meter.UsageMark{Ledger: 17, Uncharged: 4}
	a.memory.report.Span = meter.Span{
		Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 4, 1, 0, 0, 0, 1000, time.UTC),
	}
	request := &meterv1.ReportUsageRequest{
		OrganizationId: "acme", GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_LABEL, LabelKey: "team", PageSize: 300,
		Order: meterv1.UsageOrder_USAGE_ORDER_BY_COST,
	}
	rows := 0
	for page := 0; ; page++ {
		answer, err := a.usage.ReportUsage(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		rows += len(answer.GetRows())
		asked := a.memory.reported[page]
		first := page == 0
		if asked.Offset != 300*page || asked.Limit != 301 || asked.LabelKey != "team" || !asked.ByCost ||
			(asked.AsOf == meter.UsageMark{}) != first || (asked.Span == meter.Span{}) != first ||
			!first && (asked.AsOf != a.memory.report.AsOf || asked.Span != a.memory.report.Span) {
			t.Errorf("page %d asks %+v", page, asked)
		}
		if request.PageToken = answer.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	if rows != 1000 || len(a.memory.reported) != 4 {
		t.Errorf("%d rows on %d pages", rows, len(a.memory.reported))
	}
}

// TestReportTokensAreOfTheirReport changes each thing that a report asks, which another one's token does not go with.
func TestReportTokensAreOfTheirReport(t *testing.T) {
	a := serve(t)
	a.memory.report.Span = meter.Span{Start: a.memory.now, End: a.memory.now.Add(time.Hour)}
	first := &meterv1.ReportUsageRequest{OrganizationId: "acme", GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_LABEL, LabelKey: "a"}
	answer, err := a.usage.ReportUsage(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*meterv1.ReportUsageRequest){
		"organization_id": func(r *meterv1.ReportUsageRequest) { r.OrganizationId = "other" },
		"group_by":        func(r *meterv1.ReportUsageRequest) { r.GroupBy, r.LabelKey = 1, "" },
		"label_key":       func(r *meterv1.ReportUsageRequest) { r.LabelKey = "b" },
		"order":           func(r *meterv1.ReportUsageRequest) { r.Order = 2 },
		"from":            func(r *meterv1.ReportUsageRequest) { r.From = timestamppb.New(a.memory.now) },
		"to":              func(r *meterv1.ReportUsageRequest) { r.To = timestamppb.New(a.memory.now) },
	} {
		changed := proto.CloneOf(first)
		changed.PageToken = answer.GetNextPageToken()
		change(changed)
		if _, err := a.usage.ReportUsage(t.Context(), changed); err == nil {
			t.Errorf("with another %s the token is taken", name)
		}
	}
}

// TestSpansAreInMicroseconds keeps of an end between two the later one: nothing lies between.
func TestSpansAreInMicroseconds(t *testing.T) {
	for _, c := range []struct{ from, to, start, end time.Duration }{
		{1000, 2000, 1000, 2000}, {1001, 2999, 2000, 3000}, {999, 1001, 1000, 2000},
	} {
		base := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		span, wrong := spanOf(timestamppb.New(base.Add(c.from)), timestamppb.New(base.Add(c.to)))
		if wrong != nil || !span.Start.Equal(base.Add(c.start)) || !span.End.Equal(base.Add(c.end)) {
			t.Errorf("%+v: got %v, %v", c, span, wrong)
		}
	}
	first, wrong := spanOf(timestamppb.New(time.Time{}), nil)
	if wrong != nil || first.Start.IsZero() || !first.End.IsZero() {
		t.Errorf("the first moment there is, is taken for none: %v, %v", first, wrong)
	}
	same := timestamppb.Now()
	if _, wrong := spanOf(same, same); wrong == nil {
		t.Error("an empty span is taken")
	}
}

// TestTheLastMoment: an end between the last moment that can be told and none is that one.
func TestTheLastMoment(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 999_999_900, time.UTC)
	span, wrong := spanOf(nil, timestamppb.New(last))
	if wrong != nil || !span.End.Equal(last.Truncate(resolution)) {
		t.Errorf("got %v, %v", span, wrong)
	}
}

// TestAnOpenSpanMayBeEmpty: of a span with one end the other is the running period's, which may lie on the wrong side.
func TestAnOpenSpanMayBeEmpty(t *testing.T) {
	a := serve(t)
	began := a.memory.now
	a.memory.report.Span = meter.Span{Start: began, End: began.Add(-time.Hour)}
	for name, ask := range map[string]*meterv1.ReportUsageRequest{
		"to": {To: timestamppb.New(began.Add(-time.Hour))}, "from": {From: timestamppb.New(began)},
	} {
		ask.OrganizationId, ask.GroupBy = "acme", meterv1.UsageGrouping_USAGE_GROUPING_DAY
		_, err := a.usage.ReportUsage(t.Context(), ask)
		if err == nil || !strings.Contains(err.Error(), name+" ") {
			t.Errorf("with %s alone: %v", name, err)
		}
	}
}

// TestReportMessages tells every figure in its place.
func TestReportMessages(t *testing.T) {
	balance := meter.Micros(30)
	row := usageRowMessage(meter.UsageRow{
		Value: "v", DisplayName: "d", Day: meter.Span{Start: time.Unix(1, 0), End: time.Unix(2, 0)}, Balance: &balance,
		UsageFigures: meter.UsageFigures{
			Turns: 1, Failed: 2, Expired: 3, Late: 4, Refused: meter.Refused{0, 5, 0, 0, 0, 0, 6},
			Tokens: meter.TokenUsage{Input: 7, CachedInput: 8, CacheWrite: 9, Output: 10, Reasoning: 11}, Allowance: 12, Pool: 13,
			Overrun: 14,
		},
	})
	want := &meterv1.UsageRow{
		Value: "v", DisplayName: "d", StartsAt: &timestamppb.Timestamp{Seconds: 1}, EndsAt: &timestamppb.Timestamp{Seconds: 2},
		PoolBalanceMicros: proto.Int64(30), Figures: &meterv1.UsageFigures{
			Turns: 1, FailedTurns: 2, ExpiredTurns: 3, LateTurns: 4, RefusedTurns: 11,
			Refusals:        []*meterv1.RefusedTurns{{Reason: "MEMBER_REMOVED", Turns: 5}, {Reason: "INDIVIDUAL_EXHAUSTED", Turns: 6}},
			TokenUsage:      &meterv1.TokenUsage{InputTokens: 7, CachedInputTokens: 8, CacheWriteTokens: 9, OutputTokens: 10, ReasoningTokens: 11},
			AllowanceMicros: 12, PoolMicros: 13, OverrunMicros: 14, ActualMicros: 39,
		},
	}
	if !proto.Equal(row, want) {
		t.Errorf("got  %v\nwant %v", row, want)
	}
}

func TestRunwayMessages(t *testing.T) {
	a := serve(t)
	zone, err := meter.LoadZone("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 31, 16, 0, 0, 0, time.UTC)
	a.memory.runway = meter.Runway{
		Unit: meter.UnitACU, Zone: zone, Balance: 5, EmptyAt: noon, ResetsAt: noon.Add(1), Stopped: 7,
		Basis: meter.RunwayBasis{Span: meter.Span{Start: noon, End: noon.Add(2)}, Turns: 8, Pool: 9, Daily: 10, At: noon.Add(3)},
		Seats: []meter.SeatRunway{
			{
				MemberID: "ada", DisplayName: "Ada", Access: meter.Access{Kind: meter.AccessCapped, Cap: 11}, Daily: 12, Remaining: 13,
				AllowanceAt: noon, CapRemaining: 0, CapAt: noon.Add(4), StoppedAt: noon.Add(5), StoppedBy: meter.MemberCapReached,
			},
			{MemberID: "bo", Access: meter.Access{Kind: meter.AccessNone}},
		},
		Drawing: 8, DrawingSeats: []meter.SeatRunway{{MemberID: "cy", Access: meter.Access{Kind: meter.AccessUnlimited}, AllowanceAt: noon}},
	}
	answer, err := a.usage.EstimateRunway(t.Context(), &meterv1.EstimateRunwayRequest{OrganizationId: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	moment := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(noon.Add(d)) }
	want := &meterv1.Runway{
		OrganizationId: "acme", Unit: meterv1.Unit_UNIT_ACU, PoolBalanceMicros: 5, PoolEmptyAt: moment(0),
		PoolEmptyOn: &meterv1.Date{Year: 2026, Month: 4, Day: 1}, ResetsAt: moment(1), StoppedSeats: 7,
		Basis: &meterv1.RunwayBasis{
			From: moment(0), To: moment(2), Days: 14, Turns: 8, PoolMicros: 9, DailyPoolMicros: 10, GeneratedAt: moment(3),
			TimeZone: "Asia/Tokyo",
		},
		Seats: []*meterv1.SeatRunway{
			{
				MemberId: "ada", DisplayName: "Ada", Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 11},
				DailyMicros: 12, AllowanceRemainingMicros: 13, AllowanceExhaustedAt: moment(0), CapRemainingMicros: proto.Int64(0),
				CapReachedAt: moment(4), StoppedAt: moment(5), StoppedBy: "MEMBER_CAP_REACHED",
			},
			{MemberId: "bo", Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_NONE}},
		},
		DrawingSeatsCount: 8,
		DrawingSeats: []*meterv1.SeatRunway{{
			MemberId: "cy", Access: &meterv1.Access{Kind: meterv1.AccessKind_ACCESS_KIND_UNLIMITED}, AllowanceExhaustedAt: moment(0),
		}},
	}
	if !proto.Equal(answer.GetRunway(), want) {
		t.Errorf("got  %v\nwant %v", answer.GetRunway(), want)
	}
}
