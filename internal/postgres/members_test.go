package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// Members are listed by what was asked for, across pages of one, two and all; and searched by each of their texts.
func TestMembersByOrder(t *testing.T) {
	store := open(t)
	l := found(t, store, firm)
	for id, name := range map[string]string{"m0": "bea", "m1": "Äda", "m2": "Carl", "m3": "Bea"} {
		l.do(meter.PutMember{
			OrganizationID: firm, MemberID: id, DisplayName: name, Email: id + "@Example.org", Role: meter.RoleMember,
		})
	}
	// Of an allowance of 1,000, m0 uses 300, m1 all and 500 of the pool, m2 all and 900 of the pool.
	for id, cost := range map[string]meter.Micros{"m0": 300, "m1": 1_500, "m2": 1_900} {
		turn := reserve(firm, id, "r-"+id, cost, time.Hour)
		l.do(turn, commit(turn, cost))
	}
	for order, want := range map[meter.MemberOrder]string{
		0:                            "m0 m1 m2 m3",
		meter.MembersByID:            "m0 m1 m2 m3",
		meter.MembersByPoolPeriod:    "m2 m1 m0 m3",
		meter.MembersByPoolLifetime:  "m2 m1 m0 m3",
		meter.MembersByAllowanceUsed: "m1 m2 m0 m3",
	} {
		for size := 1; size <= 5; size++ {
			same(t, "members", listed(t, store, meter.MemberQuery{Order: order, Limit: size}), want)
		}
	}
	for search, want := range map[string]string{
		"": "m0 m3 m2", "BEA": "m0 m3", "m3@example": "m3", "M2": "m2", "nobody": "", "%": "", "_": "",
	} {
		q := meter.MemberQuery{Order: meter.MembersByName, Search: search, Limit: 2}
		got := strings.ReplaceAll(listed(t, store, q), "m1", "") // Where Ä belongs is the database's to say.
		same(t, "members that hold "+search, strings.Join(strings.Fields(got), " "), want)
	}
}

// What a seat used in an earlier period counts for nothing in the running one, but for its lifetime.
func TestMembersInANewPeriod(t *testing.T) {
	store := open(t)
	l := found(t, store, firm)
	turn := reserve(firm, "m2", "old", 3_000, time.Hour)
	l.do(turn, commit(turn, 3_000))
	shift(t, store, 40*24*time.Hour)
	turn = reserve(firm, "m1", "new", 2_000, time.Hour)
	l.do(turn, commit(turn, 2_000))
	for order, want := range map[meter.MemberOrder]string{
		meter.MembersByPoolPeriod:    "m1 m0 m2",
		meter.MembersByPoolLifetime:  "m2 m1 m0",
		meter.MembersByAllowanceUsed: "m1 m0 m2",
	} {
		same(t, "members", listed(t, store, meter.MemberQuery{Order: order, Limit: 1}), want)
	}
	all, _, err := store.Members(within(t), meter.MemberQuery{OrganizationID: firm, Limit: 3})
	must(t, err)
	same(t, "use", []meter.Micros{all[1].AllowanceUsed, all[1].PoolUsedPeriod, all[2].AllowanceUsed, all[2].PoolUsedPeriod},
		[]meter.Micros{allowance, 1_000, 0, 0})
	same(t, "allowance", all[2].AllowancePeriod, allowance)
}

// listed are the ids of members, page after page.
func listed(t *testing.T, store *postgres.Store, q meter.MemberQuery) string {
	t.Helper()
	q.OrganizationID = firm
	var ids []string
	for {
		page, all, err := store.Members(within(t), q)
		must(t, err)
		for _, m := range page {
			ids = append(ids, m.ID)
		}
		if len(page) < q.Limit {
			same(t, "number of all", int(all), len(ids))
			return strings.Join(ids, " ")
		}
		q.After = ids[len(ids)-1]
	}
}
