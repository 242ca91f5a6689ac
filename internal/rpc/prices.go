package rpc

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/bookwire"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// prices answers PriceService.
type prices struct {
	meterv1.UnimplementedPriceServiceServer
	Services
}

func (s *prices) PutPriceBook(
	ctx context.Context, in *meterv1.PutPriceBookRequest,
) (*meterv1.PutPriceBookResponse, error) {
	book, err := bookOf(in.GetPriceBook())
	if err != nil {
		return nil, err
	}
	put, err := s.Prices.PutPriceBook(ctx, book, in.ExpectedVersion, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	return &meterv1.PutPriceBookResponse{PriceBook: bookwire.Message(put)}, nil
}

// bookOf is a book without fault, or an error that names the first field that has one.
func bookOf(in *meterv1.PriceBook) (price.Book, error) {
	book, err := bookwire.Book(in)
	if err != nil {
		return book, faultyBook(err)
	}
	book.Version, book.CreatedAt = 0, time.Time{} // They are not the caller's to say.
	if _, err := price.New(book); err != nil {
		return book, faultyBook(err)
	}
	return book, nil
}

// faultyBook names the field of a book that breaks a rule, and says of which model it is.
func faultyBook(err error) error {
	var fault *price.Fault
	if !errors.As(err, &fault) {
		return err
	}
	path, model := fieldOfFault(fault.Key)
	if model == "" {
		return invalidField("price_book."+path, fault.Problem)
	}
	return invalidField("price_book."+path, fault.Problem+" (model "+model+")")
}

// fieldOfFault takes the model's quoted name out of the key of a fault, such as `models[3] "gpt-4o": prices[1].valid_from`.
func fieldOfFault(key string) (path, model string) {
	at := strings.IndexByte(key, ' ')
	if at < 0 {
		return key, ""
	}
	model, err := strconv.QuotedPrefix(key[at+1:])
	if err != nil {
		return key, ""
	}
	return key[:at] + "." + strings.TrimPrefix(key[at+1+len(model):], ": "), model
}

func (s *prices) GetPriceBook(
	ctx context.Context, in *meterv1.GetPriceBookRequest,
) (*meterv1.GetPriceBookResponse, error) {
	book, err := s.Prices.PriceBook(ctx, in.GetPriceBookId(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	return &meterv1.GetPriceBookResponse{PriceBook: bookwire.Message(book)}, nil
}

func (s *prices) ListPriceBooks(
	ctx context.Context, in *meterv1.ListPriceBooksRequest,
) (*meterv1.ListPriceBooksResponse, error) {
	l := list("ListPriceBooks")
	after, err := l.after(in)
	if err != nil {
		return nil, err
	}
	found, err := s.Prices.PriceBooks(ctx, after, limit(in))
	if err != nil {
		return nil, err
	}
	found, next := page(l, in, found, func(b price.Book) string { return b.ID })
	return &meterv1.ListPriceBooksResponse{PriceBooks: each(found, bookwire.Message), NextPageToken: next}, nil
}

func (s *prices) Quote(ctx context.Context, in *meterv1.QuoteRequest) (*meterv1.QuoteResponse, error) {
	if wrong := quoteFaults(in); wrong != nil {
		return nil, wrong
	}
	table, unit, err := s.quotedBy(ctx, in)
	if err != nil {
		return nil, err
	}
	at, err := s.quotedAt(ctx, in)
	if err != nil {
		return nil, err
	}
	quote, err := table.Quote(in.GetModel(), tokensOf(in.GetTokenUsage()), at, unit)
	if err != nil {
		return nil, table.Refusal(err)
	}
	return quoteMessage(quote, unit), nil
}

func quoteFaults(in *meterv1.QuoteRequest) *FieldError {
	wrong := tokenFaults(in.GetTokenUsage())
	if (in.GetPriceBookId() == "") == (in.GetOrganizationId() == "") {
		wrong = wrong.and("price_book_id", "must be set, or organization_id, and not both")
	}
	if in.GetAt() != nil && !in.GetAt().IsValid() {
		wrong = wrong.and("at", requireTime)
	}
	return wrong
}

// quotedBy is the book that a Quote names, or that its organization does, and the unit to answer in.
func (s *prices) quotedBy(ctx context.Context, in *meterv1.QuoteRequest) (*price.Table, meter.Unit, error) {
	if in.GetOrganizationId() == "" {
		table, err := s.Prices.PriceTable(ctx, in.GetPriceBookId(), in.GetVersion())
		if err != nil {
			return nil, 0, err
		}
		unit := table.Unit()
		return table, unit, nil
	}
	organization, err := s.Reader.Organization(ctx, in.GetOrganizationId())
	if err != nil {
		return nil, 0, err
	}
	table, err := s.Prices.PriceTable(ctx, organization.PriceBook(), in.GetVersion())
	return table, organization.Unit, err
}

// quotedAt is the time that a Quote names, or that at which a turn would be reserved now.
func (s *prices) quotedAt(ctx context.Context, in *meterv1.QuoteRequest) (time.Time, error) {
	if in.GetAt() == nil {
		return s.Prices.Now(ctx)
	}
	return momentOf(in.GetAt()), nil
}
