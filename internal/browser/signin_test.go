package browser

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/session/sessiontest"
)

// shown are the pages that a session shows.
func shown(session map[string]any) string {
	var pages []string
	for _, name := range []string{"usage", "pool", "members", "me", "reports"} {
		if shows, _ := session["shows"].(map[string]any); shows[name] == true {
			pages = append(pages, name)
		}
	}
	return strings.Join(pages, " ")
}

// TestDevelopment signs in as members of the demonstration.
func TestDevelopment(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	p := s.person(t)
	if got := p.session(); got["signed_in"] != false || got["dev"] != true || shown(got) != "" {
		t.Errorf("nobody is told %v", got)
	}
	if got := p.get("/signin?to=/pool"); got.status != 200 || !strings.Contains(got.text, "Acme Automation") || !strings.Contains(got.text, `value="/pool"`) {
		t.Errorf("there is to choose from %s", got.text)
	}
	if got := p.choose("nobody"); got.status != http.StatusNotFound {
		t.Errorf("somebody who is not there is answered %d", got.status)
	}
	if got := p.choose("ben"); got.status != 200 || got.url != s.url+"/me" {
		t.Errorf("one comes to %d %s", got.status, got.url)
	}
	member := p.session()
	if member["role"] != "MEMBER" || member["display_name"] != "Ben" || member["organization_id"] != "acme" || member["unit"] != "USD" ||
		member["time_zone"] != "Europe/Berlin" || member["plan_kind"] != "TEAM" || shown(member) != "usage members me" || member["pool_visible"] != false {
		t.Errorf("a member is told %v", member)
	}
	pool := map[string]any{"organizationId": "acme"}
	if got := p.call("PoolService/GetPool", pool); got.status != http.StatusForbidden {
		t.Errorf("a member is shown the pool: %d %s", got.status, got.text)
	}
	s.putMember(t, "ben", "ROLE_ADMIN")
	if got := p.call("PoolService/GetPool", pool); got.status != http.StatusOK || p.session()["role"] != "ADMIN" {
		t.Errorf("an admin of this moment is answered %d %s, and told %v", got.status, got.text, p.session())
	}
	s.putMember(t, "ben", "ROLE_MEMBER")
	if got := p.call("PoolService/GetPool", pool); got.status != http.StatusForbidden || shown(p.session()) != "usage members me" {
		t.Errorf("no admin any more, one is answered %d %s", got.status, got.text)
	}
	s.call(t, "OrganizationService/RemoveMember", map[string]any{"organizationId": "acme", "memberId": "ben"})
	if got := p.call("UsageService/GetMeter", map[string]any{"organizationId": "acme", "memberId": "ben"}); got.status != http.StatusUnauthorized {
		t.Errorf("who was removed is answered %d %s", got.status, got.text)
	}
	p.choose("ada")
	if got := p.submit("/signout", ""); got.url != s.url+"/signin" || p.session()["signed_in"] != false {
		t.Errorf("signed out, one is at %s as %v", got.url, p.session())
	}
}

// TestStaleSession: a session that does not open is nobody's, also where a call without one is an operator's.
func TestStaleSession(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	p := s.person(t)
	p.header.Set("Cookie", "meter-session=AAAA")
	got := p.call("PoolService/GetPool", map[string]any{"organizationId": "acme"})
	if got.status != http.StatusUnauthorized || got.json(t)["code"] != "unauthenticated" || !strings.Contains(got.text, "UNAUTHENTICATED") {
		t.Errorf("got %d %s", got.status, got.text)
	}
	if p.session()["signed_in"] != false {
		t.Errorf("it is somebody: %v", p.session())
	}
}

// TestShows: which pages there are for whom.
func TestShows(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	for _, kind := range []string{"TEAM", "EDUCATION", "ENTERPRISE"} {
		s.furnish(t, kind)
		for member, want := range map[string]string{"ada": "usage pool members me reports", "ben": "usage members me"} {
			p := s.person(t)
			p.choose(member)
			if got := p.session(); shown(got) != want || got["plan_kind"] != kind {
				t.Errorf("%s of %s is shown %q: %v", member, kind, shown(got), got)
			}
		}
	}
	for _, member := range []string{"ben", "cy"} {
		s.call(t, "OrganizationService/RemoveMember", map[string]any{"organizationId": "acme", "memberId": member})
	}
	s.putPlan(t, "solo", "INDIVIDUAL")
	s.putOrganization(t, "solo", nil)
	for role, want := range map[string]string{"ROLE_OWNER": "pool me reports", "ROLE_MEMBER": "pool me"} {
		s.putMember(t, "ada", role)
		p := s.person(t)
		p.choose("ada")
		if got := p.session(); shown(got) != want || got["plan_kind"] != "INDIVIDUAL" {
			t.Errorf("a solo %s is shown %q: %v", role, shown(got), got)
		}
	}
	s.putPlan(t, "shown", "TEAM")
	s.putOrganization(t, "shown", map[string]any{"poolVisibleToMembers": true})
	s.putMember(t, "ben", "ROLE_MEMBER")
	p := s.person(t)
	p.choose("ben")
	if got := p.session(); shown(got) != "usage pool members me" || got["pool_visible"] != true {
		t.Errorf("a member who is shown the pool is told %v", got)
	}
}

