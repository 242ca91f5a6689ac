package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// readFirm is an organization with its plan, at a time.
	readFirm = `SELECT {now}, ` + organizationColumns + `, ` + planColumns + `
		FROM organization o JOIN plan p ON p.plan_id = o.plan_id WHERE o.organization_id = $1`

	readMembersByID = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.organization_id = $1 AND m.member_id > $3 AND ` + memberHolds + ` AND $5::timestamptz IS NOT NULL
		ORDER BY m.member_id LIMIT $4`
	// readMembersBy goes on after a member where that one now stands, so that the page before need only name it. {m} and
	// {l} stand for what the order goes by, of the member and of that last one.
	readMembersBy = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.organization_id = $1 AND ` + memberHolds + ` AND $5::timestamptz IS NOT NULL
			AND ($3 = '' OR ({m}, m.member_id) > (
				SELECT {l}, l.member_id FROM member l WHERE l.organization_id = $1 AND l.member_id = $3))
		ORDER BY {m}, m.member_id LIMIT $4`
	countMembers = `SELECT count(*) FROM member m WHERE m.organization_id = $1 AND ` + memberHolds
	// memberHolds is whether one of a member's texts holds a searched one. The empty text is held by all.
	memberHolds = `($2 = ''
			OR position(lower($2) IN lower(concat_ws(E'\n', m.member_id, m.display_name, m.email) COLLATE "default")) > 0)`
)

// readMembers are the statements by order. What a seat used counts from the start $5 of the running period on: the row
// of a seat that was not used since tells of an earlier one.
var readMembers = map[meter.MemberOrder]string{
	meter.MembersByID:            readMembersByID,
	meter.MembersByName:          membersBy(`lower(?.display_name)`),
	meter.MembersByPoolPeriod:    membersBy(`CASE WHEN ?.period_start >= $5 THEN -?.pool_used_micros ELSE 0 END`),
	meter.MembersByPoolLifetime:  membersBy(`-?.pool_used_lifetime_micros`),
	meter.MembersByAllowanceUsed: membersBy(`CASE WHEN ?.period_start >= $5 THEN -?.allowance_used_micros ELSE 0 END`),
}

func membersBy(key string) string {
	of := func(alias string) string { return strings.ReplaceAll(key, "?", alias) }
	return strings.NewReplacer("{m}", of("m"), "{l}", of("l")).Replace(readMembersBy)
}

// Members lists an organization's members, and says how many there are on all pages.
func (s *Store) Members(ctx context.Context, q meter.MemberQuery) (found []meter.MemberView, all int64, err error) {
	f, err := s.firm(ctx, q.OrganizationID)
	if err != nil {
		return nil, 0, err
	}
	if q.Order == 0 {
		q.Order = meter.MembersByID
	}
	begin := f.organization.Calendar.PeriodAt(f.now).Start
	members, err := list(ctx, s, memberTargets, readMembers[q.Order], q.OrganizationID, q.Search, q.After, q.Limit, begin)
	if err != nil {
		return nil, 0, err
	}
	if err := s.readers.QueryRow(ctx, countMembers, q.OrganizationID, q.Search).Scan(&all); err != nil {
		return nil, 0, fault(err)
	}
	found = make([]meter.MemberView, len(members))
	for i, m := range members {
		found[i] = meter.ViewOf(f.organization, f.plan, m, f.now)
	}
	return found, all, nil
}

// firm is an organization with its plan, at a time.
type firm struct {
	now          time.Time
	organization meter.Organization
	plan         meter.Plan
}

func (s *Store) firm(ctx context.Context, organizationID string) (f firm, err error) {
	var row organizationRow
	targets := append(append([]any{instant{&f.now}}, row.targets()...), planTargets(&f.plan)...)
	err = s.readers.QueryRow(ctx, s.sql.firm, organizationID).Scan(targets...)
	if err != nil {
		return f, orMissing(err, meter.OrganizationNotFound, "organization_id", organizationID)
	}
	f.organization, err = row.organization()
	return f, err
}
