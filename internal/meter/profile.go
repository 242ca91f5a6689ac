package meter

// PutOrganization creates or replaces an organization's profile. Its outcome is an Organization.
type PutOrganization struct {
	OrganizationID       string
	DisplayName          string
	PlanID               string
	Unit                 Unit
	Anchor               Anchor
	State                OrganizationState
	PoolVisibleToMembers bool
	PriceBookID          string
}

// Organization is the one to put.
func (c PutOrganization) Organization() string { return c.OrganizationID }

// Need names the plan, and the price book by which the batch's next turns are priced, and counts the members.
func (c PutOrganization) Need(n *Needs) {
	n.OtherMembers = append(n.OtherMembers, Key{c.OrganizationID, ""})
	n.Plans = append(n.Plans, c.PlanID)
	n.PriceBooks = append(n.PriceBooks, priceBookOr(c.PriceBookID))
}

// Apply never touches the balance. The plan counts at once; a changed anchor takes effect when the running period ends.
func (c PutOrganization) Apply(s *State) (Outcome, error) {
	plan, ok := s.Plans[c.PlanID]
	switch {
	case !ok:
		return Outcome{}, about(PlanNotFound, "plan_id", c.PlanID)
	case plan.Kind == PlanIndividual && s.othersThan("") > 1:
		return Outcome{}, about(IndividualHasOneMember, "organization_id", c.OrganizationID)
	}
	if c.PriceBookID != "" && s.BookVersions[c.PriceBookID] == 0 {
		return Outcome{}, about(PriceBookNotFound, "price_book_id", c.PriceBookID)
	}
	o, exists := s.Organization.Get(c.OrganizationID)
	switch {
	case !exists:
		o = Organization{ID: c.OrganizationID, Unit: c.Unit, Calendar: Calendar{Anchor: c.Anchor}}
	case o.Unit != c.Unit:
		return Outcome{}, about(UnitImmutable, "organization_id", c.OrganizationID)
	default:
		o.Calendar = o.Calendar.WithAnchor(c.Anchor, s.Now)
	}
	o.DisplayName, o.PlanID, o.State = c.DisplayName, c.PlanID, c.State
	o.PoolVisibleToMembers, o.PriceBookID = c.PoolVisibleToMembers, c.PriceBookID
	s.Organization.Put(o.ID, o)
	return Outcome{Organization: &o}, nil
}

// PutMember creates or replaces a member's profile and makes the member active. Its outcome is a Member.
type PutMember struct {
	OrganizationID string
	MemberID       string
	DisplayName    string
	Email          string
	AvatarURL      string
	Role           Role
	Allowance      *Micros
}

// Organization is the member's.
func (c PutMember) Organization() string { return c.OrganizationID }

// Need names the member, and asks whether there is another.
func (c PutMember) Need(n *Needs) {
	key := Key{c.OrganizationID, c.MemberID}
	n.Members = append(n.Members, key)
	n.OtherMembers = append(n.OtherMembers, key)
}

// Apply never touches access or use. A solo individual has one active member.
func (c PutMember) Apply(s *State) (Outcome, error) {
	o, err := s.organization()
	if err != nil {
		return Outcome{}, err
	}
	plan := s.Plans[o.PlanID]
	if plan.Kind == PlanIndividual && s.othersThan(c.MemberID) > 0 {
		return Outcome{}, about(IndividualHasOneMember, "organization_id", c.OrganizationID)
	}
	m, exists := s.Members.Get(c.MemberID)
	if !exists {
		m = Member{ID: c.MemberID, Access: Access{Kind: AccessNone}}
	}
	m.DisplayName, m.Email, m.AvatarURL = c.DisplayName, c.Email, c.AvatarURL
	m.Role, m.Allowance, m.State = c.Role, c.Allowance, MemberActive
	s.Members.Put(m.ID, m)
	return memberOutcome(seat{now: s.Now, org: o, plan: plan, member: m}), nil
}

// othersThan is how many active members there are beside one, those counted that earlier commands of the same batch made
// active. Beyond two it may be too few, and too many where they removed one: then the same command passes in a later batch.
func (s *State) othersThan(memberID string) int {
	others := s.OtherMembers[memberID]
	s.Members.Each(func(id string, before, m *Member) {
		if id != memberID && m.State == MemberActive && (before == nil || before.State != MemberActive) {
			others++
		}
	})
	return others
}

// RemoveMember ends a membership. Its outcome is a Member.
type RemoveMember struct{ OrganizationID, MemberID string }

// Organization is the member's.
func (c RemoveMember) Organization() string { return c.OrganizationID }

// Need names the member.
func (c RemoveMember) Need(n *Needs) {
	n.Members = append(n.Members, Key{c.OrganizationID, c.MemberID})
}

// Apply keeps the member's record, its access and its use; the seat starts no new turn and settles those that run.
func (c RemoveMember) Apply(s *State) (Outcome, error) {
	t, err := s.seat(c.MemberID)
	if err != nil {
		return Outcome{}, err
	}
	t.member.State = MemberRemoved
	s.Members.Put(c.MemberID, t.member)
	return memberOutcome(t), nil
}
