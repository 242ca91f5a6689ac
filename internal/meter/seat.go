package meter

import "time"

// seat is a working copy of what one turn touches: the organization with its pool, the member, and the member's period
// that the turn belongs to. Nothing of it counts until State.keep writes it back.
type seat struct {
	now    time.Time
	month  Span // The organization's that runs at now.
	org    Organization
	plan   Plan
	member Member
	period Period
}

// allowance is the member's own, or else the plan's.
func (t *seat) allowance() Micros {
	if t.member.Allowance != nil {
		return *t.member.Allowance
	}
	return t.plan.SeatAllowance
}

// allowanceRoom is what could still be held of the allowance: allowance - used - held, never below 0.
func (t *seat) allowanceRoom() Micros {
	return max(0, t.allowance()-t.period.AllowanceUsed-t.period.AllowanceHeld)
}

// access is the right to draw on the pool. A solo individual draws on its own pool without a grant; who was removed before the
// organization became an individual's does not.
func (t *seat) access() Access {
	if t.plan.Kind == PlanIndividual && t.member.State == MemberActive {
		return Access{Kind: AccessUnlimited}
	}
	return t.member.Access
}

// poolRoom is what could still be held of the pool: min(balance - held, cap - used - held this period), 0 without access.
func (t *seat) poolRoom() Micros {
	switch available := t.org.Pool.Available(); t.access().Kind {
	case AccessUnlimited:
		return available
	case AccessCapped:
		return min(available, t.capRoom())
	default:
		return 0
	}
}

// capRoom is what the cap leaves this period, never below 0 though the cap may have been lowered under it.
func (t *seat) capRoom() Micros {
	return max(0, t.access().Cap-t.period.PoolUsed-t.period.PoolHeld)
}

// sight is what stands open to a turn now.
func (t *seat) sight() *Sight {
	return &Sight{
		AllowanceRoom: t.allowanceRoom(), PoolAvailable: t.org.Pool.Available(), Access: t.access(),
		CapUsed: t.period.PoolUsed + t.period.PoolHeld,
	}
}

// remains is what a settlement leaves that was made just now.
func (t *seat) remains() *Remains {
	return &Remains{Access: t.access(), CapUsed: t.period.PoolUsed + t.period.PoolHeld}
}

// split says how a hold of an amount would be made up: from the allowance first, then from the pool, as far as there is
// room.
func (t *seat) split(amount Micros) (allowance, pool Micros) {
	allowance = min(amount, t.allowanceRoom())
	return allowance, min(amount-allowance, t.poolRoom())
}

// hold takes a hold.
func (t *seat) hold(allowance, pool Micros) {
	t.period.AllowanceHeld += allowance
	t.period.PoolHeld += pool
	t.org.Pool.Held += pool
}

// giveBack returns what an open reservation holds and answers the pool's part of it: 0 if it has expired.
func (t *seat) giveBack(r Reservation) (pool Micros) {
	if r.State != Held {
		return 0
	}
	t.hold(-r.HeldAllowance, -r.HeldPool)
	return r.HeldPool
}

// charge uses what a turn is charged of the allowance, and notes its overrun. What the pool pays, draw takes.
func (t *seat) charge(c Charge) error {
	overrun, err := add(t.period.Overrun, c.Overrun)
	if err != nil {
		return err
	}
	t.period.Overrun = overrun
	t.period.AllowanceUsed += c.Allowance
	return nil
}

// draw takes what a turn is charged out of the pool.
func (t *seat) draw(amount Micros) {
	t.period.PoolUsed += amount
	t.member.PoolUsedLifetime += amount
	t.org.Pool.Balance -= amount
	t.org.Pool.Consumed += amount
}

// mayStart refuses a new turn of a suspended organization or a removed member.
func (t *seat) mayStart() error {
	if t.org.State == OrganizationSuspended {
		return &Refusal{
			Reason: OrganizationSuspendedReason, Facts: map[string]string{"organization_id": t.org.ID},
			says: soloMessage(t.plan, OrganizationSuspendedReason),
		}
	}
	if t.member.State == MemberRemoved {
		return about(MemberRemovedReason, "member_id", t.member.ID)
	}
	return nil
}

// countTokens adds a settled turn's tokens to the abuse window.
func (t *seat) countTokens(u TokenUsage) {
	t.member.Abuse = t.member.Abuse.with(u.Total(), t.plan.Abuse, t.now)
}

// abused refuses a seat whose tokens in the open window have reached the plan's limit.
func (t *seat) abused() error {
	limit, window := t.plan.Abuse, t.member.Abuse
	if closes := window.closesAt(limit); limit.Tokens == 0 || window.Tokens < limit.Tokens || !t.now.Before(closes) {
		return nil
	}
	return abuseRefusal(window, limit, t.now)
}

// meter is what the seat shows of the running period.
func (t *seat) meter() *Meter {
	current := *t // A turn may belong to a period that ended.
	var span Span
	current.period, span = t.member.periodIn(t.month, t.org.Calendar)
	return &Meter{
		OrganizationID: t.org.ID, MemberID: t.member.ID, Unit: t.org.Unit, Span: span,
		Allowance: current.allowance(), Remaining: current.allowanceRoom(), Access: current.access(), Period: current.period,
	}
}
