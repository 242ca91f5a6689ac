package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	resourceColumns = `r.kind, r.resource_id, r.parent_id, r.private, r.active, r.registered`

	loadResources = `SELECT r.organization_id, ` + resourceColumns + `
		FROM unnest($1::text[], $2::smallint[], $3::text[]) AS k (organization_id, kind, resource_id)
		JOIN resource r ON r.organization_id = k.organization_id AND r.kind = k.kind AND r.resource_id = k.resource_id`

	// loadDevices looks up each orchestrator by itself, which the offset sees to: joined, it would read all devices.
	loadDevices = `SELECT r.organization_id, ` + resourceColumns + `
		FROM unnest($1::text[], $2::text[]) AS k (organization_id, parent_id) CROSS JOIN LATERAL (
			SELECT * FROM resource d
			WHERE d.organization_id = k.organization_id AND d.parent_id = k.parent_id AND d.kind = 2 AND d.registered OFFSET 0) r`

	loadResourceCounts = `SELECT c.organization_id, c.kind, c.used FROM resource_count c
		WHERE c.organization_id = ANY($1::text[])`

	recountResources = `SELECT r.organization_id, r.kind, count(*) FROM resource r
		WHERE r.organization_id = ANY($1::text[]) AND r.registered AND (r.kind <> 3 OR r.private)
		GROUP BY r.organization_id, r.kind`

	upsertResources = `INSERT INTO resource (organization_id, kind, resource_id, parent_id, private, active, registered,
			changed_at)
		SELECT v.*, $1::timestamptz FROM unnest($2::text[], $3::smallint[], $4::text[], $5::text[], $6::boolean[],
			$7::boolean[], $8::boolean[]) AS v
		ON CONFLICT ON CONSTRAINT resource_id_once DO UPDATE SET parent_id = excluded.parent_id,
			private = excluded.private, active = excluded.active, registered = excluded.registered,
			changed_at = excluded.changed_at`

	upsertResourceCounts = `INSERT INTO resource_count (organization_id, kind, used)
		SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[])
		ON CONFLICT ON CONSTRAINT resource_count_once DO UPDATE SET used = excluded.used`

	readPlanUsage = `SELECT ` + planColumns + `, coalesce(sum(c.used) FILTER (WHERE c.kind = 1), 0)::bigint,
			coalesce(sum(c.used) FILTER (WHERE c.kind = 2), 0)::bigint,
			coalesce(sum(c.used) FILTER (WHERE c.kind = 3), 0)::bigint
		FROM organization o JOIN plan p ON p.plan_id = o.plan_id
			LEFT JOIN resource_count c ON c.organization_id = o.organization_id
		WHERE o.organization_id = $1 GROUP BY p.plan_id`
)

// queueQuota adds what commands about resources need.
func (l *loader) queueQuota(n meter.Needs) {
	if keys := distinct(n.Resources); len(keys) > 0 {
		l.batch.Queue(loadResources,
			column(keys, func(k meter.OwnedResource) string { return k.OrganizationID }),
			column(keys, func(k meter.OwnedResource) int16 { return int16(k.Kind) }),
			column(keys, func(k meter.OwnedResource) string { return k.ID })).Query(l.readResources)
	}
	l.queueKeys(loadDevices, n.DevicesOf, l.readResources)
	if ids := distinct(n.ResourceCounts); len(ids) > 0 {
		l.batch.Queue(loadResourceCounts, ids).Query(func(rows pgx.Rows) error {
			return l.readCounts(rows, func(s *meter.State, kind meter.ResourceKind, n int64) { s.ResourceCounts.Load(kind, n) })
		})
	}
	if ids := distinct(n.Recounts); len(ids) > 0 {
		l.batch.Queue(recountResources, ids).Query(func(rows pgx.Rows) error {
			return l.readCounts(rows, func(s *meter.State, kind meter.ResourceKind, n int64) { s.Recounted[kind] = n })
		})
	}
}

func (l *loader) readResources(rows pgx.Rows) error {
	return each(rows, func() error {
		var organization string
		var r meter.Resource
		err := rows.Scan(&organization, (*int16)(&r.Kind), &r.ID, &r.ParentID, &r.Private, &r.Active, &r.Registered)
		if err == nil {
			l.states[organization].Resources.Load(meter.ResourceKey{Kind: r.Kind, ID: r.ID}, r)
		}
		return err
	})
}

func (l *loader) readCounts(rows pgx.Rows, keep func(s *meter.State, kind meter.ResourceKind, n int64)) error {
	return each(rows, func() error {
		var organization string
		var kind meter.ResourceKind
		var n int64
		err := rows.Scan(&organization, (*int16)(&kind), &n)
		if err == nil {
			keep(l.states[organization], kind, n)
		}
		return err
	})
}

func (w *saver) resources() {
	var rows []owned[meter.Resource]
	var counts []owned[meter.PlanUsage]
	for id, s := range w.states {
		s.Resources.Each(func(_ meter.ResourceKey, _, r *meter.Resource) {
			rows = append(rows, owned[meter.Resource]{id, r})
		})
		s.ResourceCounts.Each(func(kind meter.ResourceKind, _, used *int64) {
			counts = append(counts, owned[meter.PlanUsage]{id, &meter.PlanUsage{Kind: kind, Used: *used}})
		})
	}
	w.queueResources(rows)
	w.queueResourceCounts(counts)
}

func (w *saver) queueResources(rows []owned[meter.Resource]) {
	if len(rows) == 0 {
		return
	}
	type row = owned[meter.Resource]
	w.batch.Queue(upsertResources, w.now,
		column(rows, func(r row) string { return r.organization }),
		column(rows, func(r row) int16 { return int16(r.row.Kind) }),
		column(rows, func(r row) string { return r.row.ID }),
		column(rows, func(r row) string { return r.row.ParentID }),
		column(rows, func(r row) bool { return r.row.Private }),
		column(rows, func(r row) bool { return r.row.Active }),
		column(rows, func(r row) bool { return r.row.Registered }))
}

func (w *saver) queueResourceCounts(rows []owned[meter.PlanUsage]) {
	if len(rows) == 0 {
		return
	}
	type row = owned[meter.PlanUsage]
	w.batch.Queue(upsertResourceCounts,
		column(rows, func(u row) string { return u.organization }),
		column(rows, func(u row) int16 { return int16(u.row.Kind) }),
		column(rows, func(u row) int64 { return u.row.Used }))
}

// PlanUsage answers how much is used of what an organization's plan allows, a row for each kind.
func (s *Store) PlanUsage(ctx context.Context, organizationID string) ([]meter.PlanUsage, error) {
	var p meter.Plan
	used := make([]int64, len(meter.ResourceKinds))
	targets := planTargets(&p)
	for i := range used {
		targets = append(targets, &used[i])
	}
	if err := s.readers.QueryRow(ctx, readPlanUsage, organizationID).Scan(targets...); err != nil {
		return nil, orMissing(err, meter.OrganizationNotFound, "organization_id", organizationID)
	}
	counts := map[meter.ResourceKind]int64{}
	for i, kind := range meter.ResourceKinds {
		counts[kind] = used[i]
	}
	return meter.PlanUsageOf(p, counts), nil
}
