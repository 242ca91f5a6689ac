package audit

const (
	findWrongPlanUsage = `
		SELECT 'plan_usage_is_what_is_registered' AS promise, coalesce(c.organization_id, r.organization_id) AS organization,
			coalesce(r.n, 0) || ' resources of kind ' || coalesce(c.kind, r.kind) AS expected, coalesce(c.used, 0)::text AS found
		FROM resource_count c
		FULL JOIN (
			SELECT organization_id, kind, count(*) AS n FROM resource
			WHERE registered AND (kind <> 3 OR private) GROUP BY organization_id, kind
		) r ON r.organization_id = c.organization_id AND r.kind = c.kind
		WHERE coalesce(c.used, 0) <> coalesce(r.n, 0)
			AND ($1::text IS NULL OR coalesce(c.organization_id, r.organization_id) = $1)`

	findStrayDevices = `
		SELECT 'device_has_its_orchestrator' AS promise, d.organization_id AS organization,
			'orchestrator ' || d.parent_id || ' of device ' || d.resource_id AS expected, 'none that is registered' AS found
		FROM resource d
		WHERE d.kind = 2 AND d.registered AND ($1::text IS NULL OR d.organization_id = $1) AND NOT EXISTS (
			SELECT 1 FROM resource o WHERE o.organization_id = d.organization_id AND o.kind = 1
				AND o.resource_id = d.parent_id AND o.registered)`
)
