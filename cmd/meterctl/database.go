package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spillway-metering/spillway/internal/localpg"
)

// stopWithin bounds how long a private PostgreSQL that this program started may take to end.
const stopWithin = 30 * time.Second

// database are the flags of a command that works on the database itself.
type database struct {
	DatabaseURL string `env:"METER_DATABASE_URL" placeholder:"URL" help:"PostgreSQL to use. Unless given, the private one of --data-dir, running or not."`
	DataDir     string `env:"METER_DATA_DIR" placeholder:"DIR" help:"Where the private PostgreSQL keeps its data. Default: /var/lib/spillway for root, else $XDG_STATE_HOME/spillway or ~/.local/state/spillway."`
	PostgresBin string `env:"METER_POSTGRES_BIN" placeholder:"DIR" help:"Where the private PostgreSQL's programs are. Searched unless given."`
}

// with hands the database's URL to a piece of work. A private PostgreSQL that was not running is started for it, and
// ended after it.
func (d database) with(ctx context.Context, to terminal, work func(ctx context.Context, url string) error) (err error) {
	if d.DatabaseURL != "" {
		return work(ctx, d.DatabaseURL)
	}
	logger := slog.New(slog.NewTextHandler(to.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server, err := localpg.Attach(ctx, localpg.Options{DataDir: d.DataDir, BinDir: d.PostgresBin, Logger: logger})
	if err != nil {
		return fmt.Errorf("the private PostgreSQL: %w", err)
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		err = errors.Join(err, server.Stop(stopping))
	}()
	return work(ctx, server.URL())
}
