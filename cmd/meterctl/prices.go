package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/spillway-metering/spillway/internal/bookwire"
	"github.com/spillway-metering/spillway/internal/dial"
	"github.com/spillway-metering/spillway/internal/importer"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
	"github.com/spillway-metering/spillway/internal/pricelist"
)

// pricesCommand is `meterctl prices`.
type pricesCommand struct {
	Import importPricesCommand `cmd:"" help:"Make a price list of LiteLLM or genai-prices a price book, after showing what that changes."`
	Show   showPricesCommand   `cmd:"" help:"Print the current version of a price book."`
}

// importPricesCommand is `meterctl prices import`.
type importPricesCommand struct {
	File string `arg:"" type:"existingfile" help:"LiteLLM's model_prices_and_context_window.json or genai-prices' data.json, packed with gzip or not."`

	Book       string    `required:"" placeholder:"NAME" help:"Price book to put; the book default serves organizations that name none."`
	Only       []string  `sep:"none" placeholder:"GLOB" help:"Take these models only; may be repeated. A star matches slashes, too."`
	AcceptZero []string  `sep:"none" placeholder:"GLOB" help:"Believe that these models are free where the list says so; may be repeated."`
	Bound      priceRate `default:"1000" help:"Refuse models with a higher price per million tokens: the dearest real one is 600 USD (${default})."`
	Merge      bool      `help:"Keep the models of the book that the list does not price."`
	Yes        bool      `help:"Apply without asking."`
	Rows       int       `default:"100" help:"Most rows to print of each table; the others are counted (${default})."`

	Unit            string `enum:"USD,ACU" default:"USD" help:"Unit of the list's prices: ${enum} (${default})."`
	ACUMicrosPerUSD *int64 `name:"acu-micros-per-usd" placeholder:"MICROS" help:"Micros of ACU that one USD is worth; 0: the book serves its own unit alone. Unless given, what the book has."`
	Source          string `placeholder:"TEXT" help:"Where the prices come from. Unless given, the project that keeps the list."`
	Licence         string `placeholder:"TEXT" help:"Licence of the list. Unless given, that project's."`
	AsOf            asOf   `placeholder:"DATE" help:"Day as of which the prices were taken, such as 2026-08-01."`

	dial.Server
}

// Validate is called by kong once the flags are read.
func (c *importPricesCommand) Validate() error {
	if c.Rows < 0 {
		return fmt.Errorf("--rows must not be negative: %d", c.Rows)
	}
	return nil
}

// Run is called by kong. It shows everything before it puts anything, and puts it only after the version it compared with.
func (c *importPricesCommand) Run(ctx context.Context, to terminal) error {
	list, err := c.read()
	if err != nil {
		return err
	}
	server, err := priceBooks(c.Server)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	current, err := server.Current(ctx, c.Book)
	if err != nil {
		return err
	}
	book, err := c.next(current, list.Book)
	if err != nil {
		return err
	}
	changes := pricelist.Compare(current, book)
	if _, err := fmt.Fprintln(to.stdout, importTables(list, current, changes, c.Rows)); err != nil {
		return fmt.Errorf("printing what changes: %w", err)
	}
	if len(list.Book.Models) == 0 {
		return fmt.Errorf("%s: no model is left to import: %d were refused", c.File, len(list.Refused))
	}
	if changes.Empty() {
		return nil
	}
	if err := c.agreed(ctx, to); err != nil {
		return err
	}
	version, err := server.Put(ctx, book, current.Version)
	if err != nil {
		return err
	}
	fmt.Fprintf(to.stdout, "price book %q is now version %d\n", c.Book, version)
	return nil
}

func (c *importPricesCommand) read() (pricelist.List, error) {
	file, err := os.Open(c.File)
	if err != nil {
		return pricelist.List{}, err
	}
	defer func() { _ = file.Close() }()
	bound := price.Decimal(c.Bound)
	book := price.Book{ID: c.Book, Unit: meter.UnitUSD, Source: c.Source, Licence: c.Licence, AsOf: meter.Date(c.AsOf)}
	if c.Unit == "ACU" {
		book.Unit = meter.UnitACU
	}
	if c.ACUMicrosPerUSD != nil {
		book.ACUMicrosPerUSD = *c.ACUMicrosPerUSD
	}
	list, err := pricelist.Read(file, pricelist.Options{Book: book, Only: c.Only, AcceptZero: c.AcceptZero, Bound: &bound})
	if err != nil {
		return pricelist.List{}, fmt.Errorf("%s: %w", c.File, err)
	}
	return list, nil
}

