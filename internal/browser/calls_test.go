package browser

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestCalls makes calls as curl does.
func TestCalls(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	p := s.person(t)
	got := p.call("PoolService/GetPool", map[string]any{"organizationId": "acme"})
	pool, _ := got.json(t)["pool"].(map[string]any)
	if got.status != http.StatusOK || pool["balanceMicros"] != "100000000" || pool["heldMicros"] != "0" {
		t.Errorf("got %d %s", got.status, got.text)
	}
	if id := got.header.Get("X-Request-Id"); len(id) != 36 {
		t.Errorf("the call is named %q", id)
	}
	const get = "/meter.v1.PoolService/GetPool"
	for _, c := range []struct {
		path, kind, body string
		status           int
		code, says       string
	}{
		{get, "application/json", `{"organizationId": "nobody"}`, 404, "not_found", `"reason":"ORGANIZATION_NOT_FOUND"`},
		{get, "application/json", `{"organizationId": "a b"}`, 400, "invalid_argument", `"field":"organization_id"`},
		{get, "application/json", `{"organisationId": "acme"}`, 400, "invalid_argument", `unknown field`},
		{get, "application/json", `{"organizationId": 7}`, 400, "invalid_argument", `"reason":"INVALID_FIELD"`},
		{get, "application/json", `{`, 400, "invalid_argument", `"reason":"INVALID_FIELD"`},
		{get, "application/json; charset=utf-8", `{"organizationId": "acme"}`, 200, "", "balanceMicros"},
		{get, "application/json", strings.Repeat(" ", 2<<20), 429, "resource_exhausted", ""},
		{get, "text/plain", `{"organizationId": "acme"}`, 415, "invalid_argument", ""},
		{get, "application/x-www-form-urlencoded", `organizationId=acme`, 415, "invalid_argument", ""},
		{get, "application/grpc", "", 415, "invalid_argument", ""},
		{get, "", "", 415, "invalid_argument", ""},
		{"/meter.v1.PoolService/Nothing", "application/json", `{}`, 404, "unimplemented", ""},
		{"/grpc.health.v1.Health/Check", "application/json", `{}`, 404, "unimplemented", ""},
		{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/json", `{}`, 404, "unimplemented", ""},
		{"/meter.testing.v1.TestClockService/GetTime", "application/json", `{}`, 200, "", "time"},
		{
			"/meter.v1.MeteringService/Reserve", "application/json",
			`{"organizationId": "acme", "memberId": "cy", "requestId": "r", "estimateMicros": "9000000"}`,
			429, "resource_exhausted", `google.rpc.LocalizedMessage`,
		},
	} {
		got := p.send(http.MethodPost, c.path, c.kind, c.body)
		code, _ := got.json(t)["code"].(string)
		if got.status != c.status || code != c.code || !strings.Contains(got.text, c.says) {
			t.Errorf("%s %s %.60s: %d %.300s", c.path, c.kind, c.body, got.status, got.text)
		}
	}
	if got := p.get(get); got.status != http.StatusNotFound {
		t.Errorf("a GET is answered %d %s", got.status, got.text)
	}
}

// TestGRPCWeb makes a call in gRPC-Web: its answer ends in a frame of trailers.
func TestGRPCWeb(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	request := "\x00\x00\x00\x00\x06\x0a\x04acme"
	got := s.person(t).send(http.MethodPost, "/meter.v1.PoolService/GetPool", "application/grpc-web+proto", request)
	if got.status != http.StatusOK || !strings.Contains(got.text, "acme") || !strings.Contains(strings.ToLower(got.text), "grpc-status: 0") {
		t.Errorf("got %d %q", got.status, got.text)
	}
}

// TestHeaders: every answer, good or bad, comes with the policy by which a browser is held to this server.
func TestHeaders(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	p := s.person(t)
	p.header.Set("Accept-Encoding", "gzip")
	for path, status := range map[string]int{
		"/": 200, "/usage": 200, "/pool": 200, "/members": 200, "/me": 200, "/reports": 200, "/turns/7": 200, "/session": 200,
		"/signin": 200, "/signin.css": 200, "/assets/favicon.svg": 200, "/assets/": 404, "/assets/../go.mod": 404, "/assets/index.html": 404,
		"/nothing": 404, "/usage/more": 404, "/healthz": 200, "/readyz": 200, "/metrics": 200, "/meter.v1.PoolService/GetPool": 404,
	} {
		got := p.get(path)
		if got.status != status {
			t.Errorf("%s is answered %d", path, got.status)
		}
		policy := got.header.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'",
		} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http:") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", "Strict-Transport-Security": "",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, got.header.Get(name))
			}
		}
	}
}

// TestAssets: files are packed, kept for good under the address that names their content, and asked about under any other.
func TestAssets(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	p := s.person(t)
	p.header.Set("Accept-Encoding", "gzip")
	page := s.person(t).get("/pool")
	_, rest, found := strings.Cut(page.text, `src="/assets/`)
	at, _, _ := strings.Cut(rest, `"`)
	if !found || page.header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("the page is %s", page.text)
	}
	file := p.get("/assets/" + at)
	if file.status != 200 || !strings.Contains(file.header.Get("Cache-Control"), "immutable") || file.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("/assets/%s is answered %d %v", at, file.status, file.header)
	}
	_, plain, _ := strings.Cut(at, "/")
	file = p.get("/assets/" + plain)
	if file.status != 200 || file.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("/assets/%s is answered %d %v", plain, file.status, file.header)
	}
	p.header.Set("If-None-Match", file.header.Get("ETag"))
	if again := p.get("/assets/" + plain); again.status != http.StatusNotModified || again.text != "" {
		t.Errorf("who has it is answered %d %s", again.status, again.text)
	}
}

// TestCrossSite: what a page of another origin has a browser do changes nothing, whoever sits before it.
func TestCrossSite(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	p := s.person(t)
	p.choose("ada")
	grant := map[string]any{"organizationId": "acme", "memberId": "cy", "unlimited": true}
	for _, from := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Origin": {"https://evil.test"}},
		{"Origin": {"null"}},
	} {
		p.header = from
		for _, got := range []answer{p.call("PoolService/GrantAccess", grant), p.submit("/signout", ""), p.submit("/signin", "organization=acme&member=ben")} {
			if got.status != http.StatusForbidden || got.json(t)["code"] != "permission_denied" {
				t.Errorf("%v: %s is answered %d %s", from, got.url, got.status, got.text)
			}
		}
	}
	p.header = http.Header{"Host": {"rebound.test:80"}}
	if got := p.call("PoolService/GrantAccess", grant); got.status != http.StatusMisdirectedRequest {
		t.Errorf("under another name it is answered %d %s", got.status, got.text)
	}
	p.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {s.url}}
	if got := p.send(http.MethodPost, "/meter.v1.PoolService/GrantAccess", "application/proto", ""); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("a session that speaks no JSON is answered %d %s", got.status, got.text)
	}
	changes := s.call(t, "PoolService/ListAccessChanges", map[string]any{"organizationId": "acme"})
	if list, _ := changes["changes"].([]any); slices.ContainsFunc(list, func(any) bool { return true }) {
		t.Errorf("access has changed: %v", changes)
	}
	if got := p.call("PoolService/GrantAccess", grant); got.status != http.StatusOK {
		t.Errorf("of its own origin it is answered %d %s", got.status, got.text)
	}
}
