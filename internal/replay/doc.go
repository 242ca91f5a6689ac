// Package replay drives a running server with the turns of a recorded trace and adds up what it answered.
//
// Every request carries an id made of the trace and the row, so that a replay can be cut off anywhere, by either side,
// and run again: what was answered before is answered alike and counts once.
package replay
