package meter_test

import (
	"encoding/hex"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// fingerprintOf is what a Reserve that was accepted is known again by.
func fingerprintOf(t rapid.TB, c meter.Reserve) meter.Fingerprint {
	t.Helper()
	s := meter.NewState("acme", time.Date(2026, 2, 10, 12, 0, 0, 0, time.UTC))
	s.BookVersions = map[string]int64{meter.DefaultPriceBook: 1}
	s.Books = map[meter.BookVersion]meter.PriceBook{{ID: meter.DefaultPriceBook, Version: 1}: costsNothing{}}
	allowance := meter.Micros(1_000_000)
	s.Organization.Load("acme", meter.Organization{ID: "acme", Calendar: meter.Calendar{Anchor: meter.Anchor{
		Date: meter.Date{Year: 2026, Month: time.January, Day: 31}, Zone: time.UTC,
	}}})
	s.Members.Load(c.MemberID, meter.Member{ID: c.MemberID, Allowance: &allowance})
	o, err := c.Apply(s)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	return o.Reservation.Fingerprint
}

// costsNothing prices every model, so that any usage can be reserved.
type costsNothing struct{}

func (costsNothing) Price(string, meter.TokenUsage, time.Time, meter.Unit) (meter.Micros, error) {
	return 0, nil
}

// Every part of a Reserve's content counts, and no two run into each other.
func TestReserveFingerprintTellsContentApart(t *testing.T) {
	base := meter.Reserve{
		OrganizationID: "acme", MemberID: "mia", RequestID: "r1", Estimate: 12, Minimum: 1, TimeToLive: time.Minute,
		Turn: meter.Turn{Model: "ab", ConversationID: "c", TurnID: "d", Labels: map[string]string{"k": "v"}},
	}
	seen := map[meter.Fingerprint]string{}
	for name, change := range map[string]func(*meter.Reserve){
		"as it is":              func(*meter.Reserve) {},
		"member":                func(c *meter.Reserve) { c.MemberID = "mi" },
		"member into estimate":  func(c *meter.Reserve) { c.MemberID, c.Estimate = "mia1", 2 },
		"estimate":              func(c *meter.Reserve) { c.Estimate = 13 },
		"estimate into minimum": func(c *meter.Reserve) { c.Estimate, c.Minimum = 121, 1 },
		"minimum":               func(c *meter.Reserve) { c.Minimum = 2 },
		"time to live":          func(c *meter.Reserve) { c.TimeToLive++ },
		"model":                 func(c *meter.Reserve) { c.Turn.Model = "AB" },
		"model into next":       func(c *meter.Reserve) { c.Turn.Model, c.Turn.ConversationID = "a", "bc" },
		"model missing":         func(c *meter.Reserve) { c.Turn.Model, c.Turn.ConversationID = "", "abc" },
		"next into next":        func(c *meter.Reserve) { c.Turn.ConversationID, c.Turn.TurnID = "cd", "" },
		"turn":                  func(c *meter.Reserve) { c.Turn.TurnID = "e" },
		"turn like a label":     func(c *meter.Reserve) { c.Turn.TurnID, c.Turn.Labels = `d"k"="v"`, nil },
		"no label":              func(c *meter.Reserve) { c.Turn.Labels = nil },
		"empty label":           func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"k": ""} },
		"name into value":       func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"": "kv"} },
		"value into name":       func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"kv": ""} },
		"swapped":               func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"v": "k"} },
		"name like two":         func(c *meter.Reserve) { c.Turn.Labels = map[string]string{`k"="v" "k`: "v"} },
		"name with the sign":    func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"k=v": ""} },
		"value with the sign":   func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"k": "=v"} },
		"two":                   func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"k": "v", "l": "w"} },
		"two, swapped":          func(c *meter.Reserve) { c.Turn.Labels = map[string]string{"k": "w", "l": "v"} },
	} {
		c := base
		change(&c)
		f := fingerprintOf(t, c)
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q are taken for the same", name, other)
		}
		seen[f] = name
	}
}

