package postgres_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

func registering(kind meter.ResourceKind, id, parent string) meter.RegisterResource {
	return meter.RegisterResource{OrganizationID: firm, Kind: kind, ID: id, ParentID: parent, Active: true}
}

// limitDevices puts the firm's plan at so many devices.
func limitDevices(t testing.TB, store *postgres.Store, most int64) meter.Plan {
	t.Helper()
	plan := teamPlan()
	plan.Limits.Devices = &most
	must(t, store.PutPlan(within(t), plan, meter.Actor{}))
	return plan
}

// TestALimitIsExact: two hundred at once, through lanes of two processes, want to be among a hundred.
func TestALimitIsExact(t *testing.T) {
	t.Parallel()
	const wanting, most, lanes = 200, 100, 8
	store := open(t)
	found(t, store, firm).do(registering(meter.ResourceOrchestrator, "plant", ""))
	limitDevices(t, store, most)
	other := openAt(t, postgres.Config{URL: store.Writers().ConnString(), TestClock: true})
	var registered, refused atomic.Int64
	var working sync.WaitGroup
	for n := range lanes {
		l := newLane(t, []*postgres.Store{store, other}[n%2])
		working.Go(func() {
			for i := n; i < wanting; i += lanes {
				answers, err := l.try(registering(meter.ResourceDevice, fmt.Sprint("device-", i), "plant"))
				switch {
				case err != nil:
					t.Error(err)
				case reasonOf(answers[0].Err) == meter.PlanLimitReached:
					refused.Add(1)
				case answers[0].Err == nil:
					registered.Add(1)
				}
			}
		})
	}
	working.Wait()
	rows, err := store.PlanUsage(within(t), firm)
	must(t, err)
	if registered.Load() != most || refused.Load() != wanting-most || rows[1].Used != most || !rows[1].AtLimit() {
		t.Errorf("%d were registered, %d refused, and used are %+v", registered.Load(), refused.Load(), rows[1])
	}
	audittest.Check(t, store.Writers().ConnString())
}

// TestResourcesAreStored: what is registered is found by the next batch, an orchestrator's devices go with it, and a recount
// mends a count that somebody changed.
func TestResourcesAreStored(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm, "other")
	plan := limitDevices(t, store, 3)
	l.do(registering(meter.ResourceOrchestrator, "plant", ""), registering(meter.ResourceOrchestrator, "mill", ""))
	l.do(registering(meter.ResourceDevice, "press", "plant"), registering(meter.ResourceDevice, "saw", "mill"),
		registering(meter.ResourceDevice, "drill", "plant"))
	answers, err := l.try(registering(meter.ResourceDevice, "lathe", "mill"))
	must(t, err)
	var refusal *meter.Refusal
	if !errors.As(answers[0].Err, &refusal) || refusal.Facts["used"] != "3" || refusal.Facts["allowed"] != "3" {
		t.Errorf("got %v", answers[0].Err)
	}
	used := func(orchestrators, devices int64) {
		t.Helper()
		rows, err := store.PlanUsage(within(t), firm)
		must(t, err)
		want := meter.PlanUsageOf(plan, map[meter.ResourceKind]int64{
			meter.ResourceOrchestrator: orchestrators, meter.ResourceDevice: devices,
		})
		if !reflect.DeepEqual(rows, want) {
			t.Errorf("used are %+v, not %+v", rows, want)
		}
	}
	used(2, 3)
	l.do(meter.UnregisterResource{OrganizationID: firm, Kind: meter.ResourceOrchestrator, ID: "plant"})
	used(1, 1)
	exec(t, connect(t, store), "UPDATE resource_count SET used = used + 7 WHERE kind = 2")
	corrected := l.do(meter.RecountPlanUsage{OrganizationID: firm})[0].Outcome.Corrections
	if want := []meter.Correction{{Kind: meter.ResourceDevice, Before: 8, After: 1}}; !reflect.DeepEqual(corrected, want) {
		t.Errorf("corrected are %+v", corrected)
	}
	used(1, 1)
	if rows, err := store.PlanUsage(within(t), "other"); err != nil || rows[0].Used+rows[1].Used+rows[2].Used != 0 {
		t.Errorf("another organization has %+v, %v", rows, err)
	}
	_, err = store.PlanUsage(within(t), "unknown")
	mustBe(t, err, meter.OrganizationNotFound)
	audittest.Check(t, store.Writers().ConnString())
}
