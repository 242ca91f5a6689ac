package session

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// chunkBytes is what one cookie holds. Browsers keep 4096 bytes, name and attributes included.
	chunkBytes = 3600
	// maxChunks bounds what a browser sends with every request, well below the headers that the server takes.
	maxChunks = 6
)

// ErrTooLarge says that a token is too long to be kept in a browser.
var ErrTooLarge = errors.New("the token is too long for a session")

// jar keeps sealed values in a browser. One that is too long for a cookie lies in several, name, name.1, name.2 and so on,
// which open together or not at all.
type jar struct {
	keys   *Keys
	name   string
	secure bool // Whether the page is reached over HTTPS only.
}

// newJar keeps values under a name that, where there is HTTPS, no other host or path can have set.
func newJar(keys *Keys, name string, secure bool) jar {
	if secure {
		name = "__Host-" + name
	}
	return jar{keys, name, secure}
}

// put keeps content until a moment, in place of what the browser has there.
func (j jar) put(w http.ResponseWriter, r *http.Request, content []byte, until time.Time) error {
	sealed := j.keys.seal(j.name, content)
	if len(sealed) > maxChunks*chunkBytes {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(sealed))
	}
	chunks := 0
	for ; sealed != ""; chunks++ {
		part := sealed[:min(len(sealed), chunkBytes)]
		sealed = sealed[len(part):]
		http.SetCookie(w, j.cookie(chunks, part, until))
	}
	j.drop(w, r, chunks)
	return nil
}

// get is the content that a request brings. brought is true also for one that cannot be opened, of which ok is false.
func (j jar) get(r *http.Request) (content []byte, brought, ok bool) {
	var sealed string
	for chunk := range maxChunks {
		cookie, err := r.Cookie(j.chunkName(chunk))
		if err != nil {
			break
		}
		sealed, brought = sealed+cookie.Value, true
	}
	if brought {
		content, ok = j.keys.open(j.name, sealed)
	}
	return content, brought, ok
}

// drop has the browser forget the cookies of the value that it brought, from a chunk on.
func (j jar) drop(w http.ResponseWriter, r *http.Request, from int) {
	for chunk := from; chunk < maxChunks; chunk++ {
		if _, err := r.Cookie(j.chunkName(chunk)); err == nil {
			http.SetCookie(w, j.cookie(chunk, "", time.Unix(0, 0)))
		}
	}
}

func (j jar) cookie(chunk int, value string, until time.Time) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // Not Secure only where there is no HTTPS: on loopback.
		Name: j.chunkName(chunk), Value: value, Path: "/", Expires: until,
		Secure: j.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (j jar) chunkName(chunk int) string {
	if chunk == 0 {
		return j.name
	}
	return j.name + "." + strconv.Itoa(chunk)
}
