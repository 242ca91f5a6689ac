// Package faults proves that nothing acknowledged is lost, doubled or overspent. It holds tests alone.
//
// A run is a row of rounds. In each, two dozen callers are let loose on the few seats of two new organizations, through
// two servers on one PostgreSQL, while faults of every kind strike: processes die and halt, connections are cut in the
// middle of a request, of an answer and of a COMMIT, the disk is full, the clock jumps. Callers send what was not
// answered again, to the other server too, give up some of it, and replay old requests with the same and with other
// content. Then everything comes to rest, and the round is judged:
//
//   - Acknowledged. Every answer that said OK must be one to what was asked, is looked up in the books (the reservations,
//     the ledger, the changes of access) and must be there as it was told. Everything in the books must have been asked
//     for, once, at a time at which the effect can have been; each change of access by an attempt of its own.
//   - Answered. At rest whatever is asked is answered, what was answered before included.
//   - Strictly serializable. Each organization's history must be linearizable against a sequential model that was written
//     from the semantics and shares no code with internal/meter.
//   - Audited. The database must pass the audit that meterctl verify makes.
//
// # What the checker decides
//
// A write tells the time of its batch, which is read under the organization's lock. So the books tell when each write
// took effect, also one whose caller never learned of it, and the order of those times must be an order of the model's
// steps: all that is left to find is the order within a transaction, and the place of the few effects that tell no time,
// an Extend that did not make the hold last longer and the expiry of a turn that was settled late. That search is
// porcupine's. An attempt that was given up is no operation of its own: if it took effect the books have it, at any time
// after its call, and if they do not it had none.
//
// What callers were answered, refusals, replays and reads included, must fit the book at one moment between call and
// return, and in the order of the calls that follow each other. An answer changes nothing, so the first place that fits
// is as good as any and nothing is searched for (sight_test.go).
//
// Exactly modelled: rooms, splits and minima of Reserve and Extend; charges, overrun and lateness of Commit and Release
// under either policy for failed turns; what tokens cost without a price book; expiry at its microsecond (no write may
// find a hold that has lapsed); months and that a seat never goes back to one; caps, grants, revocations, solo
// individuals; the abuse window; refunds against their top-up and the free balance; the sequence of the ledger and the
// balance after each entry; request ids used again; every field of a meter, a pool and a reservation's money; the reason
// and all facts of each refusal. Left to the audit: that the tables agree with each other row by row, the append-only
// ledger, the record of who changed what. Not tried here: price books, plans and members that change, suspension, calls
// by others than operators, and the loss of what the operating system holds in memory, for no process's death loses it.
//
// # Who checks the checker
//
// Mutants of the server, each with one bug, go through the same mix as the server itself, and each must be caught before a
// short mix is over (mutants_test.go). What they break is in the tables of mutants_rules_test.go and mutants_way_test.go;
// plain go test sees that each can still be made from the code as it is.
//
// # How to run it
//
//	go test ./internal/faults                                    # every fault once, under a minute
//	go test ./internal/faults -args -faults.for=3m
//	go test ./internal/faults -v -args -faults.seed=42 -faults.rounds=1
//	FAULTS_METERD=/path/to/meterd go test ./internal/faults
//	go test ./internal/faults -v -timeout 0 -run TestMutants -args -mutants    # or also -mutants.only="lost expiry"
//
// The seed chooses firms, requests and faults; it is printed for each round, and the same seed makes the same choices in
// each caller. How the threads of the processes meet is not chosen, so a failure may need a few rounds to come again. A
// failure keeps the logs of all processes, the history as text, and porcupine's picture of it, and says where.
//
// The tests need the right to mount a file system in memory, which root has, to give PostgreSQL a disk that can be full;
// where they lack it, no file of PostgreSQL's may grow instead.
package faults
