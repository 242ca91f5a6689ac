package session

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
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

// signInWithin bounds how long somebody may take at the issuer.
const signInWithin = 10 * time.Minute

// way is one sign-in that is under way. Only the browser that began it has it, so nobody can have another's end as theirs.
type way struct {
	State    string `json:"s"` // That the issuer's answer must bring back.
	Nonce    string `json:"n"` // That the ID token must hold.
	Verifier string `json:"v"` // Of PKCE: whoever has the code alone gets no token for it.
	To       string `json:"t"` // Where to go once signed in.
	Until    int64  `json:"u"` // In seconds since 1970.
}

func newWay(to string) way {
	return way{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: to}
}

// is says whether an answer is to this sign-in.
func (w way) is(state string) bool {
	return subtle.ConstantTimeCompare([]byte(w.State), []byte(state)) == 1
}

// ways keeps sign-ins that are under way in their browsers, the latest of each.
type ways struct {
	jar jar
	now func() time.Time
}

func newWays(s *Sessions) ways {
	return ways{newJar(s.jar.keys, "meter-signin", s.jar.secure), s.now}
}

func (k ways) put(w http.ResponseWriter, r *http.Request, v way) error {
	until := k.now().Add(signInWithin)
	v.Until = until.Unix()
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.jar.put(w, r, content, until)
}

// take is the sign-in of the browser, which can be taken only once.
func (k ways) take(w http.ResponseWriter, r *http.Request) (v way, ok bool) {
	content, _, ok := k.jar.get(r)
	k.jar.drop(w, r, 0)
	if !ok || json.Unmarshal(content, &v) != nil || k.now().Unix() >= v.Until {
		return way{}, false
	}
	return v, true
}
