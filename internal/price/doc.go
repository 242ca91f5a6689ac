// Package price turns the tokens of a turn into micros, exactly. A Book is what somebody says that models cost; a Table
// is a book that was checked and made quick to ask. Rates are decimal text from beginning to end, sums are computed in
// integers, and a turn is rounded once, half up. A price that nobody told and a price of zero are different things: the
// first refuses a turn, the second is free.
//
// The package also keeps what models really answered with (Learner), so that a turn need not hold what its longest
// possible answer would cost. It knows the rules' types and the standard library, and does no I/O.
package price
