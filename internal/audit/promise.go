package audit

// Promise is one thing that must hold of every database at every moment.
type Promise struct {
	// Name is what a finding calls it.
	Name string
	// Means says it in a sentence.
	Means string
}

// Promises are all that an audit checks.
var Promises = []Promise{
	{Name: "pool_purchased_is_all_top_ups", Means: "What was ever purchased is the sum of the ledger's top-ups."},
	{Name: "pool_refunded_is_all_refunds", Means: "What was ever refunded is the sum of the ledger's refunds."},
	{Name: "pool_consumed_is_all_pool_charges", Means: "What was ever consumed is the sum of the ledger's pool charges."},
	{Name: "pool_balance_is_what_the_ledger_leaves", Means: "The balance is top-ups less refunds less pool charges."},
	{Name: "pool_is_never_overdrawn", Means: "The balance is never below zero."},
	{Name: "pool_held_is_all_open_holds", Means: "What is held of the pool is the sum of what open reservations hold of it."},
	{Name: "pool_holds_are_covered", Means: "The pool holds no more than its balance."},
	{Name: "refund_is_of_an_earlier_top_up", Means: "Every refund names a top-up that came before it."},
	{Name: "refunds_stay_within_their_top_up", Means: "No more is refunded of a top-up than it bought."},
	{Name: "movement_is_applied_once", Means: "A request id makes one top-up, and one refund, at most."},

	{Name: "ledger_is_gapless", Means: "The ledger's sequence runs from 1 without a gap."},
	{Name: "ledger_sequence_is_the_last_entry", Means: "The organization knows the number of its last ledger entry."},
	{Name: "ledger_balance_follows", Means: "The balance after each entry follows from the one before by its kind and amount."},
	{Name: "ledger_entry_moves_something", Means: "Every entry has an amount above zero and a known kind."},
	{Name: "ledger_time_never_goes_back", Means: "No entry is older than the one before it."},

	{Name: "charge_has_its_ledger_entry", Means: "A charge has an entry for each layer that it touched."},
	{Name: "charge_is_entered_once", Means: "A charge has no more than one entry for a layer."},
	{Name: "ledger_entry_is_the_charge", Means: "An entry's amount is what the turn was charged in its layer."},
	{Name: "ledger_entry_is_of_its_turn", Means: "An entry tells the turn's member, its request id and when it was settled."},
	{Name: "ledger_entry_has_its_charge", Means: "Every entry of a charge has that charge: none is of a layer that did not pay."},
	{Name: "ledger_entry_has_its_reservation", Means: "Every entry of a charge has its reservation."},
	{Name: "only_settled_turns_are_charged", Means: "A turn that is open or expired has neither charge, tokens nor entry."},
	{Name: "failed_turn_never_draws_on_the_pool", Means: "A released turn is charged nothing of the pool."},
	{Name: "charge_adds_up", Means: "A charge's parts are not negative and add up to the actual cost."},

	{Name: "uncharged_turns_are_gapless", Means: "The sequence of uncharged turns runs from 1 without a gap."},
	{Name: "uncharged_sequence_is_the_last_turn", Means: "The organization knows the number of its last uncharged turn."},
	{Name: "uncharged_time_never_goes_back", Means: "No uncharged turn is older than the one before it."},
	{Name: "uncharged_turn_is_told", Means: "A turn that ended without an entry in the ledger is on record as uncharged."},
	{Name: "uncharged_turn_ended_so", Means: "A turn on record as uncharged ended as it says there, and charged nothing."},
	{Name: "uncharged_turn_is_of_its_turn", Means: "An uncharged turn on record tells its member and when it ended."},
	{Name: "uncharged_turn_is_told_once", Means: "A turn ends uncharged once in each way, and each refusal is told once."},
	{Name: "refusal_has_its_member", Means: "Every refusal is of a member."},
	{Name: "refusal_has_its_book", Means: "The version of the price book by which a refused estimate was priced exists."},

	{Name: "hold_fits_what_was_seen", Means: "A turn holds no more of a layer than there was room in when it was reserved, and its extensions added."},
	{Name: "reservation_is_open_or_settled", Means: "A reservation is held, or has been settled at a known moment."},
	{Name: "reservation_holds_something", Means: "A hold is at least 1 and at most the estimate, and no part of it is negative."},
	{Name: "reservation_is_made_once", Means: "A request id makes one reservation at most."},
	{Name: "reservation_has_its_seat", Means: "Every reservation has its member."},
	{Name: "reservation_expires_after_it_was_made", Means: "A reservation expires after it was made."},
	{Name: "extensions_are_in_the_hold", Means: "Estimate and hold are more than all extensions together added."},
	{Name: "extensions_are_in_the_expiry", Means: "An extended reservation expires when its last extension says."},
	{Name: "due_holds_are_given_back", Means: "Every open reservation is looked for when it expires, or before: no later than its organization's next_due_at says."},
	{Name: "turn_is_settled_after_it_began", Means: "A turn is neither extended nor settled before it was reserved, nor extended after it was settled."},
	{Name: "late_is_after_the_expiry", Means: "A turn is late, or expired, just if it was settled at its expiry or after."},
	{Name: "period_begins_before_its_turns", Means: "A turn is reserved at its period's start or after."},
	{Name: "period_is_of_the_calendar", Means: "A turn belongs to the month of the organization's calendar in which it was reserved."},

	{Name: "cost_has_its_basis", Means: "The cost of a settled turn is of a known basis, and no other turn has one."},
	{Name: "tokens_cost_what_the_book_says", Means: "A turn that told its tokens costs what its version of the price book says; where that says nothing, what it held."},
	{Name: "held_cost_is_what_was_held", Means: "A turn whose tokens had no price costs what it held."},
	{Name: "reservation_has_its_book", Means: "The version of the price book under which a turn was reserved exists."},
	{Name: "book_versions_are_consecutive", Means: "A price book's versions run from 1 without a gap."},
	{Name: "book_can_be_used", Means: "Every version of a price book can be read and has no fault."},

	{Name: "allowance_used_is_all_charges", Means: "What a seat used of its allowance in a period is the sum of its turns."},
	{Name: "allowance_held_is_all_open_holds", Means: "What a seat holds of its allowance in a period is the sum of its open turns."},
	{Name: "pool_used_is_all_charges", Means: "What a seat drew from the pool in a period is the sum of its turns."},
	{Name: "seat_pool_held_is_all_open_holds", Means: "What a seat holds of the pool in a period is the sum of its open turns."},
	{Name: "overrun_is_all_overruns", Means: "A seat's overrun in a period is the sum of its turns'."},
	{Name: "period_in_use_is_kept", Means: "A period in which a seat used or holds anything has a row."},
	{Name: "period_is_open_or_closed", Means: "A seat's period is its last one, or set aside, never both."},
	{Name: "closed_periods_come_before_the_last", Means: "A period set aside began before the seat's last one."},
	{Name: "period_has_its_seat", Means: "A period set aside has its member."},
	{Name: "pool_used_lifetime_is_all_charges", Means: "What a seat ever drew from the pool is the sum of its ledger entries."},
	{Name: "abuse_tokens_are_of_settled_turns", Means: "A seat's abuse window counts no more tokens than its turns settled since it opened."},

	{Name: "individual_has_one_member", Means: "An organization on an individual plan, whose seat draws on the pool without a grant, has one active member at most."},

	{Name: "access_changes_follow", Means: "A member's changes of access lead from none, each from where the one before ended, to what it has."},
	{Name: "access_change_has_its_member", Means: "Every change of access has its member."},

	{Name: "plan_usage_is_what_is_registered", Means: "What counts against a plan is the number of registered resources that count."},
	{Name: "device_has_its_orchestrator", Means: "Every registered device is of a registered orchestrator."},

	{Name: "usage_rollup_is_what_happened", Means: "Up to its watermark, what is rolled up in each dimension is what the ledger and the uncharged turns come to."},
	{Name: "usage_watermark_is_of_what_there_is", Means: "Usage is rolled up no further than the ledger and the uncharged turns go."},
	{Name: "usage_days_never_overlap", Means: "The days that usage is rolled up by never overlap."},
	{Name: "usage_rollup_has_its_day", Means: "Everything that is rolled up is of a day that is known."},

	{Name: "record_is_gapless", Means: "The sequence of each record of privileged acts runs from 1 without a gap."},
	{Name: "record_is_as_it_was_written", Means: "The hash of each entry on record is over what it says and the hash before it."},
	{Name: "record_ends_where_it_says", Means: "A record's last entry is the one that its end names, by number and hash."},

	{Name: "row_has_its_organization", Means: "Members and ledger entries have their organization."},

	{Name: "append_only_tables_refuse_change", Means: "The database refuses to change or delete rows of the ledger, of uncharged turns, of access changes, of price books and of the records."},
	{Name: "constraint_is_in_place", Means: "Every named constraint and unique index of the schema is there and valid."},
}
