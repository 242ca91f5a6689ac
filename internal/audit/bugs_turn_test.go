package audit_test

var reservationBugs = []bug{
	{
		"an open turn that was settled",
		[]string{"reservation.reservation_is_open_or_settled"},
		[]string{`UPDATE reservation SET settled_at = created_at WHERE (organization_id, request_id) = ('firm', 'open-pool')`},
		[]string{"reservation_is_open_or_settled"},
	},
	{
		"a settled turn that never was",
		[]string{"reservation.reservation_is_open_or_settled"},
		[]string{`UPDATE reservation SET settled_at = NULL WHERE (organization_id, request_id) = ('firm', 'free-1')`},
		[]string{"reservation_is_open_or_settled"},
	},
	{
		"a turn in no known state",
		[]string{"reservation.reservation_state_is_known"},
		[]string{`UPDATE reservation SET state = 7, cost_basis = 0 WHERE (organization_id, request_id) = ('firm', 'free-1')`},
		[]string{"reservation_is_open_or_settled", "uncharged_turn_ended_so"},
	},
	{
		"a hold beyond its estimate",
		[]string{"reservation.reservation_holds_something"},
		[]string{`UPDATE reservation SET estimate_micros = 9 WHERE (organization_id, request_id) = ('firm', 'free-1')`},
		[]string{"reservation_holds_something"},
	},
	{
		"a hold with a negative part",
		[]string{"reservation.reservation_holds_something"},
		[]string{`UPDATE reservation SET held_pool_micros = held_pool_micros + held_allowance_micros + 1, held_allowance_micros = -1
			WHERE (organization_id, request_id) = ('firm', 'free-1')`},
		[]string{"reservation_holds_something"},
	},
	{
		"a request that made two turns",
		[]string{"reservation.reservation_request_id_once"},
		[]string{`UPDATE reservation SET request_id = 'both-1' WHERE (organization_id, request_id) = ('firm', 'lapsed-1')`},
		[]string{"reservation_is_made_once"},
	},
	{
		"a turn of nobody's", nil,
		[]string{`UPDATE reservation SET member_id = 'ghost' WHERE (organization_id, request_id) = ('firm', 'lapsed-1')`},
		[]string{"reservation_has_its_seat", "uncharged_turn_is_of_its_turn"},
	},
	{
		"a turn that expired as it was made",
		[]string{"reservation.reservation_expires_after_it_was_made"},
		[]string{`UPDATE reservation SET expires_at = created_at WHERE (organization_id, request_id) = ('firm', 'lapsed-1')`},
		[]string{"reservation_expires_after_it_was_made"},
	},
	{
		"an extension beyond the estimate", nil,
		[]string{`UPDATE extension SET additional_micros = 1000000 WHERE (organization_id, request_id) = ('firm', 'extend-1')`},
		[]string{"extensions_are_in_the_hold"},
	},
	{
		"an extension beyond the hold", nil,
		[]string{`UPDATE reservation SET held_pool_micros = 10, held_allowance_micros = 10
			WHERE (organization_id, request_id) = ('firm', 'longer-1')`},
		[]string{"extensions_are_in_the_hold"},
	},
	{
		"an extension of no turn", nil,
		[]string{`UPDATE extension SET reservation_id = '0198c0de-0000-7000-8000-000000000000'
			WHERE (organization_id, request_id) = ('firm', 'extend-1')`},
		[]string{"extensions_are_in_the_hold"},
	},
	{
		"an extension that the expiry forgot", nil,
		[]string{`UPDATE extension SET expires_at = expires_at + interval '1 second'
			WHERE (organization_id, request_id) = ('firm', 'extend-1')`},
		[]string{"extensions_are_in_the_expiry"},
	},
	{
		"a hold that the sweep overlooked", nil,
		[]string{`UPDATE organization SET next_due_at = NULL WHERE organization_id = 'firm'`},
		[]string{"due_holds_are_given_back"},
	},
	{
		"a hold that expires just before it is looked for", nil,
		[]string{`UPDATE organization SET next_due_at = (SELECT min(expires_at) + interval '1 microsecond' FROM reservation
			WHERE organization_id = 'firm' AND state = 1) WHERE organization_id = 'firm'`},
		[]string{"due_holds_are_given_back"},
	},
}

