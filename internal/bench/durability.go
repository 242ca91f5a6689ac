package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Durability is what the database was set to, on which the worth of every figure rests.
type Durability struct {
	Fsync             string `json:"fsync"`
	SynchronousCommit string `json:"synchronous_commit"`
	FullPageWrites    string `json:"full_page_writes"`
	Version           string `json:"postgresql_version"`
}

// durabilityOf asks the database. It is asked after the run, of a connection that was part of it.
func durabilityOf(ctx context.Context, pool *pgxpool.Pool) (*Durability, error) {
	var d Durability
	err := pool.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('synchronous_commit'),
		current_setting('full_page_writes'), current_setting('server_version')`).
		Scan(&d.Fsync, &d.SynchronousCommit, &d.FullPageWrites, &d.Version)
	if err != nil {
		return nil, fmt.Errorf("asking the database for its durability: %w", err)
	}
	return &d, nil
}

// check says whether an acknowledged write is on disk. Nothing is said of a database that was not asked.
func (d *Durability) check() error {
	if d == nil || (d.Fsync == "on" && d.SynchronousCommit != "off") {
		return nil
	}
	return fmt.Errorf("the database was not durable: fsync %s, synchronous_commit %s", d.Fsync, d.SynchronousCommit)
}
