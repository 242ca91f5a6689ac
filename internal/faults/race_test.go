//go:build race

package faults

// raceFlags build the server like this test.
var raceFlags = []string{"-race"}