// next is the book that is to follow the current one.
func (c *importPricesCommand) next(current, book price.Book) (price.Book, error) {
	if c.ACUMicrosPerUSD == nil {
		book.ACUMicrosPerUSD = current.ACUMicrosPerUSD
	}
	if c.Merge && current.Version > 0 {
		var err error
		if book, err = pricelist.Merge(current, book); err != nil {
			return price.Book{}, err
		}
	}
	if _, err := price.New(book); err != nil {
		return price.Book{}, fmt.Errorf("price book: %w", err)
	}
	return book, nil
}

// agreed asks, unless told not to.
func (c *importPricesCommand) agreed(ctx context.Context, to terminal) error {
	if c.Yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errors.New("nothing was applied: --yes applies it")
	}
	return ask(ctx, os.Stdin, to.stderr)
}

// ask asks on a terminal, and fails unless the answer is yes. It can be interrupted.
func ask(ctx context.Context, in io.Reader, out io.Writer) error {
	fmt.Fprint(out, "Apply? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // No line is no yes.
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return errors.New("interrupted: nothing was applied")
	case said := <-answer:
		if said != "y" && said != "yes" {
			return errors.New("nothing was applied")
		}
		return nil
	}
}

// showPricesCommand is `meterctl prices show`.
type showPricesCommand struct {
	Book  string `default:"default" placeholder:"NAME" help:"Price book to show (${default})."`
	Model string `placeholder:"NAME" help:"Show this model only, by its name or an alias."`
	JSON  bool   `name:"json" help:"Print the contract's JSON of the book instead of a table."`

	dial.Server
}

// Run is called by kong.
func (c *showPricesCommand) Run(ctx context.Context, to terminal) error {
	server, err := priceBooks(c.Server)
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	book, err := server.Current(ctx, c.Book)
	if err != nil {
		return err
	}
	if book.Version == 0 {
		return fmt.Errorf("there is no price book %q", c.Book)
	}
	if c.Model != "" {
		if book.Models, err = modelNamed(book, c.Model); err != nil {
			return err
		}
	}
	text := bookTable(book)
	if c.JSON {
		text = protojson.Format(bookwire.Message(book))
	}
	if _, err := fmt.Fprintln(to.stdout, text); err != nil {
		return fmt.Errorf("printing the book: %w", err)
	}
	return nil
}

// priceBooks are those of a server.
func priceBooks(server dial.Server) (*importer.Server, error) {
	options, err := server.Options()
	if err != nil {
		return nil, err
	}
	return importer.Dial(server.Address, options...)
}

// modelNamed is the one model of a name or alias. What has a like name is told where none is.
func modelNamed(book price.Book, name string) ([]price.Model, error) {
	for _, m := range book.Models {
		if m.Name == name || slices.Contains(m.Aliases, name) {
			return []price.Model{m}, nil
		}
	}
	prices, err := price.New(book)
	if err != nil {
		return nil, fmt.Errorf("price book: %w", err)
	}
	return nil, &price.Unpriced{Model: name, Nearest: prices.Nearest(name)}
}

// priceRate is a price per million tokens.
type priceRate price.Decimal

// UnmarshalText reads an exact decimal number.
func (r *priceRate) UnmarshalText(text []byte) error {
	d, err := price.ParseDecimal(string(text))
	*r = priceRate(d)
	return err
}

// asOf is a day; zero is none.
type asOf meter.Date

// UnmarshalText reads a day such as 2026-08-01.
func (a *asOf) UnmarshalText(text []byte) error {
	day, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a day such as 2026-08-01", text)
	}
	*a = asOf(meter.DateOf(day, time.UTC))
	return nil
}
