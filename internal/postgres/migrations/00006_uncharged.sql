-- +goose Up

ALTER TABLE organization
    ADD COLUMN uncharged_sequence bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT uncharged_sequence_counts CHECK (uncharged_sequence >= 0);

CREATE TABLE uncharged_turn (
    organization_id       text COLLATE "C" NOT NULL,
    sequence              bigint           NOT NULL,
    at                    timestamptz      NOT NULL,
    outcome               smallint         NOT NULL,
    member_id             text COLLATE "C" NOT NULL,
    reservation_id        uuid,
    attempt_id            uuid,
    request_id            text COLLATE "C",
    reason                text COLLATE "C",
    model                 text,
    conversation_id       text,
    turn_id               text,
    labels                jsonb,
    estimate_micros       bigint,
    minimum_micros        bigint,
    allowance_room_micros bigint,
    pool_available_micros bigint,
    cap_room_micros       bigint,
    access_kind           smallint,
    period_start          timestamptz,
    resets_at             timestamptz,
    window_closes_at      timestamptz,
    price_book_id         text COLLATE "C",
    price_book_version    bigint,
    CONSTRAINT uncharged_sequence_once PRIMARY KEY (organization_id, sequence),
    CONSTRAINT uncharged_sequence_starts_at_one CHECK (sequence >= 1),
    CONSTRAINT uncharged_outcome_tells_its_columns CHECK (
        CASE outcome
            WHEN 4 THEN reservation_id IS NULL
                AND num_nulls(attempt_id, request_id, reason, model, conversation_id, turn_id, allowance_room_micros,
                    pool_available_micros, access_kind, period_start, resets_at) = 0
            ELSE outcome IN (1, 2, 3) AND reservation_id IS NOT NULL
                AND num_nonnulls(attempt_id, request_id, reason, model, conversation_id, turn_id, labels, estimate_micros,
                    minimum_micros, allowance_room_micros, pool_available_micros, cap_room_micros, access_kind, period_start,
                    resets_at, window_closes_at, price_book_id, price_book_version) = 0
        END),
    CONSTRAINT refusal_reason_is_known CHECK (reason IN (
        'ORGANIZATION_SUSPENDED', 'MEMBER_REMOVED', 'ABUSE_LIMIT', 'EXTRA_USAGE_NOT_ENABLED', 'POOL_EMPTY',
        'MEMBER_CAP_REACHED', 'INDIVIDUAL_EXHAUSTED')),
    CONSTRAINT refusal_estimate_has_a_minimum CHECK (
        (estimate_micros IS NULL) = (minimum_micros IS NULL) AND minimum_micros >= 1 AND minimum_micros <= estimate_micros),
    CONSTRAINT refusal_rooms_are_never_negative CHECK (
        allowance_room_micros >= 0 AND pool_available_micros >= 0 AND cap_room_micros >= 0),
    CONSTRAINT refusal_cap_room_belongs_to_capped CHECK (
        access_kind BETWEEN 1 AND 3 AND (access_kind = 2) = (cap_room_micros IS NOT NULL)),
    CONSTRAINT refusal_window_belongs_to_abuse CHECK ((reason = 'ABUSE_LIMIT') = (window_closes_at IS NOT NULL)),
    CONSTRAINT refusal_book_has_a_version CHECK (
        (price_book_id IS NULL) = (price_book_version IS NULL) AND price_book_version >= 1)
);
COMMENT ON TABLE uncharged_turn IS 'A turn that ended, or never began, without an entry in the ledger: committed or released at no charge to allowance or pool, expired, or refused. Rows are only ever added.';
CREATE TRIGGER uncharged_turn_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON uncharged_turn
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A batch whose first COMMIT is in doubt finds here what it had refused, by the attempt.
CREATE UNIQUE INDEX refusal_is_told_once ON uncharged_turn (request_id, organization_id, attempt_id) WHERE outcome = 4;
-- One turn ends once in each way: it may expire and be settled late.
CREATE UNIQUE INDEX turn_ends_uncharged_once ON uncharged_turn (reservation_id, outcome, organization_id) WHERE outcome < 4;

-- What Reserve saw when it decided, what it took the turn to use, and what the turn's settlement left. They are NULL on
-- turns of before.
ALTER TABLE reservation
    ADD COLUMN allowance_room_micros       bigint,
    ADD COLUMN pool_available_micros       bigint,
    ADD COLUMN access_kind                 smallint,
    ADD COLUMN access_cap_micros           bigint,
    ADD COLUMN cap_used_micros             bigint,
    ADD COLUMN estimate_tokens             jsonb,
    ADD COLUMN settled_access_kind         smallint,
    ADD COLUMN settled_access_cap_micros   bigint,
    ADD COLUMN settled_cap_used_micros     bigint,
    ADD CONSTRAINT reservation_receipt_is_whole CHECK (
        num_nulls(allowance_room_micros, pool_available_micros, access_kind, access_cap_micros, cap_used_micros) IN (0, 5)
        AND num_nulls(settled_access_kind, settled_access_cap_micros, settled_cap_used_micros) IN (0, 3)
        AND (settled_access_kind IS NULL OR state <> 1)),
    ADD CONSTRAINT reservation_receipt_is_never_negative CHECK (
        allowance_room_micros >= 0 AND pool_available_micros >= 0 AND access_cap_micros >= 0 AND cap_used_micros >= 0
        AND settled_access_cap_micros >= 0 AND settled_cap_used_micros >= 0),
    ADD CONSTRAINT reservation_receipt_cap_belongs_to_capped CHECK (
        access_kind BETWEEN 1 AND 3 AND (access_kind = 2) = (access_cap_micros > 0)
        AND settled_access_kind BETWEEN 1 AND 3 AND (settled_access_kind = 2) = (settled_access_cap_micros > 0)),
    ADD CONSTRAINT reservation_estimate_tokens_have_a_policy CHECK (estimate_tokens IS NULL OR estimate_policy > 0);
-- The turns of one member, newest first. Like the other indexes, it cannot stand in for the primary key.
CREATE INDEX reservation_of_member ON reservation (member_id, organization_id, reservation_id);

-- What a turn's receipt tells of its raises.
CREATE INDEX extension_of_reservation ON extension (reservation_id, organization_id);

-- Turns that ended uncharged before there was a table for them. When one that was settled late had expired is not known
-- more closely than that it was due then.
INSERT INTO uncharged_turn (organization_id, sequence, at, outcome, member_id, reservation_id)
SELECT e.organization_id, row_number() OVER (PARTITION BY e.organization_id ORDER BY e.at, e.reservation_id, e.outcome DESC),
    e.at, e.outcome, e.member_id, e.reservation_id
FROM (
    SELECT r.organization_id, r.member_id, r.reservation_id, r.settled_at AS at,
        CASE r.state WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE 3 END AS outcome
    FROM reservation r WHERE r.state IN (2, 3, 4) AND r.allowance_micros = 0 AND r.pool_micros = 0
    UNION ALL
    SELECT r.organization_id, r.member_id, r.reservation_id, r.expires_at, 3 FROM reservation r WHERE r.late
) e;
UPDATE organization o SET uncharged_sequence = u.last
FROM (SELECT organization_id, max(sequence) AS last FROM uncharged_turn GROUP BY organization_id) u
WHERE u.organization_id = o.organization_id;
