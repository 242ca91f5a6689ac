package browser

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/jackc/pgx/v5"
)

// key presses a key, by its name as in "Escape".
func (o *tab) key(name string) {
	o.t.Helper()
	o.do(chromedp.KeyEvent(map[string]string{"Escape": kb.Escape, "ArrowRight": kb.ArrowRight, "Tab": kb.Tab}[name]))
}

// execute runs a statement on a test's database.
func execute(t testing.TB, database, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// people are the seats of the firm that the screenshots show, the owner first.
var people = []string{
	"Ada Okafor", "Jonas Weber", "Priya Raman", "Luca Bianchi", "Sofia Lindqvist", "Tom Hughes", "Aylin Demir", "Kenji Watanabe",
	"Clara Moreau", "Hannah Schmidt", "Omar Haddad", "Nina Hoffmann",
}

func seatOf(name string) string { return strings.ToLower(strings.Fields(name)[0]) }

// furnishFirm makes a firm with some weeks of turns behind it, which end now.
func (s *site) furnishFirm(t testing.TB) {
	t.Helper()
	const days = 21
	s.putPlan(t, "plan", "TEAM")
	s.putOrganization(t, "plan", map[string]any{"displayName": "Northwind Robotics"})
	for i, name := range people {
		role := []string{"ROLE_OWNER", "ROLE_ADMIN", "ROLE_MEMBER"}[min(i, 2)]
		s.call(t, "OrganizationService/PutMember", map[string]any{"member": map[string]any{
			"organizationId": "acme", "memberId": seatOf(name), "displayName": name, "email": seatOf(name) + "@northwind.example", "role": role,
		}})
	}
	now := time.Now()
	s.setTime(t, now.AddDate(0, 0, -days))
	s.call(t, "PoolService/TopUp", map[string]any{"organizationId": "acme", "requestId": "one", "amountMicros": 90e6, "reference": "INV-0871"})
	s.grantAndRegister(t)
	for day := range days {
		s.setTime(t, now.AddDate(0, 0, day-days).Add(time.Minute))
		if day == 12 {
			s.call(t, "PoolService/TopUp", map[string]any{"organizationId": "acme", "requestId": "two", "amountMicros": 60e6, "reference": "INV-0932"})
		}
		s.turnsOfDay(t, day)
	}
	s.setTime(t, now)
	s.turnsOfDay(t, days)
}

func (s *site) setTime(t testing.TB, at time.Time) {
	t.Helper()
	p := s.person(t)
	got := p.send("POST", "/meter.testing.v1.TestClockService/SetTime", "application/json", fmt.Sprintf(`{"time": %q}`, at.UTC().Format(time.RFC3339)))
	if got.status != 200 {
		t.Fatal(got.text)
	}
}

// grantAndRegister lets most draw on the pool, and fills one limit of the plan.
func (s *site) grantAndRegister(t testing.TB) {
	t.Helper()
	for i, name := range people {
		request := map[string]any{"organizationId": "acme", "memberId": seatOf(name)}
		switch i % 4 {
		case 0:
			request["unlimited"] = true
		case 1, 2:
			request["capMicros"] = 8e6 * float64(i%4)
		default:
			continue
		}
		s.call(t, "PoolService/GrantAccess", request)
	}
	for _, r := range [][3]string{{"ORCHESTRATOR", "plant", ""}, {"DEVICE", "one", "plant"}, {"DEVICE", "two", "plant"}, {"DEVICE", "three", "plant"}} {
		s.call(t, "UsageService/RegisterResource", map[string]any{
			"organizationId": "acme", "resource": "RESOURCE_" + r[0], "resourceId": r[1], "parentId": r[2], "active": true,
		})
	}
}

// turnsOfDay runs some turns, fewer at the end of a week. Those that are refused are part of the picture.
func (s *site) turnsOfDay(t testing.TB, day int) {
	t.Helper()
	models := []string{"gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro"}
	for i := range 3 + 5*min(1, day%7/2) {
		n := 31*day + 17*i
		seat, micros := seatOf(people[(5*n+n/7)%len(people)]), int64(400_000+n*7919%1_900_000)
		var held struct {
			Reservation struct{ ReservationID string }
		}
		refused, err := s.post(t.Context(), "Reserve", map[string]any{
			"organizationId": "acme", "memberId": seat, "requestId": fmt.Sprint("turn-", day, "-", i), "estimateMicros": micros,
			"turn": map[string]any{"model": models[n%3], "conversationId": fmt.Sprint("c-", n%9), "labels": map[string]any{"team": seat[:1]}},
		}, &held)
		if err == nil && !refused {
			_, err = s.post(t.Context(), "Commit", map[string]any{
				"organizationId": "acme", "reservationId": held.Reservation.ReservationID, "actualMicros": micros * 9 / 10,
				"tokenUsage": map[string]any{"inputTokens": 900 + n, "outputTokens": 100 + n},
			}, &struct{}{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sight is a page, with what is there once it is whole.
type sight struct{ name, path, text string }

var sights = []sight{
	{"usage", "/usage", "3 used of 3 allowed"},
	{"pool", "/pool", "at the pace of the last"},
	{"members", "/members", "12 members"},
	{"me", "/me", "Charged"},
	{"reports", "/reports", "The dearest day was"},
}

// TestPageLooks: every page, light and dark, on a desktop and on a phone, is without a violation that axe-core finds,
// complains of nothing, and is no wider than its window.
func TestPageLooks(t *testing.T) {
	s := startDev(t, postgres.Database(t), "--buy-more-url=https://billing.example/buy")
	s.furnishFirm(t)
	o := open(t, s)
	o.signIn("ada", "/me")
	receipt := o.latestTurn()
	all := slices.Concat(sights, []sight{{"turn", receipt, "What happened"}})
	for _, scheme := range []string{"light", "dark"} {
		o.scheme(scheme)
		for _, window := range []struct {
			name          string
			width, height int64
		}{{"desktop", desktopWidth, desktopHeight}, {"phone", phoneWidth, phoneHeight}} {
			o.resize(window.width, window.height)
			for _, sight := range all {
				look(o, sight.path, sight.text, strings.Join([]string{sight.name, scheme, window.name}, "-"))
			}
		}
	}
}

// latestTurn is the path of the receipt of the latest turn on My usage.
func (o *tab) latestTurn() (path string) {
	o.t.Helper()
	o.await("see a turn", func() bool {
		path = eval[string](o, `document.querySelector("tbody th a")?.getAttribute("href") ?? ""`)
		return path != ""
	})
	return path
}

func look(o *tab, path, text, name string) {
	o.t.Helper()
	o.goTo(path)
	o.see(text)
	o.await("be whole", func() bool { return eval[bool](o, `!document.querySelector("[aria-busy=true]")`) })
	o.audit(name)
	if over := eval[int](o, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		o.t.Errorf("%s is %d wider than its window", name, over)
	}
	o.shoot(name)
}

// TestPageDialogs: the dialogs keep the focus, and axe-core finds nothing in them either.
func TestPageDialogs(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "ben", "unlimited": true})
	o := open(t, s)
	for _, scheme := range []string{"light", "dark"} {
		o.scheme(scheme)
		o.signIn("ada", "/members")
		for button, title := range map[string]string{
			"Grant access to Cy": "How far may it go?", "Adjust the access of Ben": "Adjust Ben’s access", "Revoke the access of Ben": "Revoke Ben’s access",
		} {
			o.click("button", button)
			o.see(title)
			for range 8 {
				o.key("Tab")
				if !eval[bool](o, `document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)`) {
					t.Errorf("%s: the focus leaves the dialog", button)
				}
			}
			o.audit(button + ", " + scheme)
			o.shoot(strings.ReplaceAll(button, " ", "-") + "-" + scheme)
			o.key("Escape")
			o.await("have the focus back", func() bool {
				return eval[string](o, `document.activeElement.textContent.replace(/\s+/g, " ").trim()`) == button
			})
		}
	}
}

// TestPageWeight: the first page, with all that it loads, is under 200 KB as it is sent; every module is asked for at once.
func TestPageWeight(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	o.signIn("ada", "/usage")
	o.see("Unlimited")
	sent := eval[int](o, `performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
		.reduce((sum, e) => sum + e.encodedBodySize, 0)`)
	if sent < 20_000 || sent > 200_000 {
		t.Errorf("the first page is %d bytes", sent)
	}
	t.Logf("the first page is %d bytes; its figures were there after %.0f ms", sent, eval[float64](o, `performance.getEntriesByType("resource")
		.filter(e => e.name.includes("GetPlanUsage")).map(e => e.responseEnd)[0]`))
	index, err := os.ReadFile("../console/assets/index.html")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS("../console/assets"), ".", func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".js" && !strings.Contains(string(index), `"/assets/`+name+`"`) {
			t.Errorf("index.html does not ask for %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
