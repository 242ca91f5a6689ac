package meter_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// yard is an organization's resources in a store that keeps rows in maps, and what its plan allows.
type yard struct {
	plan      meter.Plan
	resources map[meter.ResourceKey]meter.Resource
	counts    map[meter.ResourceKind]int64
}

func newYard(orchestrators, devices, projects int64) *yard {
	return &yard{
		plan: meter.Plan{ID: "team", Kind: meter.PlanTeam, Limits: meter.PlanLimits{
			Orchestrators: &orchestrators, Devices: &devices, PrivateProjects: &projects,
		}},
		resources: map[meter.ResourceKey]meter.Resource{}, counts: map[meter.ResourceKind]int64{},
	}
}

// batch applies commands to what they asked for and nothing else, and keeps what they changed.
func (y *yard) batch(t rapid.TB, commands ...meter.Command) (outcomes []meter.Outcome, reasons []meter.Reason) {
	t.Helper()
	var n meter.Needs
	s := meter.NewState("acme", time.Unix(0, 0))
	s.Organization.Load("acme", meter.Organization{ID: "acme", PlanID: "team"})
	s.Plans = map[string]meter.Plan{"team": y.plan}
	for _, c := range commands {
		c.Need(&n)
	}
	y.load(s, n)
	for _, c := range commands {
		outcome, err := c.Apply(s)
		var refusal *meter.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatalf("%+v: %v", c, err)
		}
		outcomes = append(outcomes, outcome)
		if refusal == nil {
			refusal = &meter.Refusal{}
		}
		reasons = append(reasons, refusal.Reason)
	}
	s.Resources.Each(func(k meter.ResourceKey, _, r *meter.Resource) { y.resources[k] = *r })
	s.ResourceCounts.Each(func(k meter.ResourceKind, _, n *int64) { y.counts[k] = *n })
	return outcomes, reasons
}

func (y *yard) load(s *meter.State, n meter.Needs) {
	for _, k := range n.Resources {
		if r, ok := y.resources[k.ResourceKey]; ok {
			s.Resources.Load(k.ResourceKey, r)
		}
	}
	for _, r := range y.resources {
		if r.Kind == meter.ResourceDevice && slices.Contains(n.DevicesOf, meter.Key{OrganizationID: "acme", ID: r.ParentID}) {
			s.Resources.Load(meter.ResourceKey{Kind: r.Kind, ID: r.ID}, r)
		}
		if len(n.Recounts) > 0 && r.Counts() {
			s.Recounted[r.Kind]++
		}
	}
	if len(n.ResourceCounts) > 0 {
		for kind, used := range y.counts {
			s.ResourceCounts.Load(kind, used)
		}
	}
}

func register(kind meter.ResourceKind, id, parent string, private bool) meter.RegisterResource {
	return meter.RegisterResource{OrganizationID: "acme", Kind: kind, ID: id, ParentID: parent, Private: private}
}

func unregister(kind meter.ResourceKind, id string) meter.UnregisterResource {
	return meter.UnregisterResource{OrganizationID: "acme", Kind: kind, ID: id}
}

// used are the counts as N of M.
func used(rows []meter.PlanUsage) (said []string) {
	for _, u := range rows {
		switch {
		case u.Allowed == nil:
			said = append(said, fmt.Sprint(u.Used, " unlimited"))
		case u.AtLimit():
			said = append(said, fmt.Sprint(u.Used, " of ", *u.Allowed, "!"))
		default:
			said = append(said, fmt.Sprint(u.Used, " of ", *u.Allowed))
		}
	}
	return said
}

// TestQuota reads as the semantics: each step is a batch of one command, with the reason it is refused for, and the row or
// rows that it answers.
func TestQuota(t *testing.T) {
	t.Parallel()
	const (
		plant, device, project = meter.ResourceOrchestrator, meter.ResourceDevice, meter.ResourcePrivateProject
		full, unknown          = meter.PlanLimitReached, meter.ResourceNotFound
	)
	y := newYard(2, 3, 1)
	for _, step := range []struct {
		what    string
		command meter.Command
		refused meter.Reason
		rows    []string
	}{
		{"a first plant", register(plant, "p1", "", false), "", []string{"1 of 2"}},
		{"the same again", register(plant, "p1", "", false), "", []string{"1 of 2"}},
		{"a second", register(plant, "p2", "", false), "", []string{"2 of 2!"}},
		{"one too many", register(plant, "p3", "", false), full, nil},
		{"one that is there, at the limit", register(plant, "p2", "", false), "", []string{"2 of 2!"}},
		{"a device of a plant", register(device, "d1", "p1", false), "", []string{"1 of 3"}},
		{"a device of none", register(device, "d2", "p3", false), unknown, nil},
		{"a device of the other plant", register(device, "d2", "p2", false), "", []string{"2 of 3"}},
		{"a device that moves", register(device, "d2", "p1", false), "", []string{"2 of 3"}},
		{"a public project", register(project, "open", "", false), "", []string{"0 of 1"}},
		{"a private one", register(project, "secret", "", true), "", []string{"1 of 1!"}},
		{"a public one at the limit", register(project, "open2", "", false), "", []string{"1 of 1!"}},
		{"one that becomes private", register(project, "open", "", true), full, nil},
		{"one that becomes public", register(project, "secret", "", false), "", []string{"0 of 1"}},
		{"and now the other private", register(project, "open", "", true), "", []string{"1 of 1!"}},
		{"a plant with its devices", unregister(plant, "p1"), "", []string{"1 of 2", "0 of 3", "1 of 1!"}},
		{"again", unregister(plant, "p1"), "", []string{"1 of 2", "0 of 3", "1 of 1!"}},
		{"what never was", unregister(device, "d9"), unknown, nil},
		{"a device of a plant that is gone", register(device, "d1", "p1", false), unknown, nil},
		{"a device that was gone", register(device, "d1", "p2", false), "", []string{"1 of 3"}},
	} {
		outcomes, reasons := y.batch(t, step.command)
		if got := used(outcomes[0].Usage); reasons[0] != step.refused || !slices.Equal(got, step.rows) {
			t.Errorf("%s: refused for %q with %v, not for %q with %v", step.what, reasons[0], got, step.refused, step.rows)
		}
	}
}

