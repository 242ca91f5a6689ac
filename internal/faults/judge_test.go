package faults

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/spillway-metering/spillway/internal/audit"
)

// judge holds the round's histories and the database to what is promised.
func (r *round) judge(ctx context.Context) (problems []string, err error) {
	dir, err := os.MkdirTemp(r.world.dir, "anomaly") // Kept with the logs.
	if err != nil {
		return nil, err
	}
	defer func() {
		if len(problems) == 0 {
			_ = os.RemoveAll(dir)
		}
	}()
	explained := make([]*explainer, len(r.firms))
	for i, f := range r.firms {
		b, err := readBooks(ctx, r.world.replicas[i%replicas], f.id)
		if err != nil {
			return nil, fmt.Errorf("reading the books: %w", err)
		}
		explained[i] = explain(f, r.termsOf(f), &r.eras, b)
		r.tally.history(explained[i])
	}
	problems = append(problems, r.problems...)
	problems = append(problems, checkAll(explained, dir)...)
	found, err := r.audit(ctx)
	return append(problems, found...), err
}

// checkAll checks the histories side by side.
func checkAll(explained []*explainer, dir string) (problems []string) {
	found := make([][]string, len(explained))
	var checking sync.WaitGroup
	for i, x := range explained {
		checking.Go(func() { found[i] = x.check(dir) })
	}
	checking.Wait()
	for _, some := range found {
		problems = append(problems, some...)
	}
	return problems
}

func (r *round) termsOf(f *firm) *terms {
	t := &terms{allowance: f.allowance, abuseTokens: f.abuseTokens, useAllowance: f.useAllowance, solo: f.solo}
	t.firstMonth = t.month(r.anchor.AddDate(0, -1, 0).UnixMicro())
	return t
}

// audit is the one that meterctl verify makes, of the whole database.
func (r *round) audit(ctx context.Context) (problems []string, err error) {
	report, err := audit.Run(ctx, r.world.database.superuser(), audit.Options{})
	if err != nil {
		return nil, fmt.Errorf("the audit could not be made: %w", err)
	}
	for _, f := range report.Findings {
		problems = append(problems, "audit: "+f.String())
	}
	r.tally.audited(report)
	// What PostgreSQL keeps of its log would fill the disk in a long run.
	return problems, r.world.database.exec(ctx, "CHECKPOINT")
}
