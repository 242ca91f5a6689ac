package price

import (
	"math/big"
	"math/bits"

	"github.com/spillway-metering/spillway/internal/meter"
)

// sum prices counts of tokens by class, each at most maxTokens, in micros of one unit, rounded half up once. It answers
// false if that is more than meter.MaxAmount.
type sum interface {
	micros(counts [classes]int64) (meter.Micros, bool)
}

// newSum brings the rates to a common denominator. A rate is per million tokens, so that tokens times rate are micros of
// the book's unit; what has no rate counts nothing.
func newSum(rates [classes]*Decimal, rate exchange) sum {
	places := 0
	for _, r := range rates {
		if r != nil {
			places = max(places, len(r.fraction))
		}
	}
	num, den := big.NewInt(rate.num), big.NewInt(rate.den)
	den.Mul(den, powerOfTen(places))
	common := new(big.Int).GCD(nil, nil, num, den)
	num.Quo(num, common)
	exact := &wide{den: den.Quo(den, common), half: new(big.Int).Rsh(den, 1)}
	for i, r := range rates {
		exact.coefficients[i] = new(big.Int)
		if r != nil {
			exact.coefficients[i].Mul(r.scaled(places), num)
		}
	}
	if quick, ok := exact.narrow(); ok {
		return quick
	}
	return exact
}

// wide holds any rates that a book may have.
type wide struct {
	coefficients [classes]*big.Int
	den          *big.Int
	half         *big.Int // Half of the denominator, rounded down: an odd one leaves no tie to decide.
}

func (w *wide) micros(counts [classes]int64) (meter.Micros, bool) {
	total, part := new(big.Int).Set(w.half), new(big.Int)
	for i, n := range counts {
		if n != 0 {
			total.Add(total, part.Mul(part.SetInt64(n), w.coefficients[i]))
		}
	}
	total.Quo(total, w.den)
	if !total.IsInt64() || total.Int64() > int64(meter.MaxAmount) {
		return 0, false
	}
	return meter.Micros(total.Int64()), true
}

// narrow is the same sum in machine words, where the rates fit.
func (w *wide) narrow() (*narrow, bool) {
	n := &narrow{den: w.den.Uint64()}
	fits := w.den.IsUint64()
	for i, c := range w.coefficients {
		n.coefficients[i] = c.Uint64()
		fits = fits && c.IsUint64()
	}
	return n, fits
}

// narrow holds the rates of the world as it is. Its sums fit 128 bits whatever they are: a count has 40, a coefficient 64,
// and there are five.
type narrow struct {
	coefficients [classes]uint64
	den          uint64
}

func (n *narrow) micros(counts [classes]int64) (meter.Micros, bool) {
	high, low := uint64(0), n.den/2
	for i, count := range counts {
		h, l := bits.Mul64(uint64(count), n.coefficients[i]) //nolint:gosec // counts are never negative
		var carry uint64
		low, carry = bits.Add64(low, l, 0)
		high += h + carry
	}
	if high >= n.den {
		return 0, false
	}
	micros, _ := bits.Div64(high, low, n.den)
	if micros > uint64(meter.MaxAmount) {
		return 0, false
	}
	return meter.Micros(micros), true
}
