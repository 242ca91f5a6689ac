package replay

import (
	"encoding"
	"math"
	"testing"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

func TestDecimalsAreReadExactly(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "2.50": 2_500_000, "10.00": 10_000_000, "0.000001": 1, "1000000000": 1e15, "00.1": 100_000,
		"0.3": 300_000, "123456.789012": 123_456_789_012,
	} {
		if got, err := parseDecimal(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestWhatIsNoDecimalIsRefused(t *testing.T) {
	for _, text := range []string{"", ".", ".5", "5.", "-1", "+1", "1e3", "1_000", "1,5", "0x1", "1.2.3", " 1", "0.0000001", "1000000000.000001", "99999999999999999999"} {
		if got, err := parseDecimal(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestAmountsAreWrittenWithSixDecimals(t *testing.T) {
	for micros, want := range map[int64]string{
		0: "0.000000", 1: "0.000001", 1_000_000: "1.000000", 12_345_678: "12.345678", -1: "-0.000001", -2_500_000: "-2.500000",
		math.MaxInt64: "9223372036854.775807",
	} {
		if got := FormatMicros(micros); got != want {
			t.Errorf("%d: got %q, want %q", micros, got, want)
		}
	}
}

func TestCostIsRoundedHalfUpOnce(t *testing.T) {
	for _, test := range []struct {
		input, output string
		in, out, want int64
	}{
		{"2.50", "10.00", 374, 44, 1375},
		{"2.50", "10.00", 1, 0, 3},       // 2.5
		{"2.50", "10.00", 3, 0, 8},       // 7.5
		{"0.25", "0.25", 1, 1, 1},        // 0.5, where each by itself would give 0
		{"0.249999", "0.25", 1, 1, 0},    // 0.499999
		{"0.000001", "0", 499_999, 0, 0}, // 0.499999
		{"0.000001", "0", 500_000, 0, 1},
		{"0", "0", 1e11, 1e11, 0},
		{"10000", "0", 1e11, 0, 1e15},
	} {
		var prices Prices
		read(t, &prices.Input, test.input)
		read(t, &prices.Output, test.output)
		if got, err := prices.Cost(test.in, test.out); err != nil || got != test.want {
			t.Errorf("%+v: got %d, %v", test, got, err)
		}
	}
}

func TestCostsPastOneAmountAreRefused(t *testing.T) {
	if got, err := (Prices{Input: 1e15, Output: 1e15}).Cost(1e11, 1e11); err == nil {
		t.Errorf("got %d", got)
	}
	if got, err := (Prices{Input: 10_000_000_001}).Cost(1e11, 0); err == nil {
		t.Errorf("got %d", got)
	}
}

func TestAccessIsRead(t *testing.T) {
	for text, want := range map[string]Access{
		"none":        {Kind: meterv1.AccessKind_ACCESS_KIND_NONE},
		"unlimited":   {Kind: meterv1.AccessKind_ACCESS_KIND_UNLIMITED},
		"capped:2500": {Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 2500},
	} {
		var got Access
		read(t, &got, text)
		if got != want {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	for _, text := range []string{"", "some", "capped", "capped:", "capped:0", "capped:-1", "capped:1.5", "none:1", "unlimited:1", "capped:1000000000000001"} {
		var got Access
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func read(t *testing.T, into encoding.TextUnmarshaler, text string) {
	t.Helper()
	if err := into.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
}
