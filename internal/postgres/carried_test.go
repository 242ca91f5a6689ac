package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
)

// carried is a firm whose state is kept in memory over all batches, beside the database: each batch is applied to both,
// and both must answer the same and end the same.
type carried struct {
	rapid.TB
	lane  lane
	store *postgres.Store
	conn  *pgx.Conn
	plan  meter.Plan
	state *meter.State
	ahead map[bool]int // Batches that were decided by memory, and of those, by whether it was wrong.
}

// shelf keeps in memory what was put into the database's price books.
type shelf struct {
	versions map[string]int64
	tables   map[meter.BookVersion]meter.PriceBook
}

func newShelf() shelf {
	return shelf{map[string]int64{}, map[meter.BookVersion]meter.PriceBook{}}
}

// put puts a book into both.
func (s shelf) put(t rapid.TB, store *postgres.Store, b price.Book) {
	t.Helper()
	put, err := store.PutPriceBook(context.Background(), b, nil, meter.Actor{Subject: "ada"})
	must(t, err)
	b.Version = put.Version
	table, err := price.New(b)
	must(t, err)
	s.versions[b.ID] = b.Version
	s.tables[meter.BookVersion{ID: b.ID, Version: b.Version}] = table
}

// putPlan replaces the firm's plan, unless that may not become what it would.
func (c *carried) putPlan(p meter.Plan) {
	err := c.store.PutPlan(within(c.lane), p, meter.Actor{})
	if c.plan.ID == p.ID && p.Replace(&c.plan) != nil {
		if reasonOf(err) != meter.IndividualHasOneMember {
			c.Fatalf("%+v in the place of %+v: %v", p, c.plan, err)
		}
		return
	}
	if err != nil {
		c.Fatal(err)
	}
	c.plan = p
	c.state.Plans = map[string]meter.Plan{p.ID: p}
}

// batch carries commands through the database, and applies them in memory at the same time.
func (c *carried) batch(commands ...meter.Command) {
	c.Helper()
	loaded, got := c.carry(commands)
	c.state.Now, c.state.Due, c.state.RefusedBefore = loaded.Now, loaded.Due, loaded.RefusedBefore
	c.state.OtherMembers = loaded.OtherMembers // As before the batch, whoever leaves in it.
	members := rowsOf(&c.state.Members)
	c.state.Members = meter.Table[string, meter.Member]{} // And so is who comes in it.
	for id, m := range members {
		c.state.Members.Load(id, m)
	}
	want := applyAll(map[string]*meter.State{c.state.ID: c.state}, commands)
	for i := range commands {
		if !reflect.DeepEqual(bare(got[i].Outcome), bare(want[i].Outcome)) || fmt.Sprint(got[i].Err) != fmt.Sprint(want[i].Err) {
			c.Fatalf("%T %+v after a load\n     %+v\nwant %+v", commands[i], commands[i], got[i], want[i])
		}
	}
}

// carry carries commands through the database, and answers what they were loaded with beside rows. As a lane does, it carries
// them again, as such, where the database says so: where they were decided by what had changed.
func (c *carried) carry(commands []meter.Command) (*meter.State, []answer) {
	c.Helper()
	for c.lane.again = false; ; c.lane.again = true {
		states, err := c.lane.load(commands...)
		if err != nil {
			c.Fatal(err)
		}
		s := states[c.state.ID]
		loaded := &meter.State{Now: s.Now, Due: s.Due, OtherMembers: s.OtherMembers, RefusedBefore: maps.Clone(s.RefusedBefore)}
		answers, ahead := applyAll(states, commands), c.lane.Ahead()
		err = c.lane.Save(within(c.lane), states)
		if ahead {
			c.ahead[err != nil]++
		}
		if err == nil {
			return loaded, answers
		}
		c.lane.Abandon()
		if c.lane.again || reasonOf(err) != meter.Unavailable || ahead != errors.Is(err, meter.ErrStale) {
			c.Fatalf("saving %+v: %v", commands, err)
		}
	}
}

// same compares all rows in memory with what a load finds, whatever the session remembers, and with what the store's reads
// answer.
func (c *carried) same() {
	c.Helper()
	c.sameLoad(c.lane)
	fresh := newLane(c.lane.TB, c.store)
	defer fresh.Session.Close() // One for each firm would be many.
	c.sameLoad(fresh)
	c.sameReads()
}

func (c *carried) sameLoad(l lane) {
	c.Helper()
	loaded := c.reload(l)
	same(c, "organization", rowsOf(&loaded.Organization), rowsOf(&c.state.Organization))
	same(c, "plan", loaded.Plans[c.plan.ID], c.plan)
	same(c, "members", rowsOf(&loaded.Members), rowsOf(&c.state.Members))
	same(c, "periods", rowsOf(&loaded.Periods), rowsOf(&c.state.Periods))
	same(c, "reservations", bareRows(&loaded.Reservations), bareRows(&c.state.Reservations))
	same(c, "extensions", rowsOf(&loaded.Extensions), rowsOf(&c.state.Extensions))
	same(c, "movements", rowsOf(&loaded.Movements), rowsOf(&c.state.Movements))
	same(c, "requests", loaded.Requests, c.state.Requests)
	same(c, "changes", keysOf(&loaded.Changes), keysOf(&c.state.Changes))
	for topUp, refunded := range loaded.RefundedOf {
		same(c, "refunded of "+topUp, refunded, c.state.RefundedOf[topUp])
	}
}

