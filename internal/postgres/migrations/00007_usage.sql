-- +goose Up

-- None of these tables refers to organization: such a row could only be added under a lock on the organization's, and those who
-- roll up usage must never stand in the way of its turns. The audit looks for rows that have none.

CREATE TABLE usage_watermark (
    organization_id    text COLLATE "C" NOT NULL,
    ledger_sequence    bigint           NOT NULL DEFAULT 0,
    uncharged_sequence bigint           NOT NULL DEFAULT 0,
    CONSTRAINT usage_watermark_once PRIMARY KEY (organization_id),
    CONSTRAINT usage_watermark_is_never_negative CHECK (ledger_sequence >= 0 AND uncharged_sequence >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE usage_watermark IS 'Up to which entry of the ledger, and which uncharged turn, an organization''s usage is rolled up. Who rolls it up holds its row''s lock.';

CREATE TABLE usage_day (
    organization_id          text COLLATE "C" NOT NULL,
    starts_at                timestamptz      NOT NULL,
    ends_at                  timestamptz      NOT NULL,
    date                     date             NOT NULL,
    first_at                 timestamptz      NOT NULL,
    last_at                  timestamptz      NOT NULL,
    first_ledger_sequence    bigint,
    last_ledger_sequence     bigint,
    first_uncharged_sequence bigint,
    last_uncharged_sequence  bigint,
    pool_balance_micros      bigint,
    CONSTRAINT usage_day_once PRIMARY KEY (organization_id, starts_at),
    CONSTRAINT usage_day_holds_its_moments CHECK (starts_at <= first_at AND first_at <= last_at AND last_at < ends_at),
    CONSTRAINT usage_day_tells_its_entries CHECK (
        CASE WHEN last_ledger_sequence IS NULL THEN first_ledger_sequence IS NULL AND pool_balance_micros IS NULL
            ELSE coalesce(first_ledger_sequence BETWEEN 1 AND last_ledger_sequence AND pool_balance_micros >= 0, false) END),
    CONSTRAINT usage_day_tells_its_uncharged_turns CHECK (
        CASE WHEN last_uncharged_sequence IS NULL THEN first_uncharged_sequence IS NULL
            ELSE coalesce(first_uncharged_sequence BETWEEN 1 AND last_uncharged_sequence, false) END)
) WITH (fillfactor = 50);
COMMENT ON TABLE usage_day IS 'A day of an organization''s time zone on which something is rolled up, and where its rows are. Days never overlap, also where the zone was changed.';

CREATE TABLE usage_rollup (
    organization_id       text COLLATE "C" NOT NULL,
    dimension             smallint         NOT NULL,
    starts_at             timestamptz      NOT NULL,
    value                 text COLLATE "C" NOT NULL,
    turns                 integer          NOT NULL,
    failed_turns          integer          NOT NULL,
    expired_turns         integer          NOT NULL,
    late_turns            integer          NOT NULL,
    refused_suspended     integer          NOT NULL,
    refused_removed       integer          NOT NULL,
    refused_abuse         integer          NOT NULL,
    refused_no_access     integer          NOT NULL,
    refused_pool_empty    integer          NOT NULL,
    refused_cap_reached   integer          NOT NULL,
    refused_individual    integer          NOT NULL,
    input_tokens          bigint           NOT NULL,
    cached_input_tokens   bigint           NOT NULL,
    cache_write_tokens    bigint           NOT NULL,
    output_tokens         bigint           NOT NULL,
    reasoning_tokens      bigint           NOT NULL,
    allowance_micros      bigint           NOT NULL,
    pool_micros           bigint           NOT NULL,
    overrun_micros        bigint           NOT NULL,
    CONSTRAINT usage_rollup_once PRIMARY KEY (organization_id, dimension, starts_at, value),
    CONSTRAINT usage_rollup_dimension_is_known CHECK (dimension BETWEEN 1 AND 5 AND (dimension > 1 OR value = '')),
    CONSTRAINT usage_rollup_counts_turns CHECK (
        turns >= 0 AND failed_turns >= 0 AND expired_turns >= 0 AND late_turns BETWEEN 0 AND turns + failed_turns
        AND refused_suspended >= 0 AND refused_removed >= 0 AND refused_abuse >= 0 AND refused_no_access >= 0
        AND refused_pool_empty >= 0 AND refused_cap_reached >= 0 AND refused_individual >= 0),
    CONSTRAINT usage_rollup_counts_tokens CHECK (
        input_tokens >= 0 AND cached_input_tokens >= 0 AND cache_write_tokens >= 0 AND output_tokens >= 0
        AND reasoning_tokens >= 0),
    CONSTRAINT usage_rollup_sums_amounts CHECK (allowance_micros >= 0 AND pool_micros >= 0 AND overrun_micros >= 0)
) WITH (fillfactor = 70);
COMMENT ON TABLE usage_rollup IS 'What the turns of one day come to: all of them (dimension 1), those of a member (2), a model (3), a conversation (4), or a label with a value (5).';
-- Bought and taken back, the few among the many.
CREATE INDEX ledger_movement ON ledger_entry (organization_id, sequence) WHERE kind IN (1, 2);
