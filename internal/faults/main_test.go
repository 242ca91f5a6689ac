package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The flags of a run. They stand after -args of go test.
var (
	runFor = flag.Duration("faults.for", 0,
		"how long to run; 0: until every fault has been injected")
	runSeed = flag.Uint64("faults.seed", 0,
		"seed of the run's first round; 0: a new one")
	runRounds = flag.Int("faults.rounds", 0,
		"most rounds to run; 0: as many as there is time for")
	runProgram = flag.String("faults.meterd", os.Getenv("FAULTS_METERD"),
		"meterd to run against; empty: $FAULTS_METERD, or else one that is built from this repository")
	runOnly = flag.String("faults.only", "",
		"only the fault of this name, in every round; none: no fault at all")
	runMutants = flag.Bool("mutants", false,
		"build every mutant and run it until it is caught; without it, only see that each can be made")
	runMutant = flag.String("mutants.only", "",
		"only the mutants whose names hold this text; control: the program as it is")
	runMutantFor = flag.Duration("mutants.for", 3*time.Minute,
		"how long a mutant may live, and the program as it is must: no longer than a short mix")
)

// meterdProgram is the server under test.
var meterdProgram string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if meterdProgram = *runProgram; meterdProgram != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "faults-program")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	meterdProgram = filepath.Join(dir, "meterd")
	if err := build(meterdProgram); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds meterd, with the race detector if this test has it, and with more flags of go build's.
func build(program string, more ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	args := append([]string{"build", "-o", program}, raceFlags...)
	args = append(args, more...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/meterd")...)
	cmd.Dir = "../.."
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, said)
	}
	return nil
}