// signed is a firm whose people sign in at an issuer.
func signed(t *testing.T, args ...string) (*site, *sessiontest.Issuer) {
	t.Helper()
	issuer := sessiontest.NewIssuer(t)
	s := startSigned(t, postgres.Database(t), issuer, args...)
	s.furnish(t, "TEAM")
	issuer.Seat(sessiontest.Person{Role: "member", OrganizationID: "acme", MemberID: "ben"})
	return s, issuer
}

// TestIssuer signs in and out at an issuer, which is strict about what it is asked: state, nonce, PKCE and secret.
func TestIssuer(t *testing.T) {
	for name, moods := range map[string]sessiontest.Moods{
		"by the access token": {}, "by the ID token": {IDOnly: true}, "by a token in several cookies": {Padding: 9000},
		"with the issuer's name": {}, "without an end": {NoEnd: true},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := sessiontest.NewIssuer(t)
			moods.Issuer = issuer.URL
			issuer.Be(moods)
			s := startSigned(t, postgres.Database(t), issuer)
			s.furnish(t, "TEAM")
			issuer.Seat(sessiontest.Person{Role: "member", OrganizationID: "acme", MemberID: "ben"})
			p := s.person(t)
			if got := p.session(); got["signed_in"] != false || got["dev"] != false {
				t.Errorf("nobody is told %v", got)
			}
			own := map[string]any{"organizationId": "acme", "memberId": "ben"}
			if got := p.call("UsageService/GetMeter", own); got.status != http.StatusUnauthorized {
				t.Errorf("nobody is answered %d %s", got.status, got.text)
			}
			if got := p.get("/signin?to=" + url.QueryEscape("/me?tab=1")); got.status != 200 || got.url != s.url+"/me?tab=1" {
				t.Fatalf("one comes to %d %s", got.status, got.url)
			}
			if got := p.session(); got["signed_in"] != true || got["role"] != "MEMBER" || got["display_name"] != "Ben" || shown(got) != "usage members me" {
				t.Errorf("one is told %v", got)
			}
			if got := p.call("UsageService/GetMeter", own); got.status != http.StatusOK {
				t.Errorf("one's own meter is answered %d %s", got.status, got.text)
			}
			if got := p.call("UsageService/GetMeter", map[string]any{"organizationId": "acme", "memberId": "cy"}); got.status != http.StatusForbidden {
				t.Errorf("another's meter is answered %d %s", got.status, got.text)
			}
			before := issuer.Ended()
			if got := p.submit("/signout", ""); got.url != s.url+"/signedout" || got.status != 200 || (issuer.Ended() == before) != moods.NoEnd {
				t.Errorf("signed out, one is at %s %d, and the issuer ended %d", got.url, got.status, issuer.Ended()-before)
			}
			if got := p.call("UsageService/GetMeter", own); got.status != http.StatusUnauthorized || p.session()["signed_in"] != false {
				t.Errorf("signed out, one is answered %d", got.status)
			}
		})
	}
}

