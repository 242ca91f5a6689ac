package bench

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
)

// Bounds of the options.
const (
	mostCallers       = 1 << 16
	mostOrganizations = 100_000
	mostSeats         = 100_000
	defaultSeats      = 64
	mostConnections   = 256
	mostLanes         = 64
	highestRate       = 1e6
	mostReported      = 100_000_000
)

// Options say what to measure and how.
type Options struct {
	// Address is the server's host and port. Empty: a meterd is started, and stopped at the end.
	Address string
	// DialOptions are how to connect to Address. None: without TLS.
	DialOptions []grpc.DialOption
	// Meterd is the program to start. Empty: the one beside this program.
	Meterd string
	// DatabaseURL is the server's database, for the naive way. A meterd that is started uses it, too; empty: that one has
	// a private PostgreSQL, and for a server that runs already the naive way is left out.
	DatabaseURL string

	// Callers are how many there are at once; each number makes a row for each number of Organizations.
	Callers []int
	// Organizations are how many share the load: 1 is one hot pool.
	Organizations []int
	// Seats is how many there are in all, shared evenly by the organizations, each of which has at least one. 0: 64.
	Seats int
	// Connections is how many connections the callers share.
	Connections int

	// Duration is how long turns are measured for a row; each ceiling takes as long again.
	Duration time.Duration
	// Warmup is how long each of them runs for a row before it is measured.
	Warmup time.Duration
	// Rate is how many turns begin each second, whether the server keeps up or not. 0: each caller begins a turn when its
	// last one is over.
	Rate float64
	// Ceilings is whether to measure them.
	Ceilings bool
	// Tokens is whether to measure turns that the service prices by their tokens, too, beside those that tell the same
	// tokens and amounts.
	Tokens bool
	// Identity is whether to measure turns of callers that are known by tokens, under TLS, too. For them a second meterd is
	// started on the same database, so it does not go with an Address. Slices are shorter then, and ceilings whose turns
	// are longer than a slice take longer than Duration.
	Identity bool

	// Lanes are those of the meterd that is started, for RunOverload and RunNoisy, where each number is a run of its own, and for
	// RunReports, which takes the first. None: as many as meterd has unless told.
	Lanes []int
	// Quiet is how many organizations there are beside the noisy one of RunNoisy. 0: 20.
	Quiet int

	// Reports is about how many turns RunReports makes and asks about.
	Reports int64

	// Progress is told in words what is being done; nil: nobody is.
	Progress func(string)
}

// Validate says in one line what is wrong with the options, if anything.
func (o Options) Validate() error {
	if o.Identity && o.Address != "" {
		return errors.New("--identity starts what it compares by itself, and cannot measure the server at --address: " +
			"leave one of them out")
	}
	if len(o.Callers) == 0 || len(o.Organizations) == 0 {
		return errors.New("there must be a number of callers and a number of organizations")
	}
	for _, n := range o.Callers {
		if err := within("callers", n, 1, mostCallers); err != nil {
			return err
		}
	}
	for _, n := range o.Organizations {
		if err := within("organizations", n, 1, mostOrganizations); err != nil {
			return err
		}
	}
	for _, n := range o.Lanes {
		if err := within("lanes", n, 1, mostLanes); err != nil {
			return err
		}
	}
	if err := within("quiet organizations", o.Quiet, 0, mostOrganizations); err != nil {
		return err
	}
	if o.Reports < 0 || o.Reports > mostReported {
		return fmt.Errorf("turns to report must be 1 to %d, not %d", int64(mostReported), o.Reports)
	}
	if err := within("seats", o.Seats, 0, mostSeats); err != nil {
		return err
	}
	if err := within("connections", o.Connections, 1, mostConnections); err != nil {
		return err
	}
	return o.validateTimes()
}

func (o Options) validateTimes() error {
	switch {
	case o.Duration < 100*time.Millisecond || o.Duration > 24*time.Hour:
		return fmt.Errorf("duration must be 100ms to 24h, not %s", o.Duration)
	case o.Warmup < 0 || o.Warmup > time.Hour:
		return fmt.Errorf("warmup must be 0s to 1h, not %s", o.Warmup)
	case !(o.Rate >= 0 && o.Rate <= highestRate):
		return fmt.Errorf("rate must be 0 to %.0f turns a second, not %v", highestRate, o.Rate)
	}
	return nil
}

func within(name string, n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%s must be %d to %d, not %d", name, least, most, n)
	}
	return nil
}

// seatsOf is how many seats each of so many organizations has.
func (o Options) seatsOf(organizations int) int {
	seats := o.Seats
	if seats == 0 {
		seats = defaultSeats
	}
	return max(1, seats/organizations)
}

func (o Options) say(format string, values ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, values...))
	}
}
