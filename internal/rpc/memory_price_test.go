package rpc

import (
	"context"
	"reflect"
	"strconv"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// shelf keeps the versions of price books without a database, by id and from the first.
type shelf map[string][]*price.Table

func (m *memory) PutPriceBook(_ context.Context, b price.Book, expected *int64, _ meter.Actor) (price.Book, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return price.Book{}, m.fails
	}
	current, _ := m.shelf.book(b.ID, 0)
	if expected != nil && *expected != current.Version {
		return price.Book{}, &meter.Refusal{Reason: meter.PriceBookChanged, Facts: map[string]string{"price_book_id": b.ID}}
	}
	b.Version, b.CreatedAt = current.Version, current.CreatedAt
	if !reflect.DeepEqual(b, current) {
		b.Version, b.CreatedAt = current.Version+1, m.now
		table, err := price.New(b)
		if err != nil {
			return price.Book{}, err
		}
		m.shelf[b.ID] = append(m.shelf[b.ID], table)
	}
	b.Models = nil
	return b, nil
}

func (m *memory) PriceBook(_ context.Context, id string, version int64) (price.Book, error) {
	return m.shelf.book(id, version)
}

func (m *memory) PriceBooks(_ context.Context, after string, limit int) ([]price.Book, error) {
	var books []price.Book
	for id := range m.shelf {
		b, _ := m.shelf.book(id, 0)
		b.Models = nil
		books = append(books, b)
	}
	return part(books, func(b price.Book) string { return b.ID }, after, limit), m.fails
}

func (m *memory) PriceTable(_ context.Context, id string, version int64) (*price.Table, error) {
	return m.shelf.table(id, version)
}

func (s shelf) book(id string, version int64) (price.Book, error) {
	table, err := s.table(id, version)
	if err != nil {
		return price.Book{}, err
	}
	return table.Book(), nil
}

func (s shelf) table(id string, version int64) (*price.Table, error) {
	versions := s[id]
	if version == 0 {
		version = int64(len(versions))
	}
	if version == 0 || version > int64(len(versions)) {
		return nil, &meter.Refusal{Reason: meter.PriceBookNotFound, Facts: map[string]string{
			"price_book_id": id, "version": strconv.FormatInt(version, 10),
		}}
	}
	return versions[version-1], nil
}

// open lays all books out for the rules.
func (s shelf) open(state *meter.State) {
	state.BookVersions, state.Books = map[string]int64{}, map[meter.BookVersion]meter.PriceBook{}
	for id, versions := range s {
		state.BookVersions[id] = int64(len(versions))
		for i, table := range versions {
			state.Books[meter.BookVersion{ID: id, Version: int64(i + 1)}] = table
		}
	}
}
