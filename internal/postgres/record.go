package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	// beginAuditChains makes the ends of records that have none yet, so that loadAuditChains finds rows to lock. It waits for
	// another transaction that makes the same.
	beginAuditChains = `INSERT INTO audit_chain (organization_id)
		SELECT k.organization_id FROM unnest($1::text[]) AS k (organization_id)
		ON CONFLICT ON CONSTRAINT audit_chain_once DO NOTHING`
	loadAuditChains = `SELECT c.organization_id, c.sequence, c.hash FROM audit_chain c
		WHERE c.organization_id = ANY($1::text[]) ORDER BY c.organization_id FOR NO KEY UPDATE`

	updateAuditChains = `UPDATE audit_chain c SET sequence = v.sequence, hash = v.hash
		FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS v (organization_id, sequence, hash)
		WHERE c.organization_id = v.organization_id`

	insertAuditEntry = `INSERT INTO audit_entry (` + auditColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`
	auditColumns = `organization_id, sequence, at, subject, issuer, acting_for, role, method, request_id, member_id, outcome,
		before_facts, after_facts, denied_reason, denied_named, denied_attempts, hash`

	readAuditEntries = `SELECT ` + auditColumns + ` FROM audit_entry
		WHERE organization_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`
)

// queueAuditChains locks the ends of records, after the organizations: all who write to several records go in one order.
func (l *loader) queueAuditChains(organizations []string) {
	if len(organizations) == 0 {
		return
	}
	slices.Sort(organizations)
	organizations = slices.Compact(organizations)
	l.batch.Queue(beginAuditChains, organizations)
	l.batch.Queue(loadAuditChains, organizations).Query(func(rows pgx.Rows) error {
		return each(rows, func() error {
			var organization string
			var head meter.AuditHead
			if err := rows.Scan(&organization, &head.Sequence, auditHash{&head.Hash}); err != nil {
				return err
			}
			l.states[organization].AuditHead = head
			return nil
		})
	})
}

func (w *saver) auditEntries() {
	var organizations []string
	var sequences []int64
	var hashes [][]byte
	for id, s := range w.states {
		entries := s.AuditEntries()
		for _, e := range entries {
			w.batch.Queue(insertAuditEntry, auditValues(e)...)
		}
		if len(entries) > 0 {
			organizations, sequences = append(organizations, id), append(sequences, s.AuditHead.Sequence)
			hashes = append(hashes, s.AuditHead.Hash[:])
		}
	}
	if len(organizations) > 0 {
		w.batch.Queue(updateAuditChains, organizations, sequences, hashes)
	}
}

// record adds an entry to the service's own record, within a transaction beside the lanes. The time is that of the record's
// lock, so that entries are in order of time too.
func (s *Store) record(
	ctx context.Context, tx pgx.Tx, entry func(at time.Time) (e meter.AuditEntry, changed bool, err error),
) error {
	chain := []string{""}
	if _, err := tx.Exec(ctx, beginAuditChains, chain); err != nil {
		return err
	}
	var head meter.AuditHead
	if err := tx.QueryRow(ctx, loadAuditChains, chain).Scan(nil, &head.Sequence, auditHash{&head.Hash}); err != nil {
		return err
	}
	var at time.Time
	if err := tx.QueryRow(ctx, s.sql.now).Scan(instant{&at}); err != nil {
		return err
	}
	e, changed, err := entry(at)
	if err != nil || !changed {
		return err
	}
	e, head = head.Chain(e)
	if _, err := tx.Exec(ctx, insertAuditEntry, auditValues(e)...); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, updateAuditChains, chain, []int64{head.Sequence}, [][]byte{head.Hash[:]})
	return err
}

// AuditEntries lists a record in order of sequence: an organization's, or the service's own for an empty id.
func (s *Store) AuditEntries(
	ctx context.Context, organizationID string, after int64, limit int,
) ([]meter.AuditEntry, error) {
	entries, err := list(ctx, s, auditTargets, readAuditEntries, organizationID, after, limit)
	if err != nil || len(entries) > 0 || organizationID == "" {
		return entries, err
	}
	return nil, s.orNoOrganization(ctx, nil, organizationID)
}

func auditValues(e meter.AuditEntry) []any {
	a := e.Actor
	return []any{
		e.OrganizationID, e.Sequence, e.At, a.Subject, a.Issuer, a.ActingFor, a.Role, a.Method, a.RequestID, e.MemberID,
		int16(e.Outcome), e.Before, e.After, e.Reason, e.Named, e.Attempts, e.Hash[:],
	}
}

func auditTargets(e *meter.AuditEntry) []any {
	a := &e.Actor
	return []any{
		&e.OrganizationID, &e.Sequence,
		instant{&e.At},
		&a.Subject, &a.Issuer, &a.ActingFor, &a.Role, &a.Method, &a.RequestID,
		&e.MemberID, (*int16)(&e.Outcome), &e.Before, &e.After, &e.Reason, &e.Named, &e.Attempts,
		auditHash{&e.Hash},
	}
}

// auditHash reads a hash.
type auditHash struct{ to *meter.AuditHash }

// ScanBytes is how pgx hands a bytea over.
func (h auditHash) ScanBytes(v []byte) error {
	copy(h.to[:], v)
	return nil
}
