package browser

import (
	"strconv"
	"strings"
	"testing"
)

// TestPageAdmin: an owner grants, caps, adjusts and revokes while a trace replays.
func TestPageAdmin(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.replay(t, "ben", "cy")
	o := open(t, s)
	o.signIn("ada", "/members")
	o.see("3 members", "Ben", "None")

	o.click("button", "Grant access to Ben")
	o.see("Grant Ben access to the pool")
	o.click("button", "Grant access")
	o.see("Enter an amount, such as")
	o.fill("Limit per month", "2.50")
	o.click("button", "Grant access")
	o.see("Ben: access to the pool is now up to $2.50 a month")
	if got := s.access(t, "ben"); got != "ACCESS_KIND_CAPPED 2500000" {
		t.Errorf("granted, it is %s", got)
	}

	o.click("button", "Adjust the access of Ben")
	o.fill("Limit per month", "1,250.75")
	o.click("button", "Save")
	o.see("Ben: access to the pool is now up to $1,250.75 a month")
	o.click("button", "Adjust the access of Ben")
	o.click("radio", "Unlimited")
	o.click("button", "Save")
	o.see("Ben: access to the pool is now unlimited")
	if got := s.access(t, "ben"); got != "ACCESS_KIND_UNLIMITED 0" {
		t.Errorf("adjusted, it is %s", got)
	}

	o.click("button", "Revoke the access of Ben")
	o.see("Turns in flight may use what they hold, and no more")
	o.click("button", "Revoke access")
	o.see("Ben no longer has access to the pool")
	if got := s.access(t, "ben"); got != "ACCESS_KIND_NONE 0" {
		t.Errorf("revoked, it is %s", got)
	}
	o.await("have the focus beside what was done", func() bool {
		return strings.HasPrefix(eval[string](o, "document.activeElement.textContent"), "Grant access")
	})
}

// TestPageRevokeInFlight: whoever revokes is told what is held now, and the turn in flight is charged that and no more.
func TestPageRevokeInFlight(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "ben", "unlimited": true})
	turn := s.reserve(t, "ben", "in-flight", 8_000_000)
	o := open(t, s)
	o.signIn("ada", "/members")
	o.click("button", "Revoke the access of Ben")
	o.see("They hold $3.00 of the pool now")
	o.key("Escape")
	o.await("be asked no more", func() bool { return eval[bool](o, `!document.querySelector("dialog")`) })
	if got := s.access(t, "ben"); got != "ACCESS_KIND_UNLIMITED 0" {
		t.Errorf("after Escape it is %s", got)
	}
	o.click("button", "Revoke the access of Ben")
	o.click("button", "Revoke access")
	o.see("Ben no longer has access")
	charge := s.commit(t, turn, 11_000_000)
	if charge["poolMicros"] != "3000000" || charge["overrunMicros"] != "3000000" {
		t.Errorf("the turn in flight is charged %v", charge)
	}
	o.see("$3.00") // Drawn this month, on the page that is still open.
}

// TestPageLive: figures move while turns run, on a page that is not loaded anew.
func TestPageLive(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "cy", "unlimited": true})
	o := open(t, s)
	o.signIn("ada", "/pool")
	o.see("Available now", "$100.00")
	eval[bool](o, "window.sameDocument = true")
	turn := s.reserve(t, "cy", "live", 6_500_000)
	o.see("$98.50", "$1.50") // Available, and held now.
	s.commit(t, turn, 6_250_000)
	o.see("$98.75", "$1.25") // Available, and consumed.
	if !eval[bool](o, "window.sameDocument === true") {
		t.Error("the page was loaded anew")
	}
	o.click("button", "Buy more")
	o.fill("Amount", "25")
	o.fill("Reference (optional)", "INV-7")
	o.click("button", "Top up")
	o.see("Added $25.00 to the pool", "$123.75")
}

// TestPageLimit: the bar turns red at its limit, and says so.
func TestPageLimit(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	register := func(resource, id, parent string) {
		s.call(t, "UsageService/RegisterResource", map[string]any{
			"organizationId": "acme", "resource": resource, "resourceId": id, "parentId": parent, "active": true,
		})
	}
	register("RESOURCE_ORCHESTRATOR", "plant", "")
	register("RESOURCE_DEVICE", "one", "plant")
	register("RESOURCE_DEVICE", "two", "plant")
	const color = `getComputedStyle(document.querySelector('[role=meter][aria-label=Devices] .bar-fill')).backgroundColor`
	o := open(t, s)
	o.scheme("light")
	o.signIn("ada", "/usage")
	o.see("2 used of 3 allowed", "1 used · Unlimited")
	o.seeNot("At the limit")
	before := eval[string](o, color)
	register("RESOURCE_DEVICE", "three", "plant")
	o.see("3 used of 3 allowed", "At the limit", "The next device is refused")
	if after := eval[string](o, color); after != "rgb(179, 32, 26)" || after == before {
		t.Errorf("the bar was %s and is %s", before, after)
	}
}

// TestPageRecount: a recount corrects a drift that was planted, and says what it changed.
func TestPageRecount(t *testing.T) {
	database := postgres.Database(t)
	s := startDev(t, database)
	s.furnish(t, "TEAM")
	s.call(t, "UsageService/RegisterResource", map[string]any{
		"organizationId": "acme", "resource": "RESOURCE_ORCHESTRATOR", "resourceId": "plant", "active": true,
	})
	execute(t, database, "UPDATE resource_count SET used = 7 WHERE organization_id = 'acme' AND kind = 1")
	o := open(t, s)
	o.signIn("ada", "/usage")
	o.see("7 used · Unlimited")
	o.click("button", "Recount")
	o.see("Recounted just now", "Orchestrators: 7 → 1", "6 fewer", "1 used · Unlimited")
	o.click("button", "Recount")
	o.see("Recounted just now: every count was right")
}

// TestPageManyMembers: search, order and pages are the server's, so that all seats can be found.
func TestPageManyMembers(t *testing.T) {
	const seats = 60
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	for i := range seats - 3 {
		s.putMember(t, "seat"+strconv.Itoa(100+i), "ROLE_MEMBER")
	}
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "seat150", "unlimited": true})
	s.commit(t, s.reserve(t, "seat150", "dear", 9_000_000), 9_000_000)
	o := open(t, s)
	o.signIn("ada", "/members")
	o.see("60 members", "Page 1 of 3", "Ada")
	o.click("button", "Next")
	o.see("Page 2 of 3", "Seat125")
	o.click("button", "Next")
	o.see("Page 3 of 3", "Seat156")
	o.click("button", "Drawn this month")
	o.see("Page 1 of 3")
	o.await("have who drew most first", func() bool {
		return strings.HasPrefix(eval[string](o, `document.querySelector("tbody tr th .person-name").textContent`), "Seat150")
	})
	o.fill("Search members", "SEAT14")
	o.see("10 members found")
	o.fill("Search members", "nobody at all")
	o.see("Nobody matches")
	o.click("button", "Show everybody")
	o.see("60 members")
}
