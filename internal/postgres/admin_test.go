package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
)

// TestAPlanNeverBecomesIndividual: those who are on it draw on the pool by their grants, and would without.
func TestAPlanNeverBecomesIndividual(t *testing.T) {
	t.Parallel()
	store := open(t)
	l := found(t, store, firm)
	l.do(access(firm, seat(1), meter.Access{Kind: meter.AccessNone}))
	individual := teamPlan()
	individual.Kind = meter.PlanIndividual
	err := store.PutPlan(within(t), individual, meter.Actor{Subject: "ada"})
	mustBe(t, err, meter.IndividualHasOneMember)
	if plan, err := store.Plan(within(t), "team"); err != nil || plan.Kind != meter.PlanTeam {
		t.Errorf("the plan is %+v, %v", plan, err)
	}
	if m, err := store.Meter(within(t), firm, seat(1)); err != nil || m.Access.Kind != meter.AccessNone {
		t.Errorf("a member without a grant has %+v, %v", m.Access, err)
	}
	individual.ID = "solo"
	must(t, store.PutPlan(within(t), individual, meter.Actor{Subject: "ada"}))
	individual.SeatAllowance++
	must(t, store.PutPlan(within(t), individual, meter.Actor{Subject: "ada"}))
}

// TestNoPlanBecomesIndividualInARace: of two that put a new plan, one comes first, and the other sees it.
func TestNoPlanBecomesIndividualInARace(t *testing.T) {
	t.Parallel()
	store := open(t)
	var writing sync.WaitGroup
	for n := range 24 {
		plan := teamPlan()
		plan.ID = "plan-" + string(rune('a'+n%6))
		if n%2 == n/6%2 {
			plan.Kind = meter.PlanIndividual
		}
		writing.Go(func() {
			var no *meter.Refusal
			err := store.PutPlan(context.Background(), plan, meter.Actor{Subject: "ada"})
			if err != nil && (!errors.As(err, &no) || no.Reason != meter.IndividualHasOneMember) {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	for _, e := range auditEntries(t, store, "") {
		if strings.Contains(e.Before, "TEAM") && strings.Contains(e.After, "INDIVIDUAL") {
			t.Errorf("became individual: %s, then %s", e.Before, e.After)
		}
	}
}
