package export

import (
	"context"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// refusals are the reasons for which a turn can be refused, each with a column of its own.
var refusals = []string{
	"ORGANIZATION_SUSPENDED", "MEMBER_REMOVED", "ABUSE_LIMIT", "EXTRA_USAGE_NOT_ENABLED", "POOL_EMPTY", "MEMBER_CAP_REACHED",
	"INDIVIDUAL_EXHAUSTED",
}

// usageColumns are those of a report. The column group says what value is of: member, model, day, conversation, label; or
// unlabelled, in the last row of a report by label, which is for the turns without it.
var usageColumns = slices.Concat(
	[]string{
		"group", "value", "display_name", "day_starts_at", "day_ends_at", "turns", "failed_turns", "expired_turns", "late_turns",
		"refused_turns",
	},
	lower("refused_", refusals),
	[]string{
		"input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "unit", "allowance",
		"pool", "overrun", "actual", "pool_balance",
	})

// Usage writes a report, from its first page to its last, whatever page the request names. What was written when it fails is
// not the whole of it.
func Usage(
	ctx context.Context, client meterv1.UsageServiceClient, request *meterv1.ReportUsageRequest, w io.Writer,
) error {
	t, err := begin(w, usageColumns)
	if err != nil {
		return err
	}
	request = proto.CloneOf(request)
	request.PageSize = pageSize
	return t.pages(ctx, func(token string) ([][]string, string, error) {
		request.PageToken = token
		page, err := client.ReportUsage(ctx, request)
		if err != nil {
			return nil, "", err
		}
		group, unit := name(request.GetGroupBy(), "USAGE_GROUPING_"), strings.TrimPrefix(page.GetUnit().String(), "UNIT_")
		var rows [][]string
		for _, row := range page.GetRows() {
			rows = append(rows, usageRow(group, unit, row))
		}
		if page.GetUnlabelled() != nil && page.GetNextPageToken() == "" {
			rows = append(rows, usageRow("unlabelled", unit, &meterv1.UsageRow{Figures: page.GetUnlabelled()}))
		}
		return rows, page.GetNextPageToken(), nil
	})
}

func usageRow(group, unit string, row *meterv1.UsageRow) []string {
	f := row.GetFigures()
	tokens := f.GetTokenUsage()
	cells := []string{
		group, text(row.GetValue()), text(row.GetDisplayName()), moment(row.GetStartsAt()), moment(row.GetEndsAt()),
		number(f.GetTurns()), number(f.GetFailedTurns()), number(f.GetExpiredTurns()), number(f.GetLateTurns()),
		number(f.GetRefusedTurns()),
	}
	refused := map[string]int64{}
	for _, r := range f.GetRefusals() {
		refused[r.GetReason()] = r.GetTurns()
	}
	for _, reason := range refusals {
		cells = append(cells, number(refused[reason]))
	}
	return append(cells,
		number(tokens.GetInputTokens()), number(tokens.GetCachedInputTokens()), number(tokens.GetCacheWriteTokens()),
		number(tokens.GetOutputTokens()), number(tokens.GetReasoningTokens()), unit, amount(f.GetAllowanceMicros()),
		amount(f.GetPoolMicros()), amount(f.GetOverrunMicros()), amount(f.GetActualMicros()),
		optionalAmount(row.PoolBalanceMicros))
}

func lower(prefix string, names []string) []string {
	columns := make([]string, len(names))
	for i, n := range names {
		columns[i] = prefix + strings.ToLower(n)
	}
	return columns
}
