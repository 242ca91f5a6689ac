// Package localpg runs the private PostgreSQL that meterd starts when it is given no database URL.
//
// The server is a child of this process, reached through a Unix socket that only its own user (and root) can open, and
// its data stays between runs. A data directory is laid out as:
//
//	lock       held (flock) by the process that owns the server; says that process's id
//	postgres/  the cluster: what initdb made. Never deleted by this package, whatever is found in it
//	run/       the socket, mode 0700
//
// Every error is one line that names the setting to change and the remedy.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

const (
	superuser = "postgres"
	database  = "meter"
	port      = "5432" // Only a part of the socket's name: nothing listens on TCP.

	// attachPatience bounds how long Attach waits for a server that another process is starting or stopping.
	attachPatience = 20 * time.Second
)

// Options says where the private server lives.
type Options struct {
	// DataDir is the data directory (--data-dir); empty means DefaultDataDir.
	DataDir string
	// BinDir is the directory of postgres and initdb (--postgres-bin); empty means to search, see Find.
	BinDir string
	// Logger receives the server's own log lines and what this package does; nil discards them.
	Logger *slog.Logger

	search *search // Replaced by tests that hide the machine's own PostgreSQL.
}

// Server is a running private PostgreSQL: one that Start made, or one that Attach found.
type Server struct {
	home      home
	bin       Binaries
	log       *slog.Logger
	lock      *flock.Flock
	socketDir string
	url       string
	child     *child // nil: the server belongs to another process.
	stop      sync.Once
	stopErr   error
}

// Start takes the data directory for this process, makes the cluster if there is none, and starts PostgreSQL on it. It
// returns when the database answers; ctx bounds that wait (after a crash it includes recovery) and nothing later.
// The server dies with this process on Linux, even if that is killed; elsewhere the next Start ends the orphan.
func Start(ctx context.Context, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	home, err := openHome(opts.DataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{home: home, log: opts.Logger}
	if s.lock, err = home.acquire(); err != nil {
		return nil, err
	}
	if err := s.start(ctx, opts); err != nil {
		if stopErr := s.Stop(ctx); stopErr != nil {
			return nil, fmt.Errorf("%w; and then: %w", err, stopErr)
		}
		return nil, err
	}
	return s, nil
}

// Attach gives the server of a data directory to a tool: the running one, which Stop then leaves alone, or else one
// started here, which Stop ends. It makes no cluster: a data directory without one is an error.
func Attach(ctx context.Context, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	home, err := existingHome(opts.DataDir)
	if err != nil {
		return nil, err
	}
	deadline := time.After(attachPatience)
	for {
		if found, ok := home.running(ctx); ok {
			return &Server{home: home, log: opts.Logger, url: found}, nil
		}
		s, err := Start(ctx, opts)
		if !errors.Is(err, errLocked) {
			return s, err
		}
		select {
		case <-time.After(pollEvery):
		case <-deadline:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}

// URL is a connection string for the database "meter", as its owner, understood by pgx and psql.
func (s *Server) URL() string { return s.url }

const (
	// backgroundNice is how much a backend gives way: beside busy ones it gets about a tenth of what each of them gets, and
	// where a processor is idle, all of that.
	backgroundNice = 10
	// foregroundNice is how much a backend goes first: beside busy ones it gets about ten times what each of them gets.
	foregroundNice = -10
)

// GiveWay lets the process of one backend of this server go after the others where processors are short.
func (s *Server) GiveWay(backend uint32) error {
	if err := prioritize(backend, backgroundNice); err != nil {
		return fmt.Errorf("lower the priority of PostgreSQL's process %d: %w", backend, err)
	}
	return nil
}

// GoFirst lets the process of one backend of this server go before the others where processors are short. The system
// lets only the privileged do so, such as root: for others it stays as it is, and that is no error.
func (s *Server) GoFirst(backend uint32) error {
	err := prioritize(backend, foregroundNice)
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("raise the priority of PostgreSQL's process %d: %w", backend, err)
	}
	return nil
}

func prioritize(process uint32, nice int) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, int(process), nice); err != nil {
		return err
	}
	return prioritizeGroup(process, nice)
}

