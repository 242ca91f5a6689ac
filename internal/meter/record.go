package meter

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// Actor is who asks for a change, and by which call.
type Actor struct {
	Subject   string // As the credentials name it.
	Issuer    string // Who says so.
	ActingFor string // Whom the caller says it acts for; empty: nobody.
	Role      string // What the caller is to the service.
	Method    string // The full name of the RPC.
	RequestID string // Of the call, as its log line names it.
}

// Name is whom a change is said to be by: the person the caller acts for, or the caller.
func (a Actor) Name() string {
	if a.ActingFor != "" {
		return a.ActingFor
	}
	return a.Subject
}

// AuditOutcome is what became of what was asked.
type AuditOutcome int16

// The outcomes that go on record. A call that was let in and changed nothing leaves nothing to record.
const (
	AuditApplied AuditOutcome = 1 // Before and After differ.
	AuditDenied  AuditOutcome = 2 // The caller may not ask for it.
)

// AuditEntry is one privileged act on record. Entries of one organization form a chain: each holds a hash over itself and
// the one before, so that one that was removed or changed does not go unseen.
type AuditEntry struct {
	OrganizationID string // Whose record it is; empty: the service's own.
	Sequence       int64  // Gapless from 1 in each record.
	At             time.Time
	Actor          Actor
	MemberID       string // Whom it concerns; empty: no one member.
	Outcome        AuditOutcome
	Before, After  string // JSON objects of what changed; empty: there was nothing, or the call was denied.

	// Of a denied call.
	Reason   string // Why it was denied.
	Named    string // The organization that it named.
	Attempts int64  // How many like calls the entry stands for; 0 unless denied.

	Hash AuditHash
}

// AuditHash is a SHA-256.
type AuditHash [sha256.Size]byte

// AuditHead is the end of a record; zero: it is empty.
type AuditHead struct {
	Sequence int64
	Hash     AuditHash
}

// Chain adds an entry to the record that ends with h, and answers it with its place and hash, and the record's new end.
func (h AuditHead) Chain(e AuditEntry) (AuditEntry, AuditHead) {
	e.Sequence = h.Sequence + 1
	e.Hash = e.digest(h.Hash)
	return e, AuditHead{Sequence: e.Sequence, Hash: e.Hash}
}

// digest is the SHA-256 over the hash of the entry before and then each of the entry's own values as text, in the order
// below, each preceded by its length in bytes as a big-endian 64-bit integer. The time is in microseconds since 1970.
func (e AuditEntry) digest(previous AuditHash) AuditHash {
	h := sha256.New()
	for _, value := range []string{
		string(previous[:]), e.OrganizationID, number(e.Sequence), number(e.At.UnixMicro()), e.Actor.Subject, e.Actor.Issuer,
		e.Actor.ActingFor, e.Actor.Role, e.Actor.Method, e.Actor.RequestID, e.MemberID, number(int64(e.Outcome)), e.Before,
		e.After, e.Reason, e.Named, number(e.Attempts),
	} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(value)))
		h.Write(length[:])
		h.Write([]byte(value))
	}
	return AuditHash(h.Sum(nil))
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// Recordable is a command that goes on record.
type Recordable interface {
	Command
	// Subject is the member whom it concerns; empty: no one member.
	Subject() string
	// Facts are what it may change, as the state has it: a struct for JSON, or nil where there is nothing.
	Facts(s *State) any
}

// Recorded is a command with who asks for it. What the command changes goes on the organization's record in the same
// batch; what changes nothing, as the second try of a change does, leaves no entry.
type Recorded struct {
	Recordable
	By Actor
}

// Need adds the end of the organization's record to what the command needs.
func (c Recorded) Need(n *Needs) {
	c.Recordable.Need(n)
	n.AuditHeads = append(n.AuditHeads, c.Organization())
}

// Apply applies the command, and answers its outcome.
func (c Recorded) Apply(s *State) (Outcome, error) {
	before, err := factsOf(c.Facts(s))
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := c.Recordable.Apply(s)
	if err != nil {
		return outcome, err
	}
	after, err := factsOf(c.Facts(s))
	if err != nil {
		return Outcome{}, err
	}
	if before != after {
		s.audit(AuditEntry{Actor: c.By, MemberID: c.Subject(), Outcome: AuditApplied, Before: before, After: after})
	}
	return outcome, nil
}

// Denial puts on record that a caller asked for what it may not. Its outcome is empty.
type Denial struct {
	OrganizationID string // Whose record it goes on; empty: the service's own.
	By             Actor
	Named          string // The organization that the call named.
	Reason         string // Why it was denied.
	Attempts       int64  // How many like calls it stands for.
}

// Organization is whose record it goes on. It need not exist.
func (c Denial) Organization() string { return c.OrganizationID }

// Need names the end of the record.
func (c Denial) Need(n *Needs) { n.AuditHeads = append(n.AuditHeads, c.OrganizationID) }

// Apply adds an entry.
func (c Denial) Apply(s *State) (Outcome, error) {
	s.audit(AuditEntry{Actor: c.By, Outcome: AuditDenied, Reason: c.Reason, Named: c.Named, Attempts: c.Attempts})
	return Outcome{}, nil
}

// audit adds an entry to the organization's record.
func (s *State) audit(e AuditEntry) {
	e.OrganizationID, e.At = s.ID, s.Now
	e, s.AuditHead = s.AuditHead.Chain(e)
	s.auditEntries = append(s.auditEntries, e)
}

// AuditEntries are what the batch adds to the organization's record, in order.
func (s *State) AuditEntries() []AuditEntry { return s.auditEntries }

// factsOf is a struct as JSON in the order of its fields; empty for nil.
func factsOf(facts any) (string, error) {
	if facts == nil {
		return "", nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(facts); err != nil {
		return "", err
	}
	return string(bytes.TrimRight(text.Bytes(), "\n")), nil
}
