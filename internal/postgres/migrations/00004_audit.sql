-- +goose Up

CREATE TABLE audit_chain (
    organization_id text COLLATE "C" NOT NULL,
    sequence        bigint           NOT NULL DEFAULT 0,
    hash            bytea            NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000',
    CONSTRAINT audit_chain_once PRIMARY KEY (organization_id),
    CONSTRAINT audit_chain_is_never_negative CHECK (sequence >= 0),
    CONSTRAINT audit_chain_hash_is_a_sha256 CHECK (length(hash) = 32)
) WITH (fillfactor = 50);
COMMENT ON TABLE audit_chain IS 'The end of an organization''s record of privileged acts; of the service''s own under the empty id. Its row lock is the point of order of a record whose organization does not exist.';

CREATE TABLE audit_entry (
    organization_id text COLLATE "C" NOT NULL,
    sequence        bigint           NOT NULL,
    at              timestamptz      NOT NULL,
    subject         text             NOT NULL,
    issuer          text             NOT NULL,
    acting_for      text             NOT NULL,
    role            text             NOT NULL,
    method          text             NOT NULL,
    request_id      text             NOT NULL,
    member_id       text COLLATE "C" NOT NULL,
    outcome         smallint         NOT NULL,
    before_facts    text             NOT NULL,
    after_facts     text             NOT NULL,
    denied_reason   text             NOT NULL,
    denied_named    text             NOT NULL,
    denied_attempts bigint           NOT NULL,
    hash            bytea            NOT NULL,
    CONSTRAINT audit_sequence_once PRIMARY KEY (organization_id, sequence),
    CONSTRAINT audit_sequence_starts_at_one CHECK (sequence >= 1),
    CONSTRAINT audit_hash_is_a_sha256 CHECK (length(hash) = 32),
    CONSTRAINT audit_outcome_tells_its_columns CHECK (
        CASE outcome
            WHEN 1 THEN before_facts <> after_facts AND denied_reason = '' AND denied_named = '' AND denied_attempts = 0
            WHEN 2 THEN before_facts = '' AND after_facts = '' AND denied_reason <> '' AND denied_attempts >= 1
            ELSE false
        END)
);
COMMENT ON TABLE audit_entry IS 'One privileged act, done or denied: who, what, before and after. Rows are only ever added, and each holds a hash over itself and the one before.';
CREATE TRIGGER audit_entry_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
