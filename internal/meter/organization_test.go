package meter_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/meter"
)

// A plan of any kind may take the place of any, but that it becomes individual.
func TestReplacePlan(t *testing.T) {
	for kind := meter.PlanTeam; kind <= meter.PlanIndividual; kind++ {
		put := meter.Plan{ID: "p", Kind: kind}
		if err := put.Replace(nil); err != nil {
			t.Errorf("a new plan of kind %d: %v", kind, err)
		}
		for was := meter.PlanTeam; was <= meter.PlanIndividual; was++ {
			err := put.Replace(&meter.Plan{ID: "p", Kind: was})
			if refused := kind == meter.PlanIndividual && was != kind; (err != nil) != refused {
				t.Errorf("kind %d in the place of %d: %v", kind, was, err)
			}
		}
	}
}

// Who is refused is told the way that there is.
func TestReplacePlanSaysWhatToDo(t *testing.T) {
	var no *meter.Refusal
	if err := (meter.Plan{ID: "p", Kind: meter.PlanIndividual}).Replace(&meter.Plan{Kind: meter.PlanTeam}); !errors.As(err, &no) {
		t.Fatal(err)
	}
	if no.Reason != meter.IndividualHasOneMember || no.Facts["plan_id"] != "p" || no.ForPeople() {
		t.Errorf("%+v", no)
	}
	if says := no.Message(); !strings.Contains(says, "make an individual plan of its own") || !strings.Contains(says, "with PutOrganization") {
		t.Errorf("it says %q", says)
	}
}
