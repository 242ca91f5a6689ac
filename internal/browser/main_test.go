package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spillway-metering/spillway/internal/pgtest"
)

// What all tests share: the built program, and a PostgreSQL with a database for each server.
var (
	program  string
	postgres *pgtest.Server
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "browser-programs")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "meterd")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", program, "./cmd/meterd")
	cmd.Dir = "../.."
	if said, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", cmd.Args, err, said)
		return 1
	}
	defer closeChromium()
	return pgtest.Main(m, func(s *pgtest.Server) { postgres = s })
}
