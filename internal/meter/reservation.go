package meter

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// UUID is an identifier made by the server. It is an alias so that no layer has to convert it.
type UUID = [16]byte

// ReservationState is where a reservation stands.
type ReservationState int16

// The states of a reservation. Held leads to each other; Expired can still become Committed or Released, late.
const (
	Held      ReservationState = 1 // The turn may run; its hold stands.
	Committed ReservationState = 2 // The turn gave its answer and was charged.
	Released  ReservationState = 3 // The turn failed; the pool was not touched.
	Expired   ReservationState = 4 // Nobody settled it in time; its hold went back.
)

// Reservation is a hold for one turn.
type Reservation struct {
	ID            UUID
	MemberID      string
	RequestID     string
	Fingerprint   Fingerprint // Of the Reserve that made it.
	State         ReservationState
	Estimate      Micros // Extensions included.
	HeldAllowance Micros // What is held while Held; afterwards, what was.
	HeldPool      Micros
	PeriodStart   time.Time // The period to which the turn belongs, however late it is settled.
	CreatedAt     time.Time
	ExpiresAt     time.Time
	SettledAt     time.Time   // Zero while Held.
	Book          BookVersion // By which its tokens are priced: the organization's when it was made.
	Policy        EstimatePolicy
	Charge        Charge
	Basis         CostBasis
	Turn          Turn
	Tokens        TokenUsage
	Late          bool     // Settled after it had expired.
	Reason        string   // Why it was released, in the caller's words.
	Seen          *Sight   // What Reserve saw when it decided, before the hold. A load for a batch leaves it out.
	Left          *Remains // What the settlement left. A load for a batch leaves it out.
}

// Sight is what stood open to a turn when it was decided on.
type Sight struct {
	Expected      TokenUsage // What an estimate by usage was the price of; zero: it was told as an amount, or is not on record.
	AllowanceRoom Micros
	PoolAvailable Micros
	Access        Access
	CapUsed       Micros // Used and held of the pool by the seat in its period.
}

// Remains is what the settlement of a turn left.
type Remains struct {
	Access  Access // As it stood then.
	CapUsed Micros // Used and held of the pool by the seat in the turn's period.
}

// due says whether an open hold has lapsed: expiry is at exactly its time to live.
func (r Reservation) due(now time.Time) bool { return r.State == Held && !r.ExpiresAt.After(now) }

// Charge is what a settled turn cost: Allowance + Pool + Overrun = Actual, always.
type Charge struct {
	Actual, Allowance, Pool, Overrun Micros
}

// Turn is what the caller says of a turn.
type Turn struct {
	Model          string
	ConversationID string
	TurnID         string
	Labels         map[string]string
}

// TokenUsage counts the tokens of one turn in disjoint classes.
type TokenUsage struct {
	Input, CachedInput, CacheWrite, Output, Reasoning int64
}

// Total is the number of tokens of all classes.
func (u TokenUsage) Total() int64 {
	return u.Input + u.CachedInput + u.CacheWrite + u.Output + u.Reasoning
}

// Extension is the record of one Extend.
type Extension struct {
	RequestID     string
	Fingerprint   Fingerprint
	ReservationID UUID
	At            time.Time
	Additional    Micros
	ExpiresAt     time.Time // Of the reservation, from then on.
}

// Fingerprint stands for the content of a request, so that a request id used again with other content is told from a
// retry.
type Fingerprint [16]byte

// fingerprint hashes parts so that no two lists of parts run into each other.
func fingerprint(parts ...string) Fingerprint {
	whole := make([]byte, 0, 256)
	for _, p := range parts {
		whole = binary.BigEndian.AppendUint64(whole, uint64(len(p)))
		whole = append(whole, p...)
	}
	digest := sha256.Sum256(whole)
	return Fingerprint(digest[:16])
}
