-- +goose Up

CREATE TABLE plan (
    plan_id                text COLLATE "C" NOT NULL,
    kind                   smallint         NOT NULL,
    seat_allowance_micros  bigint           NOT NULL,
    limit_orchestrators    bigint,
    limit_devices          bigint,
    limit_private_projects bigint,
    abuse_tokens           bigint           NOT NULL,
    abuse_window           interval         NOT NULL,
    failed_turn_policy     smallint         NOT NULL,
    CONSTRAINT plan_id_once PRIMARY KEY (plan_id),
    CONSTRAINT plan_kind_is_known CHECK (kind BETWEEN 1 AND 4),
    CONSTRAINT plan_allowance_is_an_amount CHECK (seat_allowance_micros BETWEEN 0 AND 1000000000000000),
    CONSTRAINT plan_limits_are_counts CHECK (limit_orchestrators >= 0 AND limit_devices >= 0 AND limit_private_projects >= 0),
    CONSTRAINT plan_abuse_limit_has_a_window CHECK (
        (abuse_tokens = 0 AND abuse_window = interval '0') OR (abuse_tokens > 0 AND abuse_window > interval '0')),
    CONSTRAINT plan_failed_turn_policy_is_known CHECK (failed_turn_policy BETWEEN 1 AND 2)
);
COMMENT ON TABLE plan IS 'A tier that organizations are on. It is the one table that belongs to no organization.';

CREATE TABLE organization (
    organization_id         text COLLATE "C" NOT NULL,
    display_name            text             NOT NULL,
    plan_id                 text COLLATE "C" NOT NULL,
    unit                    smallint         NOT NULL,
    anniversary             date             NOT NULL,
    time_zone               text             NOT NULL,
    anchor_from             timestamptz,
    prior_anniversary       date,
    prior_time_zone         text,
    prior_from              timestamptz,
    state                   smallint         NOT NULL,
    pool_visible_to_members boolean          NOT NULL,
    price_book_id           text             NOT NULL,
    pool_balance_micros     bigint           NOT NULL,
    pool_held_micros        bigint           NOT NULL,
    pool_purchased_micros   bigint           NOT NULL,
    pool_refunded_micros    bigint           NOT NULL,
    pool_consumed_micros    bigint           NOT NULL,
    ledger_sequence         bigint           NOT NULL,
    swept_until             timestamptz      NOT NULL,
    CONSTRAINT organization_id_once PRIMARY KEY (organization_id),
    CONSTRAINT organization_plan_exists FOREIGN KEY (plan_id) REFERENCES plan (plan_id),
    CONSTRAINT organization_unit_is_known CHECK (unit BETWEEN 1 AND 2),
    CONSTRAINT organization_state_is_known CHECK (state BETWEEN 1 AND 2),
    CONSTRAINT organization_prior_anchor_is_whole CHECK (
        (anchor_from IS NULL) = (prior_anniversary IS NULL) AND (anchor_from IS NULL) = (prior_time_zone IS NULL)
        AND (anchor_from IS NOT NULL OR prior_from IS NULL)),
    CONSTRAINT pool_adds_up CHECK (pool_balance_micros = pool_purchased_micros - pool_refunded_micros - pool_consumed_micros),
    CONSTRAINT pool_is_never_overdrawn CHECK (pool_balance_micros >= 0),
    CONSTRAINT pool_holds_are_covered CHECK (pool_held_micros BETWEEN 0 AND pool_balance_micros),
    CONSTRAINT pool_lifetime_only_grows CHECK (
        pool_purchased_micros >= 0 AND pool_refunded_micros >= 0 AND pool_consumed_micros >= 0),
    CONSTRAINT ledger_sequence_counts CHECK (ledger_sequence >= 0)
) WITH (fillfactor = 20);
COMMENT ON TABLE organization IS 'A firm with its pool. Its row lock is the point of order of all writes of the organization.';

