// Package importer takes price books to a server and from it, over gRPC like any other caller.
package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/bookwire"
	"github.com/spillway-metering/spillway/internal/price"
)

const (
	// callTimeout is how long a call may take: the largest book is some megabytes.
	callTimeout = 30 * time.Second
	// largestBook bounds an answer: 5,000 models with all they may have.
	largestBook = 64 << 20
)

// ErrChanged says that a book is no longer the version that an import was compared with. Nothing was put.
var ErrChanged = errors.New("the book was changed meanwhile, nothing was put: import again to see what would change now")

// Server is the price books of a server.
type Server struct {
	conn   *grpc.ClientConn
	prices meterv1.PriceServiceClient
}

// Dial connects to a server with the first call, without TLS unless the options say otherwise. Close it.
func Dial(address string, options ...grpc.DialOption) (*Server, error) {
	conn, err := grpc.NewClient(address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestBook), grpc.MaxCallSendMsgSize(largestBook)),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return &Server{conn, meterv1.NewPriceServiceClient(conn)}, nil
}

// Close closes the connection.
func (s *Server) Close() error { return s.conn.Close() }

// Current is the version of a book that counts now. Of a book that there is not it is version 0, without models.
func (s *Server) Current(ctx context.Context, id string) (price.Book, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.prices.GetPriceBook(ctx, &meterv1.GetPriceBookRequest{PriceBookId: id})
	if reasonOf(err) == "PRICE_BOOK_NOT_FOUND" {
		return price.Book{ID: id}, nil
	}
	if err != nil {
		return price.Book{}, said("GetPriceBook", err)
	}
	book, err := bookwire.Book(answer.GetPriceBook())
	if err != nil {
		return price.Book{}, fmt.Errorf("GetPriceBook: %w", err)
	}
	return book, nil
}

// Put puts a book as the version after the one of that number, 0 if there was none, and answers its own number. When
// another one came between, it puts nothing: ErrChanged. Put again, the same book makes no further version.
func (s *Server) Put(ctx context.Context, book price.Book, after int64) (version int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.prices.PutPriceBook(ctx, &meterv1.PutPriceBookRequest{PriceBook: bookwire.Message(book), ExpectedVersion: &after})
	if reasonOf(err) == "PRICE_BOOK_CHANGED" {
		return 0, ErrChanged
	}
	if err != nil {
		return 0, said("PutPriceBook", err)
	}
	return answer.GetPriceBook().GetVersion(), nil
}

// reasonOf is the reason that an error names in its details, if any.
func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "meter.v1" {
			return info.GetReason()
		}
	}
	return ""
}

// said is an answer that is no book, as one line: the fields that the server names, or what it says.
func said(rpc string, err error) error {
	answer := status.Convert(err)
	for _, detail := range answer.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) > 0 {
			first := bad.GetFieldViolations()[0]
			return fmt.Errorf("%s: %s %s", rpc, first.GetField(), first.GetDescription())
		}
	}
	if answer.Code() == codes.Unavailable {
		return fmt.Errorf("%s: no answer: %s", rpc, answer.Message())
	}
	return fmt.Errorf("%s: %s: %s", rpc, answer.Code(), answer.Message())
}
