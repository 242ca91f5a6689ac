package meter

import "strconv"

// ResourceKind is a sort of thing that a plan limits. The numbers are those of the contract.
type ResourceKind int16

// The kinds of resource.
const (
	ResourceOrchestrator   ResourceKind = 1 // Active and inactive ones count.
	ResourceDevice         ResourceKind = 2 // Belongs to an orchestrator.
	ResourcePrivateProject ResourceKind = 3 // A project. Public ones never count.
)

// ResourceKinds are all kinds, in the order in which they are shown.
var ResourceKinds = []ResourceKind{ResourceOrchestrator, ResourceDevice, ResourcePrivateProject}

var resourceNames = map[ResourceKind]string{
	ResourceOrchestrator: "ORCHESTRATOR", ResourceDevice: "DEVICE", ResourcePrivateProject: "PRIVATE_PROJECT",
}

// Resource is one thing that was registered, also if it no longer is.
type Resource struct {
	Kind       ResourceKind
	ID         string
	ParentID   string // The orchestrator of a device; empty otherwise.
	Private    bool   // Of a project.
	Active     bool   // Told, and not counted by.
	Registered bool
}

// Counts says whether it uses up one of what the plan allows.
func (r Resource) Counts() bool {
	return r.Registered && (r.Kind != ResourcePrivateProject || r.Private)
}

// ResourceKey names a resource of an organization.
type ResourceKey struct {
	Kind ResourceKind
	ID   string
}

func (r Resource) key() ResourceKey { return ResourceKey{r.Kind, r.ID} }

// PlanUsage is how much of what a plan allows is used, of one kind.
type PlanUsage struct {
	Kind    ResourceKind
	Used    int64
	Allowed *int64 // Nil: unlimited.
}

// AtLimit says whether no more can be registered. After a change of plan there may be more than allowed: they stay.
func (u PlanUsage) AtLimit() bool { return u.Allowed != nil && u.Used >= *u.Allowed }

// PlanUsageOf is how much is used of a plan, a row for each kind.
func PlanUsageOf(p Plan, used map[ResourceKind]int64) []PlanUsage {
	rows := make([]PlanUsage, 0, len(ResourceKinds))
	for _, kind := range ResourceKinds {
		rows = append(rows, PlanUsage{kind, used[kind], p.Limits.of(kind)})
	}
	return rows
}

func (l PlanLimits) of(kind ResourceKind) *int64 {
	switch kind {
	case ResourceOrchestrator:
		return l.Orchestrators
	case ResourceDevice:
		return l.Devices
	default:
		return l.PrivateProjects
	}
}

// RegisterResource registers a resource, or changes one that is registered. Its outcome is Usage, of that kind.
type RegisterResource struct {
	OrganizationID string
	Kind           ResourceKind
	ID             string
	ParentID       string // The orchestrator of a device; empty otherwise.
	Private        bool   // Of a project.
	Active         bool
}

// Organization is whose plan allows it.
func (c RegisterResource) Organization() string { return c.OrganizationID }

// Need names the resource, the orchestrator of a device, and how many of all there are.
func (c RegisterResource) Need(n *Needs) {
	n.Resources = append(n.Resources, OwnedResource{c.OrganizationID, ResourceKey{c.Kind, c.ID}})
	if c.Kind == ResourceDevice {
		n.Resources = append(n.Resources, OwnedResource{c.OrganizationID, ResourceKey{ResourceOrchestrator, c.ParentID}})
	}
	n.ResourceCounts = append(n.ResourceCounts, c.OrganizationID)
}

// Apply refuses what would count beyond the plan's limit. What counts already may change, however many there are; a public
// project that becomes private counts from then on.
func (c RegisterResource) Apply(s *State) (Outcome, error) {
	o, err := s.organization()
	if err != nil {
		return Outcome{}, err
	}
	if c.Kind == ResourceDevice {
		parent, _ := s.Resources.Get(ResourceKey{ResourceOrchestrator, c.ParentID})
		if !parent.Registered {
			return Outcome{}, resourceNotFound(ResourceOrchestrator, c.ParentID)
		}
	}
	r := Resource{Kind: c.Kind, ID: c.ID, ParentID: c.ParentID, Private: c.Private, Active: c.Active, Registered: true}
	usage := s.planUsage(o, c.Kind)
	before, _ := s.Resources.Get(r.key())
	if !before.Counts() && r.Counts() && usage.AtLimit() {
		return Outcome{}, usage.limitReached(s.Plans[o.PlanID])
	}
	s.keepResource(before, r)
	return Outcome{Usage: []PlanUsage{s.planUsage(o, c.Kind)}}, nil
}

// UnregisterResource takes a resource off; an orchestrator takes its devices along. Its outcome is Usage, of all kinds.
type UnregisterResource struct {
	OrganizationID string
	Kind           ResourceKind
	ID             string
}

