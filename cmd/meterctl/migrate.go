package main

import (
	"context"
	"fmt"

	"github.com/spillway-metering/spillway/internal/postgres"
)

// migrateCommand is `meterctl migrate`. meterd does the same when it starts.
type migrateCommand struct {
	database
}

// Run is called by kong.
func (m *migrateCommand) Run(ctx context.Context, to terminal) error {
	if err := m.with(ctx, to, postgres.Migrate); err != nil {
		return err
	}
	fmt.Fprintln(to.stdout, "migrated")
	return nil
}
