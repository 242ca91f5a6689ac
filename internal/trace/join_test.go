package trace

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The rows and what they join to were computed by a second implementation of the rules, in another language.
func TestJoinIsTheDocumentedOne(t *testing.T) {
	type joined struct {
		row          int64
		organization string
		seat         int
	}
	clients := filepath.Join("testdata", "clients_reason_deepseek-r1.csv")
	for _, test := range []struct {
		trace, clients string
		want           []joined
	}{
		{"azure2023_conv", "", []joined{
			{0, "organization-1", 10},
			{1, "organization-4", 4},
			{2, "organization-6", 19},
			{3, "organization-131", 2},
			{4, "organization-2", 2},
			{5, "organization-192", 2},
		}},
		{"azure2023_conv", clients, []joined{
			{0, "client-35", 10},
			{1, "client-3", 5},
			{2, "client-13", 24},
			{3, "client-22", 3},
			{4, "client-35", 2},
			{5, "client-31", 3},
		}},
		{"ragpulse", "", []joined{
			{3800, "organization-18", 12},
			{3801, "organization-2", 6},
			{3802, "organization-2", 6},
			{3803, "organization-1", 23},
			{0, "organization-10", 2},
			{3804, "organization-4", 1},
		}},
		{"ragpulse", clients, []joined{
			{3800, "client-28", 17},
			{3801, "client-48", 6},
			{3802, "client-48", 6},
			{3803, "client-35", 23},
			{0, "client-54", 3},
			{3804, "client-3", 1},
		}},
	} {
		join := NewJoin(readClients(t, test.clients), 0)
		turns := join.Turns(readRows(t, test.trace))
		for i, want := range test.want {
			got := joined{turns[i].Number, join.OrganizationName(turns[i].Organization), turns[i].Seat}
			if got != want {
				t.Errorf("%s with clients %q: got %v, want %v", test.trace, test.clients, got, want)
			}
		}
	}
}

func TestSessionsKeepTheirSeat(t *testing.T) {
	type seat struct{ organization, seat int }
	seats := map[string]seat{}
	for _, turn := range NewJoin(nil, 0).Turns(readRows(t, "ragpulse")) {
		now := seat{turn.Organization, turn.Seat}
		if before, ok := seats[turn.Session]; ok && before != now {
			t.Errorf("session %s moved from %v to %v", turn.Session, before, now)
		}
		seats[turn.Session] = now
	}
	if len(seats) < 2 || len(seats) == 200 {
		t.Errorf("%d sessions in 200 rows show nothing", len(seats))
	}
}

func TestSessionClocksBeginInTheWorkingDay(t *testing.T) {
	row := Row{Trace: "cc_sessions", At: 126 * time.Millisecond, Session: "some-session"}
	turn := NewJoin(nil, 0).Turns([]Row{row})[0]
	want := row.At + 2746270*time.Millisecond
	if diff := turn.Start - want; diff.Abs() > time.Millisecond {
		t.Errorf("begins at %v, want %v", turn.Start, want)
	}
	if turn.Organization != 88 || turn.Seat != 4 {
		t.Errorf("got organization %d, seat %d, want 88 and 4", turn.Organization, turn.Seat)
	}
}

func TestOtherClocksAreKept(t *testing.T) {
	for _, turn := range NewJoin(nil, 0).Turns(readRows(t, "ragpulse")) {
		if turn.Start != turn.At {
			t.Fatalf("row %d begins at %v, want %v", turn.Number, turn.Start, turn.At)
		}
	}
}

func TestFailuresAreRealUnlessAsked(t *testing.T) {
	rows := []Row{{Trace: "t", Number: 1, Outcome: Failed}, {Trace: "t", Number: 2, Outcome: Completed}, {Trace: "t", Number: 3}}
	for rate, want := range map[float64][3]bool{0: {true, false, false}, 1: {true, false, true}} {
		for i, turn := range NewJoin(nil, rate).Turns(rows) {
			if turn.Failed != want[i] {
				t.Errorf("at rate %v row %d: failed is %v", rate, turn.Number, turn.Failed)
			}
		}
	}
}

