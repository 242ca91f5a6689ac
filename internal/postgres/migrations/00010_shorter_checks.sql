-- +goose Up

-- The CHECKs of the tables that a turn writes, said more briefly. PostgreSQL keeps a CHECK as the text of its parsed form, and
-- every statement that writes to a table reads and compiles all of that table's anew: a batch pays for each word of them, and
-- a batch of one turn as much as one of a hundred. What they forbid stays the same:
--   least(a, b) >= 0 is a >= 0 AND b >= 0, also in that a NULL breaks neither;
--   x = ANY ('{1, 2}') is x IN (1, 2), but kept as one constant, not as an array that is put together for each statement.
--
-- Until this is done nobody reads or writes these tables, of which each is read through once: half a minute for ten million
-- turns. organization is locked first, as it is by every batch, so that none is caught half way.

ALTER TABLE organization
    DROP CONSTRAINT organization_unit_is_known,
    DROP CONSTRAINT organization_state_is_known,
    DROP CONSTRAINT pool_lifetime_only_grows,
    ADD CONSTRAINT organization_unit_is_known CHECK (unit = ANY ('{1, 2}')),
    ADD CONSTRAINT organization_state_is_known CHECK (state = ANY ('{1, 2}')),
    ADD CONSTRAINT pool_lifetime_only_grows CHECK (least(pool_purchased_micros, pool_refunded_micros, pool_consumed_micros) >= 0);

ALTER TABLE member
    DROP CONSTRAINT member_role_is_known,
    DROP CONSTRAINT member_state_is_known,
    DROP CONSTRAINT access_cap_belongs_to_capped,
    DROP CONSTRAINT member_use_belongs_to_a_period,
    DROP CONSTRAINT member_use_is_never_negative,
    ADD CONSTRAINT member_role_is_known CHECK (role = ANY ('{1, 2, 3}')),
    ADD CONSTRAINT member_state_is_known CHECK (state = ANY ('{1, 2}')),
    ADD CONSTRAINT access_cap_belongs_to_capped CHECK (
        (access_kind = ANY ('{1, 3}') AND access_cap_micros = 0)
        OR (access_kind = 2 AND access_cap_micros BETWEEN 1 AND 1000000000000000)),
    ADD CONSTRAINT member_use_belongs_to_a_period CHECK (
        period_start IS NOT NULL OR 0 = ALL (ARRAY[
            allowance_used_micros, allowance_held_micros, pool_used_micros, pool_held_micros, overrun_micros])),
    ADD CONSTRAINT member_use_is_never_negative CHECK (
        least(allowance_used_micros, allowance_held_micros, pool_used_micros, pool_held_micros, overrun_micros) >= 0
        AND pool_used_lifetime_micros >= pool_used_micros);

ALTER TABLE reservation
    DROP CONSTRAINT reservation_state_is_known,
    DROP CONSTRAINT reservation_holds_something,
    DROP CONSTRAINT reservation_charge_adds_up,
    DROP CONSTRAINT reservation_is_charged_once_settled,
    DROP CONSTRAINT reservation_tokens_are_counts,
    DROP CONSTRAINT reservation_estimate_policy_is_known,
    DROP CONSTRAINT reservation_cost_has_a_basis,
    DROP CONSTRAINT reservation_receipt_is_whole,
    DROP CONSTRAINT reservation_receipt_is_never_negative,
    DROP CONSTRAINT reservation_receipt_cap_belongs_to_capped,
    ADD CONSTRAINT reservation_state_is_known CHECK (state = ANY ('{1, 2, 3, 4}')),
    ADD CONSTRAINT reservation_holds_something CHECK (
        least(held_allowance_micros, held_pool_micros) >= 0 AND greatest(held_allowance_micros, held_pool_micros) >= 1
        AND held_allowance_micros + held_pool_micros <= estimate_micros),
    ADD CONSTRAINT reservation_charge_adds_up CHECK (
        actual_micros = allowance_micros + pool_micros + overrun_micros
        AND least(allowance_micros, pool_micros, overrun_micros) >= 0),
    ADD CONSTRAINT reservation_is_charged_once_settled CHECK (actual_micros = 0 OR state = ANY ('{2, 3}')),
    ADD CONSTRAINT reservation_tokens_are_counts CHECK (
        least(input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens) >= 0),
    ADD CONSTRAINT reservation_estimate_policy_is_known CHECK (estimate_policy = ANY ('{0, 1, 2}')),
    ADD CONSTRAINT reservation_cost_has_a_basis CHECK (
        CASE WHEN state = ANY ('{2, 3}') THEN cost_basis = ANY ('{1, 2, 3}') ELSE cost_basis = 0 END),
    ADD CONSTRAINT reservation_receipt_is_whole CHECK (
        num_nulls(allowance_room_micros, pool_available_micros, access_kind, access_cap_micros, cap_used_micros) = ANY ('{0, 5}')
        AND num_nulls(settled_access_kind, settled_access_cap_micros, settled_cap_used_micros) = ANY ('{0, 3}')
        AND (settled_access_kind IS NULL OR state <> 1)),
    ADD CONSTRAINT reservation_receipt_is_never_negative CHECK (
        least(allowance_room_micros, pool_available_micros, access_cap_micros, cap_used_micros,
            settled_access_cap_micros, settled_cap_used_micros) >= 0),
    ADD CONSTRAINT reservation_receipt_cap_belongs_to_capped CHECK (
        access_kind = ANY ('{1, 2, 3}') AND (access_kind = 2) = (access_cap_micros > 0)
        AND settled_access_kind = ANY ('{1, 2, 3}') AND (settled_access_kind = 2) = (settled_access_cap_micros > 0));

