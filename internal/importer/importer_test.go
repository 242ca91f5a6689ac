package importer

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/bookwire"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
	"github.com/spillway-metering/spillway/internal/pricelist"
)

// told answers every call with what it was told to, and keeps the last put.
type told struct {
	meterv1.UnimplementedPriceServiceServer
	book *meterv1.PriceBook
	err  error
	put  *meterv1.PutPriceBookRequest
}

func (s *told) GetPriceBook(context.Context, *meterv1.GetPriceBookRequest) (*meterv1.GetPriceBookResponse, error) {
	return &meterv1.GetPriceBookResponse{PriceBook: s.book}, s.err
}

func (s *told) PutPriceBook(_ context.Context, in *meterv1.PutPriceBookRequest) (*meterv1.PutPriceBookResponse, error) {
	s.put = in
	return &meterv1.PutPriceBookResponse{PriceBook: s.book}, s.err
}

func dialed(t *testing.T, s *told) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, served := grpc.NewServer(grpc.MaxRecvMsgSize(largestBook)), make(chan error, 1)
	meterv1.RegisterPriceServiceServer(server, s)
	go func() { served <- server.Serve(listener) }()
	client, err := Dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return client
}

func failed(t *testing.T, code codes.Code, detail protoadapt.MessageV1) error {
	t.Helper()
	answer, err := status.New(code, "the server's words").WithDetails(detail)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Err()
}

func reason(t *testing.T, code codes.Code, reason string) error {
	t.Helper()
	return failed(t, code, &errdetails.ErrorInfo{Domain: "meter.v1", Reason: reason})
}

// everything is a book that tells all a book can tell.
func everything(t *testing.T) price.Book {
	t.Helper()
	rate := func(text string) *price.Decimal {
		d, err := price.ParseDecimal(text)
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	return price.Book{
		ID: "b", Version: 3, Unit: meter.UnitACU, ACUMicrosPerUSD: 7, Source: "s", Licence: "l",
		AsOf: meter.Date{Year: 2026, Month: 8, Day: 1},
		Models: []price.Model{
			{Name: "m", Aliases: []string{"a", "c"}, Prices: []price.Price{
				{Rates: price.Rates{Input: rate("0"), Output: rate("0.000000000000000000000000000001")}},
				{
					ValidFrom: time.Date(2026, 3, 13, 1, 2, 3, 4000, time.UTC),
					Rates:     price.Rates{Input: rate("1"), CachedInput: rate("0.1"), CacheWrite: rate("1.25"), Output: rate("5"), Reasoning: rate("6")},
					Tiers: []price.Tier{
						{AboveInputTokens: 128_000, Rates: price.Rates{Input: rate("2")}},
						{AboveInputTokens: 200_000, Rates: price.Rates{Reasoning: rate("0")}},
					},
				},
			}},
			{Name: "n", Prices: []price.Price{{Rates: price.Rates{Output: rate("1")}}}},
		},
	}
}

func TestABookSurvivesTheWay(t *testing.T) {
	want := everything(t)
	got, err := bookwire.Book(bookwire.Message(want))
	if err != nil {
		t.Fatal(err)
	}
	if changes := pricelist.Compare(want, got); !changes.Empty() || got.ID != want.ID || got.Version != want.Version {
		t.Errorf("got %+v, which differs in %+v", got, changes)
	}
	if again := bookwire.Message(got); !proto.Equal(again, bookwire.Message(want)) {
		t.Errorf("got %v", again)
	}
	if bookwire.Message(price.Book{}).AsOf != nil || bookwire.Message(want).Models[1].Prices[0].ValidFrom != nil {
		t.Error("what is not told must be absent")
	}
}

func TestARateThatIsNoNumberIsNoBook(t *testing.T) {
	for _, spoil := range []func(*meterv1.Price){
		func(p *meterv1.Price) { p.Rates.Input = proto.String("NaN") },
		func(p *meterv1.Price) { p.Tiers[0].Rates.Input = proto.String("-1") },
	} {
		in := bookwire.Message(everything(t))
		spoil(in.Models[0].Prices[1])
		if _, err := bookwire.Book(in); err == nil || !strings.Contains(err.Error(), `rates.input: must be a decimal number`) {
			t.Errorf("got %v", err)
		}
	}
}

func TestTheCurrentBookIsRead(t *testing.T) {
	s := &told{book: bookwire.Message(everything(t))}
	server := dialed(t, s)
	got, err := server.Current(t.Context(), "b")
	if err != nil || got.Version != 3 || !pricelist.Compare(got, everything(t)).Empty() {
		t.Errorf("got %+v, %v", got, err)
	}
	s.err = reason(t, codes.NotFound, "PRICE_BOOK_NOT_FOUND")
	if got, err = server.Current(t.Context(), "b"); err != nil || got.Version != 0 || got.ID != "b" || got.Models != nil {
		t.Errorf("a book that there is not: got %+v, %v", got, err)
	}
	s.err = nil
	s.book.Models[0].Prices[0].Rates.Input = proto.String("much")
	if _, err = server.Current(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), "GetPriceBook: model") {
		t.Errorf("got %v", err)
	}
}