// TestIssuerRefused: no session begins unless everything fits.
func TestIssuerRefused(t *testing.T) {
	s, issuer := signed(t)
	for name, c := range map[string]struct {
		moods    sessiontest.Moods
		lifetime time.Duration
		status   int
	}{
		"another nonce":            {sessiontest.Moods{Nonce: "another"}, 0, http.StatusForbidden},
		"another issuer":           {sessiontest.Moods{Issuer: "https://evil.test"}, 0, http.StatusBadRequest},
		"the issuer says no":       {sessiontest.Moods{Error: "access_denied"}, 0, http.StatusForbidden},
		"the code is unknown":      {sessiontest.Moods{WrongCode: true}, 0, http.StatusBadGateway},
		"tokens for another":       {sessiontest.Moods{Audience: "another"}, 0, http.StatusForbidden},
		"a token that is over":     {sessiontest.Moods{}, time.Second, http.StatusForbidden},
		"a token beyond all bound": {sessiontest.Moods{Padding: 15_000}, 0, http.StatusForbidden},
	} {
		issuer.Be(c.moods)
		issuer.Seat(sessiontest.Person{Role: "member", OrganizationID: "acme", MemberID: "ben", Lifetime: c.lifetime})
		p := s.person(t)
		got := p.get("/signin")
		if got.status != c.status || !strings.Contains(got.text, "You are not signed in") || p.session()["signed_in"] != false {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

// TestFixation: a browser takes no end of a sign-in that it did not begin, and none twice.
func TestFixation(t *testing.T) {
	s, _ := signed(t)
	attacker := s.person(t).still()
	toIssuer := attacker.get("/signin").header.Get("Location")
	back := attacker.get(toIssuer).header.Get("Location")
	if !strings.HasPrefix(back, s.url+"/signin/callback?") {
		t.Fatalf("the issuer leads to %s", back)
	}
	for name, victim := range map[string]*person{"who began none": s.person(t), "who began another": s.person(t).still()} {
		if name == "who began another" {
			victim.get("/signin")
		}
		if got := victim.get(back); got.status != http.StatusBadRequest || victim.session()["signed_in"] != false {
			t.Errorf("%s is answered %d as %v", name, got.status, victim.session())
		}
	}
	if got := attacker.get(back); got.status != http.StatusSeeOther || attacker.session()["signed_in"] != true {
		t.Errorf("who began it is answered %d", got.status)
	}
	if got := attacker.get(back); got.status != http.StatusBadRequest {
		t.Errorf("a second time it is answered %d", got.status)
	}
}

// TestClaims: a session is no more than the members' table bears out, at the time of each call.
func TestClaims(t *testing.T) {
	s, issuer := signed(t)
	for _, c := range []struct {
		person  sessiontest.Person
		role    string
		refused bool
	}{
		{sessiontest.Person{Role: "owner", OrganizationID: "acme", MemberID: "ada"}, "OWNER", false},
		{sessiontest.Person{Role: "member", OrganizationID: "acme", MemberID: "ada"}, "MEMBER", false},
		{sessiontest.Person{Role: "admin", OrganizationID: "acme", MemberID: "ben"}, "", true},
		{sessiontest.Person{Role: "member", OrganizationID: "acme", MemberID: "nobody"}, "", true},
		{sessiontest.Person{Role: "member", OrganizationID: "nobody", MemberID: "ada"}, "", true},
		{sessiontest.Person{Role: "operator"}, "", true},
	} {
		issuer.Seat(c.person)
		p := s.person(t)
		p.get("/signin")
		if got := p.session(); got["signed_in"] != true || got["role"] != c.role || got["refused"] != c.refused {
			t.Errorf("%v is told %v", c.person, got)
		}
	}
	issuer.Seat(sessiontest.Person{Role: "owner", OrganizationID: "acme", MemberID: "ada"})
	p := s.person(t)
	p.get("/signin")
	s.putMember(t, "ada", "ROLE_MEMBER")
	if got := p.call("PoolService/GetPool", map[string]any{"organizationId": "acme"}); got.status != http.StatusForbidden || p.session()["refused"] != true {
		t.Errorf("no owner any more, one is answered %d as %v", got.status, p.session())
	}
}

// TestAuthorizationStandsAlone: a call with a token of its own is judged by that, whatever session comes with it.
func TestAuthorizationStandsAlone(t *testing.T) {
	s, _ := signed(t)
	p := s.person(t)
	p.get("/signin")
	pool := map[string]any{"organizationId": "acme"}
	if got := p.call("PoolService/GetPool", pool); got.status != http.StatusForbidden {
		t.Errorf("the session is answered %d", got.status)
	}
	p.authorization = s.operator
	if got := p.call("PoolService/GetPool", pool); got.status != http.StatusOK {
		t.Errorf("the token is answered %d", got.status)
	}
	p.authorization = "Bearer forged"
	if got := p.call("UsageService/GetMeter", map[string]any{"organizationId": "acme", "memberId": "ben"}); got.status != http.StatusUnauthorized {
		t.Errorf("a forged token beside a session is answered %d", got.status)
	}
}

// TestReplicas: a session is taken by every server that has its key, as long as the key is there.
func TestReplicas(t *testing.T) {
	database, issuer, keys := postgres.Database(t), sessiontest.NewIssuer(t), filepath.Join(t.TempDir(), "keys")
	issuer.Seat(sessiontest.Person{Role: "member", OrganizationID: "acme", MemberID: "ben"})
	sessionKeys(t, keys, 1)
	first := startSigned(t, database, issuer, "--session-key-file="+keys)
	second := startSigned(t, database, issuer, "--session-key-file="+keys)
	alone := startSigned(t, database, issuer)
	first.furnish(t, "TEAM")
	p := first.person(t)
	p.get("/signin")
	own := map[string]any{"organizationId": "acme", "memberId": "ben"}
	answers := func(s *site) int {
		p.site = s // Cookies go by the host, not by its port.
		return p.call("UsageService/GetMeter", own).status
	}
	if a, b, c := answers(first), answers(second), answers(alone); a != 200 || b != 200 || c != 401 {
		t.Errorf("the replicas answer %d and %d, another server %d", a, b, c)
	}
	sessionKeys(t, keys, 2, 1)
	if a := answers(second); a != 200 {
		t.Errorf("with a new key before its own, it is answered %d", a)
	}
	sessionKeys(t, keys, 2)
	deadline := time.Now().Add(patience)
	for answers(second) != 401 {
		if time.Now().After(deadline) {
			t.Fatal("a session is taken whose key was taken out")
		}
	}
}
