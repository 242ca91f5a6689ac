package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// leanConnections is how many connections those who ask for turns share.
const leanConnections = 8

// capacityCallers is how many callers find out how much a server can take.
const capacityCallers = 256

// stage is a meterd that is to be overloaded: one that takes as many calls of one caller as come, so that what is seen is
// how it deals with more than it can carry.
type stage struct {
	Options
	name     string
	server   target
	load     []*leanConn // By which turns are asked for; the server's connections are for all else.
	database *pgxpool.Pool

	populations []population
	done        []int64 // Turns acknowledged, of each population.
	failed      []int64
	first       error // The first error of a call.
}

// newStage starts the server. lanes is how many it is to have; 0: as it likes.
func newStage(ctx context.Context, options Options, lanes int) (s *stage, err error) {
	s = &stage{Options: options, name: "bench-" + uuid.NewString()[:8]}
	if err := s.open(ctx, lanes); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) open(ctx context.Context, lanes int) (err error) {
	s.say("starting meterd")
	s.server.meterd, err = startMeterd(ctx, s.Meterd, s.DatabaseURL, func(string) ([]string, error) {
		flags := []string{"--dev", "--caller-rate=0", "--caller-concurrency=0"}
		if lanes > 0 {
			flags = append(flags, "--lanes="+strconv.Itoa(lanes))
		}
		return flags, nil
	})
	if err != nil {
		return err
	}
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	if err := s.server.dial(s.server.meterd.address, s.Connections, plain); err != nil {
		return err
	}
	for range leanConnections {
		conn, err := dialLean(ctx, s.server.meterd.address)
		if err != nil {
			return err
		}
		s.load = append(s.load, conn)
	}
	url := s.DatabaseURL
	if url == "" {
		if url, err = s.server.meterd.database(ctx); err != nil {
			return err
		}
	}
	s.database, err = openDatabase(ctx, url, 1)
	return err
}

// connection is the one that the i-th of those who ask for turns shares with others.
func (s *stage) connection(i int) grpc.ClientConnInterface { return s.load[i%len(s.load)] }

// populate makes organizations with seats of their own.
func (s *stage) populate(ctx context.Context, name string, organizations, seats int) (population, error) {
	s.say("making organizations: %d with %d seats", organizations, seats)
	p := newPopulation(s.name+"-"+name, organizations, seats)
	s.populations, s.done, s.failed = append(s.populations, p), append(s.done, 0), append(s.failed, 0)
	return p, p.make(ctx, s.server.setup())
}

// capacity is how the n-th population's turns go with as many callers as the server likes, each of which begins a turn
// when its last one is over.
func (s *stage) capacity(ctx context.Context, n int) (*contestant, error) {
	s.say("measuring the capacity, with %d callers", capacityCallers)
	c := newContestant(capacityCallers, s.server.busy, func(i int) work {
		return newTurns(s.connection(i), s.populations[n], "c"+strconv.Itoa(i))
	})
	c.slice(ctx, slice{length: s.Warmup})
	c.tally = newTally()
	c.slice(ctx, slice{length: s.Duration})
	s.count(n, c.totals)
	return c, ctx.Err()
}

// run lets turns arrive, one flow for each population, in the order of both.
func (s *stage) run(ctx context.Context, a *arrivals) error {
	err := a.run(ctx)
	for n, f := range a.flows {
		s.count(n, f.totals)
	}
	return err
}

// count notes how much of a population's work was acknowledged.
func (s *stage) count(n int, totals func() (done, failed int64, first error)) {
	done, failed, first := totals()
	s.done[n] += done
	s.failed[n] += failed
	if s.first == nil {
		s.first = first
	}
}

// check says what is wrong with the run, if anything: that calls failed, that pools do not add up, or that the database
// was not durable.
func (s *stage) check(ctx context.Context) (*Durability, error) {
	ctx, cancel := context.WithTimeout(ctx, closingTimeout)
	defer cancel()
	var problems []error
	if s.first != nil {
		problems = append(problems, fmt.Errorf("calls failed otherwise than for there being too many, first: %w", s.first))
	}
	for n, p := range s.populations {
		problems = append(problems, p.check(ctx, s.server.setup(), s.done[n], s.failed[n], "turns"))
	}
	durability, err := durabilityOf(ctx, s.database)
	return durability, errors.Join(append(problems, err, durability.check())...)
}

// close lets go of everything.
func (s *stage) close() error {
	if s.database != nil {
		s.database.Close()
	}
	var errs []error
	for _, conn := range s.load {
		errs = append(errs, conn.Close())
	}
	return errors.Join(append(errs, s.server.close())...)
}

// onEach runs a measurement on a stage of its own for each number of lanes, of which there is at least one: 0 is as many
// as meterd has unless told. What could not be measured ends the run; what is wrong with figures is told at its end.
func (o Options) onEach(ctx context.Context, measure func(ctx context.Context, s *stage, lanes int) error) (*Durability, error) {
	lanes := o.Lanes
	if len(lanes) == 0 {
		lanes = []int{0}
	}
	var durability *Durability
	var problems []error
	for _, n := range lanes {
		s, err := newStage(ctx, o, n)
		if err != nil {
			return nil, err
		}
		if err := measure(ctx, s, n); err != nil {
			return nil, errors.Join(err, s.close())
		}
		found, wrong := s.check(ctx)
		durability, problems = found, append(problems, wrong)
		if err := s.close(); err != nil {
			return nil, err
		}
	}
	return durability, errors.Join(problems...)
}

// validateLoad is Validate for a load that is put on a meterd of its own.
func (o Options) validateLoad() error {
	if o.Address != "" || o.Identity || o.Tokens || o.Rate != 0 {
		return errors.New("--overload, --noisy and --reports start what they load by themselves, at rates of their own: " +
			"leave out --address, --rate, --tokens and --identity")
	}
	return o.Validate()
}

// between says whether a moment is in a span.
func between(at, from, to time.Duration) bool { return from <= at && at < to }
