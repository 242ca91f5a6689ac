-- +goose Up

CREATE TABLE resource (
    organization_id text COLLATE "C" NOT NULL,
    kind            smallint         NOT NULL,
    resource_id     text COLLATE "C" NOT NULL,
    parent_id       text COLLATE "C" NOT NULL,
    private         boolean          NOT NULL,
    active          boolean          NOT NULL,
    registered      boolean          NOT NULL,
    changed_at      timestamptz      NOT NULL,
    CONSTRAINT resource_id_once PRIMARY KEY (organization_id, kind, resource_id),
    CONSTRAINT resource_organization_exists FOREIGN KEY (organization_id) REFERENCES organization (organization_id),
    CONSTRAINT resource_kind_is_known CHECK (kind BETWEEN 1 AND 3),
    CONSTRAINT resource_of_a_parent_is_a_device CHECK ((kind = 2) = (parent_id <> '')),
    CONSTRAINT resource_that_is_private_is_a_project CHECK (kind = 3 OR NOT private)
);
COMMENT ON TABLE resource IS 'A thing that a plan limits, also after it was taken off: an orchestrator, a device of one, a project.';
CREATE INDEX device_of_orchestrator ON resource (organization_id, parent_id) WHERE kind = 2;

CREATE TABLE resource_count (
    organization_id text COLLATE "C" NOT NULL,
    kind            smallint         NOT NULL,
    used            bigint           NOT NULL,
    CONSTRAINT resource_count_once PRIMARY KEY (organization_id, kind),
    CONSTRAINT resource_count_organization_exists FOREIGN KEY (organization_id) REFERENCES organization (organization_id),
    CONSTRAINT resource_count_kind_is_known CHECK (kind BETWEEN 1 AND 3),
    CONSTRAINT resource_count_is_never_negative CHECK (used >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE resource_count IS 'How many registered resources of a kind count against the plan, kept under the organization''s lock.';
