package audit_test

var poolBugs = []bug{
	{
		"more in the pool than the ledger leaves",
		[]string{"organization.pool_adds_up"},
		[]string{`UPDATE organization SET pool_balance_micros = pool_balance_micros + 1 WHERE organization_id = 'firm'`},
		[]string{"pool_balance_is_what_the_ledger_leaves"},
	},
	{
		"more purchased than topped up",
		[]string{"organization.pool_adds_up"},
		[]string{`UPDATE organization SET pool_purchased_micros = pool_purchased_micros + 1 WHERE organization_id = 'firm'`},
		[]string{"pool_purchased_is_all_top_ups"},
	},
	{
		"a pool that nobody paid for", nil,
		[]string{`UPDATE organization SET pool_purchased_micros = 9, pool_balance_micros = 9 WHERE organization_id = 'idle'`},
		[]string{"pool_purchased_is_all_top_ups", "pool_balance_is_what_the_ledger_leaves"},
	},
	{
		"less refunded than the ledger says",
		[]string{"organization.pool_adds_up"},
		[]string{`UPDATE organization SET pool_refunded_micros = pool_refunded_micros - 1 WHERE organization_id = 'firm'`},
		[]string{"pool_refunded_is_all_refunds"},
	},
	{
		"more consumed than charged",
		[]string{"organization.pool_adds_up"},
		[]string{`UPDATE organization SET pool_consumed_micros = pool_consumed_micros + 1 WHERE organization_id = 'firm'`},
		[]string{"pool_consumed_is_all_pool_charges"},
	},
	{
		"a pool below zero",
		[]string{
			"organization.pool_adds_up", "organization.pool_is_never_overdrawn", "organization.pool_holds_are_covered",
			"organization.pool_lifetime_only_grows",
		},
		[]string{`UPDATE organization SET pool_balance_micros = -1, pool_consumed_micros = 1 WHERE organization_id = 'idle'`},
		[]string{
			"pool_is_never_overdrawn", "pool_balance_is_what_the_ledger_leaves", "pool_consumed_is_all_pool_charges",
		},
	},
	{
		"a pool that holds more than its turns", nil,
		[]string{`UPDATE organization SET pool_held_micros = pool_held_micros + 1 WHERE organization_id = 'firm'`},
		[]string{"pool_held_is_all_open_holds"},
	},
	{
		"a pool that forgot a hold", nil,
		[]string{`UPDATE organization SET pool_held_micros = 0 WHERE organization_id = 'firm'`},
		[]string{"pool_held_is_all_open_holds"},
	},
	{
		"holds beyond the balance",
		[]string{"organization.pool_holds_are_covered"},
		[]string{
			`UPDATE organization SET pool_held_micros = pool_held_micros + 2000000 WHERE organization_id = 'firm'`,
			`UPDATE member SET pool_held_micros = pool_held_micros + 2000000 WHERE (organization_id, member_id) = ('firm', 'bob')`,
			`UPDATE reservation SET held_pool_micros = held_pool_micros + 2000000, estimate_micros = estimate_micros + 2000000
				WHERE (organization_id, request_id) = ('firm', 'open-pool')`,
		},
		[]string{"pool_holds_are_covered", "hold_fits_what_was_seen"},
	},
	{
		"a refund of nothing", nil,
		[]string{`UPDATE ledger_entry SET top_up_request_id = 'ghost' WHERE (organization_id, request_id) = ('firm', 'refund')`},
		[]string{"refund_is_of_an_earlier_top_up"},
	},
	{
		"a refund of what was bought later", nil,
		[]string{`UPDATE ledger_entry SET top_up_request_id = 'pack-late' WHERE (organization_id, request_id) = ('firm', 'refund')`},
		[]string{"refund_is_of_an_earlier_top_up"},
	},
	{
		"a refund of more than was bought", nil,
		[]string{`UPDATE ledger_entry SET top_up_request_id = 'pack-small' WHERE (organization_id, request_id) = ('firm', 'refund')`},
		[]string{"refunds_stay_within_their_top_up"},
	},
	{
		"a top-up applied twice",
		[]string{"ledger_entry.top_up_request_id_once"},
		[]string{`UPDATE ledger_entry SET request_id = 'pack-big' WHERE (organization_id, request_id) = ('firm', 'pack-late')`},
		[]string{"movement_is_applied_once"},
	},
}

