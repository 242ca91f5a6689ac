// Package meter holds the rules: whether a turn may run, who pays for it, and what that changes. It is pure. A [Command]
// is applied to the [State] of one organization, which carries the time and every row the command must see, and answers
// an [Outcome] or a [Refusal]. There is no SQL, no gRPC, no clock and no I/O here, and nothing but the standard library.
//
// The rules are those of docs/semantics.md; each is named where it is applied.
package meter
