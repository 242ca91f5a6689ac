package e2e

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

// TestAHundredDevices: of two hundred that are registered at the same time, a plan for a hundred lets in exactly those.
func TestAHundredDevices(t *testing.T) {
	t.Parallel()
	const wanting, most = 200, 100
	url := postgres.Database(t)
	c := dial(t, start(t, "--database-url="+url).address)
	c.furnish(t, firm{id: "acme"})
	must(c.PutPlan(t.Context(), &meterv1.PutPlanRequest{Plan: &meterv1.Plan{
		PlanId: "acme", Kind: meterv1.PlanKind_PLAN_KIND_TEAM, Limits: &meterv1.PlanLimits{Devices: proto.Int64(most)},
	}}))(t)
	register := func(resource meterv1.Resource, id, parent string) (*meterv1.RegisterResourceResponse, error) {
		return c.RegisterResource(t.Context(), &meterv1.RegisterResourceRequest{
			OrganizationId: "acme", Resource: resource, ResourceId: id, ParentId: parent,
		})
	}
	must(register(meterv1.Resource_RESOURCE_ORCHESTRATOR, "plant", ""))(t)
	var let, refused atomic.Int64
	var calling sync.WaitGroup
	for i := range wanting {
		calling.Go(func() {
			_, err := register(meterv1.Resource_RESOURCE_DEVICE, fmt.Sprint("device-", i), "plant")
			switch {
			case err == nil:
				let.Add(1)
			case reasonOf(err) == "PLAN_LIMIT_REACHED":
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	calling.Wait()
	rows := must(c.GetPlanUsage(t.Context(), &meterv1.GetPlanUsageRequest{OrganizationId: "acme"}))(t).GetRows()
	if let.Load() != most || refused.Load() != wanting-most || rows[1].GetUsed() != most || !rows[1].GetAtLimit() {
		t.Errorf("%d were let in, %d refused, and the row is %v", let.Load(), refused.Load(), rows[1])
	}
	if rows[0].Allowed != nil || rows[0].GetUsed() != 1 || rows[0].GetAtLimit() {
		t.Errorf("of what is unlimited the row is %v", rows[0])
	}
	gone := must(c.UnregisterResource(t.Context(), &meterv1.UnregisterResourceRequest{
		OrganizationId: "acme", Resource: meterv1.Resource_RESOURCE_ORCHESTRATOR, ResourceId: "plant",
	}))(t)
	if rows := gone.GetRows(); rows[0].GetUsed() != 0 || rows[1].GetUsed() != 0 {
		t.Errorf("without the orchestrator there are %v", rows)
	}
	again := must(c.RecountPlanUsage(t.Context(), &meterv1.RecountPlanUsageRequest{OrganizationId: "acme"}))(t)
	if len(again.GetCorrections()) > 0 || len(again.GetRows()) != 3 {
		t.Errorf("a recount says %v", again)
	}
	audittest.Check(t, url)
}
