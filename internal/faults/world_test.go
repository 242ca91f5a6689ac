package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// replicas is how many servers share the database.
const replicas = 2

// world is what the faults strike: a PostgreSQL, servers on it, and every way between them and their callers.
type world struct {
	dir      string
	program  string // The meterd under test.
	disk     *disk
	log      *slog.Logger
	database *database
	replicas [replicas]*replica
	crashes  crashes
}

// crashes counts the deaths of processes that nobody asked to end in order.
type crashes struct{ meterd, postgres atomic.Int64 }

// replica is one server, with the ways to and from it.
type replica struct {
	name     string
	world    *world
	socket   string
	log      *os.File
	front    *link // Callers come by here,
	back     *link // and it reaches PostgreSQL by here.
	slowIn   *slow // Before front.
	slowOut  *slow // Before back.
	conn     *grpc.ClientConn
	metering meterv1.MeteringServiceClient
	pools    meterv1.PoolServiceClient
	firms    meterv1.OrganizationServiceClient
	usage    meterv1.UsageServiceClient
	clock    testingv1.TestClockServiceClient

	mu      sync.Mutex // Held to start it and to end it.
	process *process
}

// openWorld starts everything, with servers of one program. It is taken down with the test.
func openWorld(t *testing.T, program string) *world {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "faults") // A short path: those of sockets are bounded.
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL may run as another user, who must be able to enter.
		t.Fatal(err)
	}
	w := &world{dir: dir, program: program}
	t.Cleanup(func() { w.remove(t) })
	if w.log, err = logTo(filepath.Join(dir, "postgres.log")); err != nil {
		t.Fatal(err)
	}
	if w.disk, err = mountDisk(filepath.Join(dir, "disk")); err != nil {
		t.Fatal(err)
	}
	if w.database, err = openDatabase(t.Context(), w.disk.dir, w.log); err != nil {
		t.Fatal(err)
	}
	for i := range w.replicas {
		if err := w.addReplica(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.ensureUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func logTo(path string) (*slog.Logger, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return slog.New(slog.NewTextHandler(file, nil)), nil
}

// remove takes everything down, and keeps the logs of a run that failed.
func (w *world) remove(t *testing.T) {
	for _, r := range w.replicas {
		if r != nil {
			r.close(t)
		}
	}
	if w.database != nil {
		if err := w.database.close(); err != nil {
			t.Error(err)
		}
	}
	if w.disk != nil {
		if err := w.disk.close(); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.Logf("the logs are kept in %s", w.dir)
		return
	}
	if err := os.RemoveAll(w.dir); err != nil {
		t.Error(err)
	}
}

func (w *world) addReplica(i int) (err error) {
	r := &replica{name: fmt.Sprintf("meterd-%c", 'a'+i), world: w}
	w.replicas[i] = r
	r.socket = filepath.Join(w.dir, r.name)
	if r.log, err = os.Create(r.socket + ".log"); err != nil {
		return err
	}
	if r.front, err = openLink(func() (string, string) { return "unix", r.socket }); err != nil {
		return err
	}
	if r.back, err = openLink(w.database.socket); err != nil {
		return err
	}
	if r.slowIn, err = openSlow(r.name+" in", r.front.address()); err != nil {
		return err
	}
	if r.slowOut, err = openSlow(r.name+" out", r.back.address()); err != nil {
		return err
	}
	return r.dial()
}

func (r *replica) dial() (err error) {
	soon := backoff.Config{BaseDelay: poll, Multiplier: 1.5, Jitter: 0.2, MaxDelay: 10 * poll}
	r.conn, err = grpc.NewClient("passthrough:///"+r.slowIn.address(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: soon, MinConnectTimeout: time.Second}))
	if err != nil {
		return err
	}
	r.metering, r.pools = meterv1.NewMeteringServiceClient(r.conn), meterv1.NewPoolServiceClient(r.conn)
	r.firms, r.usage = meterv1.NewOrganizationServiceClient(r.conn), meterv1.NewUsageServiceClient(r.conn)
	r.clock = testingv1.NewTestClockServiceClient(r.conn)
	return nil
}

// ensureUp starts what does not run, PostgreSQL first.
func (w *world) ensureUp(ctx context.Context) error {
	if err := w.database.ensureUp(ctx); err != nil {
		return fmt.Errorf("PostgreSQL does not come back: %w", err)
	}
	for _, r := range w.replicas {
		if err := r.ensureUp(ctx); err != nil {
			return fmt.Errorf("%s does not come back: %w", r.name, err)
		}
	}
	return nil
}

// restart ends every server in order and starts it again, after which no request of before is under way.
func (w *world) restart(ctx context.Context) error {
	var errs [replicas]error
	var ending sync.WaitGroup
	for i, r := range w.replicas {
		ending.Go(func() { errs[i] = r.end(syscall.SIGTERM) })
	}
	ending.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	return w.ensureUp(ctx)
}

func (r *replica) arguments() []string {
	url := fmt.Sprintf("postgres://%s@%s/meter?sslmode=disable&connect_timeout=2", role, r.slowOut.address())
	return []string{
		"--dev", "--listen=unix:" + r.socket, "--database-url=" + url, "--sweep-interval=500ms", "--roll-up-interval=150ms", "--drain-timeout=5s",
		"--log-level=warn", "--default-deadline=4s",
	}
}

// ensureUp starts the server unless it runs, again and again until it serves: without its database it does not start.
func (r *replica) ensureUp(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*readyPatience)
	defer cancel()
	return retry(ctx, func() error {
		if r.process != nil && r.process.running() {
			return nil
		}
		p, err := startProcess(r.world.program, r.log, r.arguments()...)
		if err != nil {
			return err
		}
		if err := p.awaitReady(ctx); err != nil {
			return errors.Join(err, p.end(syscall.SIGKILL))
		}
		r.process = p
		return nil
	})
}

// end ends the server; one that has ended stays so.
func (r *replica) end(s syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil || !r.process.running() {
		return nil
	}
	if s == syscall.SIGKILL {
		r.world.crashes.meterd.Add(1)
	}
	return r.process.end(s)
}

func (r *replica) signal(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		r.process.signal(s)
	}
}

func (r *replica) close(t *testing.T) {
	if r.conn != nil {
		_ = r.conn.Close()
	}
	if err := r.end(syscall.SIGTERM); err != nil {
		t.Errorf("%s: %v", r.name, err)
	}
	for _, s := range []*slow{r.slowIn, r.slowOut} {
		if s != nil {
			s.close()
		}
	}
	for _, l := range []*link{r.front, r.back} {
		if l != nil {
			l.close()
		}
	}
}
