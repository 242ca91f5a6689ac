package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

const (
	readEntries       = entriesBetween + ` ORDER BY l.sequence LIMIT $4`
	readEntriesNewest = entriesBetween + ` ORDER BY l.sequence DESC LIMIT $4`

	readEntriesOf       = entriesOf + ` ORDER BY l.sequence LIMIT $4`
	readEntriesOfNewest = entriesOf + ` ORDER BY l.sequence DESC LIMIT $4`

	// readMovements goes by an index that holds top-ups and refunds only.
	readMovements       = entriesOf + ` AND l.kind IN (1, 2) ORDER BY l.sequence LIMIT $4`
	readMovementsNewest = entriesOf + ` AND l.kind IN (1, 2) ORDER BY l.sequence DESC LIMIT $4`

	entriesBetween = `SELECT ` + entryColumns + ` FROM ledger_entry l
		WHERE l.organization_id = $1 AND l.sequence > $2 AND l.sequence <= $3`
	entriesOf = entriesBetween + ` AND l.at >= $5 AND l.at < $6 AND l.kind = ANY($7::smallint[])`

	// readEntryBounds tells where a span lies in a ledger: in the days that are rolled up, between the first and the last of
	// their entries that may be in it, and after the watermark.
	readEntryBounds = `SELECT coalesce(min(d.first_ledger_sequence), 1) - 1, coalesce(max(d.last_ledger_sequence), 0),
			coalesce(max(w.ledger_sequence), 0), o.ledger_sequence
		FROM organization o LEFT JOIN usage_watermark w ON w.organization_id = o.organization_id
			LEFT JOIN usage_day d ON d.organization_id = o.organization_id AND d.first_at < $3 AND d.last_at >= $2
				AND d.starts_at < $3 AND d.starts_at > $2::timestamptz - interval '3 days'
		WHERE o.organization_id = $1 GROUP BY o.organization_id`
)

// Entries lists an organization's ledger in order of sequence, or newest first. Where it is narrowed by time, the days that
// are rolled up tell where to look; where by kind, it looks at so many entries at most, and says where to go on.
func (s *Store) Entries(ctx context.Context, q meter.EntryQuery) (meter.EntryPage, error) {
	stretches, err := s.entryStretches(ctx, q)
	if err != nil {
		return meter.EntryPage{}, err
	}
	if q.NewestFirst {
		slices.Reverse(stretches)
	}
	var page meter.EntryPage
	looked := int64(s.config.EntriesLooked)
	for _, stretch := range stretches {
		ahead := stretch.ahead(q)
		near := ahead.near(q, looked)
		looked -= near.size()
		found, err := s.entries(ctx, q, near, q.Limit+1-len(page.Entries))
		if err != nil {
			return meter.EntryPage{}, err
		}
		page.Entries = append(page.Entries, found...)
		switch {
		case len(page.Entries) > q.Limit:
			page.Entries = page.Entries[:q.Limit]
			page.Next = page.Entries[q.Limit-1].Sequence
			return page, nil
		case near.size() < ahead.size():
			page.Next = near.end(q)
			return page, nil
		}
	}
	return page, nil
}

// stretch is a part of a ledger: after one sequence, until another one, inclusive.
type stretch struct{ after, until int64 }

func (t stretch) size() int64 { return max(0, t.until-t.after) }

// ahead is what of a stretch a query has not come to yet.
func (t stretch) ahead(q meter.EntryQuery) stretch {
	switch {
	case !q.NewestFirst:
		t.after = max(t.after, q.After)
	case q.After > 0:
		t.until = min(t.until, q.After-1)
	}
	return t
}

// near is the part of a stretch that a query comes to first: so much of it as may be looked at.
func (t stretch) near(q meter.EntryQuery, looked int64) stretch {
	switch {
	case !bounded(q):
		return t
	case q.NewestFirst:
		return stretch{max(t.after, t.until-looked), t.until}
	default:
		return stretch{t.after, min(t.until, t.after+looked)}
	}
}

// end is the sequence after which a query goes on that has come through a stretch.
func (t stretch) end(q meter.EntryQuery) int64 {
	if q.NewestFirst {
		return t.after + 1
	}
	return t.until
}

// entryStretches are where entries may lie that a query asks for, in order.
func (s *Store) entryStretches(ctx context.Context, q meter.EntryQuery) ([]stretch, error) {
	if q.Span == (meter.Span{}) {
		o, err := s.Organization(ctx, q.OrganizationID)
		return []stretch{{0, o.LedgerSequence}}, err
	}
	span := openSpan(q.Span)
	var first, last, rolledUp, head int64
	err := s.readers.QueryRow(ctx, readEntryBounds, q.OrganizationID, span.Start, span.End).
		Scan(&first, &last, &rolledUp, &head)
	if err != nil {
		return nil, orMissing(err, meter.OrganizationNotFound, "organization_id", q.OrganizationID)
	}
	return []stretch{{first, last}, {rolledUp, head}}, nil
}

// entries reads entries of a stretch that a query asks for.
func (s *Store) entries(ctx context.Context, q meter.EntryQuery, t stretch, limit int) ([]meter.Entry, error) {
	if t.size() == 0 {
		return nil, nil
	}
	if !q.Narrowed() {
		return list(ctx, s, entryTargets, ordered(q, readEntries, readEntriesNewest), q.OrganizationID, t.after, t.until, limit)
	}
	kinds := []int16{1, 2, 3, 4}
	if len(q.Kinds) > 0 {
		kinds = column(q.Kinds, func(k meter.EntryKind) int16 { return int16(k) })
	}
	sql, span := ordered(q, readEntriesOf, readEntriesOfNewest), openSpan(q.Span)
	if onlyMovements(q) {
		sql = ordered(q, readMovements, readMovementsNewest)
	}
	return list(ctx, s, entryTargets, sql, q.OrganizationID, t.after, t.until, limit, span.Start, span.End, kinds)
}

// ordered is the statement in the order that a query asks for.
func ordered(q meter.EntryQuery, oldestFirst, newestFirst string) string {
	if q.NewestFirst {
		return newestFirst
	}
	return oldestFirst
}

// bounded says whether entries that are looked at can be left out, one after the other.
func bounded(q meter.EntryQuery) bool { return q.Narrowed() && !onlyMovements(q) }

func onlyMovements(q meter.EntryQuery) bool {
	return len(q.Kinds) > 0 && !slices.ContainsFunc(q.Kinds, func(k meter.EntryKind) bool {
		return k != meter.EntryTopUp && k != meter.EntryRefund
	})
}

// Moments before and after all that are stored.
var (
	beginningOfTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	endOfTime       = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// openSpan is a span with its open ends at the ends of time.
func openSpan(s meter.Span) meter.Span {
	if s.Start.IsZero() {
		s.Start = beginningOfTime
	}
	if s.End.IsZero() {
		s.End = endOfTime
	}
	return s
}
