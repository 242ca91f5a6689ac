package meter_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// request is one line of a script: a verb, its arguments, its options, and what is expected after the arrow.
type request struct {
	t        testing.TB
	name     string
	number   int
	text     string
	verb     string
	args     []string
	options  map[string]string
	expected []string
}

// parseRequest reads a line; nil is one that says nothing.
func parseRequest(t testing.TB, name string, number int, text string) *request {
	t.Helper()
	r := &request{t: t, name: name, number: number, text: strings.TrimSpace(text), options: map[string]string{}}
	words := split(text)
	for i, word := range words {
		if word == "->" {
			words, r.expected = words[:i], words[i+1:]
			break
		}
	}
	if len(words) == 0 {
		return nil
	}
	r.verb = words[0]
	for _, word := range words[1:] {
		if key, value, ok := strings.Cut(word, "="); ok {
			r.options[key] = value
		} else {
			r.args = append(r.args, word)
		}
	}
	return r
}

// split cuts a line at its spaces, but not within quotes, which it takes off, and leaves out what follows a #.
func split(text string) (words []string) {
	var word strings.Builder
	quoted, begun := false, false
	for _, c := range text + " " {
		switch {
		case c == '"':
			quoted, begun = !quoted, true
		case quoted || c != ' ' && c != '\t' && c != '#':
			word.WriteRune(c)
			begun = true
		default:
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
			if c == '#' {
				return words
			}
		}
	}
	return words
}

func (r *request) fail(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s:%d: %s: "+format, append([]any{r.name, r.number, r.text}, args...)...)
}

// done fails if the line said more than was read of it.
func (r *request) done() {
	r.t.Helper()
	if len(r.args) > 0 || len(r.options) > 0 {
		r.fail("does not understand %v %v", r.args, r.options)
	}
}

// arg takes the next argument.
func (r *request) arg() string {
	r.t.Helper()
	if len(r.args) == 0 {
		r.fail("says too little")
	}
	next := r.args[0]
	r.args = r.args[1:]
	return next
}

// option takes an option, or what it is without one.
func (r *request) option(key, otherwise string) string {
	value, ok := r.options[key]
	if !ok {
		return otherwise
	}
	delete(r.options, key)
	return value
}

func (r *request) amount(text string) meter.Micros {
	r.t.Helper()
	return meter.Micros(r.number64(text))
}

func (r *request) number64(text string) int64 {
	r.t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.fail("%v", err)
	}
	return n
}

func (r *request) duration(text string) time.Duration {
	r.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		r.fail("%v", err)
	}
	return d
}

// access reads NONE, UNLIMITED or CAPPED:50.
func (r *request) access(text string) meter.Access {
	r.t.Helper()
	kind, limit, _ := strings.Cut(text, ":")
	switch kind {
	case "NONE":
		return meter.Access{Kind: meter.AccessNone}
	case "UNLIMITED":
		return meter.Access{Kind: meter.AccessUnlimited}
	case "CAPPED":
		return meter.Access{Kind: meter.AccessCapped, Cap: r.amount(limit)}
	}
	r.fail("%q is no access", text)
	return meter.Access{}
}

// named looks a word up in the contract's words for a number.
func named[E ~int16](r *request, words map[E]string, word string) E {
	r.t.Helper()
	for e, w := range words {
		if w == word {
			return e
		}
	}
	r.fail("%q is none of %v", word, words)
	return 0
}

// The contract's words for what the rules number.
var (
	planKinds = map[meter.PlanKind]string{
		meter.PlanTeam: "TEAM", meter.PlanEducation: "EDUCATION", meter.PlanEnterprise: "ENTERPRISE",
		meter.PlanIndividual: "INDIVIDUAL",
	}
	failedTurns = map[meter.FailedTurnPolicy]string{
		meter.FailedTurnFree: "FREE", meter.FailedTurnUseAllowance: "USE_ALLOWANCE",
	}
	units              = map[meter.Unit]string{meter.UnitACU: "ACU", meter.UnitUSD: "USD"}
	organizationStates = map[meter.OrganizationState]string{
		meter.OrganizationActive: "ACTIVE", meter.OrganizationSuspended: "SUSPENDED",
	}
	roles        = map[meter.Role]string{meter.RoleOwner: "OWNER", meter.RoleAdmin: "ADMIN", meter.RoleMember: "MEMBER"}
	memberStates = map[meter.MemberState]string{meter.MemberActive: "ACTIVE", meter.MemberRemoved: "REMOVED"}
	accessKinds  = map[meter.AccessKind]string{
		meter.AccessNone: "NONE", meter.AccessCapped: "CAPPED", meter.AccessUnlimited: "UNLIMITED",
	}
	reservationStates = map[meter.ReservationState]string{
		meter.Held: "held", meter.Committed: "committed", meter.Released: "released", meter.Expired: "expired",
	}
	policies = map[meter.EstimatePolicy]string{
		0: "none", meter.EstimateMaximum: "MAXIMUM", meter.EstimateLearned: "LEARNED",
	}
	bases = map[meter.CostBasis]string{
		0: "none", meter.CostAmount: "AMOUNT", meter.CostTokens: "TOKENS", meter.CostHeld: "HELD",
	}
	entryKinds = map[meter.EntryKind]string{
		meter.EntryTopUp: "TOP_UP", meter.EntryRefund: "REFUND", meter.EntryPoolCharge: "POOL_CHARGE",
		meter.EntryAllowanceCharge: "ALLOWANCE_CHARGE",
	}
)
