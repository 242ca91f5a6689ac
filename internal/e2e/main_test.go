package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spillway-metering/spillway/internal/pgtest"
)

// What all tests share: where the built programs are, and a PostgreSQL for those that bring a database of their own.
var (
	programs string
	postgres *pgtest.Server
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e-programs")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := build(dir, raceFlags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	programs = dir
	return pgtest.Main(m, func(s *pgtest.Server) { postgres = s })
}

// build builds meterd and meterctl into a directory.
func build(dir string, flags ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...)
	cmd := exec.CommandContext(context.Background(), "go", append(args, "./cmd/meterd", "./cmd/meterctl")...)
	cmd.Dir = repository
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, said)
	}
	return nil
}

// repository is the root of the repository, from where tests of this package run.
const repository = "../.."

// meterdProgram and meterctlProgram are what TestMain built.
func meterdProgram() string   { return filepath.Join(programs, "meterd") }
func meterctlProgram() string { return filepath.Join(programs, "meterctl") }
