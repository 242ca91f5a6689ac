package audit_test

import (
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// fillReported makes a firm whose usage is rolled up: with a turn of each end, and one refused. No other bug touches it.
func (o *office) fillReported() {
	o.t.Helper()
	const id = "reported"
	o.putPlan("of reported", meter.PlanTeam, 100, meter.FailedTurnFree)
	o.do(meter.PutOrganization{
		OrganizationID: id, DisplayName: "Reported", PlanID: "of reported", Unit: meter.UnitACU, State: meter.OrganizationActive,
		Anchor: anchor(o.t, 2026, time.January, 1, "Europe/Berlin"),
	}, meter.PutMember{OrganizationID: id, MemberID: "ada", Role: meter.RoleMember})
	turns := make([]meter.Reserve, 3)
	for i := range turns {
		turns[i] = meter.Reserve{
			OrganizationID: id, ReservationID: newID(), MemberID: "ada", RequestID: string(rune('a' + i)), Estimate: 30, Minimum: 30,
			TimeToLive: time.Minute, Turn: meter.Turn{Model: "large", Labels: map[string]string{"team": "x", "stage": "y"}},
		}
		o.do(turns[i])
	}
	o.do(meter.Commit{OrganizationID: id, ReservationID: turns[0].ReservationID, Actual: 30, Tokens: meter.TokenUsage{Input: 7}},
		meter.Release{OrganizationID: id, ReservationID: turns[1].ReservationID, Tokens: meter.TokenUsage{Input: 7}})
	tooMuch := turns[2]
	tooMuch.ReservationID, tooMuch.RequestID, tooMuch.Estimate, tooMuch.Minimum = newID(), "d", 300, 300
	o.must(o.try(o.t.Context(), tooMuch))
	o.shift(2 * time.Minute)
	o.do(meter.Sweep{OrganizationID: id})
	roller := o.store.NewRoller()
	defer roller.Close()
	more, err := roller.RollUp(o.t.Context(), id)
	o.must(err)
	if more {
		o.t.Fatal("not all is rolled up at once")
	}
}

var usageBugs = []bug{
	{
		"a charge that is rolled up wrongly", nil,
		[]string{`UPDATE usage_rollup SET allowance_micros = allowance_micros + 1 WHERE organization_id = 'reported' AND dimension = 2`},
		[]string{"usage_rollup_is_what_happened"},
	},
	{
		"a turn that is rolled up twice for its labels", nil,
		[]string{`UPDATE usage_rollup SET turns = 2 * turns WHERE organization_id = 'reported' AND dimension = 5`},
		[]string{"usage_rollup_is_what_happened"},
	},
	{
		"a refusal that is not rolled up", nil,
		[]string{`UPDATE usage_rollup SET refused_no_access = 0 WHERE organization_id = 'reported' AND dimension = 3`},
		[]string{"usage_rollup_is_what_happened"},
	},
	{
		"a dimension that is gone", nil,
		[]string{`DELETE FROM usage_rollup WHERE organization_id = 'reported' AND dimension = 4`},
		[]string{"usage_rollup_is_what_happened"},
	},
	{
		"a watermark that fell behind what is rolled up", nil,
		[]string{`UPDATE usage_watermark SET ledger_sequence = 0 WHERE organization_id = 'reported'`},
		[]string{"usage_rollup_is_what_happened"},
	},
	{
		"a watermark beyond the ledger's end", nil,
		[]string{`UPDATE usage_watermark SET ledger_sequence = 1000 WHERE organization_id = 'reported'`},
		[]string{"usage_watermark_is_of_what_there_is"},
	},
	{
		"a watermark of no organization", nil,
		[]string{`INSERT INTO usage_watermark VALUES ('nobody')`},
		[]string{"usage_watermark_is_of_what_there_is"},
	},
	{
		"days that overlap", nil,
		[]string{`INSERT INTO usage_day SELECT organization_id, starts_at + interval '1 hour', ends_at + interval '1 hour', date,
			starts_at + interval '1 hour', starts_at + interval '1 hour' FROM usage_day WHERE organization_id = 'reported'`},
		[]string{"usage_days_never_overlap"},
	},
	{
		"roll-ups without their day", nil,
		[]string{`DELETE FROM usage_day WHERE organization_id = 'reported'`},
		[]string{"usage_rollup_has_its_day"},
	},
}