var ledgerBugs = []bug{
	{
		"a number left out", nil,
		[]string{
			`UPDATE ledger_entry SET sequence = sequence + 1 WHERE (organization_id, request_id) = ('firm', 'last')`,
			`UPDATE organization SET ledger_sequence = ledger_sequence + 1 WHERE organization_id = 'firm'`,
		},
		[]string{"ledger_is_gapless"},
	},
	{
		"an organization ahead of its ledger", nil,
		[]string{`UPDATE organization SET ledger_sequence = ledger_sequence + 1 WHERE organization_id = 'firm'`},
		[]string{"ledger_sequence_is_the_last_entry"},
	},
	{
		"an organization behind its ledger", nil,
		[]string{`UPDATE organization SET ledger_sequence = 0 WHERE organization_id = 'firm'`},
		[]string{"ledger_sequence_is_the_last_entry"},
	},
	{
		"a balance that does not follow", nil,
		[]string{`UPDATE ledger_entry SET pool_balance_after_micros = pool_balance_after_micros + 1
			WHERE (organization_id, request_id) = ('firm', 'pack-late')`},
		[]string{"ledger_balance_follows"},
	},
	{
		"a first balance that comes from nowhere", nil,
		[]string{`UPDATE ledger_entry SET pool_balance_after_micros = 7 WHERE (organization_id, sequence) = ('firm', 1)`},
		[]string{"ledger_balance_follows"},
	},
	{
		"an entry of nothing",
		[]string{"ledger_entry.ledger_amount_is_positive"},
		[]string{`UPDATE ledger_entry SET amount_micros = 0 WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"ledger_entry_moves_something", "ledger_entry_is_the_charge"},
	},
	{
		"an entry of no known kind",
		[]string{"ledger_entry.ledger_kind_tells_its_columns"},
		[]string{`UPDATE ledger_entry SET kind = 5 WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"ledger_entry_moves_something", "ledger_balance_follows", "charge_has_its_ledger_entry"},
	},
	{
		"an amount beyond every range", nil,
		[]string{`UPDATE ledger_entry SET amount_micros = 9223372036854775807 WHERE (organization_id, request_id) = ('firm', 'pack-late')`},
		[]string{"ledger_balance_follows", "pool_purchased_is_all_top_ups", "pool_balance_is_what_the_ledger_leaves"},
	},
	{
		"a step back in time", nil,
		[]string{`UPDATE ledger_entry SET at = at - interval '1 hour' WHERE (organization_id, request_id) = ('firm', 'pack-late')`},
		[]string{"ledger_time_never_goes_back"},
	},
	{
		"a ledger of nobody's", nil,
		[]string{`INSERT INTO ledger_entry SELECT 'ghost', 1, at, kind, amount_micros, amount_micros, NULL, NULL, reference,
			request_id, NULL, request_fingerprint FROM ledger_entry WHERE (organization_id, request_id) = ('firm', 'pack-big')`},
		[]string{"row_has_its_organization"},
	},
	{
		"a member of nobody's", nil,
		[]string{`UPDATE member SET organization_id = 'ghost' WHERE (organization_id, member_id) = ('firm', 'dan')`},
		[]string{"row_has_its_organization"},
	},
}

// appendEntry adds an entry of a charge of 5 to the allowance of the firm, whose reservation is what the given
// expression says.
func appendEntry(reservation string) []string {
	return []string{
		`UPDATE organization SET ledger_sequence = ledger_sequence + 1 WHERE organization_id = 'firm'`,
		`INSERT INTO ledger_entry (organization_id, sequence, at, kind, amount_micros, pool_balance_after_micros, member_id,
			reservation_id, reference, request_id)
		SELECT 'firm', o.ledger_sequence, l.at, 4, 5, o.pool_balance_micros, 'cleo', ` + reservation + `, '', 'planted'
		FROM organization o JOIN ledger_entry l ON l.organization_id = 'firm' AND l.sequence = o.ledger_sequence - 1
		WHERE o.organization_id = 'firm'`,
	}
}

// turnOf is an expression for the reservation of a request id.
func turnOf(request string) string {
	return `(SELECT reservation_id FROM reservation WHERE (organization_id, request_id) = ('firm', '` + request + `'))`
}

