-- +goose Up

-- Why each promise of the schema must hold, for those who read it in the database.

COMMENT ON CONSTRAINT plan_id_once ON plan IS 'Organizations name their plan by its id, so an id must mean one plan.';
COMMENT ON CONSTRAINT plan_kind_is_known ON plan IS 'The rules draw on the pool without a grant on one kind only, so they must know every kind.';
COMMENT ON CONSTRAINT plan_allowance_is_an_amount ON plan IS 'An allowance below nothing or beyond the largest amount could not be added to use without leaving its type.';
COMMENT ON CONSTRAINT plan_limits_are_counts ON plan IS 'A limit is compared with how many resources there are, which is never below none.';
COMMENT ON CONSTRAINT plan_abuse_limit_has_a_window ON plan IS 'Tokens add up in a window, so a limit without one would never be lifted, and a window without a limit would stop nobody.';
COMMENT ON CONSTRAINT plan_failed_turn_policy_is_known ON plan IS 'Whether a failed turn uses allowance must be said for every plan.';

COMMENT ON CONSTRAINT organization_id_once ON organization IS 'An organization''s row is the point of order of all its writes, so there must be one.';
COMMENT ON CONSTRAINT organization_plan_exists ON organization IS 'Without its plan nobody could tell what a seat''s allowance is.';
COMMENT ON CONSTRAINT organization_unit_is_known ON organization IS 'An amount whose unit nobody knows cannot be billed.';
COMMENT ON CONSTRAINT organization_state_is_known ON organization IS 'Whether turns may start must be said for every organization.';
COMMENT ON CONSTRAINT organization_prior_anchor_is_whole ON organization IS 'The period that runs while the anchor changes is computed from the one before, which takes its date and its zone together.';
COMMENT ON CONSTRAINT pool_adds_up ON organization IS 'The balance must always be what was bought, less what was taken back and what turns consumed, or money appeared or was lost.';
COMMENT ON CONSTRAINT pool_is_never_overdrawn ON organization IS 'The pool is prepaid, so nobody may ever have drawn more than was in it.';
COMMENT ON CONSTRAINT pool_holds_are_covered ON organization IS 'What is held for a turn must be there when it commits, so all holds together never pass the balance.';
COMMENT ON CONSTRAINT pool_lifetime_only_grows ON organization IS 'Lifetime figures count from nothing upwards, so one below nothing was never counted.';
COMMENT ON CONSTRAINT ledger_sequence_counts ON organization IS 'The ledger''s entries are numbered without a gap from 1, and this is the last number given.';
COMMENT ON CONSTRAINT uncharged_sequence_counts ON organization IS 'Uncharged turns are numbered without a gap from 1, and this is the last number given.';

COMMENT ON CONSTRAINT member_id_once ON member IS 'A seat''s use is kept in its row, so a second row would give it a second allowance.';
COMMENT ON CONSTRAINT member_organization_exists ON member IS 'A seat has its plan, its months and its pool by its organization.';
COMMENT ON CONSTRAINT member_role_is_known ON member IS 'What a member may see and do depends on the role, so every role must be one that the policy names.';
COMMENT ON CONSTRAINT member_state_is_known ON member IS 'Whether a seat may start turns must be said for every member.';
COMMENT ON CONSTRAINT member_allowance_is_an_amount ON member IS 'A personal allowance stands in for the plan''s, so it is bounded like that one.';
COMMENT ON CONSTRAINT access_cap_belongs_to_capped ON member IS 'A cap says how much of the pool a capped member may draw and would mean nothing on another, and a cap of nothing is no access.';
COMMENT ON CONSTRAINT abuse_tokens_belong_to_a_window ON member IS 'Tokens count until their window closes, so without its opening they would count for ever.';
COMMENT ON CONSTRAINT member_use_belongs_to_a_period ON member IS 'Use counts in one month only, so it cannot be kept where no month is told.';
COMMENT ON CONSTRAINT member_use_is_never_negative ON member IS 'Use below nothing would be room that nobody granted, and what a month drew is a part of what was drawn ever.';