CREATE TABLE member (
    organization_id           text COLLATE "C" NOT NULL,
    member_id                 text COLLATE "C" NOT NULL,
    display_name              text             NOT NULL,
    email                     text             NOT NULL,
    avatar_url                text             NOT NULL,
    role                      smallint         NOT NULL,
    state                     smallint         NOT NULL,
    allowance_micros          bigint,
    access_kind               smallint         NOT NULL,
    access_cap_micros         bigint           NOT NULL,
    pool_used_lifetime_micros bigint           NOT NULL,
    abuse_tokens              bigint           NOT NULL,
    abuse_opened_at           timestamptz,
    period_start              timestamptz,
    allowance_used_micros     bigint           NOT NULL,
    allowance_held_micros     bigint           NOT NULL,
    pool_used_micros          bigint           NOT NULL,
    pool_held_micros          bigint           NOT NULL,
    overrun_micros            bigint           NOT NULL,
    CONSTRAINT member_id_once PRIMARY KEY (organization_id, member_id),
    CONSTRAINT member_organization_exists FOREIGN KEY (organization_id) REFERENCES organization (organization_id),
    CONSTRAINT member_role_is_known CHECK (role BETWEEN 1 AND 3),
    CONSTRAINT member_state_is_known CHECK (state BETWEEN 1 AND 2),
    CONSTRAINT member_allowance_is_an_amount CHECK (allowance_micros BETWEEN 0 AND 1000000000000000),
    CONSTRAINT access_cap_belongs_to_capped CHECK (
        (access_kind IN (1, 3) AND access_cap_micros = 0)
        OR (access_kind = 2 AND access_cap_micros BETWEEN 1 AND 1000000000000000)),
    CONSTRAINT abuse_tokens_belong_to_a_window CHECK (abuse_tokens >= 0 AND (abuse_tokens = 0 OR abuse_opened_at IS NOT NULL)),
    CONSTRAINT member_use_belongs_to_a_period CHECK (
        period_start IS NOT NULL OR (allowance_used_micros = 0 AND allowance_held_micros = 0 AND pool_used_micros = 0
                                     AND pool_held_micros = 0 AND overrun_micros = 0)),
    CONSTRAINT member_use_is_never_negative CHECK (
        allowance_used_micros >= 0 AND allowance_held_micros >= 0 AND pool_used_micros >= 0 AND pool_held_micros >= 0
        AND overrun_micros >= 0 AND pool_used_lifetime_micros >= pool_used_micros)
) WITH (fillfactor = 50);
COMMENT ON TABLE member IS 'A seat, with its use in its last period. Periods that ended are in member_period.';

CREATE TABLE member_period (
    organization_id       text COLLATE "C" NOT NULL,
    member_id             text COLLATE "C" NOT NULL,
    period_start          timestamptz      NOT NULL,
    allowance_used_micros bigint           NOT NULL,
    allowance_held_micros bigint           NOT NULL,
    pool_used_micros      bigint           NOT NULL,
    pool_held_micros      bigint           NOT NULL,
    overrun_micros        bigint           NOT NULL,
    CONSTRAINT member_period_once PRIMARY KEY (organization_id, member_id, period_start),
    CONSTRAINT member_period_is_never_negative CHECK (
        allowance_used_micros >= 0 AND allowance_held_micros >= 0 AND pool_used_micros >= 0 AND pool_held_micros >= 0
        AND overrun_micros >= 0)
) WITH (fillfactor = 90);
COMMENT ON TABLE member_period IS 'A seat''s use in a period that ended before the seat''s last one.';

CREATE TABLE reservation (
    organization_id       text COLLATE "C" NOT NULL,
    reservation_id        uuid             NOT NULL,
    member_id             text COLLATE "C" NOT NULL,
    request_id            text COLLATE "C" NOT NULL,
    request_fingerprint   bytea            NOT NULL,
    state                 smallint         NOT NULL DEFAULT 1,
    estimate_micros       bigint           NOT NULL,
    held_allowance_micros bigint           NOT NULL,
    held_pool_micros      bigint           NOT NULL,
    period_start          timestamptz      NOT NULL,
    created_at            timestamptz      NOT NULL,
    expires_at            timestamptz      NOT NULL,
    settled_at            timestamptz,
    actual_micros         bigint           NOT NULL DEFAULT 0,
    allowance_micros      bigint           NOT NULL DEFAULT 0,
    pool_micros           bigint           NOT NULL DEFAULT 0,
    overrun_micros        bigint           NOT NULL DEFAULT 0,
    model                 text             NOT NULL,
    conversation_id       text             NOT NULL,
    turn_id               text             NOT NULL,
    labels                jsonb,
    input_tokens          bigint           NOT NULL DEFAULT 0,
    cached_input_tokens   bigint           NOT NULL DEFAULT 0,
    cache_write_tokens    bigint           NOT NULL DEFAULT 0,
    output_tokens         bigint           NOT NULL DEFAULT 0,
    reasoning_tokens      bigint           NOT NULL DEFAULT 0,
    late                  boolean          NOT NULL DEFAULT false,
    release_reason        text             NOT NULL DEFAULT '',
    CONSTRAINT reservation_id_once PRIMARY KEY (organization_id, reservation_id),
    CONSTRAINT reservation_state_is_known CHECK (state BETWEEN 1 AND 4),
    CONSTRAINT reservation_holds_something CHECK (
        estimate_micros >= 1 AND held_allowance_micros >= 0 AND held_pool_micros >= 0
        AND held_allowance_micros + held_pool_micros BETWEEN 1 AND estimate_micros),
    CONSTRAINT reservation_expires_after_it_was_made CHECK (expires_at > created_at),
    CONSTRAINT reservation_is_open_or_settled CHECK ((state = 1) = (settled_at IS NULL)),
    CONSTRAINT reservation_charge_adds_up CHECK (
        actual_micros = allowance_micros + pool_micros + overrun_micros
        AND allowance_micros >= 0 AND pool_micros >= 0 AND overrun_micros >= 0),
    CONSTRAINT reservation_is_charged_once_settled CHECK (actual_micros = 0 OR state IN (2, 3)),
    CONSTRAINT failed_turn_never_charges_the_pool CHECK (state <> 3 OR pool_micros = 0),
    CONSTRAINT reservation_tokens_are_counts CHECK (
        input_tokens >= 0 AND cached_input_tokens >= 0 AND cache_write_tokens >= 0 AND output_tokens >= 0
        AND reasoning_tokens >= 0)
) WITH (fillfactor = 45);
COMMENT ON TABLE reservation IS 'A hold for one turn, and what became of it.';
-- No index holds a column that settling changes, so settling updates the row in place. Of the indexes below, none can
-- stand in for the primary key in a lookup by it: a plan made while the table is empty sees no difference between two
-- that begin with the organization, and would keep the wrong one. So one begins otherwise, and the other has a predicate
-- that holds for every row and that only the search for due reservations names.
CREATE UNIQUE INDEX reservation_request_id_once ON reservation (request_id, organization_id);
CREATE INDEX reservation_falls_due ON reservation (organization_id, expires_at) WHERE expires_at > '-infinity';

