package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// lockPlan lets one caller at a time put a plan, also one that does not exist yet.
	lockPlan = `SELECT pg_advisory_xact_lock(hashtextextended('plan ' || $1, 0))`
	putPlan  = `INSERT INTO plan (plan_id, kind, seat_allowance_micros, limit_orchestrators, limit_devices,
			limit_private_projects, abuse_tokens, abuse_window, failed_turn_policy)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT ON CONSTRAINT plan_id_once DO UPDATE SET kind = excluded.kind,
			seat_allowance_micros = excluded.seat_allowance_micros, limit_orchestrators = excluded.limit_orchestrators,
			limit_devices = excluded.limit_devices, limit_private_projects = excluded.limit_private_projects,
			abuse_tokens = excluded.abuse_tokens, abuse_window = excluded.abuse_window,
			failed_turn_policy = excluded.failed_turn_policy`

	// readDueOrganizations finds those in which it is time to look for lapsed holds. It reads the whole table, which is cached:
	// 55 ms of one core for 100,000 organizations (10,000 pages), measured on PostgreSQL 15, in each process at each sweep. So it
	// is right up to about that many with a sweep every second; beyond, sweep less often (--sweep-interval): a batch gives back
	// what lapsed in its organizations by itself, so only idle ones wait for a sweep. An index would cost the turns more than it
	// saves: nearly every batch moves next_due_at, and a column that is in an index, or in its predicate, ends the update in place.
	readDueOrganizations = `SELECT organization_id FROM organization WHERE next_due_at <= $1
		ORDER BY organization_id LIMIT $2`

	addToClock = `INSERT INTO test_clock (shift) VALUES ($1)
		ON CONFLICT ON CONSTRAINT test_clock_once DO UPDATE SET shift = test_clock.shift + excluded.shift`
	setClock = `INSERT INTO test_clock (shift) VALUES ($1::timestamptz - clock_timestamp())
		ON CONFLICT ON CONSTRAINT test_clock_once DO UPDATE SET shift = $1::timestamptz - clock_timestamp()`
)

// dueOrganizationsLimit bounds how many organizations one look finds; the next look finds the others.
const dueOrganizationsLimit = 1000

// PutPlan creates or replaces a plan, and records who did. It is a write beside the lanes: a plan belongs to no
// organization. The lock is held when it looks at what the plan was.
func (s *Store) PutPlan(ctx context.Context, p meter.Plan, by meter.Actor) error {
	return s.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockPlan, p.ID); err != nil {
			return err
		}
		before, err := planBefore(tx.QueryRow(ctx, readPlan, p.ID))
		if err != nil {
			return err
		}
		if err := p.Replace(before); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, putPlan, p.ID, int16(p.Kind), int64(p.SeatAllowance), p.Limits.Orchestrators, p.Limits.Devices,
			p.Limits.PrivateProjects, p.Abuse.Tokens, p.Abuse.Window, int16(p.FailedTurns))
		if err != nil {
			return err
		}
		return s.record(ctx, tx, func(at time.Time) (meter.AuditEntry, bool, error) {
			return meter.PlanRecord(by, at, before, p)
		})
	})
}

// planBefore is a plan as it was; nil: there was none.
func planBefore(row pgx.Row) (*meter.Plan, error) {
	var p meter.Plan
	switch err := row.Scan(planTargets(&p)...); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &p, nil
}

// DueOrganizations are organizations that may have holds that fell due.
func (s *Store) DueOrganizations(ctx context.Context) ([]string, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	return list(ctx, s, func(id *string) []any { return []any{id} }, readDueOrganizations, now, dueOrganizationsLimit)
}

// Now is the time that the rules see.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := s.readers.QueryRow(ctx, s.sql.now).Scan(instant{&now})
	return now, fault(err)
}

// errNoTestClock is a fault of the program: the test clock's service is not served without --dev.
var errNoTestClock = errors.New("the store was opened without the test clock")

// ShiftClock moves the test clock by a span and answers the time it then shows.
func (s *Store) ShiftClock(ctx context.Context, by time.Duration) (time.Time, error) {
	return s.moveClock(ctx, addToClock, by)
}

// SetClock moves the test clock to a time, and answers the time it then shows.
func (s *Store) SetClock(ctx context.Context, to time.Time) (time.Time, error) {
	return s.moveClock(ctx, setClock, to)
}

func (s *Store) moveClock(ctx context.Context, sql string, arg any) (time.Time, error) {
	if !s.config.TestClock {
		return time.Time{}, errNoTestClock
	}
	err := s.inTransaction(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, arg)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	return s.Now(ctx)
}

// inTransaction is for writes beside the lanes: it lends a reader's connection to a transaction that may write.
func (s *Store) inTransaction(ctx context.Context, do func(tx pgx.Tx) error) error {
	return fault(pgx.BeginTxFunc(ctx, s.readers, pgx.TxOptions{AccessMode: pgx.ReadWrite}, do))
}
