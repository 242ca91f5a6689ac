package session

import (
	"net/url"
	"strings"
)

// home is where somebody comes who came from nowhere.
const home = "/"

// wayBack is where to go once signed in: a path of this server, with its query. Anything else, which a link from
// elsewhere may hold, leads home.
func wayBack(to string) string {
	u, err := url.Parse(to)
	switch {
	case err != nil, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "":
		return home
	case !strings.HasPrefix(to, "/"), strings.HasPrefix(to, "//"), strings.ContainsAny(to, "\\\r\n\t"):
		return home // Browsers read a backslash as a slash.
	case strings.HasPrefix(u.Path, "//"), strings.HasPrefix(u.Path, "/signin"), strings.HasPrefix(u.Path, "/signout"):
		return home
	default:
		return u.RequestURI()
	}
}
