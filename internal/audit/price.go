package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

const (
	// findBookGaps has nothing to say of one organization: books belong to none.
	findBookGaps = `
		SELECT 'book_versions_are_consecutive' AS promise, b.price_book_id AS book, 'version ' || b.next AS expected,
			'version ' || b.version AS found
		FROM (
			SELECT price_book_id, version, lag(version, 1, 0::bigint) OVER (PARTITION BY price_book_id ORDER BY version) + 1 AS next
			FROM price_book WHERE $1::text IS NULL
		) b
		WHERE b.version <> b.next
		ORDER BY b.price_book_id, b.version`

	findLostBooks = `
		SELECT 'reservation_has_its_book' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, 'a price book' AS expected,
			'none that is ' || r.price_book_id || ', version ' || r.price_book_version AS found
		FROM reservation r
		WHERE r.price_book_version <> 0 AND ($1::text IS NULL OR r.organization_id = $1) AND NOT EXISTS (
			SELECT 1 FROM price_book b WHERE b.price_book_id = r.price_book_id AND b.version = r.price_book_version)`

	findBaselessCosts = `
		SELECT 'cost_has_its_basis' AS promise, r.organization_id AS organization, r.reservation_id::text AS reservation,
			CASE WHEN r.state IN (2, 3) THEN 'a basis of 1 to 3' ELSE 'no basis' END AS expected,
			'basis ' || r.cost_basis || ', in state ' || r.state AS found
		FROM reservation r
		WHERE NOT CASE WHEN r.state IN (2, 3) THEN r.cost_basis BETWEEN 1 AND 3 ELSE r.cost_basis = 0 END
			AND ($1::text IS NULL OR r.organization_id = $1)`

	findWrongHeldCosts = `
		SELECT 'held_cost_is_what_was_held' AS promise, r.organization_id AS organization,
			r.reservation_id::text AS reservation, concat_ws(' + ', r.held_allowance_micros, r.held_pool_micros) AS expected,
			r.actual_micros::text AS found
		FROM reservation r
		WHERE r.cost_basis = 3 AND r.actual_micros <> r.held_allowance_micros::numeric + r.held_pool_micros
			AND ($1::text IS NULL OR r.organization_id = $1)`

	readBooks = `SELECT b.price_book_id, b.version, b.unit, b.acu_micros_per_usd, b.models FROM price_book b
		WHERE $1::text IS NULL ORDER BY b.price_book_id, b.version`

	// readPricedTurns reads the turns that told their tokens, book by book. The first turn of each brings it along.
	readPricedTurns = `
		SELECT t.organization_id, t.reservation_id::text, o.unit, t.model, t.input_tokens, t.cached_input_tokens,
			t.cache_write_tokens, t.output_tokens, t.reasoning_tokens, t.created_at, t.cost_basis, t.actual_micros,
			t.first, coalesce(b.price_book_id, ''), coalesce(b.version, 0), coalesce(b.unit, 0),
			coalesce(b.acu_micros_per_usd, 0), b.models
		FROM (
			SELECT organization_id, reservation_id, model, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
				reasoning_tokens, created_at, cost_basis, actual_micros, price_book_id, price_book_version,
				row_number() OVER (PARTITION BY price_book_id, price_book_version ORDER BY organization_id, reservation_id) = 1 AS first
			FROM reservation WHERE cost_basis IN (2, 3) AND ($1::text IS NULL OR organization_id = $1)
		) t
		JOIN organization o ON o.organization_id = t.organization_id
		LEFT JOIN price_book b ON t.first AND b.price_book_id = t.price_book_id AND b.version = t.price_book_version
		ORDER BY t.price_book_id, t.price_book_version, t.first DESC`
)

// heldBasis is the cost basis of a turn that was charged what it held, because its tokens had no price.
const heldBasis = 3

// bookRow is a version of a price book as it is stored.
type bookRow struct {
	price.Book
	models []byte
}

