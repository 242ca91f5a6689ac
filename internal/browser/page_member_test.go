package browser

import (
	"strings"
	"testing"
)

// TestPageMember: a plain member sees no balance anywhere, reads the members, and acts on nobody.
func TestPageMember(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "ben", "capMicros": "10000000"})
	s.commit(t, s.reserve(t, "ben", "turn", 7_000_000), 7_000_000)
	o := open(t, s)
	o.signIn("ben", "/me")
	o.see("Monthly allowance", "$5.00 of $5.00 used", "$8.00", "left of your limit this month", "Recent turns", "gpt-4o", "Charged")
	for path, text := range map[string]string{
		"/usage": "Plan usage", "/members": "3 members", "/me": "$2.00 of $10.00 drawn", "/pool": "shows its pool to owners and admins only",
		"/reports": "This page is not shown to you",
	} {
		o.goTo(path)
		o.see(text)
		for _, balance := range []string{"$98.00", "$100.00", "Buy more", "Recount", "Grant access", "Revoke"} {
			o.seeNot(balance)
		}
	}
	links := eval[string](o, `[...document.querySelectorAll("nav a")].map(a => a.textContent).join()`)
	if links != "Plan usage,Members,My usage" {
		t.Errorf("the pages of a member are %s", links)
	}
	s.putOrganization(t, "plan", map[string]any{"poolVisibleToMembers": true})
	o.goTo("/pool")
	o.see("Available now", "$98.00")
	o.seeNot("Buy more")
}

// TestPageStopped: whoever would be stopped is told why, and what to do.
func TestPageStopped(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.commit(t, s.reserve(t, "ben", "turn", 5_000_000), 5_000_000)
	o := open(t, s)
	o.signIn("ben", "/me")
	o.see("so your next turn is stopped", "Ask an owner or admin of your organization to enable additional usage")
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "ben", "capMicros": "1000000"})
	o.see("Your turns now draw on the organization’s pool, as long as there is something in it", "ask an owner or admin to purchase more")
	s.commit(t, s.reserve(t, "ben", "second", 1_000_000), 1_000_000)
	o.see("Your limit on additional usage for this month is reached")
}

// TestPageRoleChange: a role that changes is felt on the page that is open.
func TestPageRoleChange(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.putMember(t, "ben", "ROLE_ADMIN")
	o := open(t, s)
	o.signIn("ben", "/pool")
	o.see("Available now", "$100.00")
	o.expect("403") // Chromium complains of the call that is refused.
	s.putMember(t, "ben", "ROLE_MEMBER")
	o.see("shows its pool to owners and admins only")
	o.seeNot("$100.00")
}

// TestPageSessionEnds: the page that is open when its session ends says so, and signing in again leads back to it.
func TestPageSessionEnds(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	o.signIn("ada", "/members")
	o.see("3 members")
	o.expect("401")
	o.forget()
	o.see("Your session has ended")
	o.click("link", "Sign in again")
	o.awaitAt("/signin?to=%2Fmembers")
	o.click("button", "Ada Owner")
	o.awaitAt("/members")
	o.see("3 members")
	o.click("button", "Sign out Ada")
	o.awaitAt("/signin")
	o.goTo("/members")
	o.awaitAt("/signin?to=%2Fmembers")
}

// TestPageAlone: a solo individual has its own meter and its own pool, and none of a firm's pages.
func TestPageAlone(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.putPlan(t, "solo", "INDIVIDUAL")
	s.putOrganization(t, "solo", nil)
	s.putMember(t, "ada", "ROLE_OWNER")
	s.call(t, "PoolService/TopUp", map[string]any{"organizationId": "acme", "requestId": "pack", "amountMicros": "20000000"})
	o := open(t, s)
	o.signIn("ada", "/pool")
	o.see("Your pool", "$20.00")
	o.goTo("/me")
	o.see("Your own pool")
	links := eval[string](o, `[...document.querySelectorAll("nav a")].map(a => a.textContent).join()`)
	if strings.Contains(links, "Members") || strings.Contains(links, "Plan usage") {
		t.Errorf("the pages of an individual are %s", links)
	}
}

// TestPageDownloads: every link to a file leads to one, of what the page shows.
func TestPageDownloads(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.commit(t, s.reserve(t, "ben", "told", 4_000_000), 3_250_000)
	o := open(t, s)
	for path, want := range map[string]string{"/members": "ben,Ben", "/pool": "top_up", "/reports": "3.25"} {
		o.signIn("ada", path)
		o.await("see a link to a file", func() bool { return eval[int](o, `document.querySelectorAll("a[download]").length`) > 0 })
		files := eval[[]string](o, `Promise.all([...document.querySelectorAll("a[download]")].map(a => fetch(a.href)
			.then(r => r.text().then(text => r.status + " " + r.headers.get("content-type") + " " + text))))`)
		for _, file := range files {
			if !strings.HasPrefix(file, "200 text/csv") || !strings.Contains(file, want) {
				t.Errorf("%s leads to %s", path, file)
			}
		}
	}
}

// TestPageReceipt: a turn's receipt is one click away from it, and one that is not there is said so.
func TestPageReceipt(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	turn := s.reserve(t, "ben", "told", 4_000_000)
	s.commit(t, turn, 3_250_000)
	o := open(t, s)
	o.signIn("ben", "/me")
	if path := o.latestTurn(); path != "/turns/"+turn {
		t.Errorf("the latest turn is at %s", path)
	}
	eval[bool](o, `(document.querySelector("tbody th a").click(), true)`)
	o.awaitAt("/turns/" + turn)
	o.see("What happened", "Charged", "$3.25", "Held when it began", "$4.00", turn)
	o.expect("404") // Chromium complains of the call that finds nothing.
	o.goTo("/turns/01890000-0000-7000-8000-000000000000")
	o.see("There is no such turn")
	o.goTo("/turns/whatever")
	o.see("There is no such turn")
}
