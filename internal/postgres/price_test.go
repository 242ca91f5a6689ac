package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spillway-metering/spillway/internal/audit/audittest"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
	"github.com/spillway-metering/spillway/internal/price"
)

// wholeBook is a book with everything that a book may have.
func wholeBook() price.Book {
	all := price.Rates{Input: rate(3), CachedInput: rate(0), CacheWrite: rate(4), Output: rate(15), Reasoning: rate(16)}
	b := bookOf("whole", all)
	b.Models = append(b.Models, price.Model{Name: "größe \"1\"", Prices: []price.Price{
		{Rates: price.Rates{Output: rate(1)}},
		{ValidFrom: time.Date(2026, time.March, 1, 0, 0, 0, 7_000, time.UTC), Rates: all, Tiers: []price.Tier{
			{AboveInputTokens: 200_000, Rates: price.Rates{CachedInput: rate(9)}}, {AboveInputTokens: 400_000},
		}},
	}})
	return b
}

// TestPriceBookVersions puts a book, the same again and a changed one, and reads all versions as they were put.
func TestPriceBookVersions(t *testing.T) {
	t.Parallel()
	store := open(t)
	before := shift(t, store, 24*time.Hour)
	first, err := store.PutPriceBook(within(t), wholeBook(), nil, meter.Actor{Subject: "ada"})
	must(t, err)
	if late := first.CreatedAt.Sub(before); late < 0 || late > patience || first.Version != 1 {
		t.Errorf("version %d was put %v after the test clock showed %v", first.Version, late, before)
	}
	want := wholeBook()
	want.Version, want.CreatedAt = 1, first.CreatedAt
	headed := want
	headed.Models = nil
	same(t, "what was put", first, headed)
	again, err := store.PutPriceBook(within(t), wholeBook(), nil, meter.Actor{Subject: "eve"})
	must(t, err)
	same(t, "what was put again", again, first)

	changed := wholeBook()
	changed.Licence = "MIT"
	if n := putBook(t, store, changed); n != 2 {
		t.Errorf("a changed licence makes version %d", n)
	}
	changed.Models[1].Prices[1].Tiers[0].AboveInputTokens++
	if n := putBook(t, store, changed); n != 3 {
		t.Errorf("a changed tier makes version %d", n)
	}
	if n := putBook(t, store, wholeBook()); n != 4 {
		t.Errorf("what was once is version %d", n)
	}
	old, err := store.PriceBook(within(t), "whole", 1)
	must(t, err)
	same(t, "the first version", old, want)
	third, err := store.PriceBook(within(t), "whole", 3)
	must(t, err)
	same(t, "the third version", third.Models, changed.Models)
	current, err := store.PriceBook(within(t), "whole", 0)
	must(t, err)
	if current.Version != 4 {
		t.Errorf("the current version is %d", current.Version)
	}
	for id, version := range map[string]int64{"none": 0, "whole": 5, "": 0} {
		_, err := store.PriceBook(within(t), id, version)
		mustBe(t, err, meter.PriceBookNotFound)
		_, err = store.PriceTable(within(t), id, version)
		mustBe(t, err, meter.PriceBookNotFound)
	}
}

// TestAnEmptyBookIsABook: it has no price for anything, and is no other one when it is put again.
func TestAnEmptyBookIsABook(t *testing.T) {
	t.Parallel()
	store := open(t)
	empty := price.Book{ID: "empty", Unit: meter.UnitUSD, Models: []price.Model{}}
	for range 2 {
		if n := putBook(t, store, empty); n != 1 {
			t.Errorf("it has version %d", n)
		}
	}
	table, err := store.PriceTable(within(t), "empty", 0)
	must(t, err)
	_, err = table.Price("large", meter.TokenUsage{}, time.Now(), meter.UnitUSD)
	mustBe(t, err, meter.UnpricedModel)
}

// TestExpectedVersion puts books under the condition that nobody else did. What is put again is answered as the first time.
func TestExpectedVersion(t *testing.T) {
	t.Parallel()
	store := open(t)
	for _, step := range []struct {
		expected int64
		perToken int
		version  int64 // 0: refused.
	}{
		{1, 1, 0}, {0, 1, 1}, {0, 2, 0}, {0, 1, 1}, {2, 2, 0}, {1, 1, 1}, {1, 2, 2}, {1, 2, 2}, {0, 2, 0}, {1, 3, 0}, {2, 3, 3}, {1, 2, 0},
	} {
		put, err := store.PutPriceBook(within(t), listBook(step.perToken), &step.expected, meter.Actor{Subject: "ada"})
		if step.version == 0 {
			mustBe(t, err, meter.PriceBookChanged)
		} else if err != nil || put.Version != step.version {
			t.Errorf("%+v: version %d, %v", step, put.Version, err)
		}
	}
}

