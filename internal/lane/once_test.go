package lane_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/lane"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// forgetful is a session of a database whose answer to a COMMIT gets lost: the transaction is on disk, and nobody is told.
type forgetful struct {
	lane.Session
	lose func() bool
}

var errAnswerLost = &meter.Refusal{Reason: meter.Unavailable, Cause: errors.New("the answer to COMMIT was lost")}

func (f forgetful) Save(ctx context.Context, states map[string]*meter.State) error {
	if err := f.Session.Save(ctx, states); err != nil {
		return err
	}
	if f.lose() {
		return errAnswerLost
	}
	return nil
}

// everySecond loses the answer of each batch's first try.
func everySecond(s lane.Session) lane.Session {
	tries := 0
	return forgetful{s, func() bool { tries++; return tries%2 == 1 }}
}

// TestAnUnknownCommitIsAppliedOnce runs every kind of command, retries and refusals among them, on a database that tells
// of each COMMIT only at the second try, and on one that always does. Both must answer the same and end the same.
func TestAnUnknownCommitIsAppliedOnce(t *testing.T) {
	t.Parallel()
	commands := script()
	want := run(t, commands, nil, 1)
	got := run(t, commands, everySecond, 2)
	for i := range commands {
		if !reflect.DeepEqual(got.answers[i], want.answers[i]) {
			t.Errorf("%+v\nanswers %+v\nnot     %+v", commands[i], got.answers[i], want.answers[i])
		}
	}
	if !reflect.DeepEqual(got.books, want.books) {
		t.Errorf("in the end there is\n%+v\nand not\n%+v", got.books, want.books)
	}
	if want.books.Pool.Consumed == 0 || len(want.books.Changes) != 3 || len(want.books.Entries) < 8 ||
		want.books.Uncharged < 2 {
		t.Errorf("the script does not do what it is to do: %+v", want.books)
	}
}

// TestAnUnknownCommitOfAGroupIsAppliedOnce loses the answer of a batch whose later commands undo what its earlier ones
// did, so that doing it again would not be the same.
func TestAnUnknownCommitOfAGroupIsAppliedOnce(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	held := &heldUp{taken: make(chan struct{}), gate: make(chan struct{})}
	p := start(t, postgres.Config{URL: url}, 1, lane.Config{}, func(s lane.Session) lane.Session {
		return forgetful{s, held.lose}
	})
	p.found(10_000)
	capped := func(limit meter.Micros) meter.Access { return meter.Access{Kind: meter.AccessCapped, Cap: limit} }
	long := reserve("ada", "long", 2_000, time.Hour)
	raised := meter.Extend{OrganizationID: firm, ReservationID: long.ReservationID, RequestID: "x", Additional: 500}
	failed := reserve("ada", "failed", 100, time.Hour)
	answers := p.together(held,
		setAccess("cy", capped(1)), setAccess("cy", capped(2)), setAccess("cy", capped(1)),
		meter.PutMember{OrganizationID: firm, MemberID: "dan", Role: meter.RoleMember},
		meter.RemoveMember{OrganizationID: firm, MemberID: "dan"},
		long, raised, commit(long.ReservationID, 2_400), failed,
		meter.Release{OrganizationID: firm, ReservationID: failed.ReservationID, Reason: "it failed"},
		topUp("t", 1_000), meter.Refund{OrganizationID: firm, RequestID: "f", TopUpRequestID: "t", Amount: 900},
	)
	for _, a := range answers {
		if a != nil {
			t.Error(a)
		}
	}
	b := p.books()
	want := meter.Pool{Balance: 10_000 + 100 - 1_400, Purchased: 11_000, Refunded: 900, Consumed: 1_400}
	if b.Pool != want || b.Sequence != 5 || len(b.Changes) != 3 || b.Changes[2].After.Cap != 1 {
		t.Errorf("in the end there is %+v", b)
	}
	if dan := b.Members[len(b.Members)-1]; dan.ID != "dan" || dan.State != meter.MemberRemoved {
		t.Errorf("dan is %+v", dan)
	}
	audittest.Check(t, url)
}

