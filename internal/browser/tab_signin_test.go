package browser

import (
	"testing"

	"github.com/spillway-metering/spillway/internal/session/sessiontest"
)

// TestTabDevelopment signs in and out in a browser, as a member of the demonstration.
func TestTabDevelopment(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	for _, scheme := range []string{"light", "dark"} {
		o.scheme(scheme)
		o.goTo("/signin")
		o.see("Choose who you are", "Acme Automation", "Owner")
		o.audit("signing in, " + scheme)
		o.shoot("signin-" + scheme)
	}
	o.signIn("ben", "/me")
	o.see("Ben")
	if cookies := eval[string](o, "document.cookie"); cookies != "" {
		t.Errorf("a script sees the cookies %q", cookies)
	}
	o.signOut()
	o.awaitAt("/signin")
	if signedIn := eval[bool](o, `fetch("/session").then(r => r.json()).then(s => s.signed_in)`); signedIn {
		t.Error("one is still signed in")
	}
}

// signOut does what the page's sign-out does: it posts a form.
func (o *tab) signOut() {
	o.t.Helper()
	eval[bool](o, `(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.action = "/signout";
		document.body.append(form);
		form.submit();
		return true;
	})()`)
}

// TestTabIssuer signs in and out at an issuer, which is another origin: the browser is let leave for it, and no request of
// the page is.
func TestTabIssuer(t *testing.T) {
	s, issuer := signed(t)
	o := open(t, s)
	o.expect("a request leaves the site: " + issuer.URL + "/authorize")
	o.expect("a request leaves the site: " + issuer.URL + "/end")
	o.goTo("/signin?to=/me")
	o.awaitAt("/me")
	o.see("Ben")
	o.signOut()
	o.awaitAt("/signedout")
	o.see("You are signed out")
	o.audit("signed out")
	if issuer.Ended() != 1 {
		t.Errorf("the issuer ended %d sessions", issuer.Ended())
	}
	issuer.Be(sessiontest.Moods{Error: "access_denied"})
	o.expect("403")
	o.goTo("/signin")
	o.see("You are not signed in")
	o.audit("not signed in")
}

// TestTabStaleSession: who comes with a session that is over is sent to sign in, and comes back to where they were.
func TestTabStaleSession(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	o.signIn("ada", "/members")
	o.see("Ben")
	o.forget()
	o.expect("401")
	o.goTo("/pool")
	o.see("Choose who you are")
	o.awaitAt("/signin?to=%2Fpool")
	o.click("button", "Ada Owner")
	o.awaitAt("/pool")
}

// TestTabPolicy: what the policy forbids does not happen, and is complained of.
func TestTabPolicy(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	o.expect("evil.test")
	o.expect("Content Security Policy")
	o.signIn("ada", "/me")
	ran := eval[bool](o, `(() => {
		const script = document.createElement("script");
		script.textContent = "window.ran = true";
		document.body.append(script);
		const image = document.createElement("img");
		image.src = "https://evil.test/pixel.png";
		document.body.append(image);
		return fetch("https://evil.test/").then(() => true, () => window.ran === true);
	})()`)
	if ran || len(o.wrong) < 3 {
		t.Errorf("it ran: %v; complaints: %q", ran, o.wrong)
	}
}
