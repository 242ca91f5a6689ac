// Package session signs people in to the page. A session is an encrypted cookie: no server keeps anything of it, so every
// replica that has the keys takes it. It holds the token that the issuer gave for the person, and each call of the page is
// judged by that token as if it had brought it itself.
package session
