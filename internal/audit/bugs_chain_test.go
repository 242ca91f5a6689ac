package audit_test

// entryOf is a condition for one entry of the firm's record.
func entryOf(sequence string) string {
	return ` WHERE organization_id = 'firm' AND sequence = ` + sequence
}

var chainBugs = []bug{
	{
		"an entry on record that names another", nil,
		[]string{`UPDATE audit_entry SET subject = 'eve'` + entryOf("2")},
		[]string{"record_is_as_it_was_written"},
	},
	{
		"an entry on record of another time", nil,
		[]string{`UPDATE audit_entry SET at = at + interval '1 microsecond'` + entryOf("1")},
		[]string{"record_is_as_it_was_written"},
	},
	{
		"an entry on record that says more of what there was", nil,
		[]string{`UPDATE audit_entry SET before_facts = before_facts || ' '` + entryOf("3")},
		[]string{"record_is_as_it_was_written"},
	},
	{
		"words that moved from one value to the next", nil,
		[]string{`UPDATE audit_entry SET subject = 'test', issuer = 's'` + entryOf("2")},
		[]string{"record_is_as_it_was_written"},
	},
	{
		"an entry on record that was changed with its hash", nil,
		[]string{`UPDATE audit_entry SET subject = 'eve', hash = sha256('eve')` + entryOf("2")},
		[]string{"record_is_as_it_was_written"},
	},
	{
		"an entry on record that is gone", nil,
		[]string{`DELETE FROM audit_entry` + entryOf("2")},
		[]string{"record_is_gapless"},
	},
	{
		"an entry on record that is gone, and those after it moved up", nil,
		[]string{
			`DELETE FROM audit_entry` + entryOf("2"),
			`UPDATE audit_entry SET sequence = sequence + 1000 WHERE organization_id = 'firm' AND sequence > 2`,
			`UPDATE audit_entry SET sequence = sequence - 1001 WHERE organization_id = 'firm' AND sequence > 1000`,
			`UPDATE audit_chain SET sequence = sequence - 1 WHERE organization_id = 'firm'`,
		},
		[]string{"record_is_as_it_was_written"},
	},
	{
		"a last entry on record that is gone", nil,
		[]string{`DELETE FROM audit_entry e USING audit_chain c
			WHERE e.organization_id = 'firm' AND c.organization_id = 'firm' AND e.sequence = c.sequence`},
		[]string{"record_ends_where_it_says"},
	},
	{
		"a record that is gone", nil,
		[]string{`DELETE FROM audit_entry WHERE organization_id = 'firm'`},
		[]string{"record_ends_where_it_says"},
	},
	{
		"a record whose end is gone", nil,
		[]string{`DELETE FROM audit_chain WHERE organization_id = 'firm'`},
		[]string{"record_ends_where_it_says"},
	},
	{
		"the service's own record without its first entry", nil,
		[]string{`DELETE FROM audit_entry WHERE organization_id = '' AND sequence = 1`},
		[]string{"record_is_gapless"},
	},
	{
		"a record whose guard sleeps", nil,
		[]string{`ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_is_append_only`},
		[]string{"append_only_tables_refuse_change"},
	},
}

var quotaBugs = []bug{
	{
		"a count of what is registered that drifted", nil,
		[]string{`UPDATE resource_count SET used = used + 1 WHERE organization_id = 'firm' AND kind = 2`},
		[]string{"plan_usage_is_what_is_registered"},
	},
	{
		"a count that is gone", nil,
		[]string{`DELETE FROM resource_count WHERE organization_id = 'firm' AND kind = 3`},
		[]string{"plan_usage_is_what_is_registered"},
	},
	{
		"a project that became private behind the count's back", nil,
		[]string{`UPDATE resource SET private = true WHERE organization_id = 'firm' AND resource_id = 'open'`},
		[]string{"plan_usage_is_what_is_registered"},
	},
	{
		"a device without its orchestrator", nil,
		[]string{
			`UPDATE resource SET registered = false WHERE organization_id = 'firm' AND resource_id = 'plant'`,
			`UPDATE resource_count SET used = used - 1 WHERE organization_id = 'firm' AND kind = 1`,
		},
		[]string{"device_has_its_orchestrator"},
	},
	{
		"no bug: an inactive orchestrator", nil,
		[]string{`UPDATE resource SET active = false WHERE organization_id = 'firm' AND resource_id = 'plant'`},
		nil,
	},
}
