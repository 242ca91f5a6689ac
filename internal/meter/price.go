package meter

import (
	"cmp"
	"errors"
	"time"
)

// DefaultPriceBook is the book of organizations that name none.
const DefaultPriceBook = "default"

// PriceBook says what tokens cost. A version of a book never changes.
type PriceBook interface {
	// Price is what a model's tokens cost at a time, in a unit. It answers a *Refusal, UnpricedModel or AmountOutOfRange, where
	// that cannot be said.
	Price(model string, tokens TokenUsage, at time.Time, unit Unit) (Micros, error)
}

// BookVersion names one version of a price book. The zero value is none.
type BookVersion struct {
	ID      string
	Version int64 // From 1.
}

// EstimatePolicy is how many output tokens an estimate by usage expects; 0: the estimate was told as an amount.
type EstimatePolicy int16

// The policies of estimates by usage.
const (
	EstimateMaximum EstimatePolicy = 1 // As many as there may be.
	EstimateLearned EstimatePolicy = 2 // As many as most turns of late had.
)

// CostBasis is where the cost of a settled turn comes from; 0: it is not settled.
type CostBasis int16

// The bases of a cost.
const (
	CostAmount CostBasis = 1 // The caller told the amount.
	CostTokens CostBasis = 2 // The caller told the tokens, and the price book their price.
	CostHeld   CostBasis = 3 // The price book had no price for the tokens: what was held.
)

// EstimateUsage is what a turn is expected to use.
type EstimateUsage struct {
	Tokens    TokenUsage // With the output that is expected.
	MaxOutput int64      // What the output may be at most.
	Policy    EstimatePolicy
}

// PriceBook is the id of the book by which the organization's turns are priced.
func (o Organization) PriceBook() string { return priceBookOr(o.PriceBookID) }

// priceBookOr is the book that an organization names, or the default one.
func priceBookOr(named string) string { return cmp.Or(named, DefaultPriceBook) }

// currentBook is the version under which an organization's turns are reserved now; none if there is no such book.
func (s *State) currentBook(o Organization) BookVersion {
	if version := s.BookVersions[o.PriceBook()]; version > 0 {
		return BookVersion{o.PriceBook(), version}
	}
	return BookVersion{}
}

// price is what tokens cost by a version of a book.
func (s *State) price(book BookVersion, model string, tokens TokenUsage, at time.Time, unit Unit) (Micros, error) {
	prices, ok := s.Books[book]
	if !ok {
		return 0, about(UnpricedModel, "model", model)
	}
	return prices.Price(model, tokens, at, unit)
}

// costOf is what a turn's tokens cost by the book under which it was reserved, at the time when it was; where that has no
// price, what was held: never nothing.
func (s *State) costOf(r Reservation, unit Unit, tokens TokenUsage) (Micros, CostBasis, error) {
	amount, err := s.price(r.Book, r.Turn.Model, tokens, r.CreatedAt, unit)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == UnpricedModel {
		return r.HeldAllowance + r.HeldPool, CostHeld, nil
	}
	return amount, CostTokens, err
}
