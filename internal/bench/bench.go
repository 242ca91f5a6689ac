package bench

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// sliceLength is about how long turns, and each ceiling, are measured before it is the next one's turn.
	sliceLength = 2 * time.Second
	// closeSliceLength is that of contestants who are a few percent apart, which the machine's other work must not decide:
	// on a busy machine a second meterd just like the first came out at 0.98 to 1.00 of it in slices of this length, and
	// at 0.98 and 1.05 in longer ones.
	closeSliceLength = 500 * time.Millisecond
)

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
	name        string        // Begins every id, so that a run never meets another's.
	server      target        // Makes the organizations, and is measured.
	identified  target        // On the same database, for callers with tokens; without connections if nobody asked for it.
	database    *pgxpool.Pool // nil: nobody said where it is, and the naive way is left out.
	populations map[int]shared
	rows        []*row
}

// shared are the organizations of all rows that have as many. Both servers have the same, so that neither meets larger
// tables or other places in the indexes; they never work at the same time.
type shared struct {
	turns, naive population
	periodStart  time.Time
}

func (r *run) open(ctx context.Context) error {
	database, err := r.openServer(ctx)
	if err != nil {
		return err
	}
	if r.Identity {
		if err := r.openIdentified(ctx, database); err != nil {
			return err
		}
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
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	if r.Address != "" {
		return r.DatabaseURL, r.server.dial(r.Address, r.Connections, append([]grpc.DialOption{plain}, r.DialOptions...)...)
	}
	r.say("starting meterd")
	if r.server.meterd, err = startMeterd(ctx, r.Meterd, r.DatabaseURL, takeEverybody); err != nil {
		return "", err
	}
	if err := r.server.dial(r.server.meterd.address, r.Connections, plain); err != nil {
		return "", err
	}
	if r.DatabaseURL != "" {
		return r.DatabaseURL, nil
	}
	return r.server.meterd.database(ctx)
}

// openIdentified starts a second meterd on the database of the first, and has as many connections to it.
func (r *run) openIdentified(ctx context.Context, database string) (err error) {
	r.say("starting meterd with TLS, for callers with tokens")
	if r.identified.meterd, err = startMeterd(ctx, r.Meterd, database, tellCallers); err != nil {
		return err
	}
	options, err := asOrchestrator(r.identified.meterd)
	if err != nil {
		return err
	}
	return r.identified.dial(r.identified.meterd.address, r.Connections, options...)
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
	var s shared
	if s.turns, err = r.newPopulation(ctx, prefix, organizations); err != nil {
		return err
	}
	if r.comparesNaive() {
		if s.naive, err = r.newPopulation(ctx, prefix+"-naive", organizations); err != nil {
			return err
		}
		if s.periodStart, err = s.naive.periodStart(ctx, r.server.setup()); err != nil {
			return err
		}
	}
	r.populations[organizations] = s
	return nil
}

// newPopulation makes so many organizations, all through the server that lets anybody do so.
func (r *run) newPopulation(ctx context.Context, prefix string, organizations int) (population, error) {
	p := newPopulation(prefix, organizations, r.seatsOf(organizations))
	return p, p.make(ctx, r.server.setup())
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
	length := sliceLength
	if r.Identity {
		length = closeSliceLength
	}
	rounds := max(1, int((r.Duration+length-1)/length))
	for round := range rounds {
		for _, row := range r.rows {
			r.say("measuring, round %d of %d: %d callers, %d organizations", round+1, rounds, row.callers, row.organizations)
			if err := row.slice(ctx, r.Duration/time.Duration(rounds), r.Rate); err != nil {
				return err
			}
			row.resident, row.peak = r.server.resident()
		}
	}
	return nil
}

// close lets go of everything. The server that may have started the database ends last.
func (r *run) close() error {
	if r.database != nil {
		r.database.Close()
	}
	return errors.Join(r.identified.close(), r.server.close())
}
