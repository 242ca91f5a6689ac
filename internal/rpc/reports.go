package rpc

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// ReportUsage answers what turns used, cost and were refused for.
func (s *usage) ReportUsage(
	ctx context.Context, in *meterv1.ReportUsageRequest,
) (*meterv1.ReportUsageResponse, error) {
	l, q, err := usageQuery(in)
	if err != nil {
		return nil, err
	}
	report, err := s.Reader.Usage(ctx, q)
	if err != nil {
		return nil, err
	}
	if !report.Span.Start.Before(report.Span.End) {
		return nil, emptySpan(in)
	}
	next := reportPlace{report.AsOf, report.Span, q.Offset + pageSize(in)}
	rows, token := page(l, in, report.Rows, func(meter.UsageRow) string { return next.String() })
	return usageReportMessage(q, report, rows, token), nil
}

// emptySpan refuses a span of which one end was given, on the wrong side of the running period's.
func emptySpan(in *meterv1.ReportUsageRequest) error {
	var wrong *FieldError
	if in.GetTo() == nil {
		return wrong.and("from", "must be before the running period ends, or set to, too")
	}
	return wrong.and("to", "must be after the running period begins, or set from, too")
}

// defaultRunwayDays is how many days an estimate looks back unless it is told.
const defaultRunwayDays = 14

// EstimateRunway estimates when the pool runs empty, and who would be stopped first.
func (s *usage) EstimateRunway(
	ctx context.Context, in *meterv1.EstimateRunwayRequest,
) (*meterv1.EstimateRunwayResponse, error) {
	days := int(in.GetDays())
	if days == 0 {
		days = defaultRunwayDays
	}
	runway, err := s.Reader.Runway(ctx, in.GetOrganizationId(), days)
	if err != nil {
		return nil, err
	}
	return &meterv1.EstimateRunwayResponse{Runway: runwayMessage(runway)}, nil
}

// usageQuery is what a request asks to report.
func usageQuery(in *meterv1.ReportUsageRequest) (listing, meter.UsageQuery, error) {
	q := meter.UsageQuery{
		OrganizationID: in.GetOrganizationId(), Grouping: number[meter.UsageGrouping](in.GetGroupBy()),
		LabelKey: in.GetLabelKey(), ByCost: in.GetOrder() == meterv1.UsageOrder_USAGE_ORDER_BY_COST, Limit: limit(in),
	}
	if wrong := usageFaults(in); wrong != nil {
		return "", q, wrong.merged(pageFaults(in))
	}
	q.Span, _ = spanOf(in.GetFrom(), in.GetTo())
	l := list("ReportUsage", q.OrganizationID, q.Span.Start.String(), q.Span.End.String(), in.GetGroupBy().String(), q.LabelKey,
		strconv.FormatBool(q.ByCost))
	place, err := l.afterPlace(in)
	if place != (reportPlace{}) {
		q.AsOf, q.Span, q.Offset = place.asOf, place.span, place.offset
	}
	return l, q, err
}

func usageFaults(in *meterv1.ReportUsageRequest) *FieldError {
	_, wrong := spanOf(in.GetFrom(), in.GetTo())
	switch isLabel := in.GetGroupBy() == meterv1.UsageGrouping_USAGE_GROUPING_LABEL; {
	case isLabel && in.GetLabelKey() == "":
		wrong = wrong.andAgainst("group_by", "label_key", "must be the name of the label")
	case !isLabel && in.GetLabelKey() != "":
		wrong = wrong.andAgainst("group_by", "label_key", "must not be set but for a label")
	}
	return wrong
}

// reportPlace is where a page of a report begins. The pages of a report tell of one moment and one span.
type reportPlace struct {
	asOf   meter.UsageMark
	span   meter.Span
	offset int
}

// String is the place as the key of a page token.
func (p reportPlace) String() string {
	return fmt.Sprintf("%d.%d.%d.%d.%d", p.asOf.Ledger, p.asOf.Uncharged, p.span.Start.UnixMicro(), p.span.End.UnixMicro(),
		p.offset)
}

// afterPlace is the place at which a page of a report begins; zero: this is the first page.
func (l listing) afterPlace(in paged) (reportPlace, error) {
	key, err := l.after(in)
	if err != nil || key == "" {
		return reportPlace{}, err
	}
	var numbers [5]int64
	parts := strings.Split(key, ".")
	for i := range min(len(parts), len(numbers)) {
		numbers[i], _ = strconv.ParseInt(parts[i], 10, 64) // What is none does not come out the same below.
	}
	place := reportPlace{
		asOf:   meter.UsageMark{Ledger: numbers[0], Uncharged: numbers[1]},
		span:   meter.Span{Start: time.UnixMicro(numbers[2]).UTC(), End: time.UnixMicro(numbers[3]).UTC()},
		offset: int(numbers[4]),
	}
	if place.String() != key || place.asOf.Ledger < 0 || place.asOf.Uncharged < 0 || place.offset < 1 ||
		!inRange(place.span.Start) || !inRange(place.span.End) {
		return reportPlace{}, wrongToken()
	}
	return place, nil
}

// inRange says whether a moment can be told in the contract.
func inRange(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

// spanOf is a span as the rules take it; an end that is not said is zero. Moments are kept in whole microseconds, so an end
// that lies between two is the next one: there is nothing between.
func spanOf(from, to *timestamp) (span meter.Span, wrong *FieldError) {
	for _, end := range []struct {
		name string
		said *timestamp
		kept *time.Time
	}{{"from", from, &span.Start}, {"to", to, &span.End}} {
		if end.said == nil {
			continue
		}
		if !end.said.IsValid() {
			wrong = wrong.and(end.name, requireTime)
			continue
		}
		*end.kept = momentOf(end.said)
		if next := end.kept.Add(resolution); inRange(next) && (end.kept.Before(end.said.AsTime()) || end.kept.IsZero()) {
			*end.kept = next
		}
	}
	if !span.Start.IsZero() && !span.End.IsZero() && !span.Start.Before(span.End) {
		wrong = wrong.and("to", "must be after from")
	}
	return span, wrong
}