// reload is the state that a batch gets that needs every row of the firm.
func (c *carried) reload(l lane) *meter.State {
	var n meter.Needs
	id := c.state.ID
	for k := range rowsOf(&c.state.Members) {
		n.Members = append(n.Members, meter.Key{OrganizationID: id, ID: k})
	}
	for k := range rowsOf(&c.state.Reservations) {
		n.Reservations = append(n.Reservations, meter.IDKey{OrganizationID: id, ID: k})
	}
	for k := range c.state.Requests {
		n.ReserveRequests = append(n.ReserveRequests, meter.Key{OrganizationID: id, ID: k})
	}
	for k := range rowsOf(&c.state.Extensions) {
		n.Extensions = append(n.Extensions, meter.Key{OrganizationID: id, ID: k})
	}
	for k := range rowsOf(&c.state.Movements) {
		key := meter.Key{OrganizationID: id, ID: k.RequestID}
		n.TopUps, n.Refunds = append(n.TopUps, key), append(n.Refunds, key)
	}
	for k := range rowsOf(&c.state.Changes) {
		n.AccessChanges = append(n.AccessChanges, meter.IDKey{OrganizationID: id, ID: k})
	}
	defer l.Abandon()
	states, err := l.Load(within(l), []string{id}, n)
	if err != nil {
		c.Fatal(err)
	}
	return states[id]
}

// sameReads compares what the store's reads answer, page by page.
func (c *carried) sameReads() {
	c.Helper()
	ctx, id := within(c.lane), c.state.ID
	o, err := c.store.Organization(ctx, id)
	must(c, err)
	want, _ := c.state.Organization.Get(id)
	same(c, "Organization", o, want)
	now, err := c.store.Now(ctx)
	must(c, err)
	members := pages(c, func(last meter.MemberView, n int) ([]meter.MemberView, error) {
		found, all, err := c.store.Members(ctx, meter.MemberQuery{OrganizationID: id, After: last.ID, Limit: n})
		same(c, "number of all members", int(all), len(rowsOf(&c.state.Members)))
		return found, err
	})
	same(c, "number of members", len(members), len(rowsOf(&c.state.Members)))
	for _, v := range members {
		m, _ := c.state.Members.Get(v.ID)
		same(c, "Members", v, meter.ViewOf(o, c.plan, m, now))
		one, err := c.store.Member(ctx, id, v.ID)
		must(c, err)
		same(c, "Member", one, v)
		seen, err := c.store.Meter(ctx, id, v.ID)
		must(c, err)
		same(c, "Meter", seen, meter.MeterOf(o, c.plan, m, now))
	}
	c.sameTurns()
	entries := pages(c, func(last meter.Entry, n int) ([]meter.Entry, error) {
		page, err := c.store.Entries(ctx, meter.EntryQuery{OrganizationID: id, After: last.Sequence, Limit: n})
		return page.Entries, err
	})
	same(c, "Entries", entries, c.state.Entries())
	c.sameNewest()
	c.sameUncharged()
	changes := pages(c, func(last meter.AccessChange, n int) ([]meter.AccessChange, error) {
		return c.store.AccessChanges(ctx, id, "", last.ID, n)
	})
	made := rowsOf(&c.state.Changes)
	maps.DeleteFunc(made, func(_ meter.UUID, x meter.AccessChange) bool { return x.Before == x.After })
	same(c, "AccessChanges", byKey(changes, func(x meter.AccessChange) meter.UUID { return x.ID }), made)
}

// sameNewest compares the ledger as it is read newest first, whole and of some kinds.
func (c *carried) sameNewest() {
	c.Helper()
	for _, kinds := range [][]meter.EntryKind{
		nil, {meter.EntryTopUp, meter.EntryRefund}, {meter.EntryPoolCharge}, {meter.EntryTopUp, meter.EntryAllowanceCharge},
	} {
		newest := pages(c, func(last meter.Entry, n int) ([]meter.Entry, error) {
			page, err := c.store.Entries(within(c.lane), meter.EntryQuery{
				OrganizationID: c.state.ID, NewestFirst: true, After: last.Sequence, Kinds: kinds, Limit: n,
			})
			return page.Entries, err
		})
		var want []meter.Entry
		for _, e := range slices.Backward(c.state.Entries()) {
			if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
				want = append(want, e)
			}
		}
		same(c, "Entries, newest first", newest, want)
	}
}