// heldUp holds the first batch up once it is armed, and loses the answer of the second.
type heldUp struct {
	armed atomic.Bool
	saves int
	taken chan struct{} // Closed once the first batch is held up.
	gate  chan struct{} // Lets it go.
}

func (h *heldUp) lose() bool {
	if !h.armed.Load() {
		return false
	}
	h.saves++
	if h.saves == 1 {
		close(h.taken)
		<-h.gate
	}
	return h.saves == 2
}

// together sends commands while a batch is held up, so that they are the next one, in this order.
func (p process) together(h *heldUp, commands ...meter.Command) []error {
	p.Helper()
	answers := make([]error, len(commands))
	var callers sync.WaitGroup
	h.armed.Store(true)
	callers.Go(func() { p.do(meter.Sweep{OrganizationID: firm}) })
	<-h.taken
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i, c := range commands {
		callers.Go(func() { _, answers[i] = p.lanes.Do(within(p), c) })
		for p.lanes.Queued() <= i {
			<-tick.C
		}
	}
	close(h.gate)
	callers.Wait()
	if h.saves != 3 {
		p.Errorf("the database was told %d times to save", h.saves)
	}
	return answers
}

// script has every kind of command.
func script() []meter.Command {
	dear, long, failed, refused := reserve("ada", "dear", 5_000, time.Hour), reserve("ben", "long", 300, time.Hour),
		reserve("ben", "failed", 400, time.Hour), reserve("cy", "refused", 2_000, time.Hour)
	again := dear
	again.ReservationID = newID()
	other := dear
	other.Estimate++
	commitDear := commit(dear.ReservationID, 4_321)
	commitDear.Tokens = meter.TokenUsage{Input: 3, Output: 4}
	moved := putFirm("Acme, moved")
	moved.Anchor.Date.Day = 15
	return []meter.Command{
		dear, dear, again, other, long, failed, refused,
		meter.Extend{OrganizationID: firm, ReservationID: long.ReservationID, RequestID: "x", Additional: 800},
		meter.Extend{OrganizationID: firm, ReservationID: long.ReservationID, RequestID: "x", Additional: 800},
		meter.Extend{OrganizationID: firm, ReservationID: long.ReservationID, RequestID: "y", Additional: 100_000_000},
		commitDear, commitDear, commit(dear.ReservationID, 1), commit(long.ReservationID, 1_200),
		meter.Release{OrganizationID: firm, ReservationID: failed.ReservationID, Reason: "timeout", Actual: 50},
		meter.Release{OrganizationID: firm, ReservationID: failed.ReservationID, Reason: "timeout", Actual: 50},
		commit(newID(), 1),
		topUp("second", 777), topUp("second", 777), topUp("second", 778),
		meter.Refund{OrganizationID: firm, RequestID: "back", TopUpRequestID: "second", Amount: 700},
		meter.Refund{OrganizationID: firm, RequestID: "back", TopUpRequestID: "second", Amount: 700},
		meter.Refund{OrganizationID: firm, RequestID: "more", TopUpRequestID: "second", Amount: 78},
		setAccess("cy", meter.Access{Kind: meter.AccessCapped, Cap: 5}), setAccess("cy", meter.Access{Kind: meter.AccessCapped, Cap: 5}),
		setAccess("cy", meter.Access{Kind: meter.AccessUnlimited}), setAccess("ben", meter.Access{Kind: meter.AccessNone}),
		meter.PutMember{OrganizationID: firm, MemberID: "dan", DisplayName: "Dan", Role: meter.RoleAdmin},
		meter.RemoveMember{OrganizationID: firm, MemberID: "ben"},
		reserve("ben", "gone", 1, time.Hour),
		moved,
		meter.Sweep{OrganizationID: firm},
	}
}

