// Package postgres keeps organizations, members, reservations and the ledger in PostgreSQL 15 or later.
//
// Writes go through a [Session], one for each lane: Load opens a transaction, locks the organizations of a batch and
// loads every row the batch needs, in one round trip; Save writes what changed and commits, in another. Where the session
// remembers all that a batch needs, Load asks nothing, and Save writes, confirms and commits in one. Every writer
// locks organization rows in order of their ids, and after them, where something goes on record, the ends of the records in
// order of theirs: under an organization's lock its other rows are its holder's alone. Reads go through the [Store] and take no locks.
package postgres
