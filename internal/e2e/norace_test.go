//go:build !race

package e2e

// raceFlags build the programs as the tests were built.
var raceFlags []string
