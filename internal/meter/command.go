package meter

import "reflect"

// Command is a write, as a value. It concerns one organization and knows which rows it must see.
type Command interface {
	// Organization is the id of the one it concerns.
	Organization() string
	// Need adds the rows that Apply must find in the state.
	Need(n *Needs)
	// Apply decides. It answers the outcome and leaves what changed in the state, or answers an error, a *Refusal unless
	// it is a fault of the program, and leaves the state as it was, but that a turn that was refused is put on record.
	Apply(s *State) (Outcome, error)
}

// Key names something of an organization by an id that a caller chose.
type Key struct{ OrganizationID, ID string }

// IDKey names something of an organization by an id that the server made.
type IDKey struct {
	OrganizationID string
	ID             UUID
}

// OwnedResource names a resource of an organization.
type OwnedResource struct {
	OrganizationID string
	ResourceKey
}

// Attempt names one call of Reserve: by its request id, which others may share, and the reservation that it would make.
type Attempt struct {
	OrganizationID, RequestID string
	ID                        UUID
}

// Needs lists the rows that a batch of commands must see, beside their organizations and the plans these are on.
type Needs struct {
	// Again says that commands of the batch were tried before, and what became of that is not known. It is set before Need.
	Again bool

	Members         []Key   // By member id.
	OtherMembers    []Key   // How many active members there are but the one named, counted as far as two.
	Reservations    []IDKey // With their members and periods.
	ReserveRequests []Key   // Reservations by the request id of their Reserve, with their members and periods.
	Extensions      []Key   // By request id.
	TopUps          []Key   // By request id, with what was refunded of them.
	Refunds         []Key   // By request id.
	AccessChanges   []IDKey
	Attempts        []Attempt // Of Reserves that may have been refused, and that put on record, by an earlier try.
	AuditHeads      []string  // Of organizations, which need not exist; the empty one's is the service's own.
	Plans           []string
	PriceBooks      []string
	Resources       []OwnedResource
	DevicesOf       []Key    // Of orchestrators, by their ids.
	ResourceCounts  []string // Of organizations.
	Recounts        []string // Of organizations.
	Lapsed          []string // Organizations whose holds that fell due are to be looked for, as every load does.
}

// OnlyTurns says whether nothing is needed but what turns need that begin or end for the first time.
func (n Needs) OnlyTurns() bool {
	n.Members, n.Reservations, n.ReserveRequests = nil, nil, nil
	return reflect.ValueOf(n).IsZero()
}

// Outcome is the answer to a command that was not refused; each command says which parts it sets.
type Outcome struct {
	Reservation  *Reservation
	Meter        *Meter
	Pool         *Pool
	Entry        *Entry
	Member       *MemberView
	Organization *Organization
	Usage        []PlanUsage
	Corrections  []Correction
}