// TestWritersOfOneBook has many put at once: each gets a version of its own, without a gap; and of those who expect the
// same version before theirs, one gets it.
func TestWritersOfOneBook(t *testing.T) {
	t.Parallel()
	store := open(t)
	const writers = 12
	versions, expecting := make([]int64, writers), make([]error, writers)
	var running errgroup.Group
	for n := range writers {
		running.Go(func() error {
			put, err := store.PutPriceBook(within(t), listBook(n), nil, meter.Actor{Subject: fmt.Sprint("writer ", n)})
			versions[n] = put.Version
			return err
		})
	}
	must(t, running.Wait())
	for n, version := range versions {
		b, err := store.PriceBook(within(t), "list", version)
		must(t, err)
		same(t, fmt.Sprint("version ", version), b.Models, listBook(n).Models)
	}
	slices.Sort(versions)
	for i, version := range versions {
		if version != int64(i+1) {
			t.Fatalf("the versions are %v", versions)
		}
	}
	var last int64 = writers
	for n := range writers {
		running.Go(func() error {
			_, expecting[n] = store.PutPriceBook(within(t), listBook(100+n), &last, meter.Actor{Subject: ""})
			return nil
		})
	}
	must(t, running.Wait())
	won := 0
	for _, err := range expecting {
		if err == nil {
			won++
			continue
		}
		mustBe(t, err, meter.PriceBookChanged)
	}
	if won != 1 {
		t.Errorf("%d of %d put what only one may", won, writers)
	}
}

// TestPriceBooksAreListed page by page, each by its current version and without models.
func TestPriceBooksAreListed(t *testing.T) {
	t.Parallel()
	store := open(t)
	var want []string
	for n := range 7 {
		id := fmt.Sprint("book", n)
		for v := range 1 + n%3 {
			putBook(t, store, bookOf(id, price.Rates{Input: rate(v)}))
		}
		want = append(want, fmt.Sprint(id, " ", 1+n%3, " 0 models"))
	}
	var got []string
	for _, b := range pages(t, func(last price.Book, n int) ([]price.Book, error) {
		return store.PriceBooks(context.Background(), last.ID, n)
	}) {
		got = append(got, fmt.Sprint(b.ID, " ", b.Version, " ", len(b.Models), " models"))
	}
	same(t, "the list", got, want)
}

// usage is 10 tokens in and at most 5 out: 20 micros by version 1 of the list.
var usage = meter.EstimateUsage{Tokens: meter.TokenUsage{Input: 10, Output: 5}, MaxOutput: 5, Policy: meter.EstimateMaximum}

// TestANewVersionIsSeenByTheNextBatch, of every session in every process, and costs none of them a round trip.
func TestANewVersionIsSeenByTheNextBatch(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	stores := []*postgres.Store{openAt(t, postgres.Config{URL: url}), openAt(t, postgres.Config{URL: url})}
	found(t, stores[0], firm)
	lanes := []lane{}
	taps := []*tap{}
	for i, store := range stores {
		taps = append(taps, tapOf(store))
		lanes = append(lanes, newLane(t, store))
		for n := range 2 { // Its statements are prepared now.
			lanes[i].do(reserveUsage(firm, seat(0), fmt.Sprint("first", i, n), usage))
		}
	}
	for version := int64(2); version < 5; version++ {
		if n := putBook(t, stores[version%2], listBook(int(version))); n != version {
			t.Fatalf("version %d is put as %d", version, n)
		}
		for i, l := range lanes {
			var answers []answer
			trips := taps[i].during(func() {
				answers = l.do(reserveUsage(firm, seat(1), fmt.Sprint("turn", version, i), usage))
			})
			got := answers[0].Outcome.Reservation
			if want := (meter.BookVersion{ID: "list", Version: version}); got.Book != want || got.Estimate != meter.Micros(20*version) || trips != 2 {
				t.Errorf("store %d: %+v costs %d by %+v, in %d round trips", i, usage, got.Estimate, got.Book, trips)
			}
		}
	}
	audittest.Check(t, url)
}

