package session

import (
	_ "embed" // The pages.
	"html/template"
	"net/http"
)

//go:embed signin.html
var pageText string

//go:embed signin.css
var styleText []byte

var page = template.Must(template.New("page").Parse(pageText))

// view is what a page of this package shows.
type view struct {
	Title, Text   string
	Organizations []organization // To choose a member of.
	To            string         // Where to go afterwards.
	Again         bool           // Whether to offer signing in again.
}

type organization struct {
	ID, Name string
	Members  []member
	More     bool // Whether there are more members than are listed.
}

type member struct{ ID, Name, Role string }

// show answers a page.
func show(w http.ResponseWriter, status int, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = page.Execute(w, v) // Who went away need not be told.
}

// style answers what the pages look like.
func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(styleText) // Who went away need not be told.
}

// leave sends the browser on, with nothing of the answer kept.
func leave(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // wayBack has seen it, or it is the issuer's.
}