var chargeBugs = []bug{
	{
		"a charge without its entry", nil,
		[]string{
			`DELETE FROM ledger_entry WHERE (organization_id, request_id) = ('firm', 'last')`,
			`UPDATE organization SET ledger_sequence = ledger_sequence - 1 WHERE organization_id = 'firm'`,
		},
		[]string{"charge_has_its_ledger_entry"},
	},
	{
		"a charge entered twice",
		[]string{"ledger_entry.turn_is_charged_once_per_layer"},
		[]string{
			`UPDATE organization SET ledger_sequence = ledger_sequence + 1 WHERE organization_id = 'firm'`,
			`INSERT INTO ledger_entry SELECT organization_id, sequence + 1, at, kind, amount_micros, pool_balance_after_micros,
				member_id, reservation_id, reference, request_id, NULL, NULL
			FROM ledger_entry WHERE (organization_id, request_id) = ('firm', 'last')`,
		},
		[]string{"charge_is_entered_once"},
	},
	{
		"an entry of another amount", nil,
		[]string{`UPDATE ledger_entry SET amount_micros = amount_micros + 1 WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"ledger_entry_is_the_charge"},
	},
	{
		"an entry of another member", nil,
		[]string{`UPDATE ledger_entry SET member_id = 'dan' WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"ledger_entry_is_of_its_turn"},
	},
	{
		"an entry of another request", nil,
		[]string{`UPDATE ledger_entry SET request_id = 'first' WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"ledger_entry_is_of_its_turn"},
	},
	{
		"an entry of another moment", nil,
		[]string{`UPDATE ledger_entry SET at = at + interval '1 microsecond' WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"ledger_entry_is_of_its_turn"},
	},
	{
		"an entry of no turn", nil, appendEntry(`'0198c0de-0000-7000-8000-000000000000'`),
		[]string{"ledger_entry_has_its_reservation"},
	},
	{
		"an entry of an open turn", nil, appendEntry(turnOf("open-pool")),
		[]string{"only_settled_turns_are_charged"},
	},
	{
		"an entry of an expired turn", nil, appendEntry(turnOf("lapsed-1")),
		[]string{"only_settled_turns_are_charged"},
	},
	{
		"an entry of a layer that did not pay", nil, appendEntry(turnOf("free-1")),
		[]string{"ledger_entry_has_its_charge"},
	},
	{
		"a failed turn that the pool pays",
		[]string{"reservation.failed_turn_never_charges_the_pool"},
		[]string{`UPDATE reservation SET pool_micros = 1, actual_micros = actual_micros + 1
			WHERE (organization_id, request_id) = ('firm', 'failed-1')`},
		[]string{"failed_turn_never_draws_on_the_pool", "charge_has_its_ledger_entry", "pool_used_is_all_charges"},
	},
	{
		"a failed turn that the pool pays, and all books say so",
		[]string{"reservation.failed_turn_never_charges_the_pool"},
		[]string{`UPDATE reservation SET state = 3 WHERE (organization_id, request_id) = ('firm', 'both-1')`},
		[]string{"failed_turn_never_draws_on_the_pool"},
	},
	{
		"a charge that does not add up",
		[]string{"reservation.reservation_charge_adds_up"},
		[]string{`UPDATE reservation SET actual_micros = actual_micros + 1 WHERE (organization_id, request_id) = ('firm', 'both-1')`},
		[]string{"charge_adds_up"},
	},
	{
		"a charge with a negative part",
		[]string{"reservation.reservation_charge_adds_up"},
		[]string{`UPDATE reservation SET actual_micros = actual_micros - 1, overrun_micros = -1
			WHERE (organization_id, request_id) = ('firm', 'both-1')`},
		[]string{"charge_adds_up", "overrun_is_all_overruns"},
	},
	{
		"a charge beyond every range",
		[]string{"reservation.reservation_charge_adds_up"},
		[]string{`UPDATE reservation SET overrun_micros = 9223372036854775807 WHERE (organization_id, request_id) = ('firm', 'both-1')`},
		[]string{"charge_adds_up", "overrun_is_all_overruns"},
	},
	{
		"a charge of an open turn",
		[]string{"reservation.reservation_is_charged_once_settled"},
		[]string{`UPDATE reservation SET actual_micros = 1, overrun_micros = 1 WHERE (organization_id, request_id) = ('firm', 'open-pool')`},
		[]string{"only_settled_turns_are_charged", "overrun_is_all_overruns"},
	},
	{
		"tokens of an expired turn", nil,
		[]string{`UPDATE reservation SET output_tokens = 5 WHERE (organization_id, request_id) = ('firm', 'lapsed-1')`},
		[]string{"only_settled_turns_are_charged"},
	},
}
