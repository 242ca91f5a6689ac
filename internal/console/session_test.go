package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// firm is a directory of one organization, whose months begin on the last day of each, in Berlin.
type firm struct{ zone *time.Location }

func (f firm) Member(_ context.Context, _, id string) (meter.MemberView, error) {
	return meter.MemberView{Member: meter.Member{ID: id, Role: meter.RoleOwner, State: meter.MemberActive}}, nil
}

func (f firm) Organization(_ context.Context, id string) (meter.Organization, error) {
	anchor := meter.Anchor{Date: meter.Date{Year: 2026, Month: time.January, Day: 31}, Zone: f.zone}
	return meter.Organization{ID: id, Unit: meter.UnitUSD, Calendar: meter.Calendar{Anchor: anchor}}, nil
}

func (f firm) Plan(context.Context, string) (meter.Plan, error) {
	return meter.Plan{Kind: meter.PlanTeam}, nil
}

// sessionAt asks a console for the session of an owner.
func sessionAt(t *testing.T, now func(context.Context) (time.Time, error)) (s Session, status int) {
	t.Helper()
	zone, err := meter.LoadZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Identify: owner, Directory: firm{zone}, Now: now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	c.Register(mux)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/session", nil))
	if answer.Code == http.StatusOK {
		if err := json.Unmarshal(answer.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
	}
	return s, answer.Code
}

// TestSessionTellsThePeriods by the clock that the rules go by, over the change to summer time.
func TestSessionTellsThePeriods(t *testing.T) {
	now := time.Date(2026, 4, 2, 12, 0, 0, 0, time.UTC)
	s, _ := sessionAt(t, func(context.Context) (time.Time, error) { return now, nil })
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	period := Span{at("2026-03-30T22:00:00Z"), at("2026-04-29T22:00:00Z")}
	last := Span{at("2026-02-27T23:00:00Z"), at("2026-03-30T22:00:00Z")}
	if !s.SignedIn || s.Role != "OWNER" || !s.Now.Equal(now) || s.Period != period || s.LastPeriod != last {
		t.Errorf("got %+v", s)
	}
}

// TestSessionWithoutTheTime is not answered: what it says would be of another time.
func TestSessionWithoutTheTime(t *testing.T) {
	_, status := sessionAt(t, func(context.Context) (time.Time, error) { return time.Time{}, errors.New("the database is away") })
	if status != http.StatusServiceUnavailable {
		t.Errorf("it is answered %d", status)
	}
}
