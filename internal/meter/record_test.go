package meter_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

var recordedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// recorded is a state of an organization on a plan, and a way to apply commands to it on record.
type recorded struct {
	*testing.T
	state *meter.State
	by    meter.Actor
}

func newRecorded(t *testing.T) recorded {
	t.Helper()
	s := meter.NewState("acme", recordedAt)
	s.Plans = map[string]meter.Plan{"team": {ID: "team", Kind: meter.PlanTeam}}
	return recorded{t, s, meter.Actor{
		Subject: "console", Issuer: "idp", ActingFor: "ada", Role: "operator", Method: "/m", RequestID: "q",
	}}
}

func (r recorded) do(c meter.Recordable) error {
	r.Helper()
	_, err := meter.Recorded{Recordable: c, By: r.by}.Apply(r.state)
	return err
}

func (r recorded) must(c meter.Recordable) {
	r.Helper()
	if err := r.do(c); err != nil {
		r.Fatalf("%+v: %v", c, err)
	}
}

func acme(name string) meter.PutOrganization {
	return meter.PutOrganization{
		OrganizationID: "acme", DisplayName: name, PlanID: "team", Unit: meter.UnitACU, State: meter.OrganizationActive,
		Anchor: meter.Anchor{Date: meter.Date{Year: 2026, Month: time.January, Day: 31}, Zone: time.UTC},
	}
}

