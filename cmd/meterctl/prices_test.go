package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/pricelist"
)

// bookShelf keeps one price book, and hands out its versions as the contract says.
type bookShelf struct {
	meterv1.UnimplementedPriceServiceServer
	mu   sync.Mutex
	book *meterv1.PriceBook
	// meanwhile is called once, before the next put.
	meanwhile func(*meterv1.PriceBook)
}

func refused(code codes.Code, reason string) error {
	answer, err := status.New(code, "no").WithDetails(&errdetails.ErrorInfo{Domain: "meter.v1", Reason: reason})
	if err != nil {
		return err
	}
	return answer.Err()
}

func (s *bookShelf) GetPriceBook(_ context.Context, in *meterv1.GetPriceBookRequest) (*meterv1.GetPriceBookResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book.GetPriceBookId() != in.GetPriceBookId() {
		return nil, refused(codes.NotFound, "PRICE_BOOK_NOT_FOUND")
	}
	return &meterv1.GetPriceBookResponse{PriceBook: proto.CloneOf(s.book)}, nil
}

func (s *bookShelf) PutPriceBook(_ context.Context, in *meterv1.PutPriceBookRequest) (*meterv1.PutPriceBookResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meanwhile != nil {
		s.meanwhile(s.book)
		s.meanwhile = nil
	}
	if in.ExpectedVersion == nil || in.GetExpectedVersion() != s.book.GetVersion() {
		return nil, refused(codes.FailedPrecondition, "PRICE_BOOK_CHANGED")
	}
	version := s.book.GetVersion() + 1
	s.book = proto.CloneOf(in.GetPriceBook())
	s.book.Version = version
	return &meterv1.PutPriceBookResponse{PriceBook: s.book}, nil
}

// shelf serves an empty shelf, and is where.
func shelf(t *testing.T) (*bookShelf, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, server := &bookShelf{}, grpc.NewServer()
	meterv1.RegisterPriceServiceServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, listener.Addr().String()
}

