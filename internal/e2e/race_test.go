//go:build race

package e2e

// raceFlags build the programs as the tests were built, so that `go test -race` looks for races in them, too.
var raceFlags = []string{"-race"}
