package price

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// maxPlaces is how many digits a Decimal may have before its point, and how many after it.
const maxPlaces = 30

// maxDecimalText bounds the text that ParseDecimal looks at: both halves, the point, zeros written for show, an exponent.
const maxDecimalText = 100

// Decimal is an exact decimal number that is not negative. The zero value is zero. Two that are equal are equal with ==
// too, and one may be copied and shared freely.
type Decimal struct {
	whole    string // Digits before the point, without zeros in front.
	fraction string // Digits after it, without zeros at the end.
}

var errNotDecimal = errors.New("is not a decimal number such as 0.15 or 1.5e-07")

// ParseDecimal reads a decimal number: digits, optionally a point with digits after it, optionally an exponent of ten. It
// refuses a sign, spaces, names such as NaN, other bases, and more than 30 digits before or after the point.
func ParseDecimal(text string) (Decimal, error) {
	d, err := parseDecimal(text)
	if err != nil {
		return Decimal{}, fmt.Errorf("%.40q %w", text, err)
	}
	return d, nil
}

// String is the shortest text of the number, without an exponent: "0.15", "3", "0".
func (d Decimal) String() string {
	whole := d.whole
	if whole == "" {
		whole = "0"
	}
	if d.fraction == "" {
		return whole
	}
	return whole + "." + d.fraction
}

// Cmp is -1, 0 or +1 as the number is smaller than, equal to or greater than the other.
func (d Decimal) Cmp(other Decimal) int {
	if len(d.whole) != len(other.whole) {
		if len(d.whole) < len(other.whole) {
			return -1
		}
		return +1
	}
	if c := strings.Compare(d.whole, other.whole); c != 0 {
		return c
	}
	return strings.Compare(d.fraction, other.fraction)
}

// IsZero reports whether the number is zero.
func (d Decimal) IsZero() bool { return d == Decimal{} }

// Shift moves the point by that many places to the right, or to the left if negative: a price per token shifted by 6 is
// the price per million. It refuses what then has more than 30 digits before or after its point.
func (d Decimal) Shift(places int) (Decimal, error) {
	return placed(d.whole+d.fraction, len(d.fraction), places)
}

// Rat is the number as a fraction of its own, which the caller may change.
func (d Decimal) Rat() *big.Rat {
	return new(big.Rat).SetFrac(d.scaled(len(d.fraction)), powerOfTen(len(d.fraction)))
}

// scaled is the number times 10^places, where places is at least the number of digits after its point.
func (d Decimal) scaled(places int) *big.Int {
	digits := d.whole + d.fraction + strings.Repeat("0", places-len(d.fraction))
	n, _ := new(big.Int).SetString("0"+digits, 10)
	return n
}

func parseDecimal(text string) (Decimal, error) {
	if len(text) > maxDecimalText {
		return Decimal{}, fmt.Errorf("has more than %d characters", maxDecimalText)
	}
	mantissa, exponent := text, 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		var err error
		if exponent, err = parseExponent(text[at+1:]); err != nil {
			return Decimal{}, err
		}
		mantissa = text[:at]
	}
	whole, fraction, pointed := strings.Cut(mantissa, ".")
	if !isDigits(whole) || pointed && !isDigits(fraction) {
		return Decimal{}, errNotDecimal
	}
	return placed(whole+fraction, len(fraction), exponent)
}

// parseExponent reads an optional sign and at most four digits: no number that fits needs more.
func parseExponent(text string) (int, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "+"), "-")
	if len(text)-len(digits) > 1 || !isDigits(digits) || len(digits) > 4 {
		return 0, errNotDecimal
	}
	exponent, err := strconv.Atoi(digits)
	if text[0] == '-' {
		exponent = -exponent
	}
	return exponent, err
}

// placed is digits / 10^fraction × 10^exponent in the one form that a number has.
func placed(digits string, fraction, exponent int) (Decimal, error) {
	digits = strings.TrimLeft(digits, "0")
	after := fraction - exponent // Digits after the point; below 0: zeros missing before it.
	if kept := strings.TrimRight(digits, "0"); after > 0 {
		cut := min(len(digits)-len(kept), after)
		digits, after = digits[:len(digits)-cut], after-cut
	}
	switch {
	case digits == "":
		return Decimal{}, nil
	case after > maxPlaces:
		return Decimal{}, fmt.Errorf("has more than %d digits after its point", maxPlaces)
	case len(digits)-after > maxPlaces:
		return Decimal{}, fmt.Errorf("has more than %d digits before its point", maxPlaces)
	case after <= 0:
		return Decimal{whole: digits + strings.Repeat("0", -after)}, nil
	}
	digits = strings.Repeat("0", max(0, after-len(digits))) + digits
	return Decimal{whole: digits[:len(digits)-after], fraction: digits[len(digits)-after:]}, nil
}

// isDigits reports whether the text is one or more of the digits 0 to 9.
func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

func powerOfTen(places int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
}
