package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DefaultMaxFindings is how many findings a report keeps unless it is told otherwise.
const DefaultMaxFindings = 100

// undefinedTable is the SQLSTATE of a table that is not there.
const undefinedTable = "42P01"

// settings are those of the audit's transaction: its statements may sort and join whole tables for as long as it takes,
// with a bounded memory beyond which they use temporary files, and print moments in UTC.
const settings = `SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
	SET LOCAL lock_timeout = '10s'; SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL timezone = 'UTC';
	SET LOCAL datestyle = 'ISO'`

// Options says what to audit.
type Options struct {
	// Organization limits the audit to one organization; empty: all of them.
	Organization string
	// MaxFindings bounds how many findings the report keeps; the others are counted. 0: DefaultMaxFindings.
	MaxFindings int
}

// Run audits a database, by a connection string as pgx reads it. An error means that the audit could not be made;
// what it found to be wrong is in the report.
func Run(ctx context.Context, url string, options Options) (Report, error) {
	began := time.Now()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return Report{}, fmt.Errorf("the database URL cannot be read: %w", err)
	}
	config.RuntimeParams["application_name"] = "spillway audit"
	// No statement runs twice, so none is worth preparing.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return Report{}, fmt.Errorf("the database cannot be reached: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	a := newAudit(options)
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	if err := pgx.BeginTxFunc(ctx, conn, snapshot, func(tx pgx.Tx) error { return a.run(ctx, tx) }); err != nil {
		return Report{}, explain(err)
	}
	a.report.Seconds = time.Since(began).Seconds()
	return a.report, nil
}

// explain says of a database that is none of ours that it is not.
func explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == undefinedTable {
		return fmt.Errorf("the database lacks a table of the service; was it migrated? %w", err)
	}
	return err
}

// audit is one audit under way.
type audit struct {
	tx           pgx.Tx
	organization *string // nil: all of them.
	max          int
	report       Report
}

func newAudit(options Options) *audit {
	a := &audit{max: options.MaxFindings, report: Report{Broken: map[string]int64{}, Findings: []Finding{}}}
	if a.max == 0 {
		a.max = DefaultMaxFindings
	}
	if options.Organization != "" {
		a.organization = &options.Organization
	}
	return a
}

// run makes every check. The snapshot is taken by the first statement that reads a table.
func (a *audit) run(ctx context.Context, tx pgx.Tx) error {
	a.tx = tx
	if _, err := tx.Exec(ctx, settings); err != nil {
		return fmt.Errorf("preparing the audit: %w", err)
	}
	if err := a.count(ctx); err != nil {
		return err
	}
	for _, c := range checks {
		if c.forward && a.report.TestClock {
			continue
		}
		if err := a.find(ctx, c.sql, a.organization); err != nil {
			return fmt.Errorf("checking %s: %w", c.of, err)
		}
	}
	return errors.Join(a.checkSchema(ctx), a.checkAccess(ctx), a.checkPeriods(ctx), a.checkPrices(ctx),
		a.checkRecords(ctx))
}

// count counts what there is, and sees whether the test clock has been used.
func (a *audit) count(ctx context.Context) error {
	r := &a.report
	err := a.tx.QueryRow(ctx, countRows, a.organization).Scan(&r.Organizations, &r.Members, &r.Reservations.Held,
		&r.Reservations.Committed, &r.Reservations.Released, &r.Reservations.Expired, &r.LedgerEntries, &r.Sums, &r.TestClock)
	if err != nil {
		return fmt.Errorf("counting what there is: %w", err)
	}
	if a.organization != nil && r.Organizations == 0 {
		return fmt.Errorf("there is no organization %q", *a.organization)
	}
	return nil
}

// find keeps what a statement finds. Each of its columns is a field of Finding.
func (a *audit) find(ctx context.Context, sql string, args ...any) error {
	rows, err := a.tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		found, err := pgx.RowToStructByNameLax[Finding](rows)
		if err != nil {
			return err
		}
		a.add(found)
	}
	return rows.Err()
}

// add keeps a finding, or only counts it once there are enough of them.
func (a *audit) add(f Finding) {
	a.report.Total++
	a.report.Broken[f.Promise]++
	if len(a.report.Findings) < a.max {
		a.report.Findings = append(a.report.Findings, f)
	}
}
