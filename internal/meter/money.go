package meter

import "math"

// Micros is an amount in millionths of the organization's unit. It is never a float.
type Micros int64

// MaxAmount is the largest single amount that a caller may name: 10^15 micros, a thousand million units.
const MaxAmount Micros = 1e15

// add sums two amounts that are not negative, and refuses a sum that the type cannot hold.
func add(a, b Micros) (Micros, error) {
	if a > math.MaxInt64-b {
		return 0, &Refusal{Reason: AmountOutOfRange}
	}
	return a + b, nil
}
