// Command meterd is the server of meter.v1. Its settings are flags, and environment variables of the same names; its log
// goes to stderr, and stdout tells in one line when it serves; lines before it tell of --dev and where the page is.
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
	_ "time/tzdata" // Months begin in the organizations' zones, whatever the machine knows of them.

	"github.com/spillway-metering/spillway/internal/demo"
	"github.com/spillway-metering/spillway/internal/server"
	"github.com/spillway-metering/spillway/internal/telemetry"
)

// Heap the garbage collector may let grow before it works harder: the live heap is small beside what a busy second
// allocates, so collecting at the usual doubling would cost more than the memory is worth. GOGC and GOMEMLIMIT override.
const (
	gcPercent   = 800
	memoryLimit = 192 << 20
)

func main() {
	tuneGC()
	ctx, drain := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go obey(signals, drain)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "meterd: "+oneLine(err))
		os.Exit(1)
	}
}

// obey drains at the first signal, and at the second lets the signal do what it does to any program, which is to end it at
// once. Both are taken from one channel, so that a second that follows close upon the first is not lost.
func obey(signals <-chan os.Signal, drain func()) {
	<-signals
	drain()
	second := <-signals
	signal.Reset(second)
	if number, ok := second.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), number)
	}
}

func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// run serves until the context ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	settings, told, err := parse(args, stdout, stderr)
	if err != nil || told {
		return err
	}
	logger, err := telemetry.NewLogger(stderr, settings.LogLevel, settings.LogFormat)
	if err != nil {
		return err
	}
	if settings.Dev {
		fmt.Fprintln(stdout, "dev: every caller is an operator, so only this machine is let in")
	}
	config := settings.server()
	config.Logger = logger
	config.Ready = func(ctx context.Context, at server.Addresses) error {
		if at.Page != "" {
			fmt.Fprintln(stdout, "page: "+at.Page)
		}
		fmt.Fprintln(stdout, "ready: meter.v1 on "+at.GRPC)
		if !settings.Demo {
			return nil
		}
		return demo.Show(ctx, at.GRPC, settings.Grpcurl, stdout)
	}
	return server.Run(ctx, config)
}

// oneLine is an error as one line, however many its causes wrote.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
