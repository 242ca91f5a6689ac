package localpg

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// settings are given on the command line, so that they hold whatever an older postgresql.conf of the cluster says.
// Durability is not for sale: the first four are what promise 1 of the service rests on.
var settings = []string{
	"fsync=on",
	"synchronous_commit=on",
	"full_page_writes=on",
	"restart_after_crash=on",

	"listen_addresses=",
	"port=" + port,
	"unix_socket_permissions=0700",
	"max_connections=200",

	// Memory is touched as it is needed; the rows a metering service works on fit many times over.
	"shared_buffers=256MB",
	"huge_pages=try",
	"wal_buffers=16MB",

	// Few checkpoints: after each one every touched page is written to the log whole, which many small commits on hot
	// rows would pay again and again. Recovery of a full log takes tens of seconds.
	"max_wal_size=4GB",
	"min_wal_size=512MB",
	"checkpoint_timeout=15min",

	// Hot rows are updated in place, and what they leave is cleared by the next update of their page: the usual pace of
	// autovacuum is enough, and a quicker one takes time from the turns.
	"autovacuum=on",

	// Statements are short: compiling them, or spreading one over the cores the others need, only costs.
	"jit=off",
	"max_parallel_workers_per_gather=0",
	"random_page_cost=1.1",

	"timezone=UTC",
	"lc_messages=C",
	"logging_collector=off",
	"log_destination=stderr",
	"log_timezone=UTC",
	"log_line_prefix=",
}

// postgres is the command that runs the server itself. SIGINT, its fast shutdown, is also what it gets when this
// process dies.
func (s *Server) postgres() *exec.Cmd {
	args := []string{"-D", s.home.cluster(), "-c", "unix_socket_directories=" + quoteListItem(s.socketDir)}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(s.bin.Dir, "postgres"), args...)
	s.home.user.own(cmd, s.home.dir, syscall.SIGINT)
	return cmd
}

// quoteListItem protects blanks and capitals: unix_socket_directories is a comma-separated list of names.
func quoteListItem(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
