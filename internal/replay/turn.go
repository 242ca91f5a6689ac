package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spillway-metering/spillway/internal/trace"
)

// fate is how a turn of the replay ended.
type fate int

const (
	waiting   fate = iota // Never started.
	unsettled             // Started, and its last answer never came.
	committed             // Gave its answer and was charged.
	released              // Failed, and its hold went back.
	refused               // The server said that it may not run.
	faulty                // The server answered what no turn should get.
)

// turn is one turn of the trace with all that its calls say, and later with what became of it. The goroutine that plays
// a turn is the only one that writes it.
type turn struct {
	trace.Turn
	organizationID string
	memberID       string
	requestID      string
	model          string // As it is priced.
	estimateMicros int64
	actualMicros   int64

	fate       fate
	reason     string // Of a refusal or a fault.
	replayed   bool   // Whether it had been settled before this replay.
	late       bool   // Whether it was settled after it had expired.
	charge     Charge
	difference string // What was wrong with an answer to it.
}

// loadTurns reads the trace and joins it, in order of arrival. The limit is not yet applied.
func loadTurns(o Options) ([]*turn, error) {
	rows, err := trace.ReadFile(o.Trace)
	if err != nil {
		return nil, err
	}
	var clients []trace.Client
	if o.Clients != "" {
		if clients, err = trace.ReadClients(o.Clients); err != nil {
			return nil, err
		}
	}
	join := trace.NewJoin(clients, o.FailureRate)
	seen := map[int64]bool{}
	turns := make([]*turn, 0, len(rows))
	for _, joined := range join.Turns(rows) {
		t, err := newTurn(o, join, joined)
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", o.Trace, joined.Number, err)
		}
		if seen[joined.Number] {
			return nil, fmt.Errorf("%s: row %d stands there twice: a row's number makes its request id", o.Trace, joined.Number)
		}
		seen[joined.Number] = true
		turns = append(turns, t)
	}
	slices.SortStableFunc(turns, func(a, b *turn) int { return cmp.Compare(a.Start, b.Start) })
	return turns, nil
}

func newTurn(o Options, join *trace.Join, joined trace.Turn) (*turn, error) {
	organization, seat := join.OrganizationName(joined.Organization), "seat-"+strconv.Itoa(joined.Seat)
	if o.OneOrganization {
		organization, seat = "all", organization+"."+seat
	}
	t := &turn{
		model: cmp.Or(joined.Model, o.Model),
		Turn:  joined, organizationID: o.Prefix + organization, memberID: seat,
		requestID: joined.Trace + ":" + strconv.FormatInt(joined.Number, 10),
	}
	for _, id := range []string{t.organizationID, t.memberID, t.requestID} {
		if !identifier.MatchString(id) {
			return nil, fmt.Errorf("%q cannot be an id: 1 to 128 of A-Z a-z 0-9 . _ : @ -", id)
		}
	}
	return t, nil
}

// price says what the turn costs, and what it may cost at most.
func (t *turn) price(cost costs, outputMaximum int64) (err error) {
	if t.actualMicros, err = cost(t.model, t.InputTokens, t.OutputTokens); err != nil {
		return err
	}
	t.estimateMicros, err = cost(t.model, t.InputTokens, outputMaximum)
	t.estimateMicros = max(1, t.estimateMicros)
	return err
}

// seat is a member by organization.
type seat struct{ organizationID, memberID string }

// seatsOf are the seats of the turns, each once, in order.
func seatsOf(turns []*turn) []seat {
	all := make([]seat, 0, len(turns))
	for _, t := range turns {
		all = append(all, seat{t.organizationID, t.memberID})
	}
	slices.SortFunc(all, func(a, b seat) int {
		return cmp.Or(strings.Compare(a.organizationID, b.organizationID), strings.Compare(a.memberID, b.memberID))
	})
	return slices.Compact(all)
}

// organizationsOf are the organizations of ordered seats, each once.
func organizationsOf(seats []seat) []string {
	var ids []string
	for _, s := range seats {
		ids = append(ids, s.organizationID)
	}
	return slices.Compact(ids)
}

// ampleMicros is, by organization, what its turns could hold and be charged if all of them ran at once.
func ampleMicros(turns []*turn) map[string]int64 {
	need := map[string]int64{}
	for _, t := range turns {
		sum := need[t.organizationID] + max(t.estimateMicros, t.actualMicros)
		need[t.organizationID] = min(sum, maxAmountMicros)
	}
	return need
}
