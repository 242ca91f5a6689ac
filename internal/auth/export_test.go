package auth

import "time"

// SetClock tells the time to tokens that are verified from here on.
func (t *Tokens) SetClock(now func() time.Time) { t.now = now }

// Remembered is how many verified tokens are remembered.
func (t *Tokens) Remembered() int { return len(t.verified.values) }

// SetClock tells the time to certificates.
func (c *Certificates) SetClock(now func() time.Time) { c.now = now }

// IdentifyCertificate is whom certificates show.
var IdentifyCertificate = (*Certificates).identify

// SetPace has keys fetched so often, and after so long a pause at least. It must be told before Run.
func (k *IssuerKeys) SetPace(every, pause time.Duration) { k.every, k.pause = every, pause }
