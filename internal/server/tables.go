package server

import (
	"context"
	"io"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/console"
	"github.com/spillway-metering/spillway/internal/export"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// tables are what can be downloaded from the page. They ask the edge on behalf of who downloads.
func (e *Edge) tables() map[string]console.Table {
	return map[string]console.Table{
		"usage.csv": func(ctx context.Context, organizationID string, query url.Values, w io.Writer) error {
			request, err := usageRequest(organizationID, query)
			if err != nil {
				return err
			}
			return export.Usage(ctx, meterv1.NewUsageServiceClient(e.direct), request, w)
		},
		"statement.csv": func(ctx context.Context, organizationID string, query url.Values, w io.Writer) error {
			request, err := statementRequest(organizationID, query)
			if err != nil {
				return err
			}
			return export.Statement(ctx, meterv1.NewPoolServiceClient(e.direct), request, w)
		},
		"members.csv": func(ctx context.Context, organizationID string, _ url.Values, w io.Writer) error {
			return export.Members(ctx, meterv1.NewOrganizationServiceClient(e.direct), organizationID, w)
		},
	}
}

// usageRequest reads from, to, group_by (DAY unless it says otherwise) and label_key.
func usageRequest(organizationID string, query url.Values) (request *meterv1.ReportUsageRequest, err error) {
	request = &meterv1.ReportUsageRequest{
		OrganizationId: organizationID, LabelKey: query.Get("label_key"), GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_DAY,
	}
	if by := query.Get("group_by"); by != "" {
		request.GroupBy = meterv1.UsageGrouping(meterv1.UsageGrouping_value["USAGE_GROUPING_"+strings.TrimPrefix(by, "USAGE_GROUPING_")])
	}
	request.From, request.To, err = spanOf(query)
	return request, err
}

// statementRequest reads from, to, and kind as often as it is given.
func statementRequest(organizationID string, query url.Values) (request *meterv1.ListLedgerEntriesRequest, err error) {
	request = &meterv1.ListLedgerEntriesRequest{OrganizationId: organizationID}
	for _, kind := range query["kind"] {
		name := "LEDGER_ENTRY_KIND_" + strings.TrimPrefix(kind, "LEDGER_ENTRY_KIND_")
		request.Kinds = append(request.Kinds, meterv1.LedgerEntryKind(meterv1.LedgerEntryKind_value[name]))
	}
	request.From, request.To, err = spanOf(query)
	return request, err
}

func spanOf(query url.Values) (from, to *timestamppb.Timestamp, err error) {
	if from, err = momentOf(query, "from"); err != nil {
		return nil, nil, err
	}
	to, err = momentOf(query, "to")
	return from, to, err
}

// momentOf is a moment of the query; nil: there is none.
func momentOf(query url.Values, name string) (*timestamppb.Timestamp, error) {
	text := query.Get(name)
	if text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, rpc.Unreadable("must have a moment such as 2026-03-01T08:00:00Z for " + name)
	}
	return timestamppb.New(at), nil
}
