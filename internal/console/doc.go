// Package console serves the page that a firm's admin opens: its embedded files, and what it needs to lay itself out.
// Everything else the page asks of meter.v1, like any other caller.
package console