// Organization is whose plan allowed it.
func (c UnregisterResource) Organization() string { return c.OrganizationID }

// Need names the resource, an orchestrator's devices, and how many of all there are.
func (c UnregisterResource) Need(n *Needs) {
	owned := OwnedResource{c.OrganizationID, ResourceKey{c.Kind, c.ID}}
	n.Resources = append(n.Resources, owned)
	if c.Kind == ResourceOrchestrator {
		n.DevicesOf = append(n.DevicesOf, Key{c.OrganizationID, c.ID})
	}
	n.ResourceCounts = append(n.ResourceCounts, c.OrganizationID)
}

// Apply changes nothing of what was taken off already.
func (c UnregisterResource) Apply(s *State) (Outcome, error) {
	o, err := s.organization()
	if err != nil {
		return Outcome{}, err
	}
	r, known := s.Resources.Get(ResourceKey{c.Kind, c.ID})
	if !known {
		return Outcome{}, resourceNotFound(c.Kind, c.ID)
	}
	s.unregister(r)
	if c.Kind == ResourceOrchestrator {
		for _, key := range s.Resources.Keys() {
			if d, _ := s.Resources.Get(key); d.Kind == ResourceDevice && d.ParentID == c.ID {
				s.unregister(d)
			}
		}
	}
	return Outcome{Usage: s.planUsages(o)}, nil
}

// RecountPlanUsage counts anew what is registered in the whole organization. Its outcome is Usage, of all kinds, and the
// Corrections that were due.
type RecountPlanUsage struct{ OrganizationID string }

// Correction is a count that was wrong.
type Correction struct {
	Kind          ResourceKind
	Before, After int64
}

// Organization is the one to recount.
func (c RecountPlanUsage) Organization() string { return c.OrganizationID }

// Need asks for what is counted, and for what there is.
func (c RecountPlanUsage) Need(n *Needs) {
	n.ResourceCounts = append(n.ResourceCounts, c.OrganizationID)
	n.Recounts = append(n.Recounts, c.OrganizationID)
}

// Apply corrects what differs.
func (c RecountPlanUsage) Apply(s *State) (Outcome, error) {
	o, err := s.organization()
	if err != nil {
		return Outcome{}, err
	}
	var corrections []Correction
	for _, kind := range ResourceKinds {
		before, _ := s.ResourceCounts.Get(kind)
		after := s.Recounted[kind] + s.countedSince(kind)
		if before != after {
			corrections = append(corrections, Correction{kind, before, after})
			s.ResourceCounts.Put(kind, after)
		}
	}
	return Outcome{Usage: s.planUsages(o), Corrections: corrections}, nil
}

// countedSince is what earlier commands of the batch made of a kind's number, which no row in the database shows yet.
func (s *State) countedSince(kind ResourceKind) (more int64) {
	s.Resources.Each(func(_ ResourceKey, before, r *Resource) {
		if r.Kind != kind {
			return
		}
		more += one(r.Counts())
		if before != nil {
			more -= one(before.Counts())
		}
	})
	return more
}

func one(counts bool) int64 {
	if counts {
		return 1
	}
	return 0
}

func (s *State) unregister(r Resource) {
	off := r
	off.Registered = false
	s.keepResource(r, off)
}

// keepResource puts a resource in the place of what it was, and counts.
func (s *State) keepResource(before, r Resource) {
	if before == r {
		return
	}
	s.Resources.Put(r.key(), r)
	if more := one(r.Counts()) - one(before.Counts()); more != 0 {
		used, _ := s.ResourceCounts.Get(r.Kind)
		// A count that was wrong must not keep a resource from going: the recount mends it.
		s.ResourceCounts.Put(r.Kind, max(0, used+more))
	}
}

func (s *State) planUsages(o Organization) []PlanUsage {
	used := map[ResourceKind]int64{}
	for _, kind := range ResourceKinds {
		used[kind], _ = s.ResourceCounts.Get(kind)
	}
	return PlanUsageOf(s.Plans[o.PlanID], used)
}

func (s *State) planUsage(o Organization, kind ResourceKind) PlanUsage {
	used, _ := s.ResourceCounts.Get(kind)
	return PlanUsage{kind, used, s.Plans[o.PlanID].Limits.of(kind)}
}

func (u PlanUsage) limitReached(p Plan) error {
	return &Refusal{Reason: PlanLimitReached, says: soloMessage(p, PlanLimitReached), Facts: map[string]string{
		"resource": resourceNames[u.Kind], "used": strconv.FormatInt(u.Used, 10), "allowed": strconv.FormatInt(*u.Allowed, 10),
	}}
}

func resourceNotFound(kind ResourceKind, id string) error {
	return &Refusal{Reason: ResourceNotFound, Facts: map[string]string{
		"resource": resourceNames[kind], "resource_id": id,
	}}
}
