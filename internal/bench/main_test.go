package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/spillway-metering/spillway/internal/pgtest"
)

// What the tests of this package share: a PostgreSQL, and a meterd built from this source.
var (
	server *pgtest.Server
	built  string
)

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "meterd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	built = filepath.Join(dir, "meterd")
	if out, err := exec.Command("go", "build", "-o", built, "../../cmd/meterd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building meterd: %v\n%s", err, out)
		return 1
	}
	code := pgtest.Main(m, func(s *pgtest.Server) { server = s })
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
