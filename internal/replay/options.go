package replay

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// AmplePool tops each organization up with what all its turns could hold at once, so that no turn is refused for money.
const AmplePool Amount = -1

// Options say what to replay, against whom, and how. Start from Defaults.
type Options struct {
	Trace   string // File with the turns, in the normal form of package trace.
	Clients string // File with the shares of real clients to draw organizations by. Empty: Zipf's law.

	Address     string            // Host and port of the server.
	Connections int               // How many connections to spread the calls over.
	DialOptions []grpc.DialOption // How to connect. None: without TLS.

	Speed   float64 // How many times faster than recorded; 0: as fast as the server answers.
	Callers int     // At speed 0: how many turns may run at once. Otherwise arrivals alone decide.
	Limit   int     // Replay only so many turns, the first to arrive. 0: all of them.

	Book          string        // Price book of the server that prices the turns by their tokens. Empty: amounts are told.
	BookOptional  bool          // Whether amounts are told where the server has no such book.
	Model         string        // Model of the turns of which the trace names none.
	Learned       bool          // Whether estimates by tokens expect what is learned, rather than the maximum.
	Prices        Prices        // By which amounts are told.
	OutputMaximum int64         // Output tokens that a turn is expected to stay under: the estimate is priced by it.
	TimeToLive    time.Duration // Of each reservation. 0: the server's default.
	FailureRate   float64       // Part of the turns to fail where the trace does not say; 0 to 1.

	SkipSetup       bool   // Whether plan, organizations, members, access and pools are there already.
	Prefix          string // Begins the id of the plan and of every organization, so that a replay can have its own.
	OneOrganization bool   // Whether every turn goes to one hot organization.
	Allowance       Amount // Of each seat per period.
	Pool            Amount // Top-up of each organization; 0: none. Or AmplePool.
	Access          Access // Of each seat to the pool.

	RetryFor    time.Duration // How long one call is sent again while the server does not answer.
	CallTimeout time.Duration // How long one attempt may take.

	Notice   func(line string) // Told what else to know of how the turns are priced, once. nil: nobody is.
	Progress func(Progress)    // Called now and then, and at the end of each phase, by one goroutine at a time.
}

// Progress is how far a replay has come.
type Progress struct {
	Phase string // "setup" or "replay".
	Done  int64
	Total int64
}

// Defaults are the options of a replay at full speed into an ample pool, at the list price of a large model.
func Defaults() Options {
	return Options{
		Address: "127.0.0.1:7400", Connections: 4, Callers: 64,
		Prices: Prices{Input: 2_500_000, Output: 10_000_000}, OutputMaximum: 4096,
		Prefix: "replay-", Allowance: 5_000_000, Pool: AmplePool, Access: Access{Kind: meterv1.AccessKind_ACCESS_KIND_UNLIMITED},
		RetryFor: time.Minute, CallTimeout: 10 * time.Second,
	}
}

// identifier is the contract's pattern of an id.
var identifier = regexp.MustCompile(`^[A-Za-z0-9._:@-]{1,128}$`)

func (o Options) validate() error {
	switch {
	case o.Speed < 0:
		return fmt.Errorf("speed %v is negative", o.Speed)
	case o.Callers < 1 || o.Connections < 1:
		return errors.New("there must be at least one caller and one connection")
	case o.Limit < 0 || o.OutputMaximum < 0:
		return errors.New("limit and output maximum must not be negative")
	case !(o.FailureRate >= 0 && o.FailureRate <= 1):
		return fmt.Errorf("failure rate %v is not from 0 to 1", o.FailureRate)
	case o.Prefix != "" && !identifier.MatchString(o.Prefix):
		return fmt.Errorf("prefix %q: an id has only A-Z a-z 0-9 . _ : @ -", o.Prefix)
	case o.RetryFor < 0 || o.CallTimeout <= 0:
		return errors.New("a call needs a time limit, and retrying must not be negative")
	}
	return nil
}

// Access is the right to draw on the pool that each seat gets.
type Access struct {
	Kind      meterv1.AccessKind
	CapMicros int64 // Under CAPPED.
}

// UnmarshalText reads "none", "unlimited", or "capped:" and the cap in micros.
func (a *Access) UnmarshalText(text []byte) error {
	kind, bound, capped := strings.Cut(string(text), ":")
	switch {
	case kind == "none" && !capped:
		a.Kind = meterv1.AccessKind_ACCESS_KIND_NONE
	case kind == "unlimited" && !capped:
		a.Kind = meterv1.AccessKind_ACCESS_KIND_UNLIMITED
	case kind == "capped":
		a.Kind = meterv1.AccessKind_ACCESS_KIND_CAPPED
		n, err := strconv.ParseInt(bound, 10, 64)
		if err != nil || n < 1 || n > maxAmountMicros {
			return fmt.Errorf("%q: the cap must be 1 to %d micros", text, int64(maxAmountMicros))
		}
		a.CapMicros = n
	default:
		return fmt.Errorf("%q is none of none, capped:MICROS, unlimited", text)
	}
	return nil
}