func TestABookIsPutAfterTheOneItWasComparedWith(t *testing.T) {
	s := &told{book: &meterv1.PriceBook{Version: 4}}
	server, book := dialed(t, s), everything(t)
	if version, err := server.Put(t.Context(), book, 3); err != nil || version != 4 {
		t.Errorf("got version %d, %v", version, err)
	}
	if s.put.ExpectedVersion == nil || s.put.GetExpectedVersion() != 3 || !proto.Equal(s.put.GetPriceBook(), bookwire.Message(book)) {
		t.Errorf("put %v", s.put)
	}
	if _, err := server.Put(t.Context(), book, 0); err != nil || s.put.ExpectedVersion == nil {
		t.Errorf("the first version must follow none: %v, put %v", err, s.put)
	}
	s.err = reason(t, codes.FailedPrecondition, "PRICE_BOOK_CHANGED")
	if _, err := server.Put(t.Context(), book, 3); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorIsOneClearLine(t *testing.T) {
	violation := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: "price_book.unit", Description: "must be told"},
	}}
	for want, err := range map[string]error{
		"PutPriceBook: price_book.unit must be told":             failed(t, codes.InvalidArgument, violation),
		"PutPriceBook: PermissionDenied: the server's words":     reason(t, codes.PermissionDenied, "PERMISSION_DENIED"),
		"PutPriceBook: no answer: the server's words":            reason(t, codes.Unavailable, "UNAVAILABLE"),
		"PutPriceBook: FailedPrecondition: the server's words":   failed(t, codes.FailedPrecondition, &errdetails.ErrorInfo{Domain: "other", Reason: "PRICE_BOOK_CHANGED"}),
		"PutPriceBook: ResourceExhausted: trying to send messag": nil,
	} {
		server, book := dialed(t, &told{err: err}), everything(t)
		if err == nil {
			book.Source = strings.Repeat("s", largestBook)
		}
		if _, got := server.Put(t.Context(), book, 0); got == nil || !strings.HasPrefix(got.Error(), want) {
			t.Errorf("got %v, want %q", got, want)
		}
	}
	if _, err := Dial("unix://%"); err == nil {
		t.Error("an address that is none was taken")
	}
}

// TestTheSelectedPricesAreThoseOfTheList holds the book of the demonstration to the list that it names as its source.
func TestTheSelectedPricesAreThoseOfTheList(t *testing.T) {
	text, err := os.ReadFile("../demo/prices.json")
	if err != nil {
		t.Fatal(err)
	}
	message := &meterv1.PriceBook{}
	if err := protojson.Unmarshal(text, message); err != nil {
		t.Fatal(err)
	}
	selected, err := bookwire.Book(message)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := price.New(selected); err != nil {
		t.Fatal(err)
	}
	options := pricelist.Options{Book: selected}
	aliases := map[string][]string{}
	for _, m := range selected.Models {
		options.Only = append(options.Only, m.Name)
		aliases[m.Name] = m.Aliases
	}
	file, err := os.Open("../pricelist/testdata/litellm_model_prices_and_context_window.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	list, err := pricelist.Read(file, options)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range list.Book.Models {
		list.Book.Models[i].Aliases = aliases[m.Name] // The list has none: these are how the traces call the models.
	}
	if changes := pricelist.Compare(list.Book, selected); !changes.Empty() || len(selected.Models) != 30 || len(list.Refused) > 0 {
		t.Errorf("%d models, %d refused, and these differ: %+v", len(selected.Models), len(list.Refused), changes)
	}
	traces := []string{"claude-opus-4-6", "claude-opus-4-7", "azure/Kimi-K2.5", "azure/DeepSeek-V3.2"}
	for _, m := range selected.Models {
		traces = slices.DeleteFunc(traces, func(name string) bool { return name == m.Name || slices.Contains(m.Aliases, name) })
	}
	if len(traces) > 0 {
		t.Errorf("models of the traces without a price: %v", traces)
	}
}
