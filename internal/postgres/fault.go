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
var transient = []string{"40001", "40P01", "55P03", "57014", "57P", "53", "08", "23505", "25006", "25P03"}

// fault is an error as the rest of the program sees it: *meter.Refusal with the reason Unavailable where doing the same
// again may help, the context's own error where the caller went away, or else a fault of the program with its SQLSTATE
// and constraint named.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && !isTransient(pg.Code):
		return fmt.Errorf("database refused: SQLSTATE %s, constraint %q: %w", pg.Code, pg.ConstraintName, err)
	case errors.Is(err, context.Canceled):
		return err
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

// missing refuses what a read did not find.
func missing(reason meter.Reason, name, id string) error {
	return &meter.Refusal{Reason: reason, Facts: map[string]string{name: id}}
}
