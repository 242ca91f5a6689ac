package price_test

import (
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-metering/spillway/internal/price"
)

// decimalForm is what ParseDecimal says that it reads.
var decimalForm = regexp.MustCompile(`^\d+(\.\d+)?([eE][+-]?\d{1,4})?$`)

// maxSaid bounds an error: it shows 40 characters of a text, each by at most ten.
const maxSaid = 500

// maxDigits is how many digits a number may have on either side of its point.
const maxDigits = 30

// FuzzParseDecimal holds that a text is read exactly if it is a number of the promised form and size, that the number is
// then what math/big reads in it, and that it is compared, written and shifted as that one is.
func FuzzParseDecimal(f *testing.F) {
	f.Fuzz(func(t *testing.T, text, other string, places int8) {
		d, err := price.ParseDecimal(text)
		want := exactly(text)
		if (err == nil) != (want != nil) {
			t.Fatalf("ParseDecimal(%q) = %s, %v; math/big reads %v", text, d, err, want)
		}
		if err != nil {
			if len(err.Error()) > maxSaid || d != (price.Decimal{}) {
				t.Fatalf("%s, and an error of %d bytes", d, len(err.Error()))
			}
			return
		}
		if d.Rat().Cmp(want) != 0 || d.IsZero() != (want.Sign() == 0) {
			t.Fatalf("%q is read as %s, and by math/big as %s", text, d, want)
		}
		if again, err := price.ParseDecimal(d.String()); err != nil || again != d || !canonical(d.String()) {
			t.Fatalf("%q is written %s, which is read as %s, %v", text, d, again, err)
		}
		if e, err := price.ParseDecimal(other); err == nil && (d.Cmp(e) != want.Cmp(e.Rat()) || (d == e) != (d.Cmp(e) == 0)) {
			t.Fatalf("%s.Cmp(%s) = %d", d, e, d.Cmp(e))
		}
		checkShifted(t, d, want, int(places))
	})
}

// checkShifted moves the point, which must be refused exactly where the number does not fit any more.
func checkShifted(t *testing.T, d price.Decimal, number *big.Rat, places int) {
	t.Helper()
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(places, -places))), nil))
	if places < 0 {
		power.Inv(power)
	}
	want := new(big.Rat).Mul(number, power)
	shifted, err := d.Shift(places)
	if (err == nil) != fits(want) || err == nil && shifted.Rat().Cmp(want) != 0 {
		t.Fatalf("%s shifted by %d = %s, %v; want %s", d, places, shifted, err, want)
	}
}

// exactly is the number that a text says; nil: it says none that can be kept.
func exactly(text string) *big.Rat {
	if len(text) > 100 || !decimalForm.MatchString(text) {
		return nil
	}
	number, ok := new(big.Rat).SetString(text)
	if !ok || !fits(number) {
		return nil
	}
	return number
}

// fits says whether a number has no more digits than may be on either side of its point.
func fits(number *big.Rat) bool {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(maxDigits), nil)
	bound := new(big.Rat).SetInt(limit)
	return number.Cmp(bound) < 0 && new(big.Rat).Mul(number, bound).IsInt()
}

// canonical says whether a text has no zero that could be left out.
func canonical(text string) bool {
	whole, fraction, pointed := strings.Cut(text, ".")
	return (whole == "0" || !strings.HasPrefix(whole, "0")) && pointed == (fraction != "") && !strings.HasSuffix(fraction, "0")
}
