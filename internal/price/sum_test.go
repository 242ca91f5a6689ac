package price

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// Machine words and big numbers give one answer, also where sums are as large as they get.
func TestNarrowSumsAreWideSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &narrow{den: rapid.OneOf(rapid.Uint64Range(1, 1e7), rapid.Uint64Min(1)).Draw(t, "denominator")}
		w := &wide{}
		w.den = bigOf(n.den)
		w.half = bigOf(n.den / 2)
		var counts [classes]int64
		for i := range counts {
			n.coefficients[i] = rapid.Uint64().Draw(t, "coefficient")
			w.coefficients[i] = bigOf(n.coefficients[i])
			counts[i] = rapid.OneOf(rapid.Just[int64](maxTokens), rapid.Int64Range(0, maxTokens)).Draw(t, "count")
		}
		if back, fits := w.narrow(); !fits || *back != *n {
			t.Fatalf("%+v made narrow is %+v, %t", w, back, fits)
		}
		quick, quickOK := n.micros(counts)
		slow, slowOK := w.micros(counts)
		if quick != slow || quickOK != slowOK {
			t.Fatalf("%+v: %d, %t narrow; %d, %t wide", counts, quick, quickOK, slow, slowOK)
		}
	})
}

// A quotient of just more than a machine word is too much, and no more than that.
func TestNarrowSumsDoNotOverflow(t *testing.T) {
	n := &narrow{coefficients: [classes]uint64{1 << 63}, den: 1}
	for _, count := range []int64{1, 2, 3, maxTokens} {
		if micros, ok := n.micros([classes]int64{count}); ok {
			t.Errorf("%d times 2^63 is %d micros, want too much", count, micros)
		}
	}
}

// Rates of the world fit machine words; one digit too many does not, and neither does a denominator.
func TestWhichSumsAreNarrow(t *testing.T) {
	for text, want := range map[string]bool{
		"0.15": true, "1000000": true, "0.0000000000000000001": true, "18.446744073709551615": true,
		"18.4467440737095516161": false, "0.00000000000000000001": false, "1.000000000000000000000000000001": false,
	} {
		d, err := ParseDecimal(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := newSum([classes]*Decimal{&d}, exchange{1, 1}).(*narrow); got != want {
			t.Errorf("%s is narrow: %t, want %t", text, got, want)
		}
	}
	one := Decimal{whole: "1"}
	if made, ok := newSum([classes]*Decimal{&one}, exchange{math.MaxInt64, 1}).(*narrow); !ok || made.coefficients[0] != math.MaxInt64 {
		t.Errorf("an exchange of 2^63-1 makes %+v", made)
	}
}

func bigOf(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
