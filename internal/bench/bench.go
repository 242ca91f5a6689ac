package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// sliceLength is about how long turns, and each ceiling, are measured before it is the next one's turn.
const sliceLength = 2 * time.Second

// closingTimeout bounds the check at the end of a run.
const closingTimeout = time.Minute

// Run measures. The report is complete also where the error says that something was wrong with the run: that calls
// failed, that the pools do not add up, or that the database was not durable. Without a report there is nothing to show.
func Run(ctx context.Context, options Options) (report *Report, err error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	r := &run{Options: options, name: "bench-" + uuid.NewString()[:8], populations: map[int]shared{}}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	if err := r.measure(ctx); err != nil {
		return nil, err
	}
	return r.report(ctx)
}

// run is one run, as far as it has come.
type run struct {
	Options
	name        string // Begins every id, so that a run never meets another's.
	meterd      *meterd
	connections []*grpc.ClientConn
	database    *pgxpool.Pool // nil: nobody said where it is, and the naive way is left out.
	populations map[int]shared
	rows        []*row
}

// shared are the organizations of all rows that have as many.
type shared struct {
	turns, naive population
	periodStart  time.Time
}

func (r *run) open(ctx context.Context) error {
	database, err := r.openServer(ctx)
	if err != nil {
		return err
	}
	if err := r.dial(); err != nil {
		return err
	}
	if database != "" {
		if r.database, err = openDatabase(ctx, database, slices.Max(r.Callers)); err != nil {
			return err
		}
	}
	for _, n := range r.Organizations {
		if err := r.populate(ctx, n); err != nil {
			return err
		}
		for _, callers := range r.Callers {
			r.rows = append(r.rows, r.newRow(callers, n))
		}
	}
	return nil
}

// openServer starts a meterd if there is none to measure, and answers where the database is: empty if nobody said.
func (r *run) openServer(ctx context.Context) (database string, err error) {
	if r.Address != "" {
		return r.DatabaseURL, nil
	}
	r.say("starting meterd")
	if r.meterd, err = startMeterd(ctx, r.Options); err != nil {
		return "", err
	}
	r.Address = r.meterd.address
	if r.DatabaseURL != "" {
		return r.DatabaseURL, nil
	}
	return r.meterd.database(ctx)
}

func (r *run) dial() error {
	options := append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, r.DialOptions...)
	for range r.Connections {
		conn, err := grpc.NewClient(r.Address, options...)
		if err != nil {
			return fmt.Errorf("the address cannot be read: %w", err)
		}
		r.connections = append(r.connections, conn)
	}
	return nil
}

// comparesNaive says whether the naive way is measured.
func (r *run) comparesNaive() bool { return r.Ceilings && r.database != nil }

// populate makes so many organizations for turns and, if there is one, for the naive way.
func (r *run) populate(ctx context.Context, organizations int) (err error) {
	if _, there := r.populations[organizations]; there {
		return nil
	}
	r.say("making organizations: %d with %d seats", organizations, r.seatsOf(organizations))
	prefix := r.name + "-" + strconv.Itoa(organizations)
	s := shared{turns: newPopulation(prefix, organizations, r.seatsOf(organizations))}
	if err := s.turns.make(ctx, r.connections[0]); err != nil {
		return err
	}
	if r.comparesNaive() {
		s.naive = newPopulation(prefix+"-naive", organizations, r.seatsOf(organizations))
		if err := s.naive.make(ctx, r.connections[0]); err != nil {
			return err
		}
		if s.periodStart, err = s.naive.periodStart(ctx, r.connections[0]); err != nil {
			return err
		}
	}
	r.populations[organizations] = s
	return nil
}

// measure warms every row up, and then measures slice by slice, every row and all of its contestants in each round.
func (r *run) measure(ctx context.Context) error {
	for _, row := range r.rows {
		r.say("warming up: %d callers, %d organizations", row.callers, row.organizations)
		if err := row.slice(ctx, r.Warmup, r.Rate); err != nil {
			return err
		}
		row.forget()
	}
	rounds := max(1, int((r.Duration+sliceLength-1)/sliceLength))
	for round := range rounds {
		for _, row := range r.rows {
			r.say("measuring, round %d of %d: %d callers, %d organizations", round+1, rounds, row.callers, row.organizations)
			if err := row.slice(ctx, r.Duration/time.Duration(rounds), r.Rate); err != nil {
				return err
			}
			if r.meterd != nil {
				row.resident, row.peak = resident(r.meterd.command.Process.Pid)
			}
		}
	}
	return nil
}

// close lets go of everything; a meterd that was started ends.
func (r *run) close() error {
	if r.database != nil {
		r.database.Close()
	}
	for _, conn := range r.connections {
		_ = conn.Close()
	}
	if r.meterd == nil {
		return nil
	}
	return r.meterd.stop()
}
