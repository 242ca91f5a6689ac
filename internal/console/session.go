package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/meter"
)

// Session is what the page needs to know of who opened it, to lay itself out. It grants nothing: what may be seen and done
// is decided anew at each call.
type Session struct {
	// SignedIn is false of nobody: the page sends them to /signin?to=PATH.
	SignedIn bool `json:"signed_in"`
	// Refused is true of somebody who is signed in, and for whom there is no page: an operator, somebody who is no member any
	// more, or an admin by a token who is none by the members' table. The page says so, and offers to sign out.
	Refused bool `json:"refused"`
	// Dev is true where the server runs for development, and top-ups may be made from the page.
	Dev bool `json:"dev"`
	// Now is the time that the rules see.
	Now time.Time `json:"now"`

	OrganizationID          string `json:"organization_id"`
	OrganizationDisplayName string `json:"organization_display_name"`
	MemberID                string `json:"member_id"`
	DisplayName             string `json:"display_name"`
	Role                    string `json:"role"`         // OWNER, ADMIN or MEMBER.
	PoolVisible             bool   `json:"pool_visible"` // Whether this person is shown the pool.
	PlanKind                string `json:"plan_kind"`    // TEAM, EDUCATION, ENTERPRISE or INDIVIDUAL.
	Unit                    string `json:"unit"`         // ACU or USD.
	TimeZone                string `json:"time_zone"`    // Of IANA.
	Period                  Span   `json:"period"`       // The running one.
	LastPeriod              Span   `json:"last_period"`  // The one before it.
	BuyMoreURL              string `json:"buy_more_url"` // Empty: nowhere.
	Shows                   Shows  `json:"shows"`
}

// Span is a time from From, inclusive, to To, exclusive.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Shows says which pages there are for somebody.
type Shows struct {
	Usage   bool `json:"usage"`
	Pool    bool `json:"pool"`
	Members bool `json:"members"`
	Me      bool `json:"me"`
	Reports bool `json:"reports"`
}

// session answers who opened the page.
func (c *Console) session(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s, err := c.sessionOf(r)
	if err != nil {
		c.failed(r.Context(), w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // Who went away need not be told.
}

func (c *Console) sessionOf(r *http.Request) (Session, error) {
	nobody := Session{Dev: c.Dev}
	var err error
	if nobody.Now, err = c.Now(r.Context()); err != nil {
		return nobody, err
	}
	id, err := c.Identify(r)
	var unknown auth.Unauthenticated
	switch {
	case errors.As(err, &unknown), err == nil && c.Dev && !id.Role.Bound():
		return nobody, nil // Whoever calls without a session is an operator under --dev, and yet did not sign in.
	case err != nil:
		return nobody, err
	}
	s, err := c.describe(r.Context(), id, nobody.Now)
	var refusal *meter.Refusal
	if errors.As(err, &refusal) && refusal.Reason != meter.Unavailable {
		err = nil
	}
	s.SignedIn, s.Refused, s.Dev, s.Now = true, s.Role == "", c.Dev, nobody.Now
	return s, err
}

// describe is the session of an identity. It has no role where there is no page for it.
func (c *Console) describe(ctx context.Context, id auth.Identity, now time.Time) (Session, error) {
	s := Session{DisplayName: id.Subject, BuyMoreURL: c.BuyMoreURL}
	if !id.Role.Bound() {
		return s, nil
	}
	member, err := c.Directory.Member(ctx, id.OrganizationID, id.MemberID)
	if err != nil {
		return s, err
	}
	organization, err := c.Directory.Organization(ctx, id.OrganizationID)
	if err != nil {
		return s, err
	}
	plan, err := c.Directory.Plan(ctx, organization.PlanID)
	if err != nil {
		return s, err
	}
	s.MemberID, s.OrganizationID, s.OrganizationDisplayName = member.ID, organization.ID, organization.DisplayName
	if member.DisplayName != "" {
		s.DisplayName = member.DisplayName
	}
	s.Unit, s.TimeZone = units[organization.Unit], organization.Calendar.Anchor.Zone.String()
	s.PlanKind = planKinds[plan.Kind]
	period := organization.Calendar.PeriodAt(now)
	last := organization.Calendar.PeriodAt(period.Start.Add(-1))
	s.Period, s.LastPeriod = Span{period.Start, period.End}, Span{last.Start, last.End}
	if s.Role = effectiveRole(id, member.Member); s.Role != "" {
		s.Shows = shows(s.Role != "MEMBER", organization, plan)
		s.PoolVisible = s.Shows.Pool
	}
	return s, nil
}

// effectiveRole is what somebody may be: no more than the identity says, and nothing if the members' table does not bear it
// out.
func effectiveRole(id auth.Identity, m meter.Member) string {
	manages := m.Role == meter.RoleOwner || m.Role == meter.RoleAdmin
	switch {
	case m.State != meter.MemberActive, id.Role == auth.Admin && !manages:
		return ""
	case id.Role == auth.Member:
		return "MEMBER"
	case m.Role == meter.RoleOwner:
		return "OWNER"
	default:
		return "ADMIN"
	}
}

// shows is which pages there are for an admin, or for a member, of an organization.
func shows(admin bool, o meter.Organization, p meter.Plan) Shows {
	shared := p.Kind != meter.PlanIndividual
	return Shows{
		Usage: shared, Members: shared, Me: true, Reports: admin,
		Pool: admin || o.PoolVisibleToMembers || !shared,
	}
}

var units = map[meter.Unit]string{meter.UnitACU: "ACU", meter.UnitUSD: "USD"}

var planKinds = map[meter.PlanKind]string{
	meter.PlanTeam: "TEAM", meter.PlanEducation: "EDUCATION", meter.PlanEnterprise: "ENTERPRISE",
	meter.PlanIndividual: "INDIVIDUAL",
}
