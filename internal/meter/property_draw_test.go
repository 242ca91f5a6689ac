package meter_test

import (
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// draw draws a command: a new one, or one sent before. Some ids are used again with other content.
func (p *rehearsal) draw(t *rapid.T) meter.Command {
	if len(p.sent) > 0 && rapid.IntRange(0, 5).Draw(t, "again") == 0 {
		return rapid.SampledFrom(p.sent).Draw(t, "sent before")
	}
	return rapid.SampledFrom(drawers).Draw(t, "kind")(p, t)
}

// drawers draw a command of one kind each; those that run turns come more often.
var drawers = []func(*rehearsal, *rapid.T) meter.Command{
	drawReserve, drawReserve, drawReserve, drawReserve, drawReserve, drawReserve, drawCommit, drawCommit, drawCommit, drawRelease, drawExtend, drawExtend,
	drawTopUp, drawTopUp, drawRefund, drawRefund, drawAccess, drawAccess, drawMember, drawMember, drawRemoval,
	drawOrganization, drawSweep,
}

func drawReserve(p *rehearsal, t *rapid.T) meter.Command {
	request := p.drawRequest(t, "r")
	estimate := rapid.Int64Range(1, 200).Draw(t, "estimate")
	least := estimate
	if rapid.Bool().Draw(t, "with minimum") {
		least = rapid.Int64Range(1, estimate).Draw(t, "minimum")
	}
	model := rapid.SampledFrom([]string{"small", "small", "unknown", ""}).Draw(t, "model")
	usage := drawUsage(t)
	if usage != nil {
		estimate, least = 0, rapid.SampledFrom([]int64{0, 0, 20, 500}).Draw(t, "least")
	}
	lives := []time.Duration{time.Second, time.Minute, meter.DefaultTimeToLive, meter.MaxTimeToLive, meter.MaxTimeToLive}
	return meter.Reserve{
		OrganizationID: "acme", RequestID: request, ReservationID: drawTurn(t, request), MemberID: drawMemberID(t),
		Estimate: meter.Micros(estimate), Usage: usage, Minimum: meter.Micros(least),
		TimeToLive: rapid.SampledFrom(lives).Draw(t, "ttl"), Turn: meter.Turn{Model: model},
	}
}

// drawUsage draws what a turn is expected to use; nil: an amount is told.
func drawUsage(t *rapid.T) *meter.EstimateUsage {
	if rapid.IntRange(0, 2).Draw(t, "by usage") > 0 {
		return nil
	}
	u := &meter.EstimateUsage{MaxOutput: rapid.SampledFrom([]int64{0, 20, 40}).Draw(t, "most output"), Policy: meter.EstimateMaximum}
	u.Tokens = meter.TokenUsage{Input: rapid.SampledFrom([]int64{0, 10}).Draw(t, "input"), Output: u.MaxOutput}
	if rapid.Bool().Draw(t, "learned") {
		u.Policy, u.Tokens.Output = meter.EstimateLearned, rapid.Int64Range(0, u.MaxOutput).Draw(t, "expected")
	}
	return u
}

func drawCommit(p *rehearsal, t *rapid.T) meter.Command {
	return meter.Commit{
		OrganizationID: "acme", ReservationID: p.drawKnown(t), Actual: drawAmount(t), Tokens: drawTokens(t),
		ByTokens: rapid.Bool().Draw(t, "by tokens"),
	}
}

func drawRelease(p *rehearsal, t *rapid.T) meter.Command {
	return meter.Release{
		OrganizationID: "acme", ReservationID: p.drawKnown(t), Actual: drawAmount(t), Tokens: drawTokens(t),
		ByTokens: rapid.Bool().Draw(t, "by tokens"),
	}
}

func drawExtend(p *rehearsal, t *rapid.T) meter.Command {
	return meter.Extend{
		OrganizationID: "acme", RequestID: p.drawRequest(t, "x"), ReservationID: p.drawKnown(t), Additional: drawAmount(t),
		TimeToLive: rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(t, "ttl"),
	}
}

func drawTopUp(_ *rehearsal, t *rapid.T) meter.Command {
	return meter.TopUp{
		OrganizationID: "acme", RequestID: drawName(t, "t", 12), Amount: meter.Micros(rapid.Int64Range(1, 300).Draw(t, "bought")),
	}
}

func drawRefund(_ *rehearsal, t *rapid.T) meter.Command {
	return meter.Refund{
		OrganizationID: "acme", RequestID: drawName(t, "f", 12), TopUpRequestID: drawName(t, "t", 4),
		Amount: meter.Micros(rapid.Int64Range(1, 120).Draw(t, "returned")),
	}
}

func drawAccess(p *rehearsal, t *rapid.T) meter.Command {
	access := meter.Access{Kind: rapid.SampledFrom([]meter.AccessKind{1, 2, 2, 3, 3}).Draw(t, "access")}
	if access.Kind == meter.AccessCapped {
		access.Cap = drawAmount(t)
	}
	return meter.SetAccess{
		OrganizationID: "acme", MemberID: drawMemberID(t), Access: access, Actor: "root",
		ChangeID: uuidOf("change", strconv.Itoa(len(p.sent)), drawName(t, "c", 1000)),
	}
}

func drawMember(_ *rehearsal, t *rapid.T) meter.Command {
	c := meter.PutMember{OrganizationID: "acme", MemberID: drawMemberID(t), Role: meter.RoleMember}
	if rapid.Bool().Draw(t, "own allowance") {
		own := drawAmount(t)
		c.Allowance = &own
	}
	return c
}

func drawRemoval(_ *rehearsal, t *rapid.T) meter.Command {
	return meter.RemoveMember{OrganizationID: "acme", MemberID: drawMemberID(t)}
}

func drawOrganization(p *rehearsal, t *rapid.T) meter.Command {
	return meter.PutOrganization{
		OrganizationID: "acme", PlanID: rapid.SampledFrom([]string{"team", "paid"}).Draw(t, "plan"), Unit: meter.UnitUSD,
		Anchor: p.model.calendar.Anchor, State: rapid.SampledFrom([]meter.OrganizationState{1, 1, 1, 1, 1, 2}).Draw(t, "state"),
	}
}

func drawSweep(*rehearsal, *rapid.T) meter.Command { return meter.Sweep{OrganizationID: "acme"} }

// drawRequest draws a request id: as a rule a new one, or one that may have been used.
func (p *rehearsal) drawRequest(t *rapid.T, prefix string) string {
	if rapid.IntRange(0, 5).Draw(t, "used id") == 0 {
		return drawName(t, prefix, 40)
	}
	p.fresh++
	return prefix + strconv.Itoa(p.fresh)
}

// drawKnown draws the id of a turn that runs, or of any that ran, or now and then of one that may not exist.
func (p *rehearsal) drawKnown(t *rapid.T) meter.UUID {
	turns := p.model.turns
	if rapid.IntRange(0, 2).Draw(t, "any turn") > 0 {
		turns = slices.DeleteFunc(slices.Clone(turns), func(turn *modelTurn) bool { return turn.state != meter.Held })
	}
	if len(turns) == 0 {
		return drawTurn(t, drawName(t, "r", 40))
	}
	return rapid.SampledFrom(turns).Draw(t, "turn").asked.ReservationID
}

// drawTurn draws the id that a server made for a Reserve: each of a caller's tries has its own.
func drawTurn(t *rapid.T, request string) meter.UUID {
	return uuidOf(request, rapid.SampledFrom([]string{"", "", "", "2"}).Draw(t, "try"))
}

// drawMemberID draws one of three members, of whom eve may not exist yet.
func drawMemberID(t *rapid.T) string {
	return rapid.SampledFrom([]string{"mia", "mia", "mia", "tom", "tom", "tom", "eve"}).Draw(t, "member")
}

func drawName(t *rapid.T, prefix string, names int) string {
	return prefix + strconv.Itoa(rapid.IntRange(1, names).Draw(t, prefix))
}

func drawAmount(t *rapid.T) meter.Micros {
	return meter.Micros(rapid.SampledFrom([]int64{0, 1, 10, 30, 60, 90, 120, 250}).Draw(t, "amount"))
}

func drawTokens(t *rapid.T) meter.TokenUsage {
	return meter.TokenUsage{Output: rapid.SampledFrom([]int64{0, 20, 50, 100}).Draw(t, "tokens")}
}
