package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// exporting serves a report, a ledger and members of one row each; nobody has another organization.
type exporting struct {
	meterv1.UnimplementedUsageServiceServer
	meterv1.UnimplementedPoolServiceServer
	meterv1.UnimplementedOrganizationServiceServer
	reported *meterv1.ReportUsageRequest
	listed   *meterv1.ListLedgerEntriesRequest
	busy     int // How many calls for members are turned away before one is answered.
}

func (e *exporting) ReportUsage(_ context.Context, in *meterv1.ReportUsageRequest) (*meterv1.ReportUsageResponse, error) {
	if in.GetOrganizationId() != "acme" {
		return nil, status.Error(codes.NotFound, "no such organization")
	}
	e.reported = in
	return &meterv1.ReportUsageResponse{
		Rows: []*meterv1.UsageRow{{Value: "ada", Figures: &meterv1.UsageFigures{Turns: 3}}}, TimeZone: "Europe/Berlin",
	}, nil
}

func (e *exporting) ListLedgerEntries(
	_ context.Context, in *meterv1.ListLedgerEntriesRequest,
) (*meterv1.ListLedgerEntriesResponse, error) {
	e.listed = in
	return &meterv1.ListLedgerEntriesResponse{Entries: []*meterv1.LedgerEntry{{Sequence: 1}}}, nil
}

func (e *exporting) ListMembers(context.Context, *meterv1.ListMembersRequest) (*meterv1.ListMembersResponse, error) {
	if e.busy > 0 {
		e.busy--
		return nil, status.Error(codes.Unavailable, "busy")
	}
	return &meterv1.ListMembersResponse{Members: []*meterv1.Member{{MemberId: "ada"}}}, nil
}

// serveExports answers the address of such a server.
func serveExports(t *testing.T) (*exporting, string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, server := &exporting{}, grpc.NewServer()
	meterv1.RegisterUsageServiceServer(server, e)
	meterv1.RegisterPoolServiceServer(server, e)
	meterv1.RegisterOrganizationServiceServer(server, e)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return e, listener.Addr().String()
}

// TestExports writes each table, to stdout and to a file.
func TestExports(t *testing.T) {
	_, address := serveExports(t)
	for table, want := range map[string]string{
		"usage": "day,ada,,,,3,", "statement": "1,,unspecified,0.000000", "members": "ada,,,unspecified",
	} {
		out, _, err := call(t.Context(), "export", table, "acme", "--address", address)
		if err != nil || strings.Count(out, "\r\n") != 2 || !strings.Contains(out, "\r\n"+want) {
			t.Errorf("%s: got %q, %v", table, out, err)
		}
		file := filepath.Join(t.TempDir(), table+".csv")
		told, _, err := call(t.Context(), "export", table, "acme", "--address", address, "--out", file)
		written, readErr := os.ReadFile(file)
		if err != nil || readErr != nil || told != "" || string(written) != out {
			t.Errorf("%s in a file: got %q, %v, %v, and was told %q", table, written, err, readErr, told)
		}
	}
}

// TestExportsComeAgain goes on where the server is busy for a while.
func TestExportsComeAgain(t *testing.T) {
	e, address := serveExports(t)
	e.busy = 2
	out, _, err := call(t.Context(), "export", "members", "acme", "--address", address)
	if err != nil || !strings.Contains(out, "ada") || e.busy != 0 {
		t.Errorf("got %q, %v, with %d calls turned away too few", out, err, e.busy)
	}
}

// TestExportsAskWhatTheyAreTold reads dates in the organization's zone, and moments as they are.
func TestExportsAskWhatTheyAreTold(t *testing.T) {
	e, address := serveExports(t)
	_, _, err := call(t.Context(), "export", "usage", "acme", "--address", address, "--by", "label:team", "--order", "cost",
		"--from", "2026-03-29", "--to", "2026-03-30")
	if r := e.reported; err != nil || r.GetGroupBy() != meterv1.UsageGrouping_USAGE_GROUPING_LABEL || r.GetLabelKey() != "team" ||
		r.GetOrder() != meterv1.UsageOrder_USAGE_ORDER_BY_COST || r.GetFrom().AsTime().Format("02T15") != "28T23" ||
		r.GetTo().AsTime().Format("02T15") != "29T22" {
		t.Errorf("it asks %v, %v", r, err)
	}
	_, _, err = call(t.Context(), "export", "statement", "acme", "--address", address, "--kinds", "top-up,pool-charge",
		"--from", "2026-03-29T12:00:00+02:00")
	if l := e.listed; err != nil || len(l.GetKinds()) != 2 || l.GetKinds()[1] != meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_POOL_CHARGE ||
		l.GetFrom().AsTime().Format("02T15") != "29T10" || l.GetTo() != nil {
		t.Errorf("it asks %v, %v", l, err)
	}
	for _, wrong := range [][]string{{"--by", "label"}, {"--by", "day:x"}, {"--by", "year"}, {"--by", "unspecified"}, {"--from", "yesterday"}} {
		if _, _, err := call(t.Context(), append([]string{"export", "usage", "acme", "--address", address}, wrong...)...); err == nil ||
			!strings.Contains(err.Error(), wrong[0]) {
			t.Errorf("%v is told as %v", wrong, err)
		}
	}
}

// TestExportsAreWholeOrNotAtAll leaves what was there, and nothing beside it, when an export fails.
func TestExportsAreWholeOrNotAtAll(t *testing.T) {
	_, address := serveExports(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "usage.csv")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := call(t.Context(), "export", "usage", "nobody", "--address", address, "--out", file); err == nil {
		t.Error("an export of nobody passes")
	}
	broken := errors.New("broken")
	if err := writeWhole(file, func(w io.Writer) error { _, _ = w.Write([]byte("half")); return broken }); !errors.Is(err, broken) {
		t.Errorf("half a file is told as %v", err)
	}
	left, err := os.ReadDir(dir)
	if written, _ := os.ReadFile(file); err != nil || len(left) != 1 || string(written) != "before" {
		t.Errorf("there are %v, with %q", left, written)
	}
}
