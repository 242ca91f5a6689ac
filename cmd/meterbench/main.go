// Command meterbench measures how many turns a second a server of meter.v1 settles, beside what it could at most, and what
// it does with more than it can carry.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/spillway-metering/spillway/internal/bench"
	"github.com/spillway-metering/spillway/internal/dial"
)

// garbagePercent lets the heap grow between collections: the load shares the machine with what it measures.
const garbagePercent = 800

func main() {
	debug.SetGCPercent(garbagePercent)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// The first signal ends a run in order; a second one does what it does to any program.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "meterbench: "+oneLine(err))
		os.Exit(1)
	}
}

// flags are those of meterbench.
type flags struct {
	Address string `placeholder:"HOST:PORT" help:"Server to measure. Unless given, meterbench starts a meterd with a private PostgreSQL, and ends it."`
	dial.Security
	Meterd      string `placeholder:"PROGRAM" help:"The meterd to start. Unless given, the one beside meterbench."`
	DatabaseURL string `placeholder:"URL" help:"Database of the server at --address, for the naive way; or the one that the meterd to start is to use."`

	Callers       []int   `default:"256" help:"How many callers there are at once: one number, or several with commas, for a row each (${default})."`
	Organizations []int   `default:"1" help:"How many organizations share the load, 1 being one hot pool: one number, or several with commas (${default})."`
	Seats         int     `default:"0" help:"How many seats there are in all, shared evenly by the organizations, each of which has at least one; 0: 64."`
	Connections   int     `default:"4" help:"How many connections the callers share (${default})."`
	Rate          float64 `default:"0" help:"Begin so many turns a second, and count latency from when each should have begun; 0: each caller begins a turn when its last one is over."`

	Duration time.Duration `default:"10s" help:"How long turns are measured for a row; each ceiling takes as long again (${default})."`
	Warmup   time.Duration `default:"1s" help:"How long each of them runs for a row before it is measured (${default})."`
	Ceilings bool          `default:"true" negatable:"" help:"Measure empty calls and the naive way, too (${default})."`

	Tokens   bool `help:"Measure turns that the service prices by their tokens, beside those that tell the same tokens and amounts."`
	Identity bool `help:"Measure turns with TLS and a token on every call, too: of a second meterd on the same database. Not with --address."`

	Overload bool  `xor:"load" help:"Measure instead what the server does with 2 and 5 times the turns that it can carry, and how soon it is itself again. Each row lasts for --duration. Not with --address."`
	Noisy    bool  `xor:"load" help:"Measure instead what one organization that asks for 20 times its share does to the others. Not with --address."`
	Quiet    int   `default:"20" help:"How many others there are, with --noisy (${default})."`
	Reports  int64 `xor:"load" placeholder:"TURNS" help:"Measure instead how long reports, lists and estimates take about so many turns of 90 days and 10,000 seats, which are made first, and what they cost the turns beside them. Not with --address."`
	Lanes    []int `help:"Lanes of the meterd that --overload, --noisy and --reports start: one number, or for the first two several with commas, for a run each. Unless given, --noisy takes 1 and 2, and --overload what meterd likes."`

	JSON bool `name:"json" help:"Print one JSON object instead of the table."`
}

func (f flags) options(progress func(string)) bench.Options {
	return bench.Options{
		Address: f.Address, Meterd: f.Meterd, DatabaseURL: f.DatabaseURL,
		Callers: f.Callers, Organizations: f.Organizations, Seats: f.Seats, Connections: f.Connections, Rate: f.Rate,
		Duration: f.Duration, Warmup: f.Warmup, Ceilings: f.Ceilings, Tokens: f.Tokens, Identity: f.Identity,
		Lanes: f.Lanes, Quiet: f.Quiet, Reports: f.Reports,
		Progress: progress,
	}
}

// run measures, writes the figures to stdout and what it is doing to stderr. It fails also if the figures are worth
// nothing; then they have been written all the same.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags, told, err := parse(args, stdout, stderr)
	if err != nil || told {
		return err
	}
	options := flags.options(func(doing string) { fmt.Fprintln(stderr, "meterbench: "+doing) })
	if flags.Address != "" { // A meterd of our own is started with what it needs.
		if options.DialOptions, err = flags.Security.Options(flags.Address); err != nil {
			return err
		}
	}
	report, err := flags.measure(ctx, options)
	if report != nil {
		err = errors.Join(err, write(report, flags.JSON, stdout))
	}
	if ctx.Err() != nil {
		return errors.New("told to stop before the run was over")
	}
	return err
}

// report is what one of the ways to measure answers.
type report interface{ WriteTable(w io.Writer) }

// measure measures what the flags ask for. The report is nil if there is none.
func (f flags) measure(ctx context.Context, options bench.Options) (report, error) {
	switch {
	case f.Overload:
		return orNone(bench.RunOverload(ctx, options))
	case f.Noisy:
		if len(options.Lanes) == 0 {
			options.Lanes = []int{1, 2} // Fairness in a lane, and between lanes.
		}
		return orNone(bench.RunNoisy(ctx, options))
	case f.Reports != 0:
		return orNone(bench.RunReports(ctx, options))
	default:
		return orNone(bench.Run(ctx, options))
	}
}

// orNone is a report that may be missing, as one that can be asked whether it is.
func orNone[R any, P interface {
	*R
	report
}](p P, err error) (report, error) {
	if p == nil {
		return nil, err
	}
	return p, err
}

// parse reads the flags. told is true if the arguments only asked for help, which has been printed.
func parse(args []string, stdout, stderr io.Writer) (f flags, told bool, err error) {
	parser, err := kong.New(&f,
		kong.Name("meterbench"),
		kong.Description("Measures turns a second of a meter.v1 server, beside its ceilings: empty calls, and the naive way."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { told = true }),
	)
	if err != nil {
		return f, false, fmt.Errorf("flags: %w", err)
	}
	_, err = parser.Parse(args)
	if told {
		return f, true, nil
	}
	return f, false, err
}

func write(report report, asJSON bool, stdout io.Writer) error {
	if !asJSON {
		report.WriteTable(stdout)
		return nil
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// oneLine is an error as one line, however many its causes wrote.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
