package export

import (
	"context"
	"io"

	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// statementColumns are those of a ledger. pool_change is what an entry did to the pool, with its sign, and pool_balance what
// that left.
var statementColumns = []string{
	"sequence", "at", "kind", "amount", "pool_change", "pool_balance", "member_id", "reservation_id", "request_id", "reference",
	"top_up_request_id",
}

// Statement writes a ledger, or what a request narrows it to, from its first page to its last. What was written when it fails
// is not the whole of it.
func Statement(
	ctx context.Context, client meterv1.PoolServiceClient, request *meterv1.ListLedgerEntriesRequest, w io.Writer,
) error {
	t, err := begin(w, statementColumns)
	if err != nil {
		return err
	}
	request = proto.CloneOf(request)
	request.PageSize = pageSize
	return t.pages(ctx, func(token string) ([][]string, string, error) {
		request.PageToken = token
		page, err := client.ListLedgerEntries(ctx, request)
		var rows [][]string
		for _, e := range page.GetEntries() {
			rows = append(rows, []string{
				number(e.GetSequence()), moment(e.GetAt()), name(e.GetKind(), "LEDGER_ENTRY_KIND_"), amount(e.GetAmountMicros()),
				amount(poolChange(e)), amount(e.GetPoolBalanceAfterMicros()), text(e.GetMemberId()), text(e.GetReservationId()),
				text(e.GetRequestId()), text(e.GetReference()), text(e.GetTopUpRequestId()),
			})
		}
		return rows, page.GetNextPageToken(), err
	})
}

func poolChange(e *meterv1.LedgerEntry) int64 {
	switch e.GetKind() {
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP:
		return e.GetAmountMicros()
	case meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_REFUND, meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_POOL_CHARGE:
		return -e.GetAmountMicros()
	default: // What the allowance paid leaves the pool as it is.
		return 0
	}
}