// TestOnRecord applies every command that goes on record, and reads the record: who, when, whom it concerns, before, after.
func TestOnRecord(t *testing.T) {
	t.Parallel()
	r := newRecorded(t)
	own := meter.Micros(9)
	mia := meter.PutMember{OrganizationID: "acme", MemberID: "mia", DisplayName: "<Mia>", Role: meter.RoleMember}
	admin := mia
	admin.Role, admin.Allowance = meter.RoleAdmin, &own
	grant := meter.SetAccess{
		OrganizationID: "acme", MemberID: "mia", Access: meter.Access{Kind: meter.AccessCapped, Cap: 5}, ChangeID: meter.UUID{1},
	}
	for _, c := range []meter.Recordable{
		acme("Acme"), acme("Acme & Co"), mia, admin, grant,
		meter.SetAccess{OrganizationID: "acme", MemberID: "mia", Access: meter.Access{Kind: meter.AccessNone}, ChangeID: meter.UUID{2}},
		meter.TopUp{OrganizationID: "acme", RequestID: "t", Amount: 10, Reference: "invoice"},
		meter.Refund{OrganizationID: "acme", RequestID: "f", TopUpRequestID: "t", Amount: 4, Reference: "note"},
		meter.RemoveMember{OrganizationID: "acme", MemberID: "mia"},
	} {
		r.must(c)
	}
	var got []string
	for _, e := range r.state.AuditEntries() {
		got = append(got, fmt.Sprintf("%d %s|%s|%s", e.Sequence, e.MemberID, e.Before, e.After))
		if e.Actor != r.by || !e.At.Equal(recordedAt) || e.OrganizationID != "acme" || e.Outcome != meter.AuditApplied {
			t.Errorf("entry %d is %+v", e.Sequence, e)
		}
	}
	profile := func(name string) string {
		return `{"display_name":"` + name + `","plan_id":"team","unit":"ACU","anniversary":"2026-01-31","time_zone":"UTC",` +
			`"state":"ACTIVE","pool_visible_to_members":false}`
	}
	member := func(role, state, more string) string {
		return `{"display_name":"<Mia>","email":"","role":"` + role + `","state":"` + state + `"` + more + `}`
	}
	want := []string{
		`1 ||` + profile("Acme"),
		`2 |` + profile("Acme") + `|` + profile("Acme & Co"),
		`3 mia||` + member("MEMBER", "ACTIVE", ""),
		`4 mia|` + member("MEMBER", "ACTIVE", "") + `|` + member("ADMIN", "ACTIVE", `,"allowance_micros":9`),
		`5 mia|{"access":"NONE"}|{"access":"CAPPED","cap_micros":5}`,
		`6 mia|{"access":"CAPPED","cap_micros":5}|{"access":"NONE"}`,
		`7 |{"balance_micros":0,"purchased_lifetime_micros":0,"refunded_lifetime_micros":0}|` +
			`{"balance_micros":10,"purchased_lifetime_micros":10,"refunded_lifetime_micros":0,` +
			`"entry":{"sequence":1,"amount_micros":10,"reference":"invoice","request_id":"t"}}`,
		`8 |{"balance_micros":10,"purchased_lifetime_micros":10,"refunded_lifetime_micros":0}|` +
			`{"balance_micros":6,"purchased_lifetime_micros":10,"refunded_lifetime_micros":4,` +
			`"entry":{"sequence":2,"amount_micros":4,"reference":"note","request_id":"f","top_up_request_id":"t"}}`,
		`9 mia|` + member("ADMIN", "ACTIVE", `,"allowance_micros":9`) + `|` + member("ADMIN", "REMOVED", `,"allowance_micros":9`),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the record is\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNothingToRecord: what changes nothing, because it was done before or because it is refused, leaves no entry.
func TestNothingToRecord(t *testing.T) {
	t.Parallel()
	r := newRecorded(t)
	topUp := meter.TopUp{OrganizationID: "acme", RequestID: "t", Amount: 10}
	grant := meter.SetAccess{
		OrganizationID: "acme", MemberID: "mia", Access: meter.Access{Kind: meter.AccessUnlimited}, ChangeID: meter.UUID{1},
	}
	mia := meter.PutMember{OrganizationID: "acme", MemberID: "mia", Role: meter.RoleMember}
	for _, c := range []meter.Recordable{acme("Acme"), mia, grant, topUp} {
		r.must(c)
	}
	before := len(r.state.AuditEntries())
	for _, c := range []meter.Recordable{acme("Acme"), mia, grant, topUp} {
		r.must(c)
	}
	topUp.Amount = 11
	unknown := grant
	unknown.MemberID = "nobody"
	refund := meter.Refund{OrganizationID: "acme", RequestID: "f", TopUpRequestID: "t", Amount: 11}
	for _, c := range []meter.Recordable{topUp, unknown, refund} {
		if err := r.do(c); err == nil {
			t.Errorf("%+v was not refused", c)
		}
	}
	if before != 4 || len(r.state.AuditEntries()) != before {
		t.Errorf("there were %d entries, and there are %d", before, len(r.state.AuditEntries()))
	}
}

// TestPlansAndPricesOnRecord are the changes that belong to no organization.
func TestPlansAndPricesOnRecord(t *testing.T) {
	t.Parallel()
	by := meter.Actor{Subject: "billing"}
	limit := int64(3)
	small := meter.Plan{ID: "team", Kind: meter.PlanTeam, SeatAllowance: 5, FailedTurns: meter.FailedTurnFree}
	large := small
	large.Limits.Devices, large.Abuse = &limit, meter.AbuseLimit{Tokens: 7, Window: time.Hour}
	is := `{"plan_id":"team","kind":"TEAM","seat_allowance_micros":5,"failed_turn_policy":"FREE"}`
	became := `{"plan_id":"team","kind":"TEAM","seat_allowance_micros":5,"devices":3,"abuse_tokens":7,"abuse_window":"1h0m0s",` +
		`"failed_turn_policy":"FREE"}`
	for what, c := range map[string]struct {
		entry         func() (meter.AuditEntry, bool, error)
		before, after string
		changed       bool
	}{
		"a new plan":       {func() (meter.AuditEntry, bool, error) { return meter.PlanRecord(by, recordedAt, nil, small) }, "", is, true},
		"a changed plan":   {func() (meter.AuditEntry, bool, error) { return meter.PlanRecord(by, recordedAt, &small, large) }, is, became, true},
		"an unchanged one": {func() (meter.AuditEntry, bool, error) { return meter.PlanRecord(by, recordedAt, &small, small) }, is, is, false},
		"a first version": {
			func() (meter.AuditEntry, bool, error) { return meter.PriceBookRecord(by, recordedAt, "list", 0, 1) },
			"", `{"price_book_id":"list","version":1}`, true,
		},
		"the same version": {
			func() (meter.AuditEntry, bool, error) { return meter.PriceBookRecord(by, recordedAt, "list", 1, 1) },
			`{"price_book_id":"list","version":1}`, `{"price_book_id":"list","version":1}`, false,
		},
	} {
		e, changed, err := c.entry()
		if err != nil || changed != c.changed || e.Before != c.before || e.After != c.after || e.Actor != by {
			t.Errorf("%s: %v, %v, %+v", what, changed, err, e)
		}
	}
}

// TestChain: entries follow each other, and whatever of one is changed, its hash is another.
func TestChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 4, 8)
		e := meter.AuditEntry{
			OrganizationID: text.Draw(t, "organization"), At: recordedAt, MemberID: text.Draw(t, "member"),
			Actor:   meter.Actor{Subject: text.Draw(t, "subject"), Issuer: text.Draw(t, "issuer"), Method: text.Draw(t, "method")},
			Outcome: meter.AuditDenied, Reason: text.Draw(t, "reason"), Named: text.Draw(t, "named"), Attempts: 2,
		}
		first, head := meter.AuditHead{}.Chain(e)
		second, end := head.Chain(e)
		if first.Sequence != 1 || second.Sequence != 2 || first.Hash == second.Hash || end != (meter.AuditHead{Sequence: 2, Hash: second.Hash}) {
			t.Fatalf("%+v is followed by %+v, and ends with %+v", first, second, end)
		}
		moved := e
		moved.Actor.Subject, moved.Actor.Issuer = e.Actor.Subject+e.Actor.Issuer, ""
		changed := []meter.AuditEntry{e, e, e, e}
		changed[0].At = e.At.Add(time.Microsecond)
		changed[1].Attempts++
		changed[2].Before += " "
		changed[3].Actor.RequestID += "x"
		if e.Actor.Issuer != "" {
			changed = append(changed, moved)
		}
		for _, c := range changed {
			if other, _ := (meter.AuditHead{}).Chain(c); other.Hash == first.Hash {
				t.Fatalf("%+v has the hash of %+v", c, e)
			}
		}
	})
}

