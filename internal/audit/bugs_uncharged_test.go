package audit_test

// ofRefusal is a condition for the firm's last refusal, and ofEnd one for its turn that ended uncharged.
const (
	ofRefusal = ` WHERE organization_id = 'firm' AND sequence = (SELECT uncharged_sequence FROM organization WHERE organization_id = 'firm')`
	ofEnd     = ` WHERE organization_id = 'firm' AND outcome = 1 AND reservation_id = `
)

// lastUncharged moves the number of the organization's last uncharged turn.
func lastUncharged(by string) string {
	return `UPDATE organization SET uncharged_sequence = uncharged_sequence ` + by + ` WHERE organization_id = 'firm'`
}

var unchargedBugs = []bug{
	{
		"an uncharged turn that is gone", nil,
		[]string{`DELETE FROM uncharged_turn` + ofEnd + turnOf("free-1")},
		[]string{"uncharged_turns_are_gapless", "uncharged_turn_is_told"},
	},
	{
		"an uncharged turn that was never told, and left no gap", nil,
		[]string{
			`DELETE FROM uncharged_turn` + ofEnd + turnOf("free-1"),
			`UPDATE uncharged_turn SET sequence = sequence + 1000 WHERE organization_id = 'firm'`,
			`UPDATE uncharged_turn SET sequence = sequence - 1001 WHERE organization_id = 'firm'`,
			lastUncharged("- 1"),
		},
		[]string{"uncharged_turn_is_told"},
	},
	{
		"a refusal that is gone", nil,
		[]string{`DELETE FROM uncharged_turn` + ofRefusal},
		[]string{"uncharged_sequence_is_the_last_turn"},
	},
	{
		"an organization ahead of its uncharged turns", nil,
		[]string{lastUncharged("+ 1")},
		[]string{"uncharged_sequence_is_the_last_turn"},
	},
	{
		"an uncharged turn that steps back in time", nil,
		[]string{`UPDATE uncharged_turn SET at = at - interval '1 hour'` + ofRefusal},
		[]string{"uncharged_time_never_goes_back"},
	},
	{
		"an uncharged turn that was charged", nil,
		[]string{
			lastUncharged("+ 1"),
			`INSERT INTO uncharged_turn (organization_id, sequence, at, outcome, member_id, reservation_id)
				SELECT 'firm', uncharged_sequence, now(), 1, 'cleo', ` + turnOf("last") + ` FROM organization WHERE organization_id = 'firm'`,
		},
		[]string{"uncharged_turn_ended_so"},
	},
	{
		"a turn that is said to have failed and did not", nil,
		[]string{`UPDATE uncharged_turn SET outcome = 2` + ofEnd + turnOf("free-1")},
		[]string{"uncharged_turn_ended_so", "uncharged_turn_is_told"},
	},
	{
		"an uncharged turn of another member", nil,
		[]string{`UPDATE uncharged_turn SET member_id = 'dan'` + ofEnd + turnOf("free-1")},
		[]string{"uncharged_turn_is_of_its_turn"},
	},
	{
		"an uncharged turn that is told twice",
		[]string{"uncharged_turn.turn_ends_uncharged_once"},
		[]string{
			lastUncharged("+ 1"),
			`INSERT INTO uncharged_turn (organization_id, sequence, at, outcome, member_id, reservation_id)
				SELECT 'firm', o.uncharged_sequence, r.settled_at, 1, r.member_id, r.reservation_id
				FROM organization o, reservation r WHERE o.organization_id = 'firm' AND r.reservation_id = ` + turnOf("free-1"),
		},
		[]string{"uncharged_turn_is_told_once", "uncharged_time_never_goes_back"},
	},
	{
		"a refusal that is told twice",
		[]string{"uncharged_turn.refusal_is_told_once"},
		[]string{`UPDATE uncharged_turn u SET attempt_id = b.attempt_id FROM uncharged_turn b
			WHERE u.organization_id = 'firm' AND b.organization_id = 'firm' AND u.outcome = 4 AND b.outcome = 4`},
		[]string{"uncharged_turn_is_told_once"},
	},
	{
		"a refusal of nobody", nil,
		[]string{`UPDATE uncharged_turn SET member_id = 'ghost'` + ofRefusal},
		[]string{"refusal_has_its_member"},
	},
	{
		"a refusal priced by a book that is gone", nil,
		[]string{`UPDATE uncharged_turn SET price_book_version = 99` + ofRefusal},
		[]string{"refusal_has_its_book"},
	},
	{
		"a hold beyond the room that was seen", nil,
		[]string{`UPDATE reservation SET allowance_room_micros = 9 WHERE (organization_id, request_id) = ('firm', 'last')`},
		[]string{"hold_fits_what_was_seen"},
	},
	{
		"a hold under no access", nil,
		[]string{`UPDATE reservation SET access_kind = 1 WHERE (organization_id, request_id) = ('firm', 'open-pool')`},
		[]string{"hold_fits_what_was_seen"},
	},
	{
		"a hold beyond the cap", nil,
		[]string{`UPDATE reservation SET access_kind = 2, access_cap_micros = 300, cap_used_micros = 1
			WHERE (organization_id, request_id) = ('firm', 'open-pool')`},
		[]string{"hold_fits_what_was_seen"},
	},
}
