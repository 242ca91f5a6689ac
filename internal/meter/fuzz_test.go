package meter_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-metering/spillway/internal/meter"
)

// FuzzRules reads commands and the times between them out of bytes, and applies them to a firm one after the other. Each
// is decided as the plain model decides it, changes nothing when it is sent again, and leaves what is promised true: the
// store audits itself after each.
func FuzzRules(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		p := newRehearsal(t)
		for range rapid.IntRange(1, 60).Draw(t, "commands") {
			p.now = p.now.Add(rapid.SampledFrom(waits).Draw(t, "wait"))
			if rapid.IntRange(0, 15).Draw(t, "new prices") == 0 {
				p.putPrices(t)
			}
			batch := []meter.Command{p.draw(t)}
			p.sent = append(p.sent, batch...)
			p.repeatAccepted(t, batch, p.run(t, batch))
		}
	}))
}
