package meter

import "strings"

// refusal tells of one attempt that was refused, and what heals it.
func (n *narrator) refusal(u Uncharged) {
	r := *u.Refused
	n.say("On %s member %s was refused a turn (%s): %s.", n.when(u.At), u.MemberID, r.Reason, refusalWords[r.Reason])
	switch {
	case r.Estimate > r.Minimum:
		n.say("It was expected to cost %s, and asked for room for %s at least.", n.amount(r.Estimate), n.amount(r.Minimum))
	case r.Estimate > 0:
		n.say("It was expected to cost %s.", n.amount(r.Estimate))
	}
	if aboutRooms[r.Reason] {
		n.rooms(r)
	}
	if r.Reason == AbuseLimitReached {
		n.say("The window in which they count was to close on %s.", n.when(r.WindowClosesAt))
	}
	n.say("%s", n.Remedy(u).Says)
}

// refusalWords say why a turn was refused.
var refusalWords = map[Reason]string{
	OrganizationSuspendedReason: "the organization was suspended",
	MemberRemovedReason:         "the member was removed from the organization",
	AbuseLimitReached:           "it had used too many tokens in a short time",
	ExtraUsageNotEnabled:        "the monthly allowance had too little room, and the member no access to the organization's pool",
	PoolEmpty:                   "the monthly allowance and the organization's pool together had too little room",
	MemberCapReached:            "the monthly allowance and what the member's limit left of the pool had together too little room",
	IndividualExhausted:         "the monthly allowance and the additional usage that was purchased had together too little room",
}

// aboutRooms are the reasons for which the rooms say why.
var aboutRooms = map[Reason]bool{ExtraUsageNotEnabled: true, PoolEmpty: true, MemberCapReached: true, IndividualExhausted: true}

// rooms say what the layers had, as far as that may be told.
func (n *narrator) rooms(r RefusedTurn) {
	parts := []string{"the allowance had " + n.amount(r.AllowanceRoom)}
	if r.Access == AccessCapped {
		parts = append(parts, "the member's limit left "+n.amount(r.CapRoom))
	}
	if !n.hidePool {
		parts = append(parts, "the pool had "+n.amount(r.PoolAvailable)+" available")
	}
	n.say("As for room, %s.", strings.Join(parts, ", "))
}

// wayOut says what would let a turn run that would be refused now for a reason.
func (t TurnRecord) wayOut(reason Reason, r RefusedTurn) string {
	n := narrator{TurnRecord: t}
	now := t.seatNow()
	if reason == AbuseLimitReached {
		return "It has to wait until the window closes, on " + n.when(t.Member.Abuse.closesAt(t.Plan.Abuse)) + "."
	}
	if !aboutRooms[reason] {
		return "It would pass once " + remedies[reason] + "."
	}
	_, span := t.Member.RunningPeriod(t.Organization.Calendar, t.Now)
	wait := ", or once the month is over, on " + n.when(span.End)
	if now.afresh() < r.Minimum {
		wait = "; waiting for the next month alone does not help, because it needs more than that month's room"
	}
	return "It would pass once " + remedies[reason] + wait + "."
}

// remedies say what would let a turn run.
var remedies = map[Reason]string{
	OrganizationSuspendedReason: "the organization is active again", MemberRemovedReason: "the member is a member again",
	ExtraUsageNotEnabled: "an admin grants the member access to the pool, and that has enough",
	PoolEmpty:            "enough additional usage is purchased for the pool",
	MemberCapReached:     "an admin raises the member's monthly limit",
	IndividualExhausted:  "enough additional usage is purchased",
}

// afresh is the room of a month that begins now.
func (t seat) afresh() Micros {
	t.period = Period{Start: t.period.Start}
	return t.allowanceRoom() + t.poolRoom()
}

// since says what changed since a refusal that made room.
func (t TurnRecord) since(r RefusedTurn) string {
	now := t.seatNow()
	var changes []string
	note := func(changed bool, what string) {
		if changed {
			changes = append(changes, what)
		}
	}
	note(r.Reason == OrganizationSuspendedReason, "the organization is active again")
	note(r.Reason == MemberRemovedReason, "the member is a member again")
	note(r.Reason == AbuseLimitReached, "the window of the tokens it had used is over, or the limit was raised")
	if aboutRooms[r.Reason] {
		note(now.period.Start.After(r.PeriodStart), "a new month has begun")
		note(r.Access == AccessNone && now.access().Kind != AccessNone, "access to the pool was granted")
		note(r.Access == AccessCapped && now.access().Kind == AccessUnlimited, "the member's limit was lifted")
		note(r.Access == AccessCapped && now.access().Kind == AccessCapped && now.capRoom() > r.CapRoom,
			"the member's limit leaves more")
		note(now.org.Pool.Available() > r.PoolAvailable, "the pool has more")
		note(now.allowanceRoom() > r.AllowanceRoom, "the allowance has more room")
	}
	if len(changes) == 0 {
		return "there is room for it"
	}
	return strings.Join(changes, ", and ")
}