COMMENT ON CONSTRAINT member_period_once ON member_period IS 'A turn that is settled late belongs to the period in which it was reserved, which must be found in one place.';
COMMENT ON CONSTRAINT member_period_is_never_negative ON member_period IS 'Use below nothing would be room in a period that nobody granted.';

COMMENT ON CONSTRAINT reservation_id_once ON reservation IS 'A turn is settled by its reservation''s id, so two with one id would be charged for each other.';
COMMENT ON INDEX reservation_request_id_once IS 'A Reserve that is sent again must find the hold it made, and hold nothing more.';
COMMENT ON CONSTRAINT reservation_state_is_known ON reservation IS 'What may still become of a turn depends on its state, so there is no other than the four.';
COMMENT ON CONSTRAINT reservation_holds_something ON reservation IS 'A turn runs on what it holds, which is more than nothing and never more than was asked for.';
COMMENT ON CONSTRAINT reservation_expires_after_it_was_made ON reservation IS 'A hold that had lapsed when it was made would have let a turn run on nothing.';
COMMENT ON CONSTRAINT reservation_is_open_or_settled ON reservation IS 'A hold is open until the moment it is settled, so it has that moment if and only if it is not.';
COMMENT ON CONSTRAINT reservation_charge_adds_up ON reservation IS 'What a turn cost is paid by allowance, by pool or by nobody, without a rest and never below nothing.';
COMMENT ON CONSTRAINT reservation_is_charged_once_settled ON reservation IS 'Nobody pays for a turn that still runs, nor for one that nobody settled.';
COMMENT ON CONSTRAINT failed_turn_never_charges_the_pool ON reservation IS 'A turn that failed never costs the firm money, whatever its policy says of allowance.';
COMMENT ON CONSTRAINT reservation_tokens_are_counts ON reservation IS 'Tokens are counted, and a count below none would lower what abuse protection has seen.';
COMMENT ON CONSTRAINT reservation_book_has_a_version ON reservation IS 'Prices change from version to version, so a book without one could not be looked up again.';
COMMENT ON CONSTRAINT reservation_estimate_policy_is_known ON reservation IS 'How an estimate came about must be told in a way that the receipt can explain.';
COMMENT ON CONSTRAINT reservation_cost_has_a_basis ON reservation IS 'Of every turn that was settled it must be told whether its cost was told, priced or what it had held, and of no other.';
COMMENT ON CONSTRAINT reservation_receipt_is_whole ON reservation IS 'A receipt explains a decision by all that was seen then, so it has all of it or, from before, nothing.';
COMMENT ON CONSTRAINT reservation_receipt_is_never_negative ON reservation IS 'A room is never below nothing, nor is what was drawn against a cap.';
COMMENT ON CONSTRAINT reservation_receipt_cap_belongs_to_capped ON reservation IS 'A receipt tells a cap if and only if the member was capped, or it would explain a decision by a bound that there was not.';
COMMENT ON CONSTRAINT reservation_estimate_tokens_have_a_policy ON reservation IS 'Tokens are estimated by a policy only, so those without one have no source.';

COMMENT ON CONSTRAINT extension_request_id_once ON extension IS 'An Extend that is sent again must find the raise it made, and raise nothing more.';
COMMENT ON CONSTRAINT extension_reservation_exists ON extension IS 'What was raised is a hold, which must be there to be read with it.';
COMMENT ON CONSTRAINT extension_never_shrinks_a_hold ON extension IS 'A turn may use what it holds, so no raise may take any of it away.';