// TestAReservationKeepsItsVersion from one process to another, over changes of the book and of the firm's.
func TestAReservationKeepsItsVersion(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	here, there := openAt(t, postgres.Config{URL: url}), openAt(t, postgres.Config{URL: url})
	l, other := found(t, here, firm), newLane(t, there)
	learned := usage
	learned.Policy, learned.Tokens.Output = meter.EstimateLearned, 2
	priced, unpriced := reserveUsage(firm, seat(0), "priced", learned), reserve(firm, seat(0), "unpriced", 33, time.Hour)
	unpriced.Turn.Model = "unknown"
	l.do(priced, unpriced)
	putBook(t, here, listBook(100))
	putBook(t, here, bookOf("new", price.Rates{Input: rate(1_000), Output: rate(1_000)}))
	o := organization(t, firm)
	o.PriceBookID = "new"
	l.do(o)
	tokens := meter.TokenUsage{Input: 1, CachedInput: 2, CacheWrite: 3, Output: 4, Reasoning: 5}
	other.do(commitTokens(priced, tokens), commitTokens(unpriced, tokens))
	for id, want := range map[meter.UUID]struct {
		cost   meter.Micros
		policy meter.EstimatePolicy
		basis  meter.CostBasis
	}{
		priced.ReservationID: {24, meter.EstimateLearned, meter.CostTokens}, unpriced.ReservationID: {33, 0, meter.CostHeld},
	} {
		r, err := there.Reservation(within(t), firm, id)
		must(t, err)
		if r.Book != (meter.BookVersion{ID: "list", Version: 1}) || r.Charge.Actual != want.cost || r.Policy != want.policy ||
			r.Basis != want.basis || r.Tokens != tokens {
			t.Errorf("want %+v, got %+v", want, r)
		}
	}
	audittest.Check(t, url)
}

// TestAnUnmetBookIsOneRoundTripMore moves a firm through more price books than a session keeps in mind, each on a plan
// of its own: both come in the same round trip.
func TestAnUnmetBookIsOneRoundTripMore(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	tap := tapOf(store)
	admin, l := found(t, store, firm), newLane(t, store)
	l.do(meter.Sweep{OrganizationID: firm}) // Its statements are prepared now.
	for n := range 70 {
		p, b := teamPlan(), bookOf(fmt.Sprint("book", n), price.Rates{Input: rate(n)})
		p.ID = fmt.Sprint("plan", n)
		must(t, store.PutPlan(within(t), p, meter.Actor{}))
		putBook(t, store, b)
		o := organization(t, firm)
		o.PlanID, o.PriceBookID = p.ID, b.ID
		admin.do(o)
		for _, want := range []int64{3, 2} {
			var states map[string]*meter.State
			trips := tap.during(func() {
				var err error
				states, err = l.load(meter.Sweep{OrganizationID: firm})
				must(t, err)
				must(t, l.Save(within(t), states))
			})
			book := states[firm].Books[meter.BookVersion{ID: b.ID, Version: 1}]
			if trips != want || book == nil {
				t.Fatalf("on book %d a batch takes %d round trips, not %d, and loads %v", n, trips, want, states[firm].Books)
			}
			got, err := book.Price("large", meter.TokenUsage{Input: 1}, time.Now(), meter.UnitACU)
			must(t, err)
			if got != meter.Micros(n) {
				t.Errorf("by book %d a token costs %d", n, got)
			}
		}
	}
}

// TestTheDefaultBookMayComeLater: a firm that names none is served by it from its next batch on.
func TestTheDefaultBookMayComeLater(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	l := found(t, store, firm)
	o := organization(t, firm)
	o.PriceBookID = ""
	l.do(o)
	early := reserve(firm, seat(0), "early", 50, time.Hour)
	if got := l.do(early)[0].Outcome.Reservation.Book; got != (meter.BookVersion{}) {
		t.Errorf("without a book a turn has %+v", got)
	}
	answers, err := l.try(reserveUsage(firm, seat(0), "unpriced", usage))
	must(t, err)
	mustBe(t, answers[0].Err, meter.UnpricedModel)
	putBook(t, store, bookOf(meter.DefaultPriceBook, price.Rates{Input: rate(7), Output: rate(0)}))
	r := l.do(reserveUsage(firm, seat(0), "priced", usage))[0].Outcome.Reservation
	if r.Book != (meter.BookVersion{ID: meter.DefaultPriceBook, Version: 1}) || r.Estimate != 70 {
		t.Errorf("once there is one: %+v costs %d by %+v", usage, r.Estimate, r.Book)
	}
	settled := l.do(commitTokens(early, meter.TokenUsage{Input: 1}))[0].Outcome.Reservation
	if settled.Charge.Actual != 50 || settled.Basis != meter.CostHeld {
		t.Errorf("the turn before it is charged %+v", settled)
	}
}

// TestBooksInMemoryAreBounded reads more versions than are kept, all of them right.
func TestBooksInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	store := openAt(t, postgres.Config{URL: server.Database(t)})
	const versions = postgres.BooksKept + 20
	for v := range versions {
		putBook(t, store, listBook(v))
	}
	for range 2 {
		for v := range versions {
			table, err := store.PriceTable(within(t), "list", int64(v+1))
			must(t, err)
			if got, err := table.Price("large", meter.TokenUsage{Input: 1}, time.Now(), meter.UnitACU); err != nil || got != meter.Micros(v) {
				t.Errorf("by version %d a token costs %d, %v", v+1, got, err)
			}
			if n := store.BooksInMemory(); n < 1 || n > postgres.BooksKept {
				t.Fatalf("%d books are in memory", n)
			}
		}
	}
}
