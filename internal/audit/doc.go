// Package audit recomputes what the semantics promise of a database, from its ledger and its reservations, and names what
// differs.
//
// It must not trust what it checks: it shares no statement with the store and no rule with internal/meter, whose
// calendar alone it uses, because only one place may say where a month begins; and of internal/price what tokens cost,
// because only one place may say how a book is read. It reads one snapshot, so it can run
// beside a service that writes, and changes nothing. Each check is one statement over whole tables that answers a row
// for each thing that is wrong, so a sound database answers none, whatever its size.
package audit
