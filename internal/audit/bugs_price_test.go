package audit_test

// request is a condition for one of the firm's turns.
func request(id string) string {
	return ` WHERE (organization_id, request_id) = ('firm', '` + id + `')`
}

var priceBugs = []bug{
	{
		"a cost without a basis",
		[]string{"reservation.reservation_cost_has_a_basis"},
		[]string{`UPDATE reservation SET cost_basis = 0` + request("free-1")},
		[]string{"cost_has_its_basis"},
	},
	{
		"a cost of an unknown basis",
		[]string{"reservation.reservation_cost_has_a_basis"},
		[]string{`UPDATE reservation SET cost_basis = 4` + request("tokens-1")},
		[]string{"cost_has_its_basis"},
	},
	{
		"an open turn whose cost has a basis",
		[]string{"reservation.reservation_cost_has_a_basis"},
		[]string{`UPDATE reservation SET cost_basis = 1` + request("open-pool")},
		[]string{"cost_has_its_basis"},
	},
	{
		"tokens that were more", nil,
		[]string{`UPDATE reservation SET input_tokens = input_tokens - 1` + request("tokens-1")},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"tokens of another class, which costs nothing", nil,
		[]string{`UPDATE price_book SET models = jsonb_set(models, '{0,prices,0,rates,reasoning}', '"0"') WHERE version = 1`},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"a turn priced by the version after its own", nil,
		[]string{`UPDATE reservation SET price_book_version = 2` + request("tokens-1")},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"a version that was changed", nil,
		[]string{`UPDATE price_book SET models = jsonb_set(models, '{0,prices,0,rates,output}', '"2.5"') WHERE version = 1`},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"a price that began after the turn", nil,
		[]string{`UPDATE price_book SET models = jsonb_set(models, '{0,prices,0,valid_from}', '"2026-06-01T00:00:00Z"') WHERE version = 1`},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"a turn of another model", nil,
		[]string{`UPDATE reservation SET model = 'large'` + request("tokens-2")},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"tokens priced without a book", nil,
		[]string{`UPDATE reservation SET price_book_id = '', price_book_version = 0` + request("tokens-1")},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"a turn that was charged what it held though it has a price", nil,
		[]string{`UPDATE reservation SET model = 'small'` + request("unpriced-1")},
		[]string{"tokens_cost_what_the_book_says"},
	},
	{
		"a turn without a price that held less", nil,
		[]string{`UPDATE reservation SET held_allowance_micros = held_allowance_micros - 1` + request("unpriced-1")},
		[]string{"held_cost_is_what_was_held"},
	},
	{
		"no bug: one that held it of another layer", nil,
		[]string{`UPDATE reservation SET held_allowance_micros = held_pool_micros, held_pool_micros = held_allowance_micros` +
			request("unpriced-1")},
		nil,
	},
	{
		"a turn under a version that never was", nil,
		[]string{`UPDATE reservation SET price_book_version = 9` + request("free-1")},
		[]string{"reservation_has_its_book"},
	},
	{
		"a turn under a book that is gone", nil,
		[]string{`UPDATE reservation SET price_book_id = 'gone'` + request("tokens-1")},
		[]string{"reservation_has_its_book", "tokens_cost_what_the_book_says"},
	},
	{
		"a version that is missing", nil,
		[]string{`INSERT INTO price_book SELECT price_book_id, 1000, unit, acu_micros_per_usd, source, licence, as_of, models,
			created_at, created_by FROM price_book WHERE version = 1`},
		[]string{"book_versions_are_consecutive"},
	},
	{
		"a book that begins with its second version", nil,
		[]string{`INSERT INTO price_book VALUES ('late', 2, 2, 0, '', '', NULL, '[]', now(), 'tests')`},
		[]string{"book_versions_are_consecutive"},
	},
	{
		"a book that cannot be read", nil,
		[]string{`INSERT INTO price_book VALUES ('garbled', 1, 2, 0, '', '', NULL, '[1]', now(), 'tests')`},
		[]string{"book_can_be_used"},
	},
	{
		"a book with a fault", nil,
		[]string{`INSERT INTO price_book SELECT 'twice', 1, unit, 0, '', '', NULL, models || models, now(), 'tests'
			FROM price_book WHERE version = 1`},
		[]string{"book_can_be_used"},
	},
	{
		"a price below zero", nil,
		[]string{`INSERT INTO price_book SELECT 'negative', 1, unit, 0, '', '', NULL,
			jsonb_set(models, '{0,prices,0,rates,output}', '"-1"'), now(), 'tests' FROM price_book WHERE version = 1`},
		[]string{"book_can_be_used"},
	},
}