ALTER TABLE ledger_entry
    DROP CONSTRAINT ledger_kind_tells_its_columns,
    ADD CONSTRAINT ledger_kind_tells_its_columns CHECK (
        (kind = ANY ('{1, 2}') AND member_id IS NULL AND reservation_id IS NULL AND request_fingerprint IS NOT NULL
            AND (kind = 2) = (top_up_request_id IS NOT NULL))
        OR (kind = ANY ('{3, 4}') AND member_id IS NOT NULL AND reservation_id IS NOT NULL AND request_fingerprint IS NULL
            AND top_up_request_id IS NULL AND reference = ''));

-- A comment goes with its constraint, so these are given again.
COMMENT ON CONSTRAINT organization_unit_is_known ON organization IS 'An amount whose unit nobody knows cannot be billed.';
COMMENT ON CONSTRAINT organization_state_is_known ON organization IS 'Whether turns may start must be said for every organization.';
COMMENT ON CONSTRAINT pool_lifetime_only_grows ON organization IS 'Lifetime figures count from nothing upwards, so one below nothing was never counted.';
COMMENT ON CONSTRAINT member_role_is_known ON member IS 'What a member may see and do depends on the role, so every role must be one that the policy names.';
COMMENT ON CONSTRAINT member_state_is_known ON member IS 'Whether a seat may start turns must be said for every member.';
COMMENT ON CONSTRAINT access_cap_belongs_to_capped ON member IS 'A cap says how much of the pool a capped member may draw and would mean nothing on another, and a cap of nothing is no access.';
COMMENT ON CONSTRAINT member_use_belongs_to_a_period ON member IS 'Use counts in one month only, so it cannot be kept where no month is told.';
COMMENT ON CONSTRAINT member_use_is_never_negative ON member IS 'Use below nothing would be room that nobody granted, and what a month drew is a part of what was drawn ever.';
COMMENT ON CONSTRAINT reservation_state_is_known ON reservation IS 'What may still become of a turn depends on its state, so there is no other than the four.';
COMMENT ON CONSTRAINT reservation_holds_something ON reservation IS 'A turn runs on what it holds, which is more than nothing and never more than was asked for.';
COMMENT ON CONSTRAINT reservation_charge_adds_up ON reservation IS 'What a turn cost is paid by allowance, by pool or by nobody, without a rest and never below nothing.';
COMMENT ON CONSTRAINT reservation_is_charged_once_settled ON reservation IS 'Nobody pays for a turn that still runs, nor for one that nobody settled.';
COMMENT ON CONSTRAINT reservation_tokens_are_counts ON reservation IS 'Tokens are counted, and a count below none would lower what abuse protection has seen.';
COMMENT ON CONSTRAINT reservation_estimate_policy_is_known ON reservation IS 'How an estimate came about must be told in a way that the receipt can explain.';
COMMENT ON CONSTRAINT reservation_cost_has_a_basis ON reservation IS 'Of every turn that was settled it must be told whether its cost was told, priced or what it had held, and of no other.';
COMMENT ON CONSTRAINT reservation_receipt_is_whole ON reservation IS 'A receipt explains a decision by all that was seen then, so it has all of it or, from before, nothing.';
COMMENT ON CONSTRAINT reservation_receipt_is_never_negative ON reservation IS 'A room is never below nothing, nor is what was drawn against a cap.';
COMMENT ON CONSTRAINT reservation_receipt_cap_belongs_to_capped ON reservation IS 'A receipt tells a cap if and only if the member was capped, or it would explain a decision by a bound that there was not.';
COMMENT ON CONSTRAINT ledger_kind_tells_its_columns ON ledger_entry IS 'A purchase is told by its request and a charge by its turn, so an entry has what its kind needs and nothing of the other.';