CREATE TABLE extension (
    organization_id     text COLLATE "C" NOT NULL,
    request_id          text COLLATE "C" NOT NULL,
    request_fingerprint bytea            NOT NULL,
    reservation_id      uuid             NOT NULL,
    at                  timestamptz      NOT NULL,
    additional_micros   bigint           NOT NULL,
    expires_at          timestamptz      NOT NULL,
    CONSTRAINT extension_request_id_once PRIMARY KEY (organization_id, request_id),
    CONSTRAINT extension_reservation_exists FOREIGN KEY (organization_id, reservation_id)
        REFERENCES reservation (organization_id, reservation_id),
    CONSTRAINT extension_never_shrinks_a_hold CHECK (additional_micros >= 0)
);
COMMENT ON TABLE extension IS 'One raise of an open hold.';

CREATE TABLE ledger_entry (
    organization_id           text COLLATE "C" NOT NULL,
    sequence                  bigint           NOT NULL,
    at                        timestamptz      NOT NULL,
    kind                      smallint         NOT NULL,
    amount_micros             bigint           NOT NULL,
    pool_balance_after_micros bigint           NOT NULL,
    member_id                 text COLLATE "C",
    reservation_id            uuid,
    reference                 text             NOT NULL,
    request_id                text COLLATE "C" NOT NULL,
    top_up_request_id         text COLLATE "C",
    request_fingerprint       bytea,
    CONSTRAINT ledger_sequence_once PRIMARY KEY (organization_id, sequence),
    CONSTRAINT ledger_sequence_starts_at_one CHECK (sequence >= 1),
    CONSTRAINT ledger_amount_is_positive CHECK (amount_micros >= 1),
    CONSTRAINT ledger_balance_is_never_negative CHECK (pool_balance_after_micros >= 0),
    CONSTRAINT ledger_kind_tells_its_columns CHECK (
        (kind IN (1, 2) AND member_id IS NULL AND reservation_id IS NULL AND request_fingerprint IS NOT NULL
            AND (kind = 2) = (top_up_request_id IS NOT NULL))
        OR (kind IN (3, 4) AND member_id IS NOT NULL AND reservation_id IS NOT NULL AND request_fingerprint IS NULL
            AND top_up_request_id IS NULL AND reference = ''))
);
COMMENT ON TABLE ledger_entry IS 'One movement of money. Rows are only ever added.';
CREATE UNIQUE INDEX top_up_request_id_once ON ledger_entry (request_id, organization_id) WHERE kind = 1;
CREATE UNIQUE INDEX refund_request_id_once ON ledger_entry (request_id, organization_id) WHERE kind = 2;
-- Refunds, told by what only they have, so that this index cannot stand in for the one above either.
CREATE INDEX refund_of_top_up ON ledger_entry (top_up_request_id, organization_id) WHERE top_up_request_id IS NOT NULL;
CREATE UNIQUE INDEX turn_is_charged_once_per_layer ON ledger_entry (reservation_id, kind, organization_id) WHERE kind IN (3, 4);

CREATE TABLE access_change (
    organization_id   text COLLATE "C" NOT NULL,
    change_id         uuid             NOT NULL,
    member_id         text COLLATE "C" NOT NULL,
    at                timestamptz      NOT NULL,
    actor             text             NOT NULL,
    before_kind       smallint         NOT NULL,
    before_cap_micros bigint           NOT NULL,
    after_kind        smallint         NOT NULL,
    after_cap_micros  bigint           NOT NULL,
    CONSTRAINT access_change_id_once PRIMARY KEY (organization_id, change_id),
    CONSTRAINT access_change_member_exists FOREIGN KEY (organization_id, member_id)
        REFERENCES member (organization_id, member_id)
);
COMMENT ON TABLE access_change IS 'Who set whose access to the pool, when, and what it was, also where that was the same. Rows are only ever added.';

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION refuse_change IS 'Keeps a table append-only.';
CREATE TRIGGER ledger_entry_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER access_change_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE test_clock (
    only_row boolean  NOT NULL DEFAULT true,
    shift    interval NOT NULL,
    CONSTRAINT test_clock_is_one CHECK (only_row),
    CONSTRAINT test_clock_once PRIMARY KEY (only_row)
);
COMMENT ON TABLE test_clock IS 'By how much the test clock is ahead. Only a server started for development reads it.';
