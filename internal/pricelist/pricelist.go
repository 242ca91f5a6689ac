// Package pricelist reads the price lists that others publish into a price book: LiteLLM's
// model_prices_and_context_window.json and the data.json of genai-prices.
//
// Such lists are kept by many hands, and hold entries that are wrong by a factor of a thousand, entries that read free
// because nobody knew better, and entries without a price. Whoever charges by them must not take those on trust. So a
// fault of form refuses the whole file, with its line and key, and what is of good form but suspect is left out and told,
// entry by entry. Prices are read as decimal text; no binary float comes near them.
package pricelist

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// MaxBytes is how large a list may be once unpacked. The largest real one has 1.4 MB.
const MaxBytes = 32 << 20

// DefaultBound is the dearest rate that is believed, per million tokens, unless Options say otherwise. The dearest real
// one is 600 USD (o1-pro's output); the absurd ones of LiteLLM's list begin at 2,000.
const DefaultBound = "1000"

// Options say what of a list to take, and what to make of it. The zero value takes all that is not suspect.
type Options struct {
	// Book is what the book is to say of itself: all but its models. Without a unit it is in USD, as the lists are;
	// without a source or licence it names the list's.
	Book price.Book
	// Only takes the entries that match one of these patterns by name or alias; without any, all. A pattern is one of
	// path.Match, but * and ? match a slash, too: the slashes in names of models are no folders.
	Only []string
	// AcceptZero has the patterns of entries whose zero prices are meant: they are free.
	AcceptZero []string
	// Bound is the dearest rate that is believed, per million tokens. nil: DefaultBound.
	Bound *price.Decimal
}

// List is what a file says.
type List struct {
	// Book has a model for each entry that was taken, in the file's order. It may have none.
	Book price.Book
	// Refused are the entries that are suspect, in the file's order.
	Refused []Finding
	// Skipped counts the entries that are not priced by tokens of text, by what they are priced by.
	Skipped map[string]int
	// Unread counts the prices left out of entries that were taken, by field: those of audio, of priority or batches, of
	// caches kept for an hour. They have no class of tokens to belong to.
	Unread map[string]int
}

// Reason is why an entry was refused.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	// NoInputPrice is an entry that does not say what its input costs, which is not the same as nothing.
	NoInputPrice Reason = "no input price"
	// AbsurdPrice is an entry with a rate above the bound.
	AbsurdPrice Reason = "absurd price"
	// ZeroPrice is an entry whose input or output reads free, which mostly says that nobody knew. Of a model that embeds a
	// free output would be true, but gemini-1.5-flash, too, is listed as one that embeds.
	ZeroPrice Reason = "zero price"
	// TimeOfDay is an entry whose price changes with the hour.
	TimeOfDay Reason = "priced by time of day"
)

// Finding is an entry that was refused.
type Finding struct {
	Name   string
	Reason Reason
	Detail string
}

// Read reads a list, packed with gzip or not, and tells its kind by its content. The error is a *Fault where the file is
// at fault. It reads no more of r than MaxBytes once unpacked, and a little ahead.
func Read(r io.Reader, options Options) (List, error) {
	take, err := newSieve(options)
	if err != nil {
		return List{}, err
	}
	data, err := unpack(r)
	if err != nil {
		return List{}, err
	}
	root, err := parse(data)
	if err != nil {
		return List{}, err
	}
	kind, err := kindOf(root)
	if err != nil {
		return List{}, err
	}
	if err := kind.read(root, take); err != nil {
		return List{}, err
	}
	return take.finish(kind)
}

// unpack reads all of r, up to the bound.
func unpack(r io.Reader) ([]byte, error) {
	buffered := bufio.NewReader(r)
	magic, _ := buffered.Peek(2) // What cannot be peeked at cannot be read either, and that tells why.
	plain := io.Reader(buffered)
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		packed, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("price list: gzip: %w", err)
		}
		plain = packed
	}
	data, err := io.ReadAll(io.LimitReader(plain, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("price list: reading: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, &Fault{Problem: fmt.Sprintf("the file is larger than %d MiB", MaxBytes>>20)}
	}
	return data, nil
}

// kind is a sort of list: where it comes from, and how it is read.
type kind struct {
	source, licence string
	read            func(root node, take *sieve) error
}

// kindOf tells a list by its shape: LiteLLM's is an object of entries, that of genai-prices an array of providers.
func kindOf(root node) (kind, error) {
	switch value := root.value.(type) {
	case object:
		for _, m := range value {
			if entry, ok := m.value.(object); ok && (entry.has("litellm_provider") || entry.has(litellmInput)) {
				return kind{"BerriAI/litellm model_prices_and_context_window.json", "MIT", readLitellm}, nil
			}
		}
	case []node:
		for _, n := range value {
			if provider, ok := n.value.(object); ok && provider.has("models") {
				return kind{"pydantic/genai-prices prices/data.json", "MIT", readGenai}, nil
			}
		}
	}
	return kind{}, root.fault("this is neither LiteLLM's list of prices nor that of genai-prices")
}

// finish makes the book, and holds it to the rules of all books.
func (s *sieve) finish(k kind) (List, error) {
	for i, matched := range s.only.matched {
		if !matched {
			return List{}, fmt.Errorf("price list: no entry is named %q", s.only.patterns[i])
		}
	}
	book := s.options.Book
	book.Models = s.models
	if book.Unit == 0 {
		book.Unit = meter.UnitUSD
	}
	if book.Source == "" {
		book.Source = k.source
	}
	if book.Licence == "" {
		book.Licence = k.licence
	}
	named := book
	if named.ID == "" {
		named.ID = "unnamed" // A list may be read before it is known what the book will be called.
	}
	if _, err := price.New(named); err != nil {
		return List{}, fmt.Errorf("price list: %w", err)
	}
	return List{Book: book, Refused: s.refused, Skipped: s.skipped, Unread: s.unread}, nil
}