// sameUncharged compares the turns without an entry, and refusals as they are read by their request ids.
func (c *carried) sameUncharged() {
	c.Helper()
	refused := map[string][]meter.Uncharged{}
	for _, u := range c.state.Uncharged() {
		if u.Refused != nil {
			refused[u.Refused.RequestID] = append(refused[u.Refused.RequestID], u)
		}
	}
	for request, want := range refused {
		c.sameRefusals(request, want)
	}
	rows, err := c.conn.Query(within(c.lane), `SELECT sequence, at, outcome, member_id, coalesce(reservation_id, attempt_id)
		FROM uncharged_turn WHERE organization_id = $1 ORDER BY sequence`, c.state.ID)
	must(c, err)
	stored, err := pgx.CollectRows(rows, pgx.RowToStructByPos[endRow])
	must(c, err)
	ends := make([]endRow, len(stored))
	for i, u := range c.state.Uncharged() {
		ends[i] = endRow{u.Sequence, u.At, int16(u.Outcome), u.MemberID, u.ReservationID}
		if u.Refused != nil {
			ends[i].ID = u.Refused.AttemptID
		}
		stored[i].At = stored[i].At.UTC()
	}
	same(c, "uncharged turns", stored, ends)
}

// sameRefusals compares the refused attempts of a request, as the story of a turn of each member has them.
func (c *carried) sameRefusals(request string, all []meter.Uncharged) {
	c.Helper()
	of := map[string][]meter.Uncharged{}
	for _, u := range all {
		of[u.MemberID] = append(of[u.MemberID], u)
	}
	for member, want := range of {
		record, err := c.store.Turn(within(c.lane), meter.TurnQuery{
			OrganizationID: c.state.ID, MemberID: member, RequestID: request, Limit: 1000,
		})
		must(c, err)
		same(c, "refusals of "+request, record.Refusals, want)
	}
}

// endRow is an uncharged turn, or the attempt at one.
type endRow struct {
	Sequence int64
	At       time.Time
	Outcome  int16
	Member   string
	ID       meter.UUID
}

// sameTurns compares reservations as they are read one by one and listed: newest first.
func (c *carried) sameTurns() {
	c.Helper()
	ctx, id := within(c.lane), c.state.ID
	listed := pages(c, func(last meter.Reservation, n int) ([]meter.Reservation, error) {
		page, err := c.store.Reservations(ctx, meter.ReservationQuery{OrganizationID: id, Before: last.ID, Limit: n})
		return page.Reservations, err
	})
	same(c, "Reservations", byKey(listed, func(r meter.Reservation) meter.UUID { return r.ID }), bareRows(&c.state.Reservations))
	for _, r := range listed {
		one, err := c.store.Reservation(ctx, id, r.ID)
		must(c, err)
		same(c, "Reservation", one, r)
		record, err := c.store.Turn(ctx, meter.TurnQuery{OrganizationID: id, ReservationID: r.ID, Limit: 1000})
		must(c, err)
		whole, _ := c.state.Reservations.Get(r.ID)
		same(c, "Turn", *record.Reservation, whole)
	}
	if !slices.IsSortedFunc(listed, func(a, b meter.Reservation) int { return slices.Compare(b.ID[:], a.ID[:]) }) {
		c.Errorf("reservations are not listed newest first")
	}
}

// bare is an outcome without what a load leaves out.
func bare(o meter.Outcome) meter.Outcome {
	if o.Reservation != nil {
		r := *o.Reservation
		r.Seen, r.Left = nil, nil
		o.Reservation = &r
	}
	return o
}

// bareRows are reservations without what a load leaves out.
func bareRows(table *meter.Table[meter.UUID, meter.Reservation]) map[meter.UUID]meter.Reservation {
	rows := rowsOf(table)
	for id, r := range rows {
		r.Seen, r.Left = nil, nil
		rows[id] = r
	}
	return rows
}

// pages reads a list to its end, a few at a time.
func pages[R any](t rapid.TB, read func(last R, limit int) ([]R, error)) (all []R) {
	t.Helper()
	const size = 3
	var last R
	for {
		page, err := read(last, size)
		must(t, err)
		if all = append(all, page...); len(page) < size {
			return all
		}
		last = page[size-1]
	}
}

func byKey[K comparable, R any](rows []R, key func(R) K) map[K]R {
	keyed := map[K]R{}
	for _, r := range rows {
		keyed[key(r)] = r
	}
	return keyed
}

func rowsOf[K comparable, V any](table *meter.Table[K, V]) map[K]V {
	rows := map[K]V{}
	for _, k := range table.Keys() {
		rows[k], _ = table.Get(k)
	}
	return rows
}

func keysOf[K comparable, V any](table *meter.Table[K, V]) map[K]bool {
	keys := map[K]bool{}
	for _, k := range table.Keys() {
		keys[k] = true
	}
	return keys
}

func same(t rapid.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\nhas  %+v\nwant %+v", what, got, want)
	}
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// forward moves the test clock.
func (c *carried) forward(by time.Duration) {
	_, err := c.store.ShiftClock(within(c.lane), by)
	must(c, err)
}
