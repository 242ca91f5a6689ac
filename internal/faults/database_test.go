package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/localpg"
)

// databasePatience bounds how long PostgreSQL may take to be there again, recovery included.
const databasePatience = time.Minute

// role is whom the servers are to PostgreSQL: no superuser, whose connections no limit bounds.
const role = "meterd"

// database is the PostgreSQL of a run. It lies on a small file system of its own where one can be mounted, so that the
// disk can be filled.
type database struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex // Held to stop, start, and look which it is.
	server *localpg.Server
	url    string // The superuser's, past every proxy.
	starts int
}

// openDatabase makes and starts a PostgreSQL in a directory.
func openDatabase(ctx context.Context, dir string, log *slog.Logger) (*database, error) {
	d := &database{dir: dir, log: log}
	if err := d.ensureUp(ctx); err != nil {
		return nil, err
	}
	err := d.exec(ctx, "CREATE ROLE "+role+" LOGIN", "ALTER DATABASE meter OWNER TO "+role)
	return d, err
}

// close ends PostgreSQL for good.
func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stop()
}

// stop frees the data directory, whether the server still runs or not.
func (d *database) stop() error {
	if d.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), databasePatience)
	defer cancel()
	server := d.server
	d.server = nil
	return server.Stop(ctx)
}

// ensureUp starts PostgreSQL unless it runs, again and again until it answers.
func (d *database) ensureUp(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	return retry(ctx, func() error { return d.start(ctx) })
}

func (d *database) start(ctx context.Context) error {
	if d.server != nil && !isDone(d.server.Done()) {
		return d.answers(ctx)
	}
	if err := d.stop(); err != nil {
		d.log.Warn("stopping what is left of PostgreSQL", "error", err)
	}
	server, err := localpg.Start(ctx, localpg.Options{DataDir: d.dir, Logger: d.log})
	if err != nil {
		return err
	}
	d.server, d.url = server, server.URL()
	d.starts++
	return nil
}

func (d *database) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// crash ends the whole server at once: SIGQUIT is its immediate shutdown, SIGKILL what the kernel does to it.
func (d *database) crash(s syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		return nil
	}
	pid, err := d.postmaster()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, s); err != nil {
		return err
	}
	<-d.server.Done()
	return d.stop()
}

// postmaster is PostgreSQL's first process.
func (d *database) postmaster() (int, error) {
	text, err := os.ReadFile(filepath.Join(d.dir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0, fmt.Errorf("whose process PostgreSQL is: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid == os.Getpid() {
		return 0, errors.Join(err, errors.New("PostgreSQL's pid file names no server"))
	}
	return pid, nil
}

// processes are all of PostgreSQL's.
func (d *database) processes() ([]int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, err := d.postmaster()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", first, first))
	pids := []int{first}
	for _, word := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// socket is where PostgreSQL listens.
func (d *database) socket() (network, address string) {
	u, err := url.Parse(d.superuser())
	if err != nil {
		return "", ""
	}
	q := u.Query()
	return "unix", filepath.Join(q.Get("host"), ".s.PGSQL."+q.Get("port"))
}

func (d *database) superuser() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.url
}

// connect makes a connection past every proxy.
func (d *database) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, d.superuser())
}

// exec runs statements one by one.
func (d *database) exec(ctx context.Context, statements ...string) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// shift is by how much the test clock is ahead of the machine's, in microseconds.
func (d *database) shift(ctx context.Context) (micros int64, err error) {
	err = retry(ctx, func() error {
		conn, err := d.connect(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		const read = "SELECT (extract(epoch FROM shift) * 1000000)::bigint FROM test_clock"
		return conn.QueryRow(ctx, read).Scan(&micros)
	})
	return micros, err
}

// retry does something until it goes well, and answers the last error if the context ends before.
func retry(ctx context.Context, do func() error) error {
	ticker := time.NewTicker(5 * poll)
	defer ticker.Stop()
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