var timeBugs = []bug{
	{
		"a turn settled before it began", nil,
		[]string{`UPDATE reservation SET settled_at = created_at - interval '1 second'
			WHERE (organization_id, request_id) = ('firm', 'free-1')`},
		[]string{"turn_is_settled_after_it_began", "uncharged_turn_is_of_its_turn"},
	},
	{
		"a turn extended before it began", nil,
		[]string{`UPDATE extension SET at = at - interval '1 hour' WHERE (organization_id, request_id) = ('firm', 'extend-1')`},
		[]string{"turn_is_settled_after_it_began"},
	},
	{
		"a turn extended after it was settled", nil,
		[]string{`UPDATE extension SET at = at + interval '1 hour' WHERE (organization_id, request_id) = ('firm', 'extend-1')`},
		[]string{"turn_is_settled_after_it_began"},
	},
	{
		"a turn called late that was not", nil,
		[]string{`UPDATE reservation SET late = true WHERE (organization_id, request_id) = ('firm', 'free-1')`},
		[]string{"late_is_after_the_expiry"},
	},
	{
		"a late turn that was not called so", nil,
		[]string{`UPDATE reservation SET late = false WHERE (organization_id, request_id) = ('firm', 'late-1')`},
		[]string{"late_is_after_the_expiry", "uncharged_turn_ended_so"},
	},
	{
		"a turn that expired too early", nil,
		[]string{`UPDATE reservation SET settled_at = expires_at - interval '1 microsecond'
			WHERE (organization_id, request_id) = ('firm', 'lapsed-1')`},
		[]string{"late_is_after_the_expiry", "uncharged_turn_is_of_its_turn"},
	},
	{
		"a month that begins an hour late", nil, movePeriod(`interval '1 hour'`),
		[]string{"period_is_of_the_calendar"},
	},
	{
		"a month that begins after its turns", nil, movePeriod(`interval '20 days'`),
		[]string{"period_is_of_the_calendar", "period_begins_before_its_turns"},
	},
	{
		"a time zone that is not known", nil,
		[]string{`UPDATE organization SET time_zone = 'Mars/Olympus' WHERE organization_id = 'firm'`},
		[]string{"period_is_of_the_calendar"},
	},
	{
		"an anchor that was another before", nil,
		[]string{`UPDATE organization SET anniversary = '2026-01-06' WHERE organization_id = 'firm'`},
		[]string{"period_is_of_the_calendar"},
	},
}

// movePeriod moves the start of cleo's first month, on the seat and on its turns.
func movePeriod(by string) []string {
	return []string{
		`UPDATE reservation SET period_start = period_start + ` + by + ` WHERE organization_id = 'firm' AND member_id = 'cleo'
			AND request_id LIKE '%-1'`,
		`UPDATE member_period SET period_start = period_start + ` + by + ` WHERE organization_id = 'firm'
			AND member_id = 'cleo' AND period_start < '2026-02-01'`,
	}
}

// lastPeriod and firstPeriod change a column of one seat's last and of its first month.
func lastPeriod(member, set string) []string {
	return []string{`UPDATE member SET ` + set + ` WHERE organization_id = 'firm' AND member_id = '` + member + `'`}
}

func firstPeriod(member, set string) []string {
	return []string{`UPDATE member_period SET ` + set + ` WHERE organization_id = 'firm' AND member_id = '` + member +
		`' AND period_start < '2026-02-01'`}
}

