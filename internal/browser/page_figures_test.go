package browser

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settle runs a turn of a member in a conversation.
func (s *site) settle(t testing.TB, member, conversation string, micros int64) {
	t.Helper()
	answer := s.call(t, "MeteringService/Reserve", map[string]any{
		"organizationId": "acme", "memberId": member, "requestId": "of-" + conversation, "estimateMicros": micros,
		"turn": map[string]any{"model": "gpt-4o", "conversationId": conversation},
	})
	reservation, _ := answer["reservation"].(map[string]any)
	id, _ := reservation["reservationId"].(string)
	s.commit(t, id, micros)
}

// report asks for rows, dearest first, and the cost of the whole. Each row is its value and its cost, as the page writes it.
func (s *site) report(t testing.TB, request map[string]any) (rows []string, cost, next string) {
	t.Helper()
	request["organizationId"], request["order"], request["pageSize"] = "acme", "USAGE_ORDER_BY_COST", 20
	answer := s.call(t, "UsageService/ReportUsage", request)
	all, _ := answer["rows"].([]any)
	for _, row := range all {
		fields, _ := row.(map[string]any)
		rows = append(rows, fmt.Sprint(fields["value"], " ", costOf(t, fields["figures"])))
	}
	next, _ = answer["nextPageToken"].(string)
	return rows, costOf(t, answer["totals"]), next
}

// costOf is the cost of figures in dollars, to the micro and with two decimals at least.
func costOf(t testing.TB, figures any) string {
	t.Helper()
	fields, _ := figures.(map[string]any)
	text, _ := fields["actualMicros"].(string)
	return dollars(t, text)
}

func dollars(t testing.TB, micros string) string {
	t.Helper()
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	whole, fraction, _ := strings.Cut(fmt.Sprintf("%d.%06d", n/1e6, n%1e6), ".")
	return "$" + whole + "." + fraction[:2] + strings.TrimRight(fraction[2:], "0")
}

// costShown is the cost in all, to the micro.
func (o *tab) costShown() string {
	o.t.Helper()
	return eval[string](o, `[...document.querySelectorAll(".figure")].find(f => f.querySelector("dt")?.textContent === "Cost")?.title ?? ""`)
}

// rowsShown are the rows of a table: what names each, and its cost to the micro.
func (o *tab) rowsShown(caption string) []string {
	o.t.Helper()
	return eval[[]string](o, `[...document.querySelectorAll("table")].filter(t => t.caption.textContent.startsWith("`+caption+`"))
		.flatMap(t => [...t.tBodies[0].rows]).map(r => (r.querySelector("th span").title + " " + r.querySelector("td:last-child span").title))`)
}

// furnishPeriods makes a firm whose months begin on the tenth. Its clock stands at 20 March 2026, with a turn in the month
// before, in which ben's allowance was not used up, and many in the running one, in which it is. The owner may draw on the pool.
func (s *site) furnishPeriods(t testing.TB) {
	t.Helper()
	s.setTime(t, time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC))
	s.putPlan(t, "plan", "TEAM")
	s.putOrganization(t, "plan", map[string]any{"anniversary": map[string]any{"year": 2026, "month": 1, "day": 10}})
	s.putMember(t, "ada", "ROLE_OWNER")
	s.putMember(t, "ben", "ROLE_MEMBER")
	s.call(t, "PoolService/TopUp", map[string]any{"organizationId": "acme", "requestId": "first", "amountMicros": "10000000"})
	s.call(t, "PoolService/GrantAccess", map[string]any{"organizationId": "acme", "memberId": "ada", "unlimited": true})
	s.settle(t, "ben", "before", 1_250_001)
	s.setTime(t, time.Date(2026, 3, 12, 12, 0, 0, 0, time.UTC))
	s.settle(t, "ben", "all", 5_000_000)
	for n := range 24 {
		s.settle(t, "ada", fmt.Sprintf("c%02d", n), int64(10_001*(n+1)))
	}
	s.setTime(t, time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC))
}

