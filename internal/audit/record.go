package audit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	readChains = `SELECT c.organization_id, c.sequence, c.hash FROM audit_chain c
		WHERE $1::text IS NULL OR c.organization_id = $1 ORDER BY c.organization_id`

	readRecord = `SELECT e.organization_id, e.sequence, e.at, e.subject, e.issuer, e.acting_for, e.role, e.method, e.request_id,
			e.member_id, e.outcome, e.before_facts, e.after_facts, e.denied_reason, e.denied_named, e.denied_attempts, e.hash
		FROM audit_entry e WHERE $1::text IS NULL OR e.organization_id = $1 ORDER BY e.organization_id, e.sequence`
)

// link is the end of a record, as it is stored or as its entries make it.
type link struct {
	sequence int64
	hash     []byte
}

// recordRow is an entry of a record as it is stored.
type recordRow struct {
	organization string
	sequence     int64
	at           time.Time
	actor        [6]string // Subject, issuer, acting for, role, method, request id.
	member       string
	outcome      int16
	facts        [4]string // Before, after, why denied, named.
	attempts     int64
	hash         []byte
}

func (r *recordRow) targets() []any {
	a, f := &r.actor, &r.facts
	return []any{
		&r.organization, &r.sequence, &r.at, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &r.member, &r.outcome, &f[0], &f[1],
		&f[2], &f[3], &r.attempts, &r.hash,
	}
}

// digest is the hash that the entry must have after one with the hash previous: SHA-256 over that and each value as text,
// preceded by its length as a big-endian 64-bit integer.
func (r *recordRow) digest(previous []byte) []byte {
	sum := sha256.New()
	addText(sum, string(previous), r.organization, strconv.FormatInt(r.sequence, 10), strconv.FormatInt(r.at.UnixMicro(), 10))
	addText(sum, r.actor[:]...)
	addText(sum, r.member, strconv.FormatInt(int64(r.outcome), 10))
	addText(sum, r.facts[:]...)
	addText(sum, strconv.FormatInt(r.attempts, 10))
	return sum.Sum(nil)
}

func addText(sum hash.Hash, values ...string) {
	for _, v := range values {
		_ = binary.Write(sum, binary.BigEndian, uint64(len(v))) // A hash takes everything.
		_, _ = sum.Write([]byte(v))
	}
}

// checkRecords follows each record's chain from its first entry, and sees that it ends where it is said to.
func (a *audit) checkRecords(ctx context.Context) error {
	stored, err := a.readChains(ctx)
	if err != nil {
		return fmt.Errorf("reading the ends of the records: %w", err)
	}
	followed, err := a.followRecords(ctx)
	if err != nil {
		return fmt.Errorf("following the records: %w", err)
	}
	for organization, end := range followed {
		if _, known := stored[organization]; !known {
			stored[organization] = link{hash: make([]byte, sha256.Size)}
		}
		a.compareEnds(organization, stored[organization], end)
		delete(stored, organization)
	}
	for organization, end := range stored {
		a.compareEnds(organization, end, link{hash: make([]byte, sha256.Size)})
	}
	return nil
}

func (a *audit) readChains(ctx context.Context) (map[string]link, error) {
	chains := map[string]link{}
	err := a.each(ctx, readChains, func(rows pgx.Rows) error {
		var organization string
		var end link
		err := rows.Scan(&organization, &end.sequence, &end.hash)
		chains[organization] = end
		return err
	})
	return chains, err
}

// followRecords answers where each record's entries end. After an entry that is not as it was, the next one is held to
// the hash that is stored, so that one change is one finding.
func (a *audit) followRecords(ctx context.Context) (map[string]link, error) {
	ends := map[string]link{}
	err := a.each(ctx, readRecord, func(rows pgx.Rows) error {
		var r recordRow
		if err := rows.Scan(r.targets()...); err != nil {
			return err
		}
		end, begun := ends[r.organization]
		if !begun {
			end.hash = make([]byte, sha256.Size)
		}
		switch expected := r.digest(end.hash); {
		case r.sequence != end.sequence+1:
			a.addRecord(r.organization, "record_is_gapless", "entry "+strconv.FormatInt(end.sequence+1, 10),
				"entry "+strconv.FormatInt(r.sequence, 10))
		case !bytes.Equal(expected, r.hash):
			a.addRecord(r.organization, "record_is_as_it_was_written",
				fmt.Sprintf("entry %d with the hash %s", r.sequence, short(expected)), short(r.hash))
		}
		ends[r.organization] = link{r.sequence, r.hash}
		return nil
	})
	return ends, err
}

func (a *audit) compareEnds(organization string, stored, followed link) {
	if stored.sequence != followed.sequence || !bytes.Equal(stored.hash, followed.hash) {
		a.addRecord(organization, "record_ends_where_it_says",
			fmt.Sprintf("entry %d with the hash %s as the last", stored.sequence, short(stored.hash)),
			fmt.Sprintf("entry %d with the hash %s", followed.sequence, short(followed.hash)))
	}
}

// ownRecord stands for the organization in what is found of the service's own record. It is no id.
const ownRecord = "(the service)"

// addRecord keeps a finding about a record.
func (a *audit) addRecord(organization, promise, expected, found string) {
	organization = cmp.Or(organization, ownRecord)
	a.add(Finding{Promise: promise, Organization: organization, Expected: expected, Found: found})
}

// short is the beginning of a hash, as much of it as tells it apart.
func short(sum []byte) string {
	text := hex.EncodeToString(sum)
	return text[:min(len(text), 16)]
}
