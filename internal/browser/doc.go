// Package browser tests what people and their browsers meet of a meterd: calls as JSON over HTTP, signing in and out, and
// the page, in a headless Chromium. Everything runs against the built program. There is nothing here to import.
//
//	go test ./internal/browser -args -screenshots=DIR
//
// writes what the tests saw of the pages to a directory.
package browser