// TestPageReports: the reports of each span, grouping and page are what the service answers, by the service's clock, and those
// of the running period add up to what the members' meters say.
func TestPageReports(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnishPeriods(t)
	o := open(t, s)
	o.signIn("ada", "/reports")
	costs := func(what string, request map[string]any) {
		t.Helper()
		rows, cost, _ := s.report(t, request)
		o.await("see the cost of "+what, func() bool {
			return o.costShown() == cost && slices.Equal(o.rowsShown("Usage by member"), rows)
		})
	}
	byMember := func(from, to string) map[string]any {
		request := map[string]any{"groupBy": "USAGE_GROUPING_MEMBER"}
		if from != "" {
			request["from"], request["to"] = from, to
		}
		return request
	}
	o.see("Feb 19 to March 20, 2026") // By the clock of the service.
	costs("30 days", byMember("2026-02-18T23:00:00Z", "2026-03-20T23:00:00Z"))
	o.click("button", "Last period")
	o.see("Feb 10 to March 9, 2026")
	costs("the last period", byMember("2026-02-09T23:00:00Z", "2026-03-09T23:00:00Z"))
	o.click("button", "This period")
	o.see("Mar 10 to March 20, 2026")
	costs("the running period", byMember("", ""))
	if used := s.usedByAll(t, "ada", "ben"); o.costShown() != used {
		t.Errorf("the running period cost %s, and the meters say %s", o.costShown(), used)
	}
	o.see("No access to the pool", "Now") // Ben is stopped.
	o.see("Draws on the pool next", "about Mar 29")
	o.shoot("period")
	eval[bool](o, `(document.querySelector("[aria-label^=Who\\ would]").scrollIntoView(), true)`)
	o.shoot("runway")

	o.click("button", "Conversation")
	rows, _, next := s.report(t, map[string]any{"groupBy": "USAGE_GROUPING_CONVERSATION"})
	o.await("see the first page", func() bool { return slices.Equal(o.rowsShown("Usage by conversation"), rows) })
	o.click("button", "Next")
	rows, _, _ = s.report(t, map[string]any{"groupBy": "USAGE_GROUPING_CONVERSATION", "pageToken": next})
	if len(rows) != 5 {
		t.Errorf("the second page has %q", rows)
	}
	o.await("see the second page", func() bool { return slices.Equal(o.rowsShown("Usage by conversation"), rows) })

	o.click("button", "Member")
	eval[bool](o, `(() => {
		const day = document.getElementById("span-from");
		day.value = "2026-03-05";
		return day.dispatchEvent(new Event("change", {bubbles: true}));
	})()`)
	o.see("Mar 5 to March 20, 2026")
	costs("a span that was entered", byMember("2026-03-04T23:00:00Z", "2026-03-20T23:00:00Z"))
}

// usedByAll is what the meters of members say that was used in the running period.
func (s *site) usedByAll(t testing.TB, members ...string) string {
	t.Helper()
	var sum int64
	for _, member := range members {
		answer := s.call(t, "UsageService/GetMeter", map[string]any{"organizationId": "acme", "memberId": member})
		fields, _ := answer["meter"].(map[string]any)
		for _, name := range []string{"usedMicros", "poolUsedMicros", "overrunMicros"} {
			text, _ := fields[name].(string)
			n, err := strconv.ParseInt("0"+text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return dollars(t, strconv.FormatInt(sum, 10))
}

// remember has the page keep the requests of a method that it makes, each as its JSON, in window.asked.
const remember = `(() => {
	const ask = fetch;
	window.asked = [];
	window.fetch = (url, options) => {
		window.asked.push(String(url) + " " + (options?.body ?? ""));
		return ask(url, options);
	};
})()`

// asked is how many requests hold all of some texts.
func (o *tab) asked(texts ...string) int {
	o.t.Helper()
	requests := eval[[]string](o, `window.asked ?? []`)
	return len(slices.DeleteFunc(requests, func(request string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(request, text) })
	}))
}

// TestPageAsksOnce: what does not change any more is asked for once, and what two parts of a page show is asked for once for
// both.
func TestPageAsksOnce(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnishPeriods(t)
	for n := range 30 {
		s.call(t, "PoolService/TopUp", map[string]any{"organizationId": "acme", "requestId": fmt.Sprint("pack", n), "amountMicros": "1000000"})
	}
	o := open(t, s)
	o.before(remember)
	o.signIn("ada", "/pool")
	statement := []string{"ListLedgerEntries", `"pageSize":20`}
	o.await("ask again for the latest entries", func() bool { return o.asked(statement...) > 2 })
	o.click("button", "Next")
	o.see("Page 2")
	o.see("$10.00") // The balance after the first purchase, on the second page.
	entries, pools := o.asked(statement...), o.asked("GetPool")
	o.await("ask thrice for the pool", func() bool { return o.asked("GetPool") > pools+3 })
	if again := o.asked(statement...); again != entries {
		t.Errorf("history was asked for %d times more", again-entries)
	}

	o.goTo("/reports?span=last-period")
	o.await("see the cost", func() bool { return o.costShown() == "$1.250001" })
	asked := o.asked("/session")
	o.await("ask twice for the session", func() bool { return o.asked("/session") > asked+1 })
	if reports := o.asked("ReportUsage"); reports != 2 {
		t.Errorf("a month that is over was asked for %d times, where it has two reports", reports)
	}
	o.goTo("/reports?span=period")
	o.await("ask again for days", func() bool { return o.asked("ReportUsage", "GROUPING_DAY") > 2 })
	others := eval[[]string](o, `window.asked.filter(r => r.includes("ReportUsage") && !/GROUPING_(DAY|MEMBER)"/.test(r))`)
	if len(others) > 0 {
		t.Errorf("beside the reports by day and by member there are %q", others)
	}
}

// TestPageBalanceFindsMovements: a page of the ledger without a movement of the pool is not its end.
func TestPageBalanceFindsMovements(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	o := open(t, s)
	o.before(`(() => {
		const ask = fetch;
		window.fetch = (url, options) => {
			const request = String(url).includes("ListLedgerEntries") ? JSON.parse(options.body) : {};
			if (request.pageToken === "") return Promise.resolve(new Response(JSON.stringify({nextPageToken: "further"})));
			if (request.pageToken === "further") options = {...options, body: JSON.stringify({...request, pageToken: ""})};
			return ask(url, options);
		};
	})()`)
	o.signIn("ada", "/pool")
	o.see("From $100.00 to $100.00")
	o.seeNot("Nothing has moved")
}