COMMENT ON CONSTRAINT ledger_sequence_once ON ledger_entry IS 'The sequence is the order of an organization''s money, in which no two movements are one.';
COMMENT ON CONSTRAINT ledger_sequence_starts_at_one ON ledger_entry IS 'A statement without a gap begins with entry 1, so that a reader can tell that nothing is missing before.';
COMMENT ON CONSTRAINT ledger_amount_is_positive ON ledger_entry IS 'The kind of an entry says which way money moved, and nothing moved is no entry.';
COMMENT ON CONSTRAINT ledger_balance_is_never_negative ON ledger_entry IS 'The pool is prepaid, so no movement ever left less than nothing in it.';
COMMENT ON CONSTRAINT ledger_kind_tells_its_columns ON ledger_entry IS 'A purchase is told by its request and a charge by its turn, so an entry has what its kind needs and nothing of the other.';
COMMENT ON INDEX top_up_request_id_once IS 'A TopUp that is sent again must add nothing.';
COMMENT ON INDEX refund_request_id_once IS 'A Refund that is sent again must take nothing back.';
COMMENT ON INDEX turn_is_charged_once_per_layer IS 'A turn is charged exactly once to each layer that pays for it, however often its Commit was sent.';

COMMENT ON CONSTRAINT access_change_id_once ON access_change IS 'A change whose fate was unknown is carried again under its id, and must not be told twice.';
COMMENT ON CONSTRAINT access_change_member_exists ON access_change IS 'A change of access is a member''s, so the member must be there to be looked up.';

COMMENT ON CONSTRAINT test_clock_is_one ON test_clock IS 'There is one time for all, so the table has no other key than this.';
COMMENT ON CONSTRAINT test_clock_once ON test_clock IS 'A second row would be a second time.';

COMMENT ON CONSTRAINT price_book_version_once ON price_book IS 'A turn names the book and the version it was priced by, which must have one price for ever.';
COMMENT ON CONSTRAINT price_book_version_starts_at_one ON price_book IS 'Version 0 means that there is no book, so no version may be that or less.';
COMMENT ON CONSTRAINT price_book_unit_is_known ON price_book IS 'A price in a unit that nobody knows cannot be converted into an organization''s own.';
COMMENT ON CONSTRAINT price_book_conversion_is_an_amount ON price_book IS 'A rate below nothing would pay for turns, and one beyond the bound would leave the type of amounts.';
COMMENT ON CONSTRAINT price_book_models_are_a_list ON price_book IS 'Prices are read model by model, so anything but a list would be a book without prices.';

COMMENT ON CONSTRAINT audit_chain_once ON audit_chain IS 'A record has one end to which the next act is added, so that none can be told beside it.';
COMMENT ON CONSTRAINT audit_chain_is_never_negative ON audit_chain IS 'The acts of a record are numbered without a gap from 1, and this is the last number given.';
COMMENT ON CONSTRAINT audit_chain_hash_is_a_sha256 ON audit_chain IS 'The next act''s hash is taken over this one, which must have the length that the audit computes.';

COMMENT ON CONSTRAINT audit_sequence_once ON audit_entry IS 'Each act follows one other, so that none can be put in another''s place.';
COMMENT ON CONSTRAINT audit_sequence_starts_at_one ON audit_entry IS 'A record without a gap begins with act 1, so that a reader can tell that nothing is missing before.';
COMMENT ON CONSTRAINT audit_hash_is_a_sha256 ON audit_entry IS 'A hash of another length could not have been made of the act and the one before.';
COMMENT ON CONSTRAINT audit_outcome_tells_its_columns ON audit_entry IS 'An act that was done tells what it changed and one that was denied tells why and how often, and neither may pass for the other.';

COMMENT ON CONSTRAINT resource_id_once ON resource IS 'A resource that is registered again must not count twice against the plan.';
COMMENT ON CONSTRAINT resource_organization_exists ON resource IS 'A resource counts against a plan, which it has by its organization.';
COMMENT ON CONSTRAINT resource_kind_is_known ON resource IS 'A plan limits three kinds, and a resource of another would never be counted.';
COMMENT ON CONSTRAINT resource_of_a_parent_is_a_device ON resource IS 'A device goes with its orchestrator, so every device names one and nothing else does.';
COMMENT ON CONSTRAINT resource_that_is_private_is_a_project ON resource IS 'Only projects are limited for being private, so nothing else may be.';

