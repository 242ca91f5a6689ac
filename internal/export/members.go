package export

import (
	"context"
	"io"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// memberColumns are those of the members' table. An empty allowance is the plan's; amounts are in the organization's unit.
var memberColumns = []string{
	"member_id", "display_name", "email", "role", "state", "allowance", "access", "cap", "pool_used_period",
	"pool_used_lifetime",
}

// Members writes an organization's members. What was written when it fails is not the whole of it.
func Members(
	ctx context.Context, client meterv1.OrganizationServiceClient, organizationID string, w io.Writer,
) error {
	t, err := begin(w, memberColumns)
	if err != nil {
		return err
	}
	return t.pages(ctx, func(token string) ([][]string, string, error) {
		page, err := client.ListMembers(ctx, &meterv1.ListMembersRequest{
			OrganizationId: organizationID, PageSize: pageSize, PageToken: token,
		})
		var rows [][]string
		for _, m := range page.GetMembers() {
			rows = append(rows, []string{
				text(m.GetMemberId()), text(m.GetDisplayName()), text(m.GetEmail()), name(m.GetRole(), "ROLE_"),
				name(m.GetState(), "MEMBER_STATE_"), optionalAmount(m.AllowanceMicros),
				name(m.GetAccess().GetKind(), "ACCESS_KIND_"), capOf(m.GetAccess()), amount(m.GetPoolUsedPeriodMicros()),
				amount(m.GetPoolUsedLifetimeMicros()),
			})
		}
		return rows, page.GetNextPageToken(), err
	})
}

func capOf(a *meterv1.Access) string {
	if a.GetKind() != meterv1.AccessKind_ACCESS_KIND_CAPPED {
		return ""
	}
	return amount(a.GetCapMicros())
}