// So does every part of a usage, but for the output that is expected: what is expected at a retry may be another.
func TestReserveFingerprintOfUsage(t *testing.T) {
	told := func(change func(*meter.EstimateUsage)) meter.Fingerprint {
		u := meter.EstimateUsage{
			Tokens:    meter.TokenUsage{Input: 1, CachedInput: 2, CacheWrite: 3, Output: 4},
			MaxOutput: 50, Policy: meter.EstimateLearned,
		}
		change(&u)
		return fingerprintOf(t, meter.Reserve{OrganizationID: "acme", MemberID: "mia", RequestID: "r1", Usage: &u})
	}
	asked := told(func(*meter.EstimateUsage) {})
	seen := map[meter.Fingerprint]string{
		fingerprintOf(t, meter.Reserve{OrganizationID: "acme", MemberID: "mia", RequestID: "r1"}): "no usage",
	}
	for name, change := range map[string]func(*meter.EstimateUsage){
		"as it is":          func(*meter.EstimateUsage) {},
		"input":             func(u *meter.EstimateUsage) { u.Tokens.Input++ },
		"cached input":      func(u *meter.EstimateUsage) { u.Tokens.CachedInput += 9 },
		"cache write":       func(u *meter.EstimateUsage) { u.Tokens.CacheWrite += 9 },
		"input into cached": func(u *meter.EstimateUsage) { u.Tokens.Input, u.Tokens.CachedInput = 2, 1 },
		"most output":       func(u *meter.EstimateUsage) { u.MaxOutput++ },
		"policy":            func(u *meter.EstimateUsage) { u.Policy = meter.EstimateMaximum },
	} {
		f := told(change)
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q are taken for the same", name, other)
		}
		seen[f] = name
	}
	if told(func(u *meter.EstimateUsage) { u.Tokens.Output = 7 }) != asked {
		t.Error("what is expected of the output makes a difference")
	}
}

// What a fingerprint is of today's content stays what it is: a retry may come after an upgrade.
func TestReserveFingerprintStaysTheSame(t *testing.T) {
	for want, c := range map[string]meter.Reserve{
		"a2edb4dde89a70001eceadd6ba9488b2": {
			OrganizationID: "acme", MemberID: "mia", RequestID: "r1", Estimate: 12, Minimum: 1, TimeToLive: 90 * time.Second,
			Turn: meter.Turn{Model: "large", ConversationID: "c", TurnID: "d", Labels: map[string]string{"team": "ätzend", "a": `"`}},
		},
		"feecca76eb8dad5a98aed12184f22026": {
			OrganizationID: "acme", MemberID: "mia", RequestID: "r1", TimeToLive: 10 * time.Minute, Turn: meter.Turn{Model: "large"},
			Usage: &meter.EstimateUsage{
				Tokens:    meter.TokenUsage{Input: 1200, CachedInput: 30, CacheWrite: 4, Output: 56},
				MaxOutput: 4096, Policy: meter.EstimateLearned,
			},
		},
	} {
		f := fingerprintOf(t, c)
		if got := hex.EncodeToString(f[:]); got != want {
			t.Errorf("%+v has the fingerprint %s, and had %s", c, got, want)
		}
	}
}

// What the server makes anew at each try is not part of the content.
func TestReserveFingerprintLeavesOutWhatAServerMakes(t *testing.T) {
	c := meter.Reserve{OrganizationID: "acme", MemberID: "mia", RequestID: "r1", Estimate: 1, Minimum: 1}
	first := fingerprintOf(t, c)
	c.ReservationID = uuidOf("another try")
	if fingerprintOf(t, c) != first {
		t.Error("the reservation id makes a difference")
	}
	c.Turn.Labels = map[string]string{}
	if fingerprintOf(t, c) != first {
		t.Error("no labels and empty labels differ")
	}
}

// However text is spread over model, conversation, turn and labels, other content has another fingerprint, and the same
// content has the same one, in whatever order its labels come.
func TestReserveFingerprintOfAnyTurn(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune(`ab"=\ `)), 0, 3, -1)
	turn := rapid.Custom(func(t *rapid.T) meter.Turn {
		return meter.Turn{
			Model: text.Draw(t, "model"), ConversationID: text.Draw(t, "conversation"), TurnID: text.Draw(t, "turn"),
			Labels: rapid.MapOfN(text, text, 0, 3).Draw(t, "labels"),
		}
	})
	same := func(a, b meter.Turn) bool {
		return a.Model == b.Model && a.ConversationID == b.ConversationID && a.TurnID == b.TurnID && maps.Equal(a.Labels, b.Labels)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := turn.Draw(t, "a"), turn.Draw(t, "b")
		if rapid.Bool().Draw(t, "the same") {
			b = a
			b.Labels = maps.Clone(a.Labels)
		}
		c := meter.Reserve{MemberID: strings.Repeat("m", 3), Estimate: 1, Minimum: 1}
		c.Turn = a
		first := fingerprintOf(t, c)
		c.Turn = b
		if got := fingerprintOf(t, c) == first; got != same(a, b) {
			t.Fatalf("%+v and %+v: taken for the same: %t", a, b, got)
		}
	})
}