var seatBugs = []bug{
	{
		"a plan of several that became individual", nil,
		[]string{`UPDATE plan SET kind = 4 WHERE plan_id = 'team'`},
		[]string{"individual_has_one_member"},
	},
	{
		"no bug: an individual plan with one member who is not removed", nil,
		[]string{
			`UPDATE plan SET kind = 4 WHERE plan_id = 'team'`,
			`UPDATE member m SET state = 2 FROM organization o
				WHERE o.organization_id = m.organization_id AND o.plan_id = 'team' AND m.member_id <> 'ada'`,
		},
		nil,
	},
	{
		"allowance used by no turn", nil, lastPeriod("cleo", "allowance_used_micros = allowance_used_micros + 1"),
		[]string{"allowance_used_is_all_charges"},
	},
	{
		"allowance that a month forgot", nil, firstPeriod("cleo", "allowance_used_micros = 0"),
		[]string{"allowance_used_is_all_charges"},
	},
	{
		"allowance held by no turn", nil, lastPeriod("bob", "allowance_held_micros = 7"),
		[]string{"allowance_held_is_all_open_holds"},
	},
	{
		"allowance held by no turn of a month past", nil, firstPeriod("bob", "allowance_held_micros = 7"),
		[]string{"allowance_held_is_all_open_holds"},
	},
	{
		"pool used by no turn",
		[]string{"member.member_use_is_never_negative"},
		lastPeriod("bob", "pool_used_micros = pool_used_micros + 1"),
		[]string{"pool_used_is_all_charges"},
	},
	{
		"pool used by no turn of a month past", nil, firstPeriod("bob", "pool_used_micros = pool_used_micros + 1"),
		[]string{"pool_used_is_all_charges"},
	},
	{
		"pool held by no turn", nil, lastPeriod("bob", "pool_held_micros = 0"),
		[]string{"seat_pool_held_is_all_open_holds"},
	},
	{
		"pool held by no turn of a month past", nil, firstPeriod("cleo", "pool_held_micros = 1"),
		[]string{"seat_pool_held_is_all_open_holds"},
	},
	{
		"overrun of no turn", nil, lastPeriod("cleo", "overrun_micros = 1"),
		[]string{"overrun_is_all_overruns"},
	},
	{
		"overrun that a month forgot", nil, firstPeriod("cleo", "overrun_micros = 0"),
		[]string{"overrun_is_all_overruns"},
	},
	{
		"a month that is gone", nil,
		[]string{`DELETE FROM member_period WHERE organization_id = 'firm' AND member_id = 'cleo' AND period_start < '2026-02-01'`},
		[]string{"period_in_use_is_kept"},
	},
	{
		"a month that is there twice", nil,
		[]string{`INSERT INTO member_period SELECT organization_id, member_id, period_start, allowance_used_micros,
			allowance_held_micros, pool_used_micros, pool_held_micros, overrun_micros
			FROM member WHERE organization_id = 'firm' AND member_id = 'cleo'`},
		[]string{"period_is_open_or_closed"},
	},
	{
		"a month set aside before it came", nil,
		[]string{`INSERT INTO member_period VALUES ('firm', 'cleo', '2040-01-01', 0, 0, 0, 0, 0)`},
		[]string{"closed_periods_come_before_the_last"},
	},
	{
		"a month of a seat that was never used", nil,
		[]string{`INSERT INTO member_period VALUES ('firm', 'dan', '2026-01-01', 0, 0, 0, 0, 0)`},
		[]string{"closed_periods_come_before_the_last"},
	},
	{
		"a month of nobody's", nil,
		[]string{`INSERT INTO member_period VALUES ('firm', 'ghost', '2026-01-01', 0, 0, 0, 0, 0)`},
		[]string{"period_has_its_seat"},
	},
	{
		"a lifetime of more than was charged", nil,
		lastPeriod("bob", "pool_used_lifetime_micros = pool_used_lifetime_micros + 1"),
		[]string{"pool_used_lifetime_is_all_charges"},
	},
	{
		"tokens of no turn", nil, lastPeriod("bob", "abuse_tokens = abuse_tokens + 1"),
		[]string{"abuse_tokens_are_of_settled_turns"},
	},
	{
		"tokens of a seat without turns", nil, lastPeriod("dan", "abuse_tokens = 1, abuse_opened_at = now()"),
		[]string{"abuse_tokens_are_of_settled_turns"},
	},
}
