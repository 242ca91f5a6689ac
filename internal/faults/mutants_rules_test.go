package faults

// mutantsOfRules break what internal/meter decides.
var mutantsOfRules = []mutant{
	{
		name: "lost expiry", breaks: "a hold that lapsed is never given back", file: "internal/meter/expire.go",
		edits: []edit{{"r.due(s.Now) {", "r.due(s.Now) && r.ExpiresAt.IsZero() {"}},
	},
	{
		name: "expiry forgotten", breaks: "a hold that lapses sooner than those before it waits for them",
		file:  "internal/meter/expire.go",
		edits: []edit{{"o.NextDue.IsZero() || r.ExpiresAt.Before(o.NextDue)", "o.NextDue.IsZero()"}},
	},
	{
		name: "sweep of the settled", breaks: "expiry takes a turn that was committed in time, or races a commit",
		file:  "internal/meter/reservation.go",
		edits: []edit{{"return r.State == Held && ", "return r.State != Expired && "}},
	},
	{
		name: "late commit given back twice", breaks: "a late commit gives back the hold that its expiry gave back",
		file:  "internal/meter/seat.go",
		edits: []edit{{"if r.State != Held {\n\t\treturn 0", "if r.State == Committed {\n\t\treturn 0"}},
	},
	{
		name: "late commit with its hold", breaks: "a late commit draws on the hold that it no longer has",
		file:  "internal/meter/settle.go",
		edits: []edit{{"own := t.giveBack(r)\n", "t.giveBack(r)\n\town := r.HeldPool\n"}},
	},
	{
		name: "cap without holds", breaks: "a cap does not count what is held", file: "internal/meter/seat.go",
		edits: []edit{{"t.access().Cap-t.period.PoolUsed-t.period.PoolHeld", "t.access().Cap-t.period.PoolUsed"}},
	},
	{
		name: "pool without holds", breaks: "the pool's room does not count what is held", file: "internal/meter/seat.go",
		edits: []edit{{"available := t.org.Pool.Available();", "available := t.org.Pool.Balance;"}},
	},
	{
		name: "refund of held money", breaks: "a refund takes what turns hold", file: "internal/meter/pool.go",
		edits: []edit{{"if c.Amount > o.Pool.Available() {", "if c.Amount > o.Pool.Balance {"}},
	},
	{
		name: "refund without end", breaks: "a top-up is refunded again and again", file: "internal/meter/pool.go",
		edits: []edit{{"topUp.Amount - s.RefundedOf[c.TopUpRequestID];", "topUp.Amount;"}},
	},
	{
		name: "failed turn charged", breaks: "a failed turn is charged to the pool", file: "internal/meter/settle.go",
		edits: []edit{{
			"t.giveBack(r)\n\tr.Reason, r.Basis = c.Reason, basis\n\tallowance := min(actual, t.allowanceRoom())\n" +
				"\treturn s.settle(r, t, Released, Charge{Actual: actual, Allowance: allowance, Overrun: actual - allowance}, c.Tokens)",
			"r.Reason, r.Basis = c.Reason, basis\n\treturn s.settle(r, t, Released, t.charged(r, actual), c.Tokens)",
		}},
	},
	{
		name: "revoked beneath a turn", breaks: "a turn whose access was revoked loses what it holds",
		file: "internal/meter/settle.go",
		edits: []edit{{
			"own := t.giveBack(r)\n",
			"own := t.giveBack(r)\n\tif t.access().Kind == AccessNone {\n\t\town = 0\n\t}\n",
		}},
	},
	{
		name: "cap passed by a commit", breaks: "a commit draws on the pool past cap and access", file: "internal/meter/settle.go",
		edits: []edit{{"further := t.poolRoom()", "further := t.org.Pool.Available()"}},
	},
	{
		name: "hold before room", breaks: "a commit spends of the allowance what was held, not what there is",
		file: "internal/meter/settle.go",
		edits: []edit{{
			"own := t.giveBack(r)\n\tallowance := min(actual, t.allowanceRoom())",
			"own := t.giveBack(r)\n\tallowance := min(actual, t.allowanceRoom(), r.HeldAllowance)",
		}},
	},
	{
		name: "minimum ignored", breaks: "a turn runs with less than its minimum", file: "internal/meter/reserve.go",
		edits: []edit{{"if r.HeldAllowance+r.HeldPool < minimum {", "if r.HeldAllowance+r.HeldPool < 1 {"}},
	},
	{
		name: "refusal leaves a hold", breaks: "a turn that was refused holds what there was", file: "internal/meter/reserve.go",
		edits: []edit{{
			"\t\treturn c.refused(s, t, t.hardStop(minimum))\n",
			"\t\tt.hold(r.HeldAllowance, r.HeldPool)\n\t\ts.keep(&t)\n\t\treturn c.refused(s, t, t.hardStop(minimum))\n",
		}},
	},
	{
		name: "extension by half", breaks: "an extension that is covered in part is granted", file: "internal/meter/extend.go",
		edits: []edit{{"if allowance+pool < c.Additional {", "if allowance+pool < min(1, c.Additional) {"}},
	},
	{
		name: "month not begun", breaks: "what was used in the month before counts in the new one",
		file:  "internal/meter/member.go",
		edits: []edit{{"return Period{Start: month.Start}, month", "last := m.Period\n\t\tlast.Start = month.Start\n\t\treturn last, month"}},
	},
	{
		name: "month of the settling", breaks: "a turn belongs to the month in which it is settled",
		file:  "internal/meter/state.go",
		edits: []edit{{"t.period = s.period(t.member, r.PeriodStart)", "_ = s.period"}},
	},
	{
		name: "failed turn without tokens", breaks: "a release does not count toward abuse protection",
		file:  "internal/meter/settle.go",
		edits: []edit{{"\tt.countTokens(tokens)\n", "\tif to == Committed {\n\t\tt.countTokens(tokens)\n\t}\n"}},
	},
	{
		name: "allowance not entered", breaks: "a charge to the allowance has no ledger entry", file: "internal/meter/settle.go",
		edits: []edit{{"if r.Charge.Allowance > 0 {", "if r.Charge.Allowance > 0 && r.Charge.Pool > 0 {"}},
	},
	{
		name: "release applied again", breaks: "a release that is sent again counts again", file: "internal/meter/settle.go",
		edits: []edit{{"\tcase Released:\n\t\treturn Outcome{Reservation: &r, Meter: t.meter()}, nil\n\tcase Committed:", "\tcase Committed:"}},
	},
	{
		name: "extension applied again", breaks: "an extension is not remembered by its request id",
		file:  "internal/meter/extend.go",
		edits: []edit{{"\ts.Extensions.Put(c.RequestID, c.extension(r, s.Now))\n", ""}},
	},
	{
		name: "change applied again", breaks: "the second try of a change of access, its COMMIT's fate unknown, is another change",
		file: "internal/meter/access.go",
		edits: []edit{{
			"\tif _, done := s.Changes.Get(c.ChangeID); !done {\n",
			"\tanother := fingerprint(string(c.ChangeID[:]), s.Now.String())\n\tcopy(c.ChangeID[8:], another[:8])\n" +
				"\tif _, done := s.Changes.Get(c.ChangeID); !done {\n",
		}},
		first: []string{"PostgreSQL's answer to COMMIT lost"},
	},
	{
		name: "retry not known", breaks: "a Reserve does not look for its request id; the unique key refuses it for ever",
		file:  "internal/meter/reserve.go",
		edits: []edit{{"id, seen := s.Requests[c.RequestID]; seen {", "id, seen := s.Requests[c.RequestID]; seen && id == (UUID{}) {"}},
	},
	{
		name: "top-up not known", breaks: "a top-up does not look for its request id; the unique key refuses it for ever",
		file:  "internal/meter/pool.go",
		edits: []edit{{"case !seen:", "case !seen || e.Kind == EntryTopUp:"}},
	},
	{
		name: "other turn taken for a retry", breaks: "a Reserve's request id with other content is answered as if it were the same",
		file:  "internal/meter/reserve.go",
		edits: []edit{{"if r.Fingerprint != c.fingerprint() {", "if r.Fingerprint != c.fingerprint() && r.RequestID == \"\" {"}},
	},
	{
		name: "other top-up taken for a retry", breaks: "a top-up's request id with another amount is answered as if it were the same",
		file:  "internal/meter/pool.go",
		edits: []edit{{"case done.Fingerprint != e.Fingerprint:", "case done.Reference != e.Reference:"}},
	},
	{
		name: "other commit taken for a retry", breaks: "a commit with another amount is answered as if it were the same",
		file:  "internal/meter/settle.go",
		edits: []edit{{"case r.State == Committed && r.Charge.Actual == actual && r.Tokens == c.Tokens:", "case r.State == Committed && r.ID == c.ReservationID:"}},
	},
}