func (b *bookRow) targets() []any {
	return []any{&b.ID, &b.Version, (*int16)(&b.Unit), &b.ACUMicrosPerUSD, &b.models}
}

// table makes a book ready to price tokens.
func (b *bookRow) table() (*price.Table, error) {
	if err := json.Unmarshal(b.models, &b.Models); err != nil {
		return nil, err
	}
	return price.New(b.Book)
}

// pricedTurn is a turn whose tokens were to be priced.
type pricedTurn struct {
	organization, reservation string
	unit                      meter.Unit
	model                     string
	tokens                    meter.TokenUsage
	at                        time.Time
	basis                     int16
	cost                      meter.Micros
	first                     bool // Of its book.
	book                      bookRow
}

func (t *pricedTurn) targets() []any {
	return append([]any{
		&t.organization, &t.reservation, (*int16)(&t.unit), &t.model, &t.tokens.Input, &t.tokens.CachedInput,
		&t.tokens.CacheWrite, &t.tokens.Output, &t.tokens.Reasoning, &t.at, &t.basis, (*int64)(&t.cost), &t.first,
	}, t.book.targets()...)
}

// checkPrices checks that every price book can be used, and prices every turn that told its tokens once more.
func (a *audit) checkPrices(ctx context.Context) error {
	if err := a.checkBooks(ctx); err != nil {
		return fmt.Errorf("checking the price books: %w", err)
	}
	if err := a.checkPricedTurns(ctx); err != nil {
		return fmt.Errorf("checking the prices of turns: %w", err)
	}
	return nil
}

func (a *audit) checkBooks(ctx context.Context) error {
	return a.each(ctx, readBooks, func(rows pgx.Rows) error {
		var b bookRow
		if err := rows.Scan(b.targets()...); err != nil {
			return err
		}
		if _, err := b.table(); err != nil {
			a.add(Finding{
				Promise: "book_can_be_used", Book: b.ID, Expected: "version " + strconv.FormatInt(b.Version, 10) + " without a fault",
				Found: err.Error(),
			})
		}
		return nil
	})
}

func (a *audit) checkPricedTurns(ctx context.Context) error {
	var book *price.Table // Of the turn before, too; nil: there is none, or it cannot be used, which is a finding of its own.
	return a.each(ctx, readPricedTurns, func(rows pgx.Rows) error {
		var t pricedTurn
		if err := rows.Scan(t.targets()...); err != nil {
			return err
		}
		if t.first {
			book = nil
			if t.book.Version > 0 {
				book, _ = t.book.table()
			}
		}
		if expected, found, wrong := t.differs(book); wrong {
			a.add(Finding{
				Promise: "tokens_cost_what_the_book_says", Organization: t.organization, Reservation: t.reservation,
				Expected: expected, Found: found,
			})
		}
		return nil
	})
}

// differs says in what a turn's cost is not what its tokens cost by its book: a turn whose tokens have a price costs that,
// and one that was charged what it held has none.
func (t *pricedTurn) differs(book *price.Table) (expected, found string, wrong bool) {
	cost, err := t.price(book)
	var unpriced *price.Unpriced
	var otherUnit *price.UnitMismatch
	noPrice := errors.As(err, &unpriced) || errors.As(err, &otherUnit)
	if t.basis == heldBasis {
		return "no price", "a price of " + cost.String() + ", and charged what it held", !noPrice
	}
	if err != nil {
		return "a price", err.Error(), true
	}
	return cost.String(), t.cost.String(), cost != t.cost
}

func (t *pricedTurn) price(book *price.Table) (meter.Micros, error) {
	if book == nil {
		return 0, &price.Unpriced{Model: t.model}
	}
	return book.Amount(t.model, t.tokens, t.at, t.unit)
}

// each calls f with each row of a statement about the organization at hand.
func (a *audit) each(ctx context.Context, sql string, f func(rows pgx.Rows) error) error {
	rows, err := a.tx.Query(ctx, sql, a.organization)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
