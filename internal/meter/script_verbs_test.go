package meter_test

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/spillway-metering/spillway/internal/meter"
)

// stages set the scene: a plan, the clock, the organization that is spoken of.
var stages = map[string]func(*script, *request){
	"plan": func(s *script, r *request) {
		p := planOf(r)
		s.store.plans[p.ID] = p
	},
	"book":  func(s *script, r *request) { s.store.putBook(r.t, bookOf(r)) },
	"in":    func(s *script, r *request) { s.org = r.arg() },
	"at":    func(s *script, r *request) { s.now = moment(r.t, r.arg()).UTC() },
	"after": func(s *script, r *request) { s.now = s.now.Add(r.duration(r.arg())) },
}

// commands are the verbs that write.
var commands = map[string]func(*script, *request) meter.Command{
	"organization": putOrganization,
	"member":       putMember,
	"remove": func(s *script, r *request) meter.Command {
		return meter.RemoveMember{OrganizationID: s.org, MemberID: r.arg()}
	},
	"access":  setAccess,
	"topup":   topUp,
	"refund":  refund,
	"reserve": reserve,
	"extend":  extend,
	"commit":  commit,
	"release": release,
	"sweep":   func(s *script, _ *request) meter.Command { return meter.Sweep{OrganizationID: s.org} },
}

// plan team kind=TEAM allowance=100 failed=FREE abuse=1000/1h
func planOf(r *request) meter.Plan {
	r.t.Helper()
	p := meter.Plan{
		ID:            r.arg(),
		Kind:          named(r, planKinds, r.option("kind", "TEAM")),
		SeatAllowance: r.amount(r.option("allowance", "100")),
		FailedTurns:   named(r, failedTurns, r.option("failed", "FREE")),
	}
	if tokens, window, limited := strings.Cut(r.option("abuse", ""), "/"); limited {
		p.Abuse = meter.AbuseLimit{Tokens: r.number64(tokens), Window: r.duration(window)}
	}
	return p
}

// organization acme plan=team unit=USD anchor=2026-01-31 zone=UTC state=ACTIVE visible=no
func putOrganization(s *script, r *request) meter.Command {
	r.t.Helper()
	if id := r.arg(); id != s.org {
		s.flush() // What waits is answered in the words of the organization that it concerns.
		s.org = id
	}
	return meter.PutOrganization{
		OrganizationID:       s.org,
		DisplayName:          r.option("name", ""),
		PlanID:               r.option("plan", "team"),
		Unit:                 named(r, units, r.option("unit", "USD")),
		Anchor:               anchorAt(r.t, r.option("anchor", "2026-01-31"), r.option("zone", "UTC")),
		State:                named(r, organizationStates, r.option("state", "ACTIVE")),
		PoolVisibleToMembers: r.option("visible", "no") == "yes",
		PriceBookID:          r.option("book", ""),
	}
}

// member mia role=MEMBER allowance=50
func putMember(s *script, r *request) meter.Command {
	r.t.Helper()
	c := meter.PutMember{
		OrganizationID: s.org, MemberID: r.arg(), DisplayName: r.option("name", ""),
		Role: named(r, roles, r.option("role", "MEMBER")),
	}
	if own := r.option("allowance", ""); own != "" {
		allowance := r.amount(own)
		c.Allowance = &allowance
	}
	return c
}

// access mia CAPPED:50 by=root
func setAccess(s *script, r *request) meter.Command {
	r.t.Helper()
	return meter.SetAccess{
		OrganizationID: s.org, MemberID: r.arg(), Access: r.access(r.arg()), Actor: r.option("by", "root"),
		ChangeID: uuidOf("change", strconv.Itoa(r.number)),
	}
}

// topup t1 1000 for=invoice-7
func topUp(s *script, r *request) meter.Command {
	r.t.Helper()
	return meter.TopUp{
		OrganizationID: s.org, RequestID: r.arg(), Amount: r.amount(r.arg()), Reference: r.option("for", ""),
	}
}

// refund f1 200 of=t1 for=invoice-7
func refund(s *script, r *request) meter.Command {
	r.t.Helper()
	return meter.Refund{
		OrganizationID: s.org, RequestID: r.arg(), Amount: r.amount(r.arg()), TopUpRequestID: r.option("of", ""),
		Reference: r.option("for", ""),
	}
}

// reserve r1 mia 120 min=100 ttl=10m, or reserve r1 mia model=small use=10/20 expect=15
func reserve(s *script, r *request) meter.Command {
	r.t.Helper()
	id, member := r.arg(), r.arg()
	c := meter.Reserve{
		OrganizationID: s.org, RequestID: id, MemberID: member,
		ReservationID: uuidOf(s.org, id, r.option("try", "")),
		TimeToLive:    r.duration(r.option("ttl", meter.DefaultTimeToLive.String())),
		Turn:          meter.Turn{Model: r.option("model", "")},
	}
	least := "0"
	if c.Usage = usageOf(r); c.Usage == nil {
		least = r.arg()
		c.Estimate = r.amount(least)
	}
	c.Minimum = r.amount(r.option("min", least))
	return c
}

// usageOf is what a turn is expected to use; nil: the line tells an amount.
func usageOf(r *request) *meter.EstimateUsage {
	r.t.Helper()
	use := r.option("use", "")
	if use == "" {
		return nil
	}
	tokens := inputAndOutput(r, use)
	u := &meter.EstimateUsage{Tokens: tokens, MaxOutput: tokens.Output, Policy: meter.EstimateMaximum}
	if expected := r.option("expect", ""); expected != "" {
		u.Tokens.Output, u.Policy = r.number64(expected), meter.EstimateLearned
	}
	return u
}

// extend x1 r1 50 ttl=1h
func extend(s *script, r *request) meter.Command {
	r.t.Helper()
	return meter.Extend{
		OrganizationID: s.org, RequestID: r.arg(), ReservationID: uuidOf(s.org, r.arg(), ""), Additional: r.amount(r.arg()),
		TimeToLive: r.duration(r.option("ttl", "0s")),
	}
}

// commit r1 90 tokens=10, or commit r1 used=10/20
func commit(s *script, r *request) meter.Command {
	r.t.Helper()
	c := meter.Commit{OrganizationID: s.org, ReservationID: uuidOf(s.org, r.arg(), "")}
	if c.ByTokens = r.options["used"] != "" && len(r.args) == 0; !c.ByTokens {
		c.Actual = r.amount(r.arg())
	}
	c.Tokens = tokensOf(r)
	return c
}

// release r1 cost=90 tokens=10 because="the model was down", or release r1 used=10/20
func release(s *script, r *request) meter.Command {
	r.t.Helper()
	return meter.Release{
		OrganizationID: s.org, ReservationID: uuidOf(s.org, r.arg(), ""),
		ByTokens: r.options["used"] != "" && r.options["cost"] == "",
		Actual:   r.amount(r.option("cost", "0")),
		Tokens:   tokensOf(r), Reason: r.option("because", ""),
	}
}

// tokensOf are those told class by class, or so many spread over the classes, so that one that is not counted is missed.
func tokensOf(r *request) meter.TokenUsage {
	r.t.Helper()
	if used := r.option("used", ""); used != "" {
		return inputAndOutput(r, used)
	}
	n := r.number64(r.option("tokens", "0"))
	return meter.TokenUsage{Input: n - 4*(n/5), CachedInput: n / 5, CacheWrite: n / 5, Output: n / 5, Reasoning: n / 5}
}

// uuidOf makes the ids that a server would draw: the same for the same parts.
func uuidOf(parts ...string) meter.UUID {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return meter.UUID(sum[:16])
}
