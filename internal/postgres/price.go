package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

const (
	bookColumns = `b.price_book_id, b.version, b.unit, b.acu_micros_per_usd, b.source, b.licence, b.as_of, b.created_at`

	// readBook answers the current version where none is named.
	readBook = `SELECT ` + bookColumns + `, b.models FROM price_book b
		WHERE b.price_book_id = $1 AND ($2::bigint = 0 OR b.version = $2) ORDER BY b.version DESC LIMIT 1`
	readBooks = `SELECT DISTINCT ON (b.price_book_id) ` + bookColumns + `, '[]'::jsonb FROM price_book b
		WHERE b.price_book_id > $1 ORDER BY b.price_book_id, b.version DESC LIMIT $2`

	// lockBook lets one caller at a time add a version to a book, also to one that does not exist yet.
	lockBook   = `SELECT pg_advisory_xact_lock(hashtextextended('price_book ' || $1, 0))`
	insertBook = `INSERT INTO price_book (price_book_id, version, unit, acu_micros_per_usd, source, licence, as_of, models,
			created_at, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, {now}, $9) RETURNING created_at`
)

// booksKept bounds how many versions of price books a store keeps in memory.
const booksKept = 128

// books keeps the versions of price books that were asked for. They never change, so they are never stale.
type books struct {
	mu     sync.Mutex
	tables map[meter.BookVersion]*price.Table
}

// PutPriceBook adds a version to a book, records who did, and answers it without its models. A book that already is as
// given stays as it is. If expected is not nil and not the current version, it refuses, unless what it finds is what it would have
// made of the expected one: then it was asked before.
func (s *Store) PutPriceBook(
	ctx context.Context, b price.Book, expected *int64, by meter.Actor,
) (put price.Book, err error) {
	err = s.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockBook, b.ID); err != nil {
			return err
		}
		current, err := scanBook(tx.QueryRow(ctx, readBook, b.ID, 0))
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		b.Version, b.CreatedAt = current.Version, current.CreatedAt
		same, err := sameBook(current, b)
		if err != nil {
			return err
		}
		if again := same && expected != nil && *expected+1 == current.Version; expected != nil && *expected != current.Version && !again {
			return bookChanged(b.ID, current.Version, *expected)
		}
		if put = current; !same {
			if put, err = s.nextVersion(ctx, tx, b, by.Name()); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, func(at time.Time) (meter.AuditEntry, bool, error) {
			return meter.PriceBookRecord(by, at, b.ID, current.Version, put.Version)
		})
	})
	if err != nil {
		return price.Book{}, err
	}
	// Made ready now, so that no turn waits for it while its organization is locked.
	_, err = s.PriceTable(ctx, put.ID, put.Version)
	put.Models = nil
	return put, err
}

// nextVersion adds the version after the one that a book names.
func (s *Store) nextVersion(ctx context.Context, tx pgx.Tx, b price.Book, actor string) (price.Book, error) {
	b.Version++
	models, err := json.Marshal(b.Models)
	if err != nil {
		return price.Book{}, err
	}
	err = tx.QueryRow(ctx, s.sql.insertBook, b.ID, b.Version, int16(b.Unit), b.ACUMicrosPerUSD, b.Source, b.Licence,
		dateOrNull(b.AsOf), models, actor).Scan(instant{&b.CreatedAt})
	return b, err
}

func sameBook(a, b price.Book) (bool, error) {
	was, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	is, err := json.Marshal(b)
	return bytes.Equal(was, is), err
}

func bookChanged(id string, version, expected int64) error {
	return &meter.Refusal{Reason: meter.PriceBookChanged, Facts: map[string]string{
		"price_book_id": id, "version": strconv.FormatInt(version, 10), "expected_version": strconv.FormatInt(expected, 10),
	}}
}

// PriceBook answers a version of a book; version 0 is the current one.
func (s *Store) PriceBook(ctx context.Context, id string, version int64) (price.Book, error) {
	b, err := scanBook(s.readers.QueryRow(ctx, readBook, id, version))
	return b, orMissing(err, meter.PriceBookNotFound, "price_book_id", id)
}

// PriceBooks lists the current version of each book, without models, in order of id.
func (s *Store) PriceBooks(ctx context.Context, after string, limit int) ([]price.Book, error) {
	var found []price.Book
	rows, err := s.readers.Query(ctx, readBooks, after, limit)
	if err != nil {
		return nil, fault(err)
	}
	defer rows.Close()
	err = each(rows, func() error {
		b, err := scanBook(rows)
		found = append(found, b)
		return err
	})
	return found, fault(err)
}

// PriceTable answers a version of a book ready for use; version 0 is the current one.
func (s *Store) PriceTable(ctx context.Context, id string, version int64) (*price.Table, error) {
	if table := s.books.get(meter.BookVersion{ID: id, Version: version}); table != nil {
		return table, nil
	}
	b, err := s.PriceBook(ctx, id, version)
	if err != nil {
		return nil, err
	}
	table, err := price.New(b)
	if err != nil {
		return nil, unreadableBook(b, err)
	}
	s.books.put(meter.BookVersion{ID: b.ID, Version: b.Version}, table)
	return table, nil
}

func (b *books) get(v meter.BookVersion) *price.Table {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tables[v]
}

func (b *books) put(v meter.BookVersion, table *price.Table) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tables == nil || len(b.tables) >= booksKept {
		b.tables = map[meter.BookVersion]*price.Table{}
	}
	b.tables[v] = table
}

func scanBook(row pgx.Row) (b price.Book, err error) {
	var models []byte
	err = row.Scan(&b.ID, &b.Version, (*int16)(&b.Unit), &b.ACUMicrosPerUSD, &b.Source, &b.Licence, day{&b.AsOf},
		instant{&b.CreatedAt}, &models)
	if err != nil {
		return price.Book{}, err
	}
	if err := json.Unmarshal(models, &b.Models); err != nil {
		return price.Book{}, unreadableBook(b, err)
	}
	return b, nil
}

func unreadableBook(b price.Book, err error) error {
	return &unreadable{fmt.Errorf("price book %q, version %d: %w", b.ID, b.Version, err)}
}

func dateOrNull(d meter.Date) *time.Time {
	if d == (meter.Date{}) {
		return nil
	}
	date := dateOf(d)
	return &date
}
