package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// readAccess reads the changes of every member that has any, and every member whose access is not what it began with.
const readAccess = `
	SELECT coalesce(c.organization_id, m.organization_id), coalesce(c.member_id, m.member_id), m.member_id IS NOT NULL,
		coalesce(m.access_kind, 1), coalesce(m.access_cap_micros, 0), c.at, coalesce(c.before_kind, 1),
		coalesce(c.before_cap_micros, 0), coalesce(c.after_kind, 1), coalesce(c.after_cap_micros, 0)
	FROM access_change c
	FULL JOIN member m ON m.organization_id = c.organization_id AND m.member_id = c.member_id
	WHERE (c.change_id IS NOT NULL OR m.access_kind <> 1 OR m.access_cap_micros <> 0)
		AND ($1::text IS NULL OR coalesce(c.organization_id, m.organization_id) = $1)
	ORDER BY 1, 2, c.at, c.change_id`

// accessKinds are the names of the kinds of access, by the numbers of the contract.
var accessKinds = map[int16]string{1: "NONE", 2: "CAPPED", 3: "UNLIMITED"}

// access is a right to draw on the pool.
type access struct {
	kind int16
	cap  int64
}

// noAccess is what every member begins with.
var noAccess = access{kind: 1}

func (a access) String() string {
	if a.kind == 2 {
		return fmt.Sprintf("CAPPED at %d", a.cap)
	}
	return accessKinds[a.kind]
}

// accessRow is one change of a member's access; a member without any has one row without a moment.
type accessRow struct {
	organization, member string
	exists               bool // The member does.
	has                  access
	at                   *time.Time
	before, after        access
}

// checkAccess follows each member's changes of access.
func (a *audit) checkAccess(ctx context.Context) error {
	rows, err := a.tx.Query(ctx, readAccess, a.organization)
	if err != nil {
		return fmt.Errorf("reading changes of access: %w", err)
	}
	defer rows.Close()
	trail := accessTrail{audit: a}
	for rows.Next() {
		r, err := scanAccess(rows)
		if err != nil {
			return fmt.Errorf("reading changes of access: %w", err)
		}
		trail.take(r)
	}
	trail.endMember()
	return rows.Err()
}

func scanAccess(rows pgx.Rows) (accessRow, error) {
	var r accessRow
	err := rows.Scan(&r.organization, &r.member, &r.exists, &r.has.kind, &r.has.cap, &r.at, &r.before.kind, &r.before.cap,
		&r.after.kind, &r.after.cap)
	return r, err
}

// accessTrail follows the rows of one member after the other, in order of time. Changes of one moment were made by one
// transaction, in an order that is not kept: they must fit together in any. The same goes for all changes of a member
// where the test clock may have gone back.
type accessTrail struct {
	audit  *audit
	last   accessRow
	at     access      // Where the changes before the open moment lead.
	moment []accessRow // The changes of the open moment.
	begun  bool
	broken bool // The member's trail; the rest of it says nothing new.
}

func (t *accessTrail) take(r accessRow) {
	if !t.begun || r.organization != t.last.organization || r.member != t.last.member {
		t.endMember()
		t.begun, t.at, t.broken = true, noAccess, false
	} else if !t.audit.report.TestClock && !orZero(r.at).Equal(orZero(t.last.at)) {
		t.endMoment()
	}
	t.last = r
	if r.at != nil {
		t.moment = append(t.moment, r)
	}
}

// endMoment goes on to where the changes of the open moment lead.
func (t *accessTrail) endMoment() {
	end, ok := walk(t.at, t.moment)
	if !ok && !t.broken {
		t.find("access_changes_follow", fmt.Sprintf("a change from %s at %s", t.at, stamp(*t.moment[0].at)),
			fmt.Sprintf("one from %s to %s", t.moment[0].before, t.moment[0].after))
		t.broken = true
	}
	t.at, t.moment = end, t.moment[:0]
}

// endMember checks that the member has what its changes led to.
func (t *accessTrail) endMember() {
	if !t.begun {
		return
	}
	t.endMoment()
	switch {
	case !t.last.exists:
		t.find("access_change_has_its_member", "a member", "none")
	case !t.broken && t.at != t.last.has:
		t.find("access_changes_follow", t.at.String(), t.last.has.String())
	}
}

func (t *accessTrail) find(promise, expected, found string) {
	t.audit.add(Finding{
		Promise: promise, Organization: t.last.organization, Member: t.last.member, Expected: expected, Found: found,
	})
}

// walk makes a way from start that takes each of the changes once, and answers where it ends; not ok if there is none.
// It is the search for an Eulerian trail: go on while there is a change to take, and where there is none, the way there
// is the end of the whole.
func walk(start access, changes []accessRow) (end access, ok bool) {
	from := make(map[access][]access, len(changes))
	for _, c := range changes {
		from[c.before] = append(from[c.before], c.after)
	}
	way, back := []access{start}, make([]access, 0, len(changes)+1)
	for len(way) > 0 {
		here := way[len(way)-1]
		if next := from[here]; len(next) > 0 {
			from[here] = next[:len(next)-1]
			way = append(way, next[len(next)-1])
			continue
		}
		back = append(back, here)
		way = way[:len(way)-1]
	}
	return back[0], len(back) == len(changes)+1 && connected(back, changes)
}

// connected says whether a way, told from its end, is made of the changes: where they form no trail, walk puts parts
// side by side that no change joins.
func connected(back []access, changes []accessRow) bool {
	left := make(map[[2]access]int, len(changes))
	for _, c := range changes {
		left[[2]access{c.before, c.after}]++
	}
	for i := len(back) - 1; i > 0; i-- {
		step := [2]access{back[i], back[i-1]}
		if left[step] == 0 {
			return false
		}
		left[step]--
	}
	return true
}
