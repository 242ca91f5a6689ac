package meter

import (
	"errors"
	"time"
)

// UnchargedOutcome is how a turn ended, or why it never began, without an entry in the ledger.
type UnchargedOutcome int16

// The outcomes of turns that charged neither allowance nor pool.
const (
	UnchargedCommitted UnchargedOutcome = 1 // It gave its answer, and cost nothing or only overran.
	UnchargedReleased  UnchargedOutcome = 2 // It failed, and used no allowance.
	UnchargedExpired   UnchargedOutcome = 3 // Nobody settled it in time. It may be settled late, and then has an entry or a row more.
	UnchargedRefused   UnchargedOutcome = 4 // It was not let run.
)

// Uncharged is the record of a turn that ended, or never began, without an entry in the ledger. With the ledger it tells of
// every turn: a settlement has its entries there, or else one row here.
type Uncharged struct {
	Sequence      int64 // Gapless from 1 in each organization, by itself.
	At            time.Time
	Outcome       UnchargedOutcome
	MemberID      string
	ReservationID UUID         // Zero for a turn that was refused.
	Refused       *RefusedTurn // Nil unless it was.
}

// RefusedTurn is what a refused Reserve asked for, and what stood in its way.
type RefusedTurn struct {
	// AttemptID is the reservation that would have been made: each call has one, so that a batch which is carried again
	// tells no refusal twice.
	AttemptID         UUID
	RequestID         string
	Reason            Reason
	Turn              Turn
	Estimate, Minimum Micros      // 0: the usage that was to be priced has no price.
	Book              BookVersion // By which the estimate was priced; zero: it was told as an amount.
	AllowanceRoom     Micros
	PoolAvailable     Micros
	Access            AccessKind
	CapRoom           Micros // 0 unless the access is capped.
	PeriodStart       time.Time
	ResetsAt          time.Time // When the period ends.
	WindowClosesAt    time.Time // When the abuse window closes; zero unless that is the reason.
}

// Uncharged are the turns that the batch ended, or did not let run, without a ledger entry, in order.
func (s *State) Uncharged() []Uncharged { return s.uncharged }

// uncharge adds a turn to those without a ledger entry, of the organization in hand.
func (s *State) uncharge(o *Organization, u Uncharged) {
	o.UnchargedSequence++
	u.Sequence, u.At = o.UnchargedSequence, s.Now
	s.uncharged = append(s.uncharged, u)
}

// refused puts a refusal on record and answers it: once, though the batch may be carried again. Nothing else changes.
func (c Reserve) refused(s *State, t seat, err error) (Outcome, error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) || s.RefusedBefore[c.ReservationID] {
		return Outcome{}, err
	}
	_, span := t.member.periodIn(t.month, t.org.Calendar)
	no := RefusedTurn{
		AttemptID: c.ReservationID, RequestID: c.RequestID, Reason: refusal.Reason, Turn: c.Turn,
		AllowanceRoom: t.allowanceRoom(), PoolAvailable: t.org.Pool.Available(), Access: t.access().Kind,
		PeriodStart: t.period.Start, ResetsAt: span.End,
	}
	if no.Access == AccessCapped {
		no.CapRoom = t.capRoom()
	}
	if no.Reason == AbuseLimitReached {
		no.WindowClosesAt = t.member.Abuse.closesAt(t.plan.Abuse)
	}
	if r, minimum, err := c.reservation(s, t); err == nil {
		no.Estimate, no.Minimum = r.Estimate, minimum
		if c.Usage != nil {
			no.Book = r.Book
		}
	}
	s.uncharge(&t.org, Uncharged{Outcome: UnchargedRefused, MemberID: t.member.ID, Refused: &no})
	s.RefusedBefore[c.ReservationID] = true
	s.Organization.Put(t.org.ID, t.org)
	return Outcome{}, err
}
