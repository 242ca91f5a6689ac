package session

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/spillway-metering/spillway/internal/meter"
)

// How many there are to choose from: it is a demonstration, not a directory.
const (
	maxOrganizations = 20
	maxMembers       = 20
)

// Directory is where those are listed whom one can choose to be.
type Directory interface {
	Organizations(ctx context.Context, after string, limit int) ([]meter.Organization, error)
	// Members also answers how many there are in all.
	Members(ctx context.Context, q meter.MemberQuery) (found []meter.MemberView, matching int64, err error)
	Member(ctx context.Context, organizationID, memberID string) (meter.MemberView, error)
}

// Development signs in whoever asks as whomever they choose, on a machine that lets nobody else in.
type Development struct {
	sessions  *Sessions
	directory Directory
	logger    *slog.Logger
}

// NewDevelopment signs in to members of the directory.
func NewDevelopment(s *Sessions, d Directory, logger *slog.Logger) *Development {
	return &Development{s, d, logger}
}

// Register adds the pages of signing in and out.
func (d *Development) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin.css", style)
	mux.HandleFunc("GET /signin", d.choose)
	mux.HandleFunc("POST /signin", d.signIn)
	mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) {
		d.sessions.end(w, r)
		leave(w, r, "/signin")
	})
}

// choose shows whom one can be.
func (d *Development) choose(w http.ResponseWriter, r *http.Request) {
	v := view{
		Title: "Choose who you are", To: wayBack(r.URL.Query().Get("to")),
		Text: "This server runs for development: anybody on this machine may be anybody.",
	}
	var err error
	if v.Organizations, err = d.organizations(r.Context()); err != nil {
		d.failed(w, r, err)
		return
	}
	if len(v.Organizations) == 0 {
		v.Text += " There is no organization yet: start it with --demo, or put one and its members."
	}
	show(w, http.StatusOK, v)
}

func (d *Development) organizations(ctx context.Context) ([]organization, error) {
	found, err := d.directory.Organizations(ctx, "", maxOrganizations)
	if err != nil {
		return nil, err
	}
	var shown []organization
	for _, o := range found {
		members, _, err := d.directory.Members(ctx, meter.MemberQuery{OrganizationID: o.ID, Limit: maxMembers + 1})
		if err != nil {
			return nil, err
		}
		shown = append(shown, organizationOf(o, members))
	}
	return shown, nil
}

func organizationOf(o meter.Organization, members []meter.MemberView) organization {
	shown := organization{ID: o.ID, Name: named(o.DisplayName, o.ID), More: len(members) > maxMembers}
	for _, m := range members[:min(len(members), maxMembers)] {
		if m.State == meter.MemberActive {
			shown.Members = append(shown.Members, member{m.ID, named(m.DisplayName, m.ID), roleName(m.Role)})
		}
	}
	return shown
}

// signIn makes the browser the member that was chosen.
func (d *Development) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	k := kept{OrganizationID: r.PostFormValue("organization"), MemberID: r.PostFormValue("member")}
	to := wayBack(r.PostFormValue("to"))
	if _, err := d.directory.Member(r.Context(), k.OrganizationID, k.MemberID); err != nil {
		show(w, http.StatusNotFound, view{Title: "There is nobody of that name", Text: "Choose somebody else.", To: to, Again: true})
		return
	}
	if err := d.sessions.begin(w, r, k, d.sessions.now().Add(maxLifetime)); err != nil {
		d.failed(w, r, err)
		return
	}
	leave(w, r, to)
}

func (d *Development) failed(w http.ResponseWriter, r *http.Request, err error) {
	d.logger.WarnContext(r.Context(), "nobody can sign in", "error", err)
	show(w, http.StatusServiceUnavailable, view{Title: "Signing in does not work now", Text: "Try again in a moment.", To: home, Again: true})
}

// named is a name for people, or the id of who has none.
func named(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

func roleName(r meter.Role) string {
	switch r {
	case meter.RoleOwner:
		return "Owner"
	case meter.RoleAdmin:
		return "Admin"
	default:
		return "Member"
	}
}
