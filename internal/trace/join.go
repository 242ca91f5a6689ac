package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strconv"
	"time"
)

// What the join assumes where nothing real is known.
const (
	zipfOrganizations = 200 // Organizations where no shares of real clients are given.
	zipfExponent      = 1.1 // Skew of those organizations.
	seatsOfFirst      = 60  // Seats of organization 1; organization k has 1/sqrt(k) as many.
	seatExponent      = 0.8 // Skew of the seats of one organization.

	// A trace of this name has a clock per session; its sessions begin somewhere in a working day.
	sessionClockTrace = "cc_sessions"
	workingDay        = 8 * time.Hour

	// A call whose duration was not measured takes this long to begin its answer, and for each token of it.
	firstToken = 500 * time.Millisecond
	eachToken  = time.Second / 50
)

// Client is one real API client of a provider, and its share of all requests there.
type Client struct {
	ID    string
	Share float64
}

// ReadClients reads the shares of a clients_*.csv file, in file order.
func ReadClients(path string) ([]Client, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the clients: %w", err)
	}
	defer file.Close()
	t, err := newTable(path, file, []string{"client_id", "share"})
	if err != nil {
		return nil, err
	}
	var clients []Client
	for t.next() == nil && t.err == nil {
		clients = append(clients, Client{ID: t.text("client_id"), Share: t.fraction("share")})
	}
	if !errors.Is(t.err, io.EOF) {
		return nil, t.err
	}
	if len(clients) == 0 {
		return nil, fmt.Errorf("%s: no client in it", path)
	}
	return clients, nil
}

// Turn is a row with an organization, a seat, and what its source left open.
type Turn struct {
	Row
	Start        time.Duration // When it begins, on the one clock of the whole trace.
	Organization int           // From 1; with clients, the place of one in its file.
	Seat         int           // From 1, within the organization.
	Failed       bool          // Whether it fails, by its source or by the failure rate.
	InputTokens  int64         // The row's, or, of a failed row that counted none, those of the attempt that then passed.
	Length       time.Duration // The measured duration, or one estimated from the length of the answer.
}

// Join assigns turns to organizations and seats. It is for one goroutine at a time.
type Join struct {
	organizations distribution
	names         []string
	seats         map[int]distribution
	failureRate   float64
}

// NewJoin draws organizations by the shares of clients, or, without any, of 200 by Zipf's law. A failure rate above 0
// makes that part of the rows fail whose source does not say whether they did: say so wherever you show the result.
func NewJoin(clients []Client, failureRate float64) *Join {
	j := &Join{seats: map[int]distribution{}, failureRate: failureRate}
	for _, c := range clients {
		j.names = append(j.names, "client-"+c.ID)
		j.organizations = j.organizations.with(c.Share)
	}
	if len(clients) == 0 {
		j.organizations = zipf(zipfOrganizations, zipfExponent)
	}
	return j
}

// OrganizationName is an id for an organization of a turn: "client-35" after a client, "organization-1" otherwise.
func (j *Join) OrganizationName(organization int) string {
	if len(j.names) > 0 {
		return j.names[organization-1]
	}
	return "organization-" + strconv.Itoa(organization)
}

// Turns joins all rows of one trace. They keep their order.
func (j *Join) Turns(rows []Row) []Turn {
	turns := make([]Turn, len(rows))
	retried := map[string]int64{} // Input tokens of the next row of a session that completed.
	for i := len(rows) - 1; i >= 0; i-- {
		turns[i] = j.turn(rows[i])
		if t := &turns[i]; t.Failed && t.Row.InputTokens == 0 && t.OutputTokens == 0 {
			t.InputTokens = retried[t.Session]
		} else if !t.Failed && t.Session != "" {
			retried[t.Session] = t.InputTokens
		}
	}
	return turns
}

func (j *Join) turn(row Row) Turn {
	draw := drawer(row.Trace)
	number := strconv.FormatInt(row.Number, 10)
	key := row.Session
	if key == "" {
		key = number
	}
	t := Turn{Row: row, Start: row.At, InputTokens: row.InputTokens, Length: row.Duration}
	t.Organization = j.organizations.at(draw(key))
	t.Seat = j.seatsOf(t.Organization).at(draw("seat|" + key))
	if row.Trace == sessionClockTrace {
		t.Start += time.Duration(draw("start|"+row.Session) * float64(workingDay))
	}
	t.Failed = row.Outcome == Failed || row.Outcome == Unknown && draw("fail|"+number) < j.failureRate
	if !row.Measured {
		t.Length = firstToken + time.Duration(row.OutputTokens)*eachToken
	}
	return t
}

func (j *Join) seatsOf(organization int) distribution {
	seats, ok := j.seats[organization]
	if !ok {
		n := max(1, int(math.Round(seatsOfFirst/math.Sqrt(float64(organization)))))
		seats = zipf(n, seatExponent)
		j.seats[organization] = seats
	}
	return seats
}

// drawer draws numbers from 0 to 1 for the keys of one trace: always the same one for the same key.
func drawer(trace string) func(key string) float64 {
	return func(key string) float64 {
		sum := sha256.Sum256([]byte("v1|" + trace + "|" + key))
		return float64(binary.BigEndian.Uint64(sum[:8])) / (1 << 64)
	}
}

// distribution holds the cumulative weights of the outcomes 1, 2, …; the last also takes what rounding left to 1.
type distribution []float64

// zipf weighs k with k^-exponent.
func zipf(n int, exponent float64) distribution {
	var d distribution
	for k := range n {
		d = d.with(math.Pow(float64(k+1), -exponent))
	}
	total := d[n-1]
	for i := range d {
		d[i] /= total
	}
	return d
}

func (d distribution) with(weight float64) distribution {
	if len(d) > 0 {
		weight += d[len(d)-1]
	}
	return append(d, weight)
}

// at is the outcome on which a number from 0 to 1 falls.
func (d distribution) at(u float64) int {
	return min(sort.Search(len(d), func(i int) bool { return u < d[i] }), len(d)-1) + 1
}
