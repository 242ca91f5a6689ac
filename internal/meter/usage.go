package meter

import "time"

// UsageGrouping is what a report of usage has a row for. The numbers are those of the contract.
type UsageGrouping int16

// The groupings of a report.
const (
	UsageByMember       UsageGrouping = 1
	UsageByModel        UsageGrouping = 2
	UsageByDay          UsageGrouping = 3
	UsageByConversation UsageGrouping = 4
	UsageByLabel        UsageGrouping = 5 // Of UsageQuery.LabelKey.
)

// UsageQuery says what to report.
type UsageQuery struct {
	OrganizationID string
	Span           Span // A zero Start is that of the running period, and a zero End its end.
	Grouping       UsageGrouping
	LabelKey       string // Of UsageByLabel.
	ByCost         bool   // The dearest first; otherwise in order of value.
	Offset, Limit  int
	AsOf           UsageMark // Zero: as it now stands.
}

// UsageMark is a moment in an organization's life: the last entry of its ledger, and its last uncharged turn.
type UsageMark struct {
	Ledger, Uncharged int64
}

// UsageReport is a page of a report.
type UsageReport struct {
	Rows       []UsageRow
	Totals     UsageFigures
	Unlabelled UsageFigures // Of UsageByLabel: what the turns without the label come to.
	Span       Span
	Zone       *time.Location
	Unit       Unit
	AsOf       UsageMark
}

// UsageRow is a row of a report.
type UsageRow struct {
	Value       string
	DisplayName string  // Of UsageByMember.
	Day         Span    // Of UsageByDay.
	Balance     *Micros // Of UsageByDay: the pool's after the day's last entry; nil: it had none.
	UsageFigures
}

// UsageFigures is what turns come to. A turn counts at the moment at which it ended or was refused.
type UsageFigures struct {
	Turns   int64   // Committed.
	Failed  int64   // Released.
	Expired int64   // Settled by nobody in time.
	Late    int64   // Of Turns and Failed: those that were counted in Expired before.
	Refused Refused // Never begun.
	Tokens  TokenUsage

	Allowance, Pool, Overrun Micros
}

// Refused counts the turns that were refused, by the reasons of Refusals in their order.
type Refused [7]int64

// Refusals are the reasons for which a member's turn is refused, and counted, in the order in which a turn meets them.
var Refusals = [len(Refused{})]Reason{
	OrganizationSuspendedReason, MemberRemovedReason, AbuseLimitReached, ExtraUsageNotEnabled, PoolEmpty, MemberCapReached,
	IndividualExhausted,
}

// Total is how many turns were refused.
func (r Refused) Total() (n int64) {
	for _, refused := range r {
		n += refused
	}
	return n
}

// Actual is what the turns cost.
func (f UsageFigures) Actual() Micros { return f.Allowance + f.Pool + f.Overrun }

// Less is f without what g comes to, which is part of it.
func (f UsageFigures) Less(g UsageFigures) UsageFigures {
	f.Turns -= g.Turns
	f.Failed -= g.Failed
	f.Expired -= g.Expired
	f.Late -= g.Late
	for i := range f.Refused {
		f.Refused[i] -= g.Refused[i]
	}
	f.Tokens.Input -= g.Tokens.Input
	f.Tokens.CachedInput -= g.Tokens.CachedInput
	f.Tokens.CacheWrite -= g.Tokens.CacheWrite
	f.Tokens.Output -= g.Tokens.Output
	f.Tokens.Reasoning -= g.Tokens.Reasoning
	f.Allowance -= g.Allowance
	f.Pool -= g.Pool
	f.Overrun -= g.Overrun
	return f
}
