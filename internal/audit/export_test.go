package audit

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// RunIn audits what a transaction sees, so that a test can plant a bug, audit, and roll back.
func RunIn(ctx context.Context, tx pgx.Tx) (Report, error) {
	a := newAudit(Options{})
	err := a.run(ctx, tx)
	return a.report, err
}

// Constraints are those that the audit looks for, by table.
func Constraints() map[string][]string { return constraints }
