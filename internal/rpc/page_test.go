package rpc

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// walk reads a list to its end and answers how many items each page had.
func walk(t *testing.T, read func(size int32, token string) (items int, next string, err error), size int32) []int {
	t.Helper()
	var pages []int
	token := ""
	for range 100 {
		items, next, err := read(size, token)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, items)
		if next == "" {
			return pages
		}
		token = next
	}
	t.Fatal("the list has no end")
	return nil
}

// lists are all lists of the api, each with 120 items.
func lists(t *testing.T, a api) map[string]func(int32, string) (int, string, error) {
	t.Helper()
	ctx := t.Context()
	fill(t, a, 120)
	return map[string]func(int32, string) (int, string, error){
		"plans": func(size int32, token string) (int, string, error) {
			r, err := a.organizations.ListPlans(ctx, &meterv1.ListPlansRequest{PageSize: size, PageToken: token})
			return len(r.GetPlans()), r.GetNextPageToken(), err
		},
		"organizations": func(size int32, token string) (int, string, error) {
			r, err := a.organizations.ListOrganizations(ctx, &meterv1.ListOrganizationsRequest{PageSize: size, PageToken: token})
			return len(r.GetOrganizations()), r.GetNextPageToken(), err
		},
		"members": func(size int32, token string) (int, string, error) {
			r, err := a.organizations.ListMembers(ctx, &meterv1.ListMembersRequest{
				OrganizationId: "acme", PageSize: size, PageToken: token,
			})
			return len(r.GetMembers()), r.GetNextPageToken(), err
		},
		"price books": func(size int32, token string) (int, string, error) {
			r, err := a.prices.ListPriceBooks(ctx, &meterv1.ListPriceBooksRequest{PageSize: size, PageToken: token})
			return len(r.GetPriceBooks()), r.GetNextPageToken(), err
		},
		"reservations": func(size int32, token string) (int, string, error) {
			r, err := a.turns.ListReservations(ctx, &meterv1.ListReservationsRequest{
				OrganizationId: "acme", PageSize: size, PageToken: token,
			})
			return len(r.GetReservations()), r.GetNextPageToken(), err
		},
		"entries": func(size int32, token string) (int, string, error) {
			r, err := a.pools.ListLedgerEntries(ctx, &meterv1.ListLedgerEntriesRequest{
				OrganizationId: "acme", PageSize: size, PageToken: token,
			})
			return len(r.GetEntries()), r.GetNextPageToken(), err
		},
		"entries, newest first": func(size int32, token string) (int, string, error) {
			r, err := a.pools.ListLedgerEntries(ctx, &meterv1.ListLedgerEntriesRequest{
				OrganizationId: "acme", PageSize: size, PageToken: token, NewestFirst: true,
			})
			return len(r.GetEntries()), r.GetNextPageToken(), err
		},
		"changes": func(size int32, token string) (int, string, error) {
			r, err := a.pools.ListAccessChanges(ctx, &meterv1.ListAccessChangesRequest{
				OrganizationId: "acme", PageSize: size, PageToken: token,
			})
			return len(r.GetChanges()), r.GetNextPageToken(), err
		},
	}
}

// fill makes n of everything that can be listed.
func fill(t *testing.T, a api, n int) {
	t.Helper()
	ctx := context.Background()
	for i := range n {
		id := fmt.Sprintf("id-%03d", i)
		member := id
		plan, organization, book := samplePlan(), sampleOrganization(), samplePriceBook()
		plan.PlanId, organization.OrganizationId, book.PriceBookId = id, id, id
		if i == 0 {
			plan.PlanId, organization.OrganizationId, book.PriceBookId, member = "team", "acme", "book", "ada"
		}
		must(t)(a.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: book}))
		must(t)(a.organizations.PutPlan(ctx, &meterv1.PutPlanRequest{Plan: plan}))
		must(t)(a.organizations.PutOrganization(ctx, &meterv1.PutOrganizationRequest{Organization: organization}))
		must(t)(a.organizations.PutMember(ctx, &meterv1.PutMemberRequest{Member: sampleMember(member)}))
		must(t)(a.turns.Reserve(ctx, &meterv1.ReserveRequest{
			OrganizationId: "acme", MemberId: "ada", RequestId: id, EstimateMicros: 1,
		}))
		must(t)(a.pools.TopUp(ctx, &meterv1.TopUpRequest{OrganizationId: "acme", RequestId: id, AmountMicros: 1}))
		must(t)(a.pools.GrantAccess(ctx, &meterv1.GrantAccessRequest{
			OrganizationId: "acme", MemberId: "ada", Access: &meterv1.GrantAccessRequest_CapMicros{CapMicros: int64(i + 1)},
		}))
	}
}

