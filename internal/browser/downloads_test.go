package browser

import (
	"net/http"
	"strings"
	"testing"
)

// TestDownloads: the tables of one's own organization, to those who may see what is in them.
func TestDownloads(t *testing.T) {
	s := startDev(t, postgres.Database(t))
	s.furnish(t, "TEAM")
	nobody, owner, member := s.person(t), s.person(t), s.person(t)
	owner.choose("ada")
	member.choose("ben")
	for path, says := range map[string]string{
		"/download/members.csv":   "ben,Ben,",
		"/download/statement.csv": "top_up,100.000000",
		"/download/statement.csv?kind=TOP_UP&from=2026-01-01T00:00:00Z": "top_up,100.000000",
		"/download/usage.csv?group_by=MEMBER":                           "group,value,",
	} {
		if got := owner.get(path); got.status != 200 || !strings.Contains(got.text, says) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") {
			t.Errorf("%s is answered %d %s", path, got.status, got.text)
		}
		if got := nobody.get(path); got.status != http.StatusUnauthorized {
			t.Errorf("%s is answered to nobody: %d %s", path, got.status, got.text)
		}
		want := http.StatusForbidden
		if path == "/download/members.csv" {
			want = http.StatusOK
		}
		if got := member.get(path); got.status != want {
			t.Errorf("%s is answered to a member: %d %s", path, got.status, got.text)
		}
	}
	for _, path := range []string{"/download/usage.csv?from=yesterday", "/download/usage.csv?group_by=MOON", "/download/statement.csv?kind=GIFT"} {
		if got := owner.get(path); got.status != http.StatusBadRequest {
			t.Errorf("%s is answered %d %s", path, got.status, got.text)
		}
	}
	if got := owner.get("/download/secrets.csv"); got.status != http.StatusNotFound {
		t.Errorf("got %d", got.status)
	}
}
