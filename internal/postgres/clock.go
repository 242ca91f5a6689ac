package postgres

import "time"

// clock goes by what the database told of its time, and by how long that is ago here: it is never ahead of the database's as
// long as neither is set, nor drifts by more than one part in driftPart against the other.
type clock struct {
	told time.Time     // By the database,
	at   time.Time     // in an answer that had come by then
	took time.Duration // to a question asked so long before.
}

const driftPart = 10_000

// read tells the time, and by how much it may be behind the database's.
func (c clock) read() (now time.Time, behind time.Duration) {
	age := time.Since(c.at)
	drift := age / driftPart
	return c.told.Add(age - drift).Truncate(time.Microsecond), c.took + 2*drift
}

// better is the clock that goes by another answer, if that is known at least as closely, or contradicts this one.
func (c clock) better(other clock) clock {
	now, behind := c.read()
	then, took := other.read()
	if took <= behind || now.After(then.Add(took)) || now.Add(behind).Before(then) {
		return other
	}
	return c
}