COMMENT ON CONSTRAINT resource_count_once ON resource_count IS 'A limit is compared with one count of its kind.';
COMMENT ON CONSTRAINT resource_count_organization_exists ON resource_count IS 'A count is compared with a plan, which it has by its organization.';
COMMENT ON CONSTRAINT resource_count_kind_is_known ON resource_count IS 'A plan limits three kinds, and a count of another would be compared with nothing.';
COMMENT ON CONSTRAINT resource_count_is_never_negative ON resource_count IS 'A count below none would let in more than the plan allows.';

COMMENT ON CONSTRAINT uncharged_sequence_once ON uncharged_turn IS 'The sequence is the order in which turns ended without a charge, in which no two are one.';
COMMENT ON CONSTRAINT uncharged_sequence_starts_at_one ON uncharged_turn IS 'The rows are numbered without a gap from 1, so that who rolls them up can tell that none is missing before.';
COMMENT ON CONSTRAINT uncharged_outcome_tells_its_columns ON uncharged_turn IS 'A turn that ran is told by its reservation, and a refused one, which has none, must tell by itself what was asked and what was seen.';
COMMENT ON CONSTRAINT refusal_reason_is_known ON uncharged_turn IS 'Reports count refusals by reason, so one of another would be counted nowhere.';
COMMENT ON CONSTRAINT refusal_estimate_has_a_minimum ON uncharged_turn IS 'A turn asks for its estimate and runs on no less than its minimum, which lies between 1 and the estimate.';
COMMENT ON CONSTRAINT refusal_rooms_are_never_negative ON uncharged_turn IS 'A room is never below nothing, whatever was used.';
COMMENT ON CONSTRAINT refusal_cap_room_belongs_to_capped ON uncharged_turn IS 'A refusal tells the room under a cap if and only if the member was capped, or it would blame a bound that there was not.';
COMMENT ON CONSTRAINT refusal_window_belongs_to_abuse ON uncharged_turn IS 'A refusal tells when to come again if and only if a window of abuse protection was what refused.';
COMMENT ON CONSTRAINT refusal_book_has_a_version ON uncharged_turn IS 'Prices change from version to version, so a book without one could not be looked up again.';
COMMENT ON INDEX refusal_is_told_once IS 'A refusal whose fate was unknown is carried again under its attempt, and must not be told twice.';
COMMENT ON INDEX turn_ends_uncharged_once IS 'A turn that ended without a charge is counted once in each way in which it did, however often that was sent.';

COMMENT ON CONSTRAINT usage_watermark_once ON usage_watermark IS 'What is rolled up ends in one place, or a row would be counted twice or never.';
COMMENT ON CONSTRAINT usage_watermark_is_never_negative ON usage_watermark IS 'Both sources are numbered from 1, so that nothing lies before 0.';
COMMENT ON CONSTRAINT usage_day_once ON usage_day IS 'A day''s first and last rows are told in one place, by which reports find the rest of it.';
COMMENT ON CONSTRAINT usage_day_holds_its_moments ON usage_day IS 'All that is rolled up into a day happened on it, or a report would count it in a span in which it did not.';
COMMENT ON CONSTRAINT usage_day_tells_its_entries ON usage_day IS 'A day with entries tells the first, the last and the balance after it, and a day without tells none of them.';
COMMENT ON CONSTRAINT usage_day_tells_its_uncharged_turns ON usage_day IS 'A day with uncharged turns tells the first and the last, and a day without tells neither.';
COMMENT ON CONSTRAINT usage_rollup_once ON usage_rollup IS 'What a day''s turns of one value come to is one row, which reports add up and find by this key.';
COMMENT ON CONSTRAINT usage_rollup_dimension_is_known ON usage_rollup IS 'A row is about all turns or those of one value, and all of them have no value.';
COMMENT ON CONSTRAINT usage_rollup_counts_turns ON usage_rollup IS 'Turns are counted from none upwards, and only one that was settled can have been settled late.';
COMMENT ON CONSTRAINT usage_rollup_counts_tokens ON usage_rollup IS 'Tokens are counted from none upwards.';
COMMENT ON CONSTRAINT usage_rollup_sums_amounts ON usage_rollup IS 'No charge and no overrun is below nothing, so no sum of them is.';
