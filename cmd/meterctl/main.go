// Command meterctl is the operator's tool: over the same gRPC API as everybody else, and, where a command needs it, over
// the database. Each command is a file of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// The first signal lets a command end in order; a second one does what it does to any program.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "meterctl: "+oneLine(err))
		os.Exit(1)
	}
}

// commands are the subcommands and the flags of all of them.
type commands struct {
	Explain explainCommand `cmd:"" help:"Tell one turn's whole story, or why it was refused and what heals it."`
	Export  exportCommand  `cmd:"" help:"Write usage, statement or members as comma-separated values."`
	Replay  replayCommand  `cmd:"" help:"Replay the turns of a recorded trace against a running server."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to this program's."`
	Prices  pricesCommand  `cmd:"" help:"Import and show price books."`
	Token   tokenCommand   `cmd:"" help:"Make keys and tokens, for development and tests."`
	Verify  verifyCommand  `cmd:"" help:"Recompute every promise from the ledger and the reservations, and name what differs."`

	Version kong.VersionFlag `help:"Print the version and end."`
}

// terminal is where a command writes: its result to stdout, what it is doing to stderr.
type terminal struct {
	stdout, stderr io.Writer
}

// run runs one command.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	told := false
	parser, err := kong.New(&commands{},
		kong.Name("meterctl"),
		kong.Description("Operates Spillway: explains turns, exports tables, imports prices, replays traces, migrates and checks the database."),
		kong.Vars{"version": version()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { told = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(terminal{stdout, stderr}),
	)
	if err != nil {
		return fmt.Errorf("commands: %w", err)
	}
	command, err := parser.Parse(args)
	if told {
		return nil
	}
	if err != nil {
		return err
	}
	return command.Run()
}

// oneLine is an error as one line, however many its causes wrote.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// version is that of the build: the module's, and the commit it was made from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "meterctl, version unknown"
	}
	v := "meterctl " + info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v += " " + setting.Value
		}
	}
	return v
}
