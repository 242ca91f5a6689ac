package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/spillway-metering/spillway/internal/meter"
)

// transient are the SQLSTATE classes and codes after which the same work may be done again: serialization failure and
// deadlock, a lock or statement that took too long, a server that is going down or coming up, no connection to be had,
// and a unique key that another replica took first, which the next try will see.
var transient = []string{"40001", "40P01", lockNotAvailable, "57014", "57P", "53", "08", "23505", "25006", "25P03"}

const lockNotAvailable = "55P03"

// fault is an error as the rest of the program sees it: a refusal as it is, *meter.Refusal with the reason Unavailable where
// doing the same again may help, the context's own error where the caller went away, or else a fault of the program, of the database's
// with its SQLSTATE and constraint named. A connection that was refused did nothing, so that is always Unavailable.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var (
		unread  *unreadable
		connect *pgconn.ConnectError
		pg      *pgconn.PgError
		refusal *meter.Refusal
	)
	switch {
	case errors.As(err, &unread), errors.As(err, &refusal), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &pg) && !errors.As(err, &connect) && !isTransient(pg.Code):
		return fmt.Errorf("database refused: SQLSTATE %s, constraint %q: %w", pg.Code, pg.ConstraintName, err)
	case pg != nil && pg.Code == lockNotAvailable:
		return &meter.Refusal{Reason: meter.Unavailable, Cause: fmt.Errorf("%w: %w", meter.ErrLocked, err)}
	default:
		return &meter.Refusal{Reason: meter.Unavailable, Cause: err}
	}
}

func isTransient(code string) bool {
	for _, prefix := range transient {
		if strings.HasPrefix(code, prefix) {
			return true
		}
	}
	return false
}

// unreadable is a row that this program cannot read: that is no fault of the connection, and reading it again will not
// help.
type unreadable struct{ error }

// Unwrap is why.
func (u *unreadable) Unwrap() error { return u.error }

// unreachable says in one line that there is no database: pgx lists its attempts in lines of their own.
func unreachable(err error) error {
	return fmt.Errorf("the database cannot be reached: %w", oneLine{err})
}

type oneLine struct{ error }

func (e oneLine) Error() string {
	lines := strings.Split(e.error.Error(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(distinct(lines), " ")
}

// Unwrap is the error in its own lines.
func (e oneLine) Unwrap() error { return e.error }

// missing refuses what a read did not find.
func missing(reason meter.Reason, name, id string) error {
	return &meter.Refusal{Reason: reason, Facts: map[string]string{name: id}}
}