func TestSyntheticFailuresAreTheDocumentedOnes(t *testing.T) {
	turns := NewJoin(nil, 0.065).Turns(readRows(t, "ragpulse"))
	for i, want := range []bool{false, false, false, true, true, false} {
		if turns[i].Failed != want {
			t.Errorf("row %d: failed is %v", turns[i].Number, turns[i].Failed)
		}
	}
}

func TestFailedTurnsCountTheTokensOfTheNextAttempt(t *testing.T) {
	turns := NewJoin(nil, 0).Turns([]Row{
		{Trace: "t", Number: 1, Session: "a", Outcome: Failed},
		{Trace: "t", Number: 2, Session: "b", Outcome: Completed, InputTokens: 7, OutputTokens: 1},
		{Trace: "t", Number: 3, Session: "a", Outcome: Failed},
		{Trace: "t", Number: 4, Session: "a", Outcome: Completed, InputTokens: 900, OutputTokens: 5},
		{Trace: "t", Number: 5, Session: "a", Outcome: Failed, InputTokens: 33},
		{Trace: "t", Number: 6, Session: "a", Outcome: Failed},
		{Trace: "t", Number: 7, Outcome: Failed},
		{Trace: "t", Number: 8, Outcome: Completed, InputTokens: 12},
	})
	for i, want := range []int64{900, 7, 900, 900, 33, 0, 0, 12} {
		if turns[i].InputTokens != want {
			t.Errorf("row %d: %d input tokens, want %d", i+1, turns[i].InputTokens, want)
		}
	}
}

func TestDurationsNotMeasuredAreEstimated(t *testing.T) {
	turns := NewJoin(nil, 0).Turns([]Row{
		{Trace: "t", OutputTokens: 100},
		{Trace: "t", OutputTokens: 100, Duration: time.Second, Measured: true},
		{Trace: "t", OutputTokens: 100, Measured: true},
		{Trace: "t", OutputTokens: maxNumber},
	})
	for i, want := range []time.Duration{2500 * time.Millisecond, time.Second, 0, 500*time.Millisecond + maxNumber/50*time.Second} {
		if turns[i].Length != want {
			t.Errorf("row %d takes %v, want %v", i+1, turns[i].Length, want)
		}
	}
}

func TestSeatsGrowFewerWithTheRank(t *testing.T) {
	join := NewJoin(nil, 0)
	for organization, want := range map[int]int{1: 60, 2: 42, 4: 30, 100: 6, 200: 4} {
		if got := len(join.seatsOf(organization)); got != want {
			t.Errorf("organization %d has %d seats, want %d", organization, got, want)
		}
	}
}

// The data's own description gives the top organization 21 % of the turns and the top ten 57 %.
func TestZipfHasTheDocumentedSkew(t *testing.T) {
	d := zipf(zipfOrganizations, zipfExponent)
	if top, ten := math.Round(100*d[0]), math.Round(100*d[9]); top != 21 || ten != 57 {
		t.Errorf("the top organization has %v %%, the top ten %v %%", top, ten)
	}
}

func TestDistributionsCoverEveryNumber(t *testing.T) {
	short := distribution{}.with(0.5).with(0.25) // Its shares were rounded down.
	for u, want := range map[float64]int{0: 1, 0.4999: 1, 0.5: 2, 0.7499: 2, 0.75: 2, 1: 2} {
		if got := short.at(u); got != want {
			t.Errorf("%v falls on %d, want %d", u, got, want)
		}
	}
}

func TestBadClientsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"client_id\n1\n":             "line 1: column share is missing",
		"client_id,share\n":          "no client in it",
		"client_id,share\n1,0.2\n2,": `line 3: column share: "" is not a fraction`,
		"client_id,share\n1,1.5\n":   `line 2: column share: "1.5" is not a fraction`,
		"client_id,share\n1,NaN\n":   `line 2: column share: "NaN" is not a fraction`,
	} {
		path := write(t, "clients.csv", text)
		if _, err := ReadClients(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", text, err, want)
		}
	}
}

func readRows(t *testing.T, name string) []Row {
	t.Helper()
	rows, err := ReadFile(filepath.Join("testdata", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// readClients reads none where no path is given.
func readClients(t *testing.T, path string) []Client {
	t.Helper()
	if path == "" {
		return nil
	}
	clients, err := ReadClients(path)
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