// TestDigest is the form of the hash, which others compute too: it must never change.
func TestDigest(t *testing.T) {
	t.Parallel()
	e, _ := meter.AuditHead{Sequence: 6, Hash: meter.AuditHash{9}}.Chain(meter.AuditEntry{
		OrganizationID: "acme", At: time.Unix(1, 5000).UTC(), MemberID: "mia", Outcome: meter.AuditApplied, Before: "{}", After: "é",
		Actor: meter.Actor{Subject: "s", Issuer: "i", ActingFor: "a", Role: "r", Method: "m", RequestID: "q"},
	})
	var bytes []byte
	for _, v := range []string{
		"\x09" + strings.Repeat("\x00", 31), "acme", "7", "1000005", "s", "i", "a", "r", "m", "q", "mia", "1", "{}", "é", "", "", "0",
	} {
		bytes = append(binary.BigEndian.AppendUint64(bytes, uint64(len(v))), v...)
	}
	if want := sha256.Sum256(bytes); e.Hash != meter.AuditHash(want) {
		t.Errorf("the hash is %x, not %x", e.Hash, want)
	}
}

// TestDenialOnRecord goes on the record of an organization that need not exist.
func TestDenialOnRecord(t *testing.T) {
	t.Parallel()
	s := meter.NewState("", recordedAt)
	by := meter.Actor{Subject: "eve", Role: "member"}
	if _, err := (meter.Denial{By: by, Named: "acme", Reason: "no", Attempts: 3}).Apply(s); err != nil {
		t.Fatal(err)
	}
	want := meter.AuditEntry{
		Sequence: 1, At: recordedAt, Actor: by, Outcome: meter.AuditDenied, Reason: "no", Named: "acme", Attempts: 3,
	}
	got := s.AuditEntries()
	if len(got) != 1 {
		t.Fatalf("%d entries", len(got))
	}
	if want.Hash = got[0].Hash; got[0] != want {
		t.Errorf("got %+v", got[0])
	}
}

// TestFactsAreJSON: names are those of the contract, and every enum value has one.
func TestFactsAreJSON(t *testing.T) {
	t.Parallel()
	for kind := meter.PlanTeam; kind <= meter.PlanIndividual; kind++ {
		for policy := meter.FailedTurnFree; policy <= meter.FailedTurnUseAllowance; policy++ {
			e, _, err := meter.PlanRecord(meter.Actor{}, recordedAt, nil, meter.Plan{ID: "p", Kind: kind, FailedTurns: policy})
			var facts map[string]any
			if err != nil || json.Unmarshal([]byte(e.After), &facts) != nil || facts["kind"] == "" || facts["failed_turn_policy"] == "" {
				t.Errorf("%v, %s", err, e.After)
			}
		}
	}
}
