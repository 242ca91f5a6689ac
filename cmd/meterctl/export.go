package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/dial"
	"github.com/spillway-metering/spillway/internal/export"
	"github.com/spillway-metering/spillway/internal/meter"
)

// exportCommand is `meterctl export`.
type exportCommand struct {
	Usage     exportUsageCommand     `cmd:"" help:"What turns used and cost, by day, member, model, conversation or a label."`
	Statement exportStatementCommand `cmd:"" help:"The ledger with its running balance."`
	Members   exportMembersCommand   `cmd:"" help:"The members with their access and what they drew from the pool."`
}

// exported are the flags of every export.
type exported struct {
	Organization string `arg:"" help:"Organization whose table to write."`
	Out          string `placeholder:"FILE" help:"File to write, whole or not at all. Unless given, stdout."`
	dial.Server
}

// span are the flags of an export of a time.
type span struct {
	From point `placeholder:"TIME" help:"Start, inclusive: a date of the organization's time zone such as 2026-03-01, or a moment such as 2026-03-01T08:00:00Z."`
	To   point `placeholder:"TIME" help:"End, exclusive."`
}

type exportUsageCommand struct {
	exported
	span
	By    grouping `default:"day" help:"Rows: day, member, model, conversation or label:NAME (${default})."`
	Order string   `enum:"value,cost" default:"value" help:"Order of the rows: ${enum} (${default})."`
}

type exportStatementCommand struct {
	exported
	span
	Kinds []string `enum:"top-up,refund,pool-charge,allowance-charge" placeholder:"KIND" help:"Only entries of these kinds: ${enum}."`
}

type exportMembersCommand struct{ exported }

// Run is called by kong. Unless a span is given, it is the running period.
func (c *exportUsageCommand) Run(ctx context.Context, to terminal) error {
	return c.write(to, func(conn *grpc.ClientConn, w io.Writer) error {
		request := &meterv1.ReportUsageRequest{
			OrganizationId: c.Organization, GroupBy: c.By.group, LabelKey: c.By.label,
			Order: map[string]meterv1.UsageOrder{"cost": meterv1.UsageOrder_USAGE_ORDER_BY_COST}[c.Order],
		}
		client := meterv1.NewUsageServiceClient(conn)
		var err error
		if request.From, request.To, err = c.moments(ctx, client, c.Organization); err != nil {
			return err
		}
		return export.Usage(ctx, client, request, w)
	})
}

// Run is called by kong. Unless a span is given, it is the whole ledger.
func (c *exportStatementCommand) Run(ctx context.Context, to terminal) error {
	return c.write(to, func(conn *grpc.ClientConn, w io.Writer) error {
		request := &meterv1.ListLedgerEntriesRequest{OrganizationId: c.Organization}
		for _, kind := range c.Kinds {
			value := "LEDGER_ENTRY_KIND_" + strings.ToUpper(strings.ReplaceAll(kind, "-", "_"))
			request.Kinds = append(request.Kinds, meterv1.LedgerEntryKind(meterv1.LedgerEntryKind_value[value]))
		}
		var err error
		request.From, request.To, err = c.moments(ctx, meterv1.NewUsageServiceClient(conn), c.Organization)
		if err != nil {
			return err
		}
		return export.Statement(ctx, meterv1.NewPoolServiceClient(conn), request, w)
	})
}

// Run is called by kong.
func (c *exportMembersCommand) Run(ctx context.Context, to terminal) error {
	return c.write(to, func(conn *grpc.ClientConn, w io.Writer) error {
		return export.Members(ctx, meterv1.NewOrganizationServiceClient(conn), c.Organization, w)
	})
}

// comeAgain asks again for a page while the server is busy, or away for a moment: an export takes many.
const comeAgain = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.2s",
	"maxBackoff": "5s", "backoffMultiplier": 3, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// write writes a table to stdout, or to a file that appears once it is whole.
func (e *exported) write(
	to terminal, table func(conn *grpc.ClientConn, w io.Writer) error,
) (err error) {
	options, err := e.Options()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(e.Address, append(options, grpc.WithDefaultServiceConfig(comeAgain))...)
	if err != nil {
		return fmt.Errorf("--address %s: %w", e.Address, err)
	}
	defer func() { _ = conn.Close() }()
	if e.Out == "" {
		return table(conn, to.stdout)
	}
	return writeWhole(e.Out, func(w io.Writer) error { return table(conn, w) })
}

// writeWhole writes a file beside the one that is asked for, and puts it in that one's place once it is on disk. What fails
// leaves that one as it was.
func writeWhole(path string, write func(w io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	err = errors.Join(write(file), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// moments are a span's ends. For a date the organization's time zone is asked.
func (s span) moments(
	ctx context.Context, client meterv1.UsageServiceClient, organization string,
) (from, to *timestamppb.Timestamp, err error) {
	var zone *time.Location
	if s.From.date.Valid() || s.To.date.Valid() {
		if zone, err = zoneOf(ctx, client, organization); err != nil {
			return nil, nil, err
		}
	}
	return s.From.moment(zone), s.To.moment(zone), nil
}

func zoneOf(ctx context.Context, client meterv1.UsageServiceClient, organization string) (*time.Location, error) {
	report, err := client.ReportUsage(ctx, &meterv1.ReportUsageRequest{
		OrganizationId: organization, GroupBy: meterv1.UsageGrouping_USAGE_GROUPING_DAY, PageSize: 1,
	})
	if err != nil {
		return nil, err
	}
	return meter.LoadZone(report.GetTimeZone())
}

// point is a date, a moment, or neither.
type point struct {
	date meter.Date
	at   time.Time
}

// UnmarshalText reads 2026-03-01 or 2026-03-01T08:00:00Z.
func (p *point) UnmarshalText(text []byte) error {
	if day, err := time.Parse(time.DateOnly, string(text)); err == nil {
		p.date = meter.DateOf(day, time.UTC)
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a date such as 2026-03-01 nor a moment such as 2026-03-01T08:00:00Z", text)
	}
	p.at = at
	return nil
}

func (p point) moment(zone *time.Location) *timestamppb.Timestamp {
	switch {
	case p.date.Valid():
		return timestamppb.New(p.date.StartIn(zone))
	case !p.at.IsZero():
		return timestamppb.New(p.at)
	}
	return nil
}

// grouping is what a report has rows of.
type grouping struct {
	group meterv1.UsageGrouping
	label string
}

// UnmarshalText reads a grouping's name, or label:NAME.
func (g *grouping) UnmarshalText(text []byte) error {
	name, label, labelled := strings.Cut(string(text), ":")
	g.group = meterv1.UsageGrouping(meterv1.UsageGrouping_value["USAGE_GROUPING_"+strings.ToUpper(name)])
	g.label = label
	isLabel := g.group == meterv1.UsageGrouping_USAGE_GROUPING_LABEL
	if g.group == 0 || isLabel != labelled || isLabel && label == "" {
		return fmt.Errorf("%q is none of day, member, model, conversation and label:NAME", text)
	}
	return nil
}
