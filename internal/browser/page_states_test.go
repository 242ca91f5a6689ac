package browser

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/spillway-metering/spillway/internal/session/sessiontest"
)

// before has a script run in each document that the tab opens from now on, before any script of the page.
func (o *tab) before(script string) {
	o.t.Helper()
	_, err := chromedp.Call(o.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	if err != nil {
		o.t.Fatal(err)
	}
}

// TestPageServiceAway: the page that is open while the service goes away says so and what to do, keeps what it showed, and goes
// on by itself once the service is back.
func TestPageServiceAway(t *testing.T) {
	issuer, keys := sessiontest.NewIssuer(t), filepath.Join(t.TempDir(), "keys")
	sessionKeys(t, keys, 1)
	s := startSigned(t, postgres.Database(t), issuer, "--session-key-file="+keys)
	s.furnish(t, "TEAM")
	issuer.Seat(sessiontest.Person{Role: "admin", OrganizationID: "acme", MemberID: "ada"})
	o := open(t, s)
	o.scheme("light")
	o.expect("a request leaves the site: " + issuer.URL + "/authorize")
	o.expect("Failed to load resource") // Chromium complains of each call that reaches nobody.
	o.goTo("/signin?to=/members")
	o.awaitAt("/members")
	o.see("3 members", "Live")
	eval[bool](o, "window.sameDocument = true")

	s.stop()
	o.see("Not up to date", "The server cannot be reached. Check the connection.", "Trying again", "Try now", "3 members")
	o.audit("not up to date")
	o.resize(phoneWidth, phoneHeight)
	if over := eval[int](o, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("what says so is %d wider than a phone", over)
	}
	o.shoot("phone")
	o.resize(desktopWidth, desktopHeight)
	o.shoot("desktop")
	o.click("link", "Pool")
	o.see("Could not load the pool", "The page keeps trying by itself. If it lasts, ask whoever runs the service.", "Try again")
	o.audit("not loaded")

	s.start(t)
	o.see("Available now", "$100.00", "Live")
	o.seeNot("Could not load the pool")
	o.click("link", "Members")
	o.see("3 members", "Live")
	o.seeNot("Not up to date")
	if !eval[bool](o, "window.sameDocument === true") {
		t.Error("the page was loaded anew")
	}
}

// TestPageServiceAwayAtFirst: a page that cannot learn who opened it says so, and goes on by itself once it can.
func TestPageServiceAwayAtFirst(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	o.scheme("light")
	o.signIn("ada", "/me")
	o.before(`(() => {
		const ask = fetch;
		window.away = true;
		window.fetch = (url, ...rest) => (url === "/session" && window.away ? Promise.reject(new TypeError("away")) : ask(url, ...rest));
	})()`)
	o.goTo("/me")
	o.see("The service does not answer", "Check the connection", "The page keeps trying by itself", "Try again")
	o.audit("the service does not answer")
	eval[bool](o, "!(window.away = false)")
	o.see("Monthly allowance")
	o.seeNot("The service does not answer")
}

// TestPageOfNewFirm: where there is nothing yet, each page says so and what to do.
func TestPageOfNewFirm(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.putPlan(t, "plan", "TEAM")
	s.putOrganization(t, "plan", nil)
	s.putMember(t, "ada", "ROLE_OWNER")
	o := open(t, s)
	o.scheme("dark")
	o.signIn("ada", "/usage")
	for path, texts := range map[string][]string{
		"/usage":   {"0 used of 3 allowed", "0 used · Unlimited"},
		"/pool":    {"Nothing is left", "Buy more to let them run", "drawn here from the first purchase on", "No movements yet"},
		"/members": {"1 member", "Grant access"},
		"/me":      {"$5.00", "No turns yet", "They appear here as soon as your assistant answers"},
		"/reports": {"No turns in this span", "Choose a longer one, or wait for the first turn", "Nothing was refused", "Nobody"},
	} {
		o.goTo(path)
		o.see(texts...)
		o.await("be whole", func() bool { return eval[bool](o, `!document.querySelector("[aria-busy=true]")`) })
		o.audit("a new firm's " + path)
		o.shoot("empty" + path)
	}
}

// onePixel is a picture that is whole.
const onePixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// TestPagePictures: a picture in its own address is drawn. What is none, or would be asked of somebody else, is not: those
// members have their initials.
func TestPagePictures(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	for member, picture := range map[string]string{"ada": onePixel, "ben": "data:image/png;base64,AAAA", "cy": "https://pictures.example/cy.png"} {
		s.call(t, "OrganizationService/PutMember", map[string]any{"member": map[string]any{
			"organizationId": "acme", "memberId": member, "displayName": member, "avatarUrl": picture,
			"role": map[bool]string{true: "ROLE_OWNER", false: "ROLE_MEMBER"}[member == "ada"],
		}})
	}
	o := open(t, s)
	o.signIn("ada", "/members")
	o.see("3 members")
	o.await("have one picture, and initials", func() bool {
		return eval[string](o, `[...document.querySelectorAll("tbody .avatar")].map(a => a.naturalWidth || a.textContent).join()`) == "1,B,C"
	})
}
