package price_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/price"
)

func TestParseDecimal(t *testing.T) {
	nines := strings.Repeat("9", 30)
	for text, want := range map[string]string{
		"0": "0", "0.0": "0", "000": "0", "0e5": "0", "0e-9999": "0", "0e9999": "0",
		"3": "3", "007": "7", "0.15": "0.15", "0.150": "0.15", "10": "10", "100.00": "100",
		"1.5e-07": "0.00000015", "1.5E-7": "0.00000015", "1.25e+02": "125", "1.25e2": "125", "12.5e1": "125",
		"1.25e1": "12.5", "3e-06": "0.000003", "1e29": "1" + strings.Repeat("0", 29), "1e-30": "0." + strings.Repeat("0", 29) + "1",
		nines + "." + nines: nines + "." + nines, "0." + strings.Repeat("0", 40): "0", "10e-1": "1", "120e-1": "12",
		"0." + strings.Repeat("0", 35) + "1e30": "0.000001",
	} {
		d, err := price.ParseDecimal(text)
		if err != nil || d.String() != want {
			t.Errorf("ParseDecimal(%q) = %s, %v; want %s", text, d, err, want)
			continue
		}
		again, err := price.ParseDecimal(d.String())
		if err != nil || again != d {
			t.Errorf("%q does not read back: %v, %v", d, again, err)
		}
	}
}

func TestParseDecimalRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", " 1", "1 ", "1 000", "-1", "+1", "-0", "NaN", "nan", "Inf", "Infinity", "0x10", "0x1p-2", "1_000", "1,5",
		".", ".5", "5.", "1..2", "1.2.3", "e5", "1e", "1e+", "1e-", "1e+-5", "1e--5", "1e5.0", "1e 5", "1ee5", "1e99999", "١",
		"1e30", "1e-31", "1e9999", "1e-9999", "1" + strings.Repeat("0", 30), "0." + strings.Repeat("0", 30) + "1",
		strings.Repeat("0", 101), "null", "\"1\"", "1\x00", "1\n",
	} {
		if d, err := price.ParseDecimal(text); err == nil {
			t.Errorf("ParseDecimal(%q) = %s, want an error", text, d)
		} else if len(err.Error()) > 200 {
			t.Errorf("ParseDecimal(%q): the error is %d long", text, len(err.Error()))
		}
	}
}

func TestShift(t *testing.T) {
	for _, test := range []struct {
		text   string
		places int
		want   string
	}{
		{"1.5e-07", 6, "0.15"},
		{"0.15", -6, "0.00000015"},
		{"0.000003", 6, "3"},
		{"12.5", 0, "12.5"},
		{"0", 1000, "0"},
		{"3", 29, "3" + strings.Repeat("0", 29)},
		{"3", 30, ""},
		{"3", -30, "0." + strings.Repeat("0", 29) + "3"},
		{"3", -31, ""},
	} {
		got, err := rate(test.text).Shift(test.places)
		if (err == nil) != (test.want != "") || err == nil && got.String() != test.want {
			t.Errorf("%s shifted by %d = %s, %v; want %q", test.text, test.places, got, err, test.want)
		}
	}
}

// decimalText draws the text of a decimal, in one of the forms that it can have.
func decimalText(t *rapid.T) string {
	return rapid.StringMatching(`(0|[1-9][0-9]{0,12})(\.[0-9]{1,14})?([eE][+-]?[0-9])?`).Draw(t, "decimal")
}

// A Decimal means what math/big reads in the same text, and two are compared as it compares them.
func TestDecimalsAreTheNumbersTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := decimalText(t), decimalText(t)
		x, y := rate(a), rate(b)
		if x.Rat().Cmp(rat(a)) != 0 || rat(x.String()).Cmp(rat(a)) != 0 {
			t.Fatalf("%s is read as %s, %s", a, x, x.Rat())
		}
		if got, want := x.Cmp(*y), rat(a).Cmp(rat(b)); got != want {
			t.Fatalf("%s.Cmp(%s) = %d, want %d", a, b, got, want)
		}
		if (*x == *y) != (x.Cmp(*y) == 0) {
			t.Fatalf("%s and %s: == and Cmp disagree", a, b)
		}
		if x.IsZero() != (rat(a).Sign() == 0) {
			t.Fatalf("%s: IsZero = %t", a, x.IsZero())
		}
		places := rapid.IntRange(-6, 6).Draw(t, "places")
		shifted, err := x.Shift(places)
		if err != nil {
			t.Fatalf("%s shifted by %d: %v", x, places, err)
		}
		if back, err := shifted.Shift(-places); err != nil || back != *x {
			t.Fatalf("%s shifted by %d and back is %s, %v", x, places, back, err)
		}
	})
}

// The zero value and what Rat answers are nobody else's.
func TestDecimalIsAValue(t *testing.T) {
	var zero price.Decimal
	if zero != *rate("0.00") || zero.String() != "0" || !zero.IsZero() || zero.Rat().Sign() != 0 {
		t.Errorf("the zero value is %s", zero)
	}
	d := rate("2.5")
	d.Rat().Add(d.Rat(), big.NewRat(1, 1)).Num().SetInt64(77)
	if d.String() != "2.5" || d.Rat().Cmp(big.NewRat(5, 2)) != 0 {
		t.Errorf("changing a Rat changed its Decimal to %s", d)
	}
}