// books is what is known of the firm in the end, but for ids and times.
type books struct {
	Pool         meter.Pool
	Profile      string
	Sequence     int64
	Uncharged    int64
	Members      []meter.MemberView
	Reservations []meter.Reservation
	Entries      []meter.Entry
	Changes      []meter.AccessChange
}

type result struct {
	answers []string
	books   books
}

// run carries commands one by one on a database of their own, and counts the tries of each.
func run(t *testing.T, commands []meter.Command, between func(lane.Session) lane.Session, tries int) (r result) {
	t.Helper()
	url := server.Database(t)
	observe := func(s lane.BatchStats) {
		if s.Attempts != tries {
			t.Errorf("a batch of %d took %d tries", s.Commands, s.Attempts)
		}
	}
	p := start(t, postgres.Config{URL: url}, 1, lane.Config{Observe: observe}, between)
	p.found(1_000_000)
	for _, c := range commands {
		outcome, err := p.lanes.Do(within(t), c)
		if err != nil && reasonOf(err) == "" {
			t.Errorf("%+v: %v", c, err)
		}
		r.answers = append(r.answers, answerOf(outcome, reasonOf(err)))
	}
	audittest.Check(t, url)
	r.books = p.books()
	return r
}

// answerOf is an answer in words, but for ids and times.
func answerOf(o meter.Outcome, reason meter.Reason) string {
	answer := []string{string(reason)}
	add := func(what string, value any) { answer = append(answer, what, fmt.Sprintf("%+v", value)) }
	if o.Reservation != nil {
		add("reservation", plain(*o.Reservation))
	}
	if o.Meter != nil {
		add("meter", *o.Meter)
	}
	if o.Pool != nil {
		add("pool", *o.Pool)
	}
	if o.Entry != nil {
		add("entry", plainEntry(*o.Entry))
	}
	if o.Member != nil {
		add("member", plainView(*o.Member))
	}
	return strings.Join(answer, " ")
}

func (p process) books() (b books) {
	p.Helper()
	ctx := within(p)
	o, err := p.Organization(ctx, firm)
	must(p, err)
	b.Pool, b.Profile, b.Sequence = o.Pool, o.DisplayName+o.Calendar.Anchor.Date.String(), o.LedgerSequence
	b.Uncharged = o.UnchargedSequence
	members, _, err := p.Members(ctx, meter.MemberQuery{OrganizationID: firm, Limit: 100})
	must(p, err)
	for _, m := range members {
		b.Members = append(b.Members, plainView(m))
	}
	reservations, err := p.Reservations(ctx, meter.ReservationQuery{OrganizationID: firm, Limit: 100})
	must(p, err)
	for _, r := range reservations.Reservations {
		b.Reservations = append(b.Reservations, plain(r))
	}
	slices.SortFunc(b.Reservations, func(a, b meter.Reservation) int { return strings.Compare(a.RequestID, b.RequestID) })
	entries, err := p.Entries(ctx, meter.EntryQuery{OrganizationID: firm, Limit: 100})
	must(p, err)
	for _, e := range entries.Entries {
		b.Entries = append(b.Entries, plainEntry(e))
	}
	changes, err := p.AccessChanges(ctx, firm, "", meter.UUID{}, 100)
	must(p, err)
	for _, c := range changes {
		if c.ID, c.At = (meter.UUID{}), (time.Time{}); c.Before.Kind != meter.AccessNone || c.MemberID == "cy" {
			b.Changes = append(b.Changes, c)
		}
	}
	return b
}

func plain(r meter.Reservation) meter.Reservation {
	r.ID, r.CreatedAt, r.ExpiresAt, r.SettledAt = meter.UUID{}, time.Time{}, time.Time{}, time.Time{}
	r.Seen, r.Left = nil, nil // Where they are: a second try does not load them.
	return r
}

func plainEntry(e meter.Entry) meter.Entry {
	e.ReservationID, e.At = meter.UUID{}, time.Time{}
	return e
}

func plainView(v meter.MemberView) meter.MemberView {
	v.Period.Start = time.Time{}
	return v
}
