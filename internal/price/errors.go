package price

import (
	"fmt"
	"strings"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// Unpriced says that the book has no price for a turn. That is not the same as a price of zero.
type Unpriced struct {
	Model   string
	Class   Class     // The class of tokens that the model has no rate for; 0: it has no price at all.
	From    time.Time // When its first price begins; zero, with no class: the model is not in the book.
	Nearest []string  // Names that are in the book, if the model is not, the likeliest first.
}

// Error says what is missing.
func (u *Unpriced) Error() string {
	switch {
	case u.Class != 0:
		return fmt.Sprintf("model %q has no price for %s tokens", u.Model, u.Class)
	case !u.From.IsZero():
		return fmt.Sprintf("model %q has no price before %s", u.Model, u.From.UTC().Format(time.RFC3339))
	case len(u.Nearest) > 0:
		return fmt.Sprintf("model %q is not in the price book; near it are %s", u.Model, strings.Join(u.Nearest, ", "))
	default:
		return fmt.Sprintf("model %q is not in the price book", u.Model)
	}
}

// UnitMismatch says that a price was asked for in a unit that the book does not have, nor a rate of exchange to it.
type UnitMismatch struct {
	BookID     string
	Has, Asked meter.Unit
}

// Error names both units.
func (u *UnitMismatch) Error() string {
	return fmt.Sprintf("price book %q is in %s and has no conversion to %s", u.BookID, unitName(u.Has), unitName(u.Asked))
}

// BadTokens says that a count of tokens is negative or above 10^12.
type BadTokens struct {
	Class  Class
	Tokens int64
}

// Error names the class and its count.
func (b *BadTokens) Error() string {
	return fmt.Sprintf("%s tokens must be 0 to %d, not %d", b.Class, int64(maxTokens), b.Tokens)
}

// TooMuch says that a turn would cost more than meter.MaxAmount.
type TooMuch struct{ Model string }

// Error names the model and the bound.
func (m *TooMuch) Error() string {
	return fmt.Sprintf("the tokens of model %q cost more than %s micros", m.Model, meter.MaxAmount)
}

func unitName(u meter.Unit) string {
	switch u {
	case meter.UnitACU:
		return "ACU"
	case meter.UnitUSD:
		return "USD"
	default:
		return fmt.Sprintf("unit %d", u)
	}
}