// TestSmallerPlan: what is over stays, and only new ones are refused; a larger plan lets them in again.
func TestSmallerPlan(t *testing.T) {
	t.Parallel()
	y := newYard(3, 0, 0)
	for _, id := range []string{"a", "b", "c"} {
		y.batch(t, register(meter.ResourceOrchestrator, id, "", false))
	}
	*y.plan.Limits.Orchestrators = 1
	outcomes, reasons := y.batch(t, register(meter.ResourceOrchestrator, "d", "", false), unregister(meter.ResourceOrchestrator, "a"),
		register(meter.ResourceOrchestrator, "a", "", false), register(meter.ResourceOrchestrator, "b", "", false))
	if reasons[0] != meter.PlanLimitReached || reasons[1] != "" || reasons[2] != meter.PlanLimitReached || reasons[3] != "" {
		t.Errorf("got %q", reasons)
	}
	if got := used(outcomes[1].Usage); got[0] != "2 of 1!" {
		t.Errorf("got %v", got)
	}
	y.plan.Limits.Orchestrators = nil
	if outcomes, reasons = y.batch(t, register(meter.ResourceOrchestrator, "d", "", false)); reasons[0] != "" || used(outcomes[0].Usage)[0] != "3 unlimited" {
		t.Errorf("got %q, %v", reasons, used(outcomes[0].Usage))
	}
}

// TestRecount corrects a count that drifted, by what is in the database and what its own batch made of it, and tells both.
func TestRecount(t *testing.T) {
	t.Parallel()
	y := newYard(9, 9, 9)
	y.batch(t, register(meter.ResourceOrchestrator, "a", "", false), register(meter.ResourceDevice, "d", "a", false))
	y.counts[meter.ResourceDevice] = 7
	recount := meter.RecountPlanUsage{OrganizationID: "acme"}
	outcomes, _ := y.batch(t, register(meter.ResourceDevice, "e", "a", false), recount, recount)
	want := []meter.Correction{{Kind: meter.ResourceDevice, Before: 8, After: 2}}
	if !slices.Equal(outcomes[1].Corrections, want) || len(outcomes[2].Corrections) > 0 || y.counts[meter.ResourceDevice] != 2 {
		t.Errorf("corrected %+v, then %+v", outcomes[1].Corrections, outcomes[2].Corrections)
	}
}

// TestCountsAreWhatIsRegistered: whatever commands come in whatever batches, counts are what is registered and never pass a
// limit, and every device has its orchestrator.
func TestCountsAreWhatIsRegistered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := newYard(2, 3, 2)
		for range rapid.IntRange(1, 20).Draw(t, "batches") {
			commands := make([]meter.Command, rapid.IntRange(1, 5).Draw(t, "commands"))
			for i := range commands {
				commands[i] = drawResource(t)
			}
			outcomes, _ := y.batch(t, commands...)
			for i, o := range outcomes {
				if len(o.Corrections) > 0 {
					t.Fatalf("%+v corrected %+v", commands[i], o.Corrections)
				}
			}
			y.check(t)
		}
	})
}

func (y *yard) check(t rapid.TB) {
	t.Helper()
	counts := map[meter.ResourceKind]int64{}
	for _, r := range y.resources {
		if r.Counts() {
			counts[r.Kind]++
		}
		if parent := y.resources[meter.ResourceKey{Kind: meter.ResourceOrchestrator, ID: r.ParentID}]; r.Kind == meter.ResourceDevice && r.Registered && !parent.Registered {
			t.Fatalf("%+v has lost its orchestrator", r)
		}
	}
	maps.DeleteFunc(y.counts, func(_ meter.ResourceKind, n int64) bool { return n == 0 })
	if !maps.Equal(counts, y.counts) {
		t.Fatalf("there are %v, and counted are %v", counts, y.counts)
	}
	for _, u := range meter.PlanUsageOf(y.plan, counts) {
		if u.Used > *u.Allowed {
			t.Fatalf("%+v is more than allowed", u)
		}
	}
}

func drawResource(t *rapid.T) meter.Command {
	kind := rapid.SampledFrom(meter.ResourceKinds).Draw(t, "kind")
	id := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "id")
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 0:
		return meter.RecountPlanUsage{OrganizationID: "acme"}
	case 1, 2:
		return unregister(kind, id)
	}
	parent := ""
	if kind == meter.ResourceDevice {
		parent = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "parent")
	}
	return register(kind, id, parent, kind == meter.ResourcePrivateProject && rapid.Bool().Draw(t, "private"))
}
