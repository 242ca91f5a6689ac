package console

import (
	"net/http"
	"strings"
)

// Headers are those of every answer over HTTP, whoever gives it.
type Headers struct {
	// HTTPS says that the server is reached over HTTPS only, which browsers then hold each other to.
	HTTPS bool
	// FormTargets are origins that a form of ours may lead to: that of the issuer, where signing out ends.
	FormTargets []string
}

// Around sets the headers before next answers. A browser is let load and send nothing but from and to this server, run no
// script that is not a file of it, and show none of it inside another page.
func (h Headers) Around(next http.Handler) http.Handler {
	fixed := h.fixed()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := w.Header()
		for _, header := range fixed {
			answer[header[0]] = header[1:2:2]
		}
		next.ServeHTTP(w, r)
	})
}

func (h Headers) fixed() [][]string {
	headers := [][]string{
		{"Content-Security-Policy", h.policy()},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"},
	}
	if h.HTTPS {
		headers = append(headers, []string{"Strict-Transport-Security", "max-age=31536000"})
	}
	return headers
}

func (h Headers) policy() string {
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
		"manifest-src 'self'", "base-uri 'none'", "form-action " + strings.Join(append([]string{"'self'"}, h.FormTargets...), " "),
		"frame-ancestors 'none'",
	}, "; ")
}