// TestPages reads every list in pages of every sort of size.
func TestPages(t *testing.T) {
	for name, read := range lists(t, serve(t)) {
		for size, want := range map[int32]string{
			0: "[50 50 20]", 50: "[50 50 20]", 60: "[60 60]", 119: "[119 1]", 120: "[120]", 121: "[120]", 1000: "[120]",
		} {
			if got := fmt.Sprint(walk(t, read, size)); got != want {
				t.Errorf("%s in pages of %d: got %s, want %s", name, size, got, want)
			}
		}
	}
}

// TestForeignTokens gives every list the tokens of every other, and some that are none.
func TestForeignTokens(t *testing.T) {
	all := lists(t, serve(t))
	tokens := map[string]string{
		"garbage": "%%%", "short": "AQ", "other version": base64.RawURLEncoding.EncodeToString(make([]byte, 20)),
	}
	for name, read := range all {
		_, next, err := read(1, "")
		must(t)(next, err)
		tokens[name] = next
		changed := []byte(next)
		changed[len(changed)-2] ^= 1
		tokens[name+", changed"] = string(changed)
	}
	for name, read := range all {
		for whose, token := range tokens {
			if _, _, err := read(1, token); whose != name {
				wantField(t, err, "page_token")
			} else if err != nil {
				t.Errorf("%s refuses its own token: %v", name, err)
			}
		}
	}
}

// TestTokenIsBoundToWhatNarrows: the same RPC with another organization or filter is another list.
func TestTokenIsBoundToWhatNarrows(t *testing.T) {
	a, ctx := serve(t), t.Context()
	fill(t, a, 3)
	first, err := a.turns.ListReservations(ctx, &meterv1.ListReservationsRequest{OrganizationId: "acme", PageSize: 1})
	must(t)(first, err)
	for _, request := range []*meterv1.ListReservationsRequest{
		{OrganizationId: "id-001"},
		{OrganizationId: "acme", MemberId: "ada"},
		{OrganizationId: "acme", State: meterv1.ReservationState_RESERVATION_STATE_HELD},
	} {
		request.PageToken = first.GetNextPageToken()
		_, err := a.turns.ListReservations(ctx, request)
		wantField(t, err, "page_token")
	}
	if list("A", "b", "c") == list("A", "bc") {
		t.Error("two lists share their tokens")
	}
}

// TestForgedKeys: a token whose sum was computed for a key that is none.
func TestForgedKeys(t *testing.T) {
	l := list("X")
	for _, key := range []string{"\x00", "a b", "ä", "\xff"} {
		_, err := l.after(&meterv1.ListPlansRequest{PageToken: l.token(key)})
		wantField(t, FailureOf(err), "page_token")
	}
	request := &meterv1.ListPlansRequest{PageToken: l.token("neither")}
	_, err := l.afterID(request)
	wantField(t, FailureOf(err), "page_token")
	_, err = l.afterSequence(request)
	wantField(t, FailureOf(err), "page_token")
	if id, err := l.afterID(&meterv1.ListPlansRequest{}); err != nil || id != (meter.UUID{}) {
		t.Errorf("the first page begins after %v: %v", id, err)
	}
}
