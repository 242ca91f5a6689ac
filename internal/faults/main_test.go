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
	runTags = flag.String("faults.tags", os.Getenv("FAULTS_TAGS"),
		"build tags of the meterd that is built; empty: $FAULTS_TAGS")
	runOnly = flag.String("faults.only", "",
		"only the fault of this name, in every round; none: no fault at all")
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

// build builds meterd, with the race detector if this test has it.
func build(program string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	args := append([]string{"build", "-o", program, "-tags=" + *runTags}, raceFlags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/meterd")...)
	cmd.Dir = "../.."
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, said)
	}
	return nil
}
