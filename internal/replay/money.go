package replay

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

const (
	decimals = 6
	// maxAmountMicros is the largest single amount of the contract.
	maxAmountMicros = 1e15
)

// parseDecimal reads a plain decimal text such as "2.50" as an exact count of millionths.
func parseDecimal(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > decimals {
		return 0, fmt.Errorf("%q has more than %d decimals", text, decimals)
	}
	digits := whole + fraction + strings.Repeat("0", decimals-len(fraction))
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || whole == "" || strings.HasSuffix(text, ".") {
		return 0, fmt.Errorf("%q is not a decimal number such as 2.50", text)
	}
	if n > maxAmountMicros {
		return 0, fmt.Errorf("%q is more than %s", text, FormatMicros(maxAmountMicros))
	}
	return int64(n), nil
}

// FormatMicros writes an amount in units with all six decimals.
func FormatMicros(micros int64) string {
	sign := ""
	if micros < 0 {
		sign = "-"
	}
	digits := strings.TrimPrefix(fmt.Sprintf("%07d", micros), "-")
	digits = strings.Repeat("0", max(0, decimals+1-len(digits))) + digits
	return sign + digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
}

// Amount is an amount in micros, written as a decimal number of units.
type Amount int64

// UnmarshalText reads "5.00" as 5,000,000 micros. At most six decimals and 10^9 units.
func (a *Amount) UnmarshalText(text []byte) error {
	n, err := parseDecimal(string(text))
	*a = Amount(n)
	return err
}

// Price is what tokens cost, in millionths of a unit per million tokens. As a unit per million tokens is a micro per
// token, it is also the price of one token in millionths of a micro.
type Price int64

// UnmarshalText reads units per million tokens, such as "2.50", exactly.
func (p *Price) UnmarshalText(text []byte) error {
	n, err := parseDecimal(string(text))
	*p = Price(n)
	return err
}

// String is the price as UnmarshalText reads it, with at least two decimals.
func (p Price) String() string {
	const unit = 1_000_000
	fraction := strings.TrimRight(fmt.Sprintf("%06d", p%unit), "0")
	return fmt.Sprintf("%d.%s", p/unit, fraction+strings.Repeat("0", max(0, 2-len(fraction))))
}

// Prices are the prices that a replay charges by.
type Prices struct {
	Input, Output Price
}

// Cost is what one turn costs, in micros, rounded half up once. An error: it is more than one amount may be.
func (p Prices) Cost(inputTokens, outputTokens int64) (int64, error) {
	const millionth = 1_000_000
	cost := product(inputTokens, int64(p.Input))
	cost.Add(cost, product(outputTokens, int64(p.Output)))
	cost.Add(cost, big.NewInt(millionth/2))
	cost.Quo(cost, big.NewInt(millionth))
	if cost.Cmp(big.NewInt(maxAmountMicros)) > 0 {
		return 0, fmt.Errorf("%d input and %d output tokens cost more than one amount may be", inputTokens, outputTokens)
	}
	return cost.Int64(), nil
}

func product(a, b int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
}
