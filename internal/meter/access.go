package meter

// SetAccess grants, adjusts or, with AccessNone, revokes a member's right to draw on the pool. Its outcome is a Member.
type SetAccess struct {
	OrganizationID string
	MemberID       string
	Access         Access
	Actor          string // Who does it, for the record.
	ChangeID       UUID   // Made by the server before the first try, so that a second try is the same change.
}

// Organization is the member's.
func (c SetAccess) Organization() string { return c.OrganizationID }

// Need names the member, and the record that an earlier try may have made.
func (c SetAccess) Need(n *Needs) {
	n.Members = append(n.Members, Key{c.OrganizationID, c.MemberID})
	n.AccessChanges = append(n.AccessChanges, IDKey{c.OrganizationID, c.ChangeID})
}

// Apply sets the access and records who did it, when, and what it was before. What was spent stays on the member's
// period. Setting what is set already changes nothing; it is recorded all the same, with the same access before and after,
// so that a second try of it, after a COMMIT whose fate is unknown, does not undo what was set in between. It answers the
// access that was asked for, as its first try did.
func (c SetAccess) Apply(s *State) (Outcome, error) {
	t, err := s.seat(c.MemberID)
	if err != nil {
		return Outcome{}, err
	}
	if t.plan.Kind == PlanIndividual && c.Access.Kind != AccessNone {
		return Outcome{}, about(IndividualNeedsNoGrant, "organization_id", c.OrganizationID)
	}
	before := t.member.Access
	t.member.Access = c.Access
	if _, done := s.Changes.Get(c.ChangeID); !done {
		s.Members.Put(c.MemberID, t.member)
		s.Changes.Put(c.ChangeID, AccessChange{
			ID: c.ChangeID, MemberID: c.MemberID, At: s.Now, Actor: c.Actor, Before: before, After: c.Access,
		})
	}
	return memberOutcome(t), nil
}

func memberOutcome(t seat) Outcome {
	v := ViewOf(t.org, t.plan, t.member, t.now)
	return Outcome{Member: &v}
}