// priceFile is a list in LiteLLM's form.
func priceFile(t *testing.T, entries ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(path, []byte("{"+strings.Join(entries, ",\n")+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func listed(name, input, output string) string {
	return `"` + name + `": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": ` + input + `, "output_cost_per_token": ` + output + `}`
}

// imports runs an import into the book b without a terminal.
func imports(t *testing.T, address, file string, flags ...string) (string, error) {
	t.Helper()
	out, _, err := call(t.Context(), append([]string{"prices", "import", file, "--book", "b", "--address", address}, flags...)...)
	return out, err
}

func TestAnImportIsShownBeforeItIsApplied(t *testing.T) {
	s, address := shelf(t)
	file := priceFile(t, listed("gpt", "1e-6", "4e-6"), listed("dear", "0.1", "0.1"), listed("free", "0", "0"))
	out, err := imports(t, address, file)
	if err == nil || err.Error() != "nothing was applied: --yes applies it" || !strings.Contains(out, "│ added │") || s.book != nil {
		t.Errorf("without --yes and a terminal: got %v, on the server %v,\n%s", err, s.book, out)
	}
	want := `
┌─────────┬──────────────┬────────────────────────────────────────┐
│ refused │ reason       │ detail                                 │
├─────────┼──────────────┼────────────────────────────────────────┤
│ dear    │ absurd price │ input at 100000, above the bound of 50 │
│ free    │ zero price   │ input and output at 0                  │
└─────────┴──────────────┴────────────────────────────────────────┘
refused: absurd price 1, zero price 1
┌───────┬──────┬─────────────┬───────┬──────────────┬─────────────┬────────┬───────────┐
│ added │ from │ above input │ input │ cached input │ cache write │ output │ reasoning │
├───────┼──────┼─────────────┼───────┼──────────────┼─────────────┼────────┼───────────┤
│ gpt   │      │             │     1 │              │             │      4 │           │
└───────┴──────┴─────────────┴───────┴──────────────┴─────────────┴────────┴───────────┘
┌───────────────────────┬─────┬────────────┐
│ of the book           │ old │ new        │
├───────────────────────┼─────┼────────────┤
│ unit                  │     │ USD        │
│ micros of ACU per USD │     │ 1000000    │
│ source                │     │ here       │
│ licence               │     │ MIT        │
│ as of                 │     │ 2026-08-01 │
└───────────────────────┴─────┴────────────┘
1 models read, 2 refused; against no book of that name: 1 models added, 0 changed, 0 gone
price book "b" is now version 1
`
	flags := []string{"--yes", "--bound", "50", "--acu-micros-per-usd", "1000000", "--source", "here", "--as-of", "2026-08-01"}
	if out, err = imports(t, address, file, flags...); err != nil || out != want[1:] {
		t.Errorf("got %v,\n%s\nwant\n%s", err, out, want[1:])
	}
	book := &meterv1.PriceBook{
		PriceBookId: "b", Version: 1, Unit: meterv1.Unit_UNIT_USD, AcuMicrosPerUsd: 1_000_000, Source: "here", Licence: "MIT",
		AsOf: &meterv1.Date{Year: 2026, Month: 8, Day: 1},
		Models: []*meterv1.ModelPrices{{Model: "gpt", Prices: []*meterv1.Price{{
			Rates: &meterv1.TokenRates{Input: proto.String("1"), Output: proto.String("4")},
		}}}},
	}
	if !proto.Equal(s.book, book) {
		t.Errorf("on the server: got %v, want %v", s.book, book)
	}
}

func TestAnImportTellsByHowMuchPricesChange(t *testing.T) {
	s, address := shelf(t)
	if _, err := imports(t, address, priceFile(t, listed("gpt", "1e-6", "4e-6"), listed("old", "1e-6", "1e-6")), "--yes", "--acu-micros-per-usd", "7"); err != nil {
		t.Fatal(err)
	}
	next := priceFile(t, listed("gpt", "1.5e-6", "4e-6"), listed("free", "0", "0"))
	want := `
┌─────────┬──────┬─────────────┬────────┬─────┬─────┬────────┐
│ changed │ from │ above input │ tokens │ old │ new │ change │
├─────────┼──────┼─────────────┼────────┼─────┼─────┼────────┤
│ gpt     │      │             │  input │   1 │ 1.5 │  +50 % │
└─────────┴──────┴─────────────┴────────┴─────┴─────┴────────┘
`
	out, err := imports(t, address, next, "--yes", "--merge", "--accept-zero", "fr*")
	if err != nil || !strings.Contains(out, want[1:]) || !strings.Contains(out, "2 models read, 0 refused; against version 1: 1 models added, 1 changed, 0 gone") {
		t.Errorf("merged: got %v,\n%s", err, out)
	}
	if len(s.book.GetModels()) != 3 || s.book.GetAcuMicrosPerUsd() != 7 || s.book.GetVersion() != 2 {
		t.Errorf("merged: the old model and the conversion stay: got %v", s.book)
	}
	out, err = imports(t, address, next, "--yes", "--merge", "--accept-zero", "fr*")
	if err != nil || !strings.HasSuffix(out, "nothing changes in version 2\n") || s.book.GetVersion() != 2 {
		t.Errorf("again: got %v, version %d,\n%s", err, s.book.GetVersion(), out)
	}
	out, err = imports(t, address, next, "--yes", "--only", "gpt", "--rows", "1")
	if err != nil || !strings.Contains(out, "0 models added, 0 changed, 2 gone") || !strings.Contains(out, "and 1 more") || len(s.book.GetModels()) != 1 {
		t.Errorf("one alone: got %v,\n%s", err, out)
	}
}

func TestABookChangedMeanwhileIsLeftAlone(t *testing.T) {
	s, address := shelf(t)
	file := priceFile(t, listed("gpt", "1e-6", "4e-6"))
	if _, err := imports(t, address, file, "--yes"); err != nil {
		t.Fatal(err)
	}
	s.meanwhile = func(book *meterv1.PriceBook) { book.Version, book.Source = 2, "somebody else" }
	_, err := imports(t, address, file, "--yes", "--source", "me")
	if err == nil || !strings.Contains(err.Error(), "changed meanwhile") || s.book.GetSource() != "somebody else" {
		t.Errorf("got %v, and on the server %v", err, s.book)
	}
}

func TestNothingIsImportedOfAFileAtFault(t *testing.T) {
	s, address := shelf(t)
	for want, entries := range map[string][]string{
		`line 2: bad.input_cost_per_token: must not be negative`: {listed("good", "1e-6", "1e-6"), listed("bad", "-1", "1")},
		`line 2: gpt: is there twice`:                            {listed("gpt", "1e-6", "1e-6"), listed("gpt", "1e-6", "1e-6")},
		`bad.input_cost_per_token: not JSON`:                     {listed("good", "1e-6", "1e-6"), listed("bad", "NaN", "1")},
	} {
		file := priceFile(t, entries...)
		out, err := imports(t, address, file, "--yes")
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("got %v, want it to say %q; stdout %q", err, want, out)
		}
	}
	if s.book != nil {
		t.Errorf("something was put: %v", s.book)
	}
	out, err := imports(t, address, priceFile(t, listed("free", "0", "0")), "--yes")
	if err == nil || !strings.Contains(err.Error(), "no model is left") || !strings.Contains(out, "zero price 1") || s.book != nil {
		t.Errorf("a list of nothing: got %v,\n%s", err, out)
	}
}

func TestBadPriceFlagsAreOneClearLine(t *testing.T) {
	file := priceFile(t, listed("gpt", "1e-6", "1e-6"))
	for want, args := range map[string][]string{
		"missing flags: --book": {"prices", "import", file},
		"no such file":          {"prices", "import", "none.json", "--book", "b"},
		"--bound":               {"prices", "import", file, "--book", "b", "--bound", "-1"},
		"--unit":                {"prices", "import", file, "--book", "b", "--unit", "EUR"},
		"--as-of":               {"prices", "import", file, "--book", "b", "--as-of", "2026-02-30"},
		"--rows":                {"prices", "import", file, "--book", "b", "--rows", "-1"},
		"acu_micros_per_usd":    {"prices", "import", file, "--book", "b", "--acu-micros-per-usd=-1"},
		"no entry is named":     {"prices", "import", file, "--book", "b", "--only", "gtp"},
		"no answer":             {"prices", "show", "--address", "127.0.0.1:1"},
	} {
		_, _, err := call(t.Context(), args...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(oneLine(err), "\n") {
			t.Errorf("%v: got %v, want it to say %q", args, err, want)
		}
	}
}

func TestOnlyYesApplies(t *testing.T) {
	for answer, applies := range map[string]bool{"y\n": true, "YES\n": true, "\tyes": true, "\n": false, "": false, "n\n": false, "yep\n": false} {
		var asked bytes.Buffer
		if err := ask(t.Context(), strings.NewReader(answer), &asked); (err == nil) != applies || asked.String() != "Apply? [y/N] " {
			t.Errorf("%q: got %v, asked %q", answer, err, asked.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, other := io.Pipe()
	defer func() { _ = other.Close() }()
	if err := ask(ctx, silent, io.Discard); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("interrupted: got %v", err)
	}
}

func TestABookIsShown(t *testing.T) {
	s, address := shelf(t)
	show := func(args ...string) (string, error) {
		out, _, err := call(t.Context(), append([]string{"prices", "show", "--book", "b", "--address", address}, args...)...)
		return out, err
	}
	if _, err := show(); err == nil || err.Error() != `there is no price book "b"` {
		t.Errorf("got %v", err)
	}
	tier := `, "input_cost_per_token_above_128k_tokens": 2e-6}`
	if _, err := imports(t, address, priceFile(t, strings.Replace(listed("gpt-4", "1e-6", "4e-6"), "}", tier, 1), listed("o3", "1e-6", "1e-6")), "--yes"); err != nil {
		t.Fatal(err)
	}
	s.book.Models[0].Aliases = []string{"gpt4", "four"}
	want := `
price book "b", version 1: USD per million tokens
source: BerriAI/litellm model_prices_and_context_window.json
licence: MIT
┌───────┬──────┬─────────────┬───────┬──────────────┬─────────────┬────────┬───────────┐
│ model │ from │ above input │ input │ cached input │ cache write │ output │ reasoning │
├───────┼──────┼─────────────┼───────┼──────────────┼─────────────┼────────┼───────────┤
│ gpt-4 │      │             │     1 │              │             │      4 │           │
│       │      │      128000 │     2 │              │             │        │           │
└───────┴──────┴─────────────┴───────┴──────────────┴─────────────┴────────┴───────────┘
gpt-4 is also gpt4, four
`
	if out, err := show("--model", "four"); err != nil || out != want[1:] {
		t.Errorf("got %v,\n%s\nwant\n%s", err, out, want[1:])
	}
	if out, err := show(); err != nil || !strings.Contains(out, "│ o3 ") {
		t.Errorf("got %v,\n%s", err, out)
	}
	if out, err := show("--json", "--model", "o3"); err != nil || !strings.Contains(out, `"o3"`) || strings.Contains(out, `"gpt-4"`) {
		t.Errorf("got %v,\n%s", err, out)
	}
	if _, err := show("--model", "gpt-5"); err == nil || !strings.Contains(err.Error(), "gpt-4") {
		t.Errorf("an unknown model: got %v, want the nearest names", err)
	}
}

func TestAMomentIsADayWhereItIsOne(t *testing.T) {
	day := time.Date(2026, 3, 13, 0, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{"": {}, "2026-03-13": day, "2026-03-13T01:02:03Z": day.Add(3723 * time.Second)} {
		if got := moment(at); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestManyCountsAreOneLine(t *testing.T) {
	counts := map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8, "i": 9, "j": 10}
	if got, want := countedLines("seen", counts)[0], "seen: j 10, i 9, h 8, g 7, f 6, e 5, d 4, c 3, 2 others 3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	moved := strings.Join(movedTable([]pricelist.Move{{Name: "gpt", From: "gpt", To: "openai/gpt"}}, 9), "")
	if !strings.Contains(moved, "│ gpt  │ gpt          │ openai/gpt   │") {
		t.Errorf("got\n%s", moved)
	}
}
