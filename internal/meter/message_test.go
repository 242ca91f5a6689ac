package meter_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// hardStops are the refusals whose message tells when the next period starts.
var hardStops = map[meter.Reason]bool{
	meter.ExtraUsageNotEnabled: true, meter.PoolEmpty: true, meter.MemberCapReached: true, meter.IndividualExhausted: true,
}

// otherwiseForPeople are the other refusals about which the person who runs the turn can do something.
var otherwiseForPeople = map[meter.Reason]bool{
	meter.OrganizationSuspendedReason: true, meter.MemberRemovedReason: true, meter.AbuseLimitReached: true,
	meter.PlanLimitReached: true,
}

// Every reason has a message that is whole, and is documented in the contract under the same name.
func TestEveryReasonHasAMessage(t *testing.T) {
	reasons := reasonConstants(t)
	said := map[string]meter.Reason{}
	for name, reason := range reasons {
		refusal := &meter.Refusal{Reason: reason}
		if hardStops[reason] {
			refusal.ResetsOn = "28 February 2026"
		}
		message := refusal.Message()
		if len(message) < 20 || !strings.HasSuffix(message, ".") || strings.Contains(message, "%") {
			t.Errorf("%s says %q", name, message)
		}
		if hardStops[reason] != strings.Contains(message, "28 February 2026") {
			t.Errorf("%s says %q: the date is for hard stops", name, message)
		}
		if other, ok := said[message]; ok {
			t.Errorf("%s and %s say the same: %q", reason, other, message)
		}
		said[message] = reason
		if _, ok := meterv1.ErrorReason_value["ERROR_REASON_"+string(reason)]; !ok {
			t.Errorf("%s is not in the contract's ErrorReason", reason)
		}
	}
	for reason := range hardStops {
		if !containsReason(reasons, reason) {
			t.Errorf("%s is no reason", reason)
		}
	}
}

// The message is for the person who runs the turn where that person can do something about it.
func TestMessagesForPeople(t *testing.T) {
	for _, reason := range reasonConstants(t) {
		refusal := &meter.Refusal{Reason: reason}
		if hardStops[reason] {
			refusal.ResetsOn = "28 February 2026"
		}
		want := hardStops[reason] || otherwiseForPeople[reason]
		if refusal.ForPeople() != want {
			t.Errorf("%s is for people: %t, want %t", reason, !want, want)
		}
		if message := refusal.Message(); want && !tellsWhatToDo.MatchString(message) {
			t.Errorf("%s does not say what to do: %q", reason, message)
		}
	}
}

// tellsWhatToDo matches what asks a person to do something.
var tellsWhatToDo = regexp.MustCompile(`\b(Ask your firm's admin to|Please wait|Purchase)\b`)

// A refusal that several RPCs answer must be true of each of them.
func TestMessagesFitWhoeverIsRefused(t *testing.T) {
	for reason, wrong := range map[meter.Reason]string{
		meter.AlreadyCommitted: "commit,|Commit,|this is a", // A Release and an Extend are refused so, too.
		meter.Unavailable:      "appl",                      // A read applies nothing.
		meter.Overloaded:       "appl",
	} {
		if says := (&meter.Refusal{Reason: reason}).Message(); regexp.MustCompile(wrong).MatchString(says) {
			t.Errorf("%s says %q", reason, says)
		}
	}
}

// A refusal names its reason and facts, or its cause, which it unwraps to.
func TestRefusalError(t *testing.T) {
	facts := &meter.Refusal{Reason: meter.PoolEmpty, Facts: map[string]string{"needed_micros": "5"}}
	if got, want := facts.Error(), "POOL_EMPTY map[needed_micros:5]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	cause := errors.New("connection lost")
	transient := &meter.Refusal{Reason: meter.Unavailable, Cause: cause}
	if got, want := transient.Error(), "UNAVAILABLE: connection lost"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(transient, cause) || strings.Contains(transient.Message(), "connection") {
		t.Errorf("the cause is for the log alone: %q", transient.Message())
	}
}

func containsReason(reasons map[string]meter.Reason, reason meter.Reason) bool {
	for _, r := range reasons {
		if r == reason {
			return true
		}
	}
	return false
}

// reasonConstants reads the constants of type Reason from the source, so that none is left out here.
func reasonConstants(t *testing.T) map[string]meter.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "refusal.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]meter.Reason{}
	for node := range ast.Preorder(file) {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			continue
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Reason" {
			continue
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is no plain text", spec.Names[0].Name)
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons[spec.Names[0].Name] = meter.Reason(text)
	}
	if len(reasons) < 20 {
		t.Fatalf("found %d reasons only", len(reasons))
	}
	return reasons
}