// prioritizeGroup sets the priority of a process's group. Where the kernel groups processes by session (sched_autogroup_enabled), each
// of PostgreSQL's backends is a group of its own, and a process's own priority counts in its group only. Without privileges the
// kernel takes ten changes a second.
func prioritizeGroup(process uint32, nice int) error {
	for tries := 1; ; tries++ {
		err := os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", process), []byte(strconv.Itoa(nice)), 0)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // This kernel has no such groups.
		case !errors.Is(err, syscall.EAGAIN) || tries == groupTries:
			return err
		}
		<-time.After(groupWait)
	}
}

// How often the priority of a group is tried to be set, and how long apart.
const (
	groupTries = 5
	groupWait  = 110 * time.Millisecond
)

// Done is closed when PostgreSQL has ended, asked to or not. It never is for a server that Attach found running.
//
// A server that ends by itself is not started again here: PostgreSQL already restarts after the crash of a backend, so
// what remains is a lost postmaster (out of memory, a full disk, a kill). Ending meterd with the line of Err and letting
// its own supervisor start it again takes the one start path that is tested, instead of a second one inside a process
// whose connections are all gone anyway.
func (s *Server) Done() <-chan struct{} {
	if s.child == nil {
		return nil
	}
	return s.child.done
}

// Err tells, after Done, why PostgreSQL ended by itself; nil while it runs and after Stop.
func (s *Server) Err() error {
	if s.child == nil {
		return nil
	}
	select {
	case <-s.child.done:
		return s.child.failure(s.home)
	default:
		return nil
	}
}

// Stop ends PostgreSQL in order (connections cut, a last checkpoint) and frees the data directory; what it did not end
// in time it kills, which loses nothing that was acknowledged. Once ctx is done it no longer waits for the orderly way:
// give it a context of its own. Calling it again is harmless, and it leaves a server that Attach found alone.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() { s.stopErr = s.shutdown(ctx) })
	return s.stopErr
}

func (s *Server) shutdown(ctx context.Context) error {
	var err error
	if s.child != nil {
		err = s.child.end(ctx)
	}
	if s.socketDir != "" {
		err = errors.Join(err, os.RemoveAll(s.socketDir))
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// start does all that needs the lock of the data directory.
func (s *Server) start(ctx context.Context, opts Options) error {
	major, err := s.home.clusterMajor()
	if err != nil {
		return err
	}
	if s.bin, err = opts.search.find(ctx, opts.BinDir, major, s.home); err != nil {
		return err
	}
	if err := s.home.checkReachable(ctx, s.bin); err != nil {
		return err
	}
	if err := s.home.ensureCluster(ctx, s.bin, major); err != nil {
		return err
	}
	if err := s.home.reclaim(ctx, s.log); err != nil {
		return err
	}
	if s.socketDir, err = s.home.makeSocketDir(); err != nil {
		return err
	}
	s.url = connectionURL(s.socketDir, port, database)
	if err := s.launch(ctx); err != nil {
		return err
	}
	s.log.Info("private PostgreSQL started", "data_dir", s.home.dir, "version", s.bin.Major, "bin", s.bin.Dir)
	return nil
}

// launch starts postgres and waits until the database answers. The backends of a postmaster that was just killed may
// outlive it for a moment; postgres refuses to start beside them, so that one refusal is tried again.
func (s *Server) launch(ctx context.Context) error {
	deadline := time.After(leftoverPatience)
	for {
		var err error
		if s.child, err = spawn(s.postgres(), s.log); err != nil {
			return fmt.Errorf("start %s/postgres: %w", s.bin.Dir, err)
		}
		if err = s.awaitDatabase(ctx); err == nil {
			s.child.words.forget()
			return nil
		}
		if !s.child.refusedByLeftovers() {
			return err
		}
		select {
		case <-time.After(pollEvery):
		case <-deadline:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.search == nil {
		o.search = systemSearch(o.Logger)
	}
	return o
}

// connectionURL writes a blank as %20: neither libpq nor pgx reads a plus as one.
func connectionURL(socketDir, port, database string) string {
	query := url.Values{"host": {socketDir}, "port": {port}, "user": {superuser}}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20")}).String()
}
